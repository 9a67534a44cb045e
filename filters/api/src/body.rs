//! The body of a request: read once, parsed once.

use std::fmt;

use bytes::Bytes;

use crate::json::JsonObject;

/// A request body. `Debug` tells sizes, never contents.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// A JSON object: the original bytes, their index and recorded edits.
    Json(JsonObject),
    /// Bytes that nobody looks into.
    Opaque(Bytes),
}

impl Body {
    /// The bytes to send, edits applied.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(object) => object.to_bytes(),
            Self::Opaque(bytes) => bytes.clone(),
        }
    }

    /// The JSON object, if it is one.
    #[must_use]
    pub const fn json(&self) -> Option<&JsonObject> {
        match self {
            Self::Json(object) => Some(object),
            Self::Empty | Self::Opaque(_) => None,
        }
    }

    /// The JSON object to edit, if it is one.
    pub const fn json_mut(&mut self) -> Option<&mut JsonObject> {
        match self {
            Self::Json(object) => Some(object),
            Self::Empty | Self::Opaque(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(object) => write!(f, "Json({object:?})"),
            Self::Opaque(bytes) => write!(f, "Opaque({} bytes)", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_tells_no_content() {
        assert_eq!(format!("{:?}", Body::Opaque(Bytes::from_static(b"CANARY"))), "Opaque(6 bytes)");
    }
}
