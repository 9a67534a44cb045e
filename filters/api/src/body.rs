//! The body of a request: read once, parsed once.

use std::fmt;

use bytes::Bytes;

use crate::form::{Chunks, Form};
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
    /// A form.
    Multipart(Form),
    /// Bytes that nobody looks into.
    Opaque(Bytes),
}

impl Body {
    /// The bytes to send, edits applied. A form is written with this boundary, which must occur in none of its parts.
    #[must_use]
    pub fn to_chunks(&self, boundary: &str) -> Chunks {
        match self {
            Self::Empty => Chunks::default(),
            Self::Json(object) => object.to_chunks().0,
            Self::Multipart(form) => form.encode(boundary),
            Self::Opaque(bytes) => bytes.clone().into(),
        }
    }

    /// The JSON object, if it is one.
    #[must_use]
    pub const fn json(&self) -> Option<&JsonObject> {
        match self {
            Self::Json(object) => Some(object),
            Self::Empty | Self::Multipart(_) | Self::Opaque(_) => None,
        }
    }

    /// The form, if it is one.
    #[must_use]
    pub const fn form(&self) -> Option<&Form> {
        match self {
            Self::Multipart(form) => Some(form),
            Self::Empty | Self::Json(_) | Self::Opaque(_) => None,
        }
    }

    /// The JSON object to edit, if it is one.
    pub const fn json_mut(&mut self) -> Option<&mut JsonObject> {
        match self {
            Self::Json(object) => Some(object),
            Self::Empty | Self::Multipart(_) | Self::Opaque(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(object) => write!(f, "Json({object:?})"),
            Self::Multipart(form) => write!(f, "{form:?}"),
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
