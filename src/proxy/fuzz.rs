//! The fuzz targets of a request's way.

/// A byte that says how the head comes, then its bytes.
///
/// # Panics
/// When a property does not hold.
pub fn head(input: &[u8]) {
    super::intake::fuzz::head(input);
}

/// A byte that says how the form comes, a line with its media type, and the form.
///
/// # Panics
/// When a property does not hold.
pub fn form(input: &[u8]) {
    super::body::fuzz::form(input);
}

/// A byte that says what the bytes are: 0 what a client sends over its websocket, 1 a message of one, 2 a message of the upstream.
///
/// # Panics
/// When a property does not hold.
pub fn websocket(input: &[u8]) {
    super::websocket::fuzz::websocket(input);
}
