//! The body of a request: read once, parsed once.

use bytes::Bytes;

use crate::json::JsonObject;

/// A request body.
#[derive(Debug, Default)]
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
