//! JSON on the hot path: one pass indexes a text, then it is read in place and edited without being printed again.
//!
//! [`Json`] is the text and its index, [`Value`] a view of one value in it, [`JsonObject`] an object with recorded
//! edits. What nobody edited is written byte for byte as it came. `Debug` of these types tells sizes, never contents.

mod index;
mod marks;
mod object;
mod scan;
mod strings;
mod tape;
mod text;
mod value;

use std::fmt;

use bytes::Bytes;

use self::tape::Tape;

pub use self::object::JsonObject;
pub use self::text::write_str;
pub use self::value::{Key, Value};

/// How deep arrays and objects may nest: a text with one level more is refused.
pub const MAX_DEPTH: usize = 128;

/// How many top-level keys a [`JsonObject`] may have when it is parsed.
pub const MAX_KEYS: usize = 4096;

/// The longest text that is indexed, in bytes: one byte less than 256 MiB.
pub const MAX_TEXT: usize = (1 << 28) - 1;

/// Why a text was refused. The messages never quote the document's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON (RFC 8259) in UTF-8.
    #[error("not JSON at byte {offset}")]
    NotJson {
        /// Where reading stopped, in bytes from the start of the text.
        offset: usize,
    },
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The object has more than [`MAX_KEYS`] keys.
    #[error("more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// The object names this key twice, in whatever spelling. A long name is cut off.
    #[error("duplicate key \"{}\"", .0.escape_debug())]
    DuplicateKey(String),
    /// The text is longer than [`MAX_TEXT`].
    #[error("longer than {MAX_TEXT} bytes")]
    TooLarge,
    /// The index would be larger than the caller allows: many small values.
    #[error("too many values for its length")]
    IndexTooLarge,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, as written
    Number,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

/// A JSON text and its index: checked once, then read without parsing again. Cheap to clone.
///
/// ```
/// # use pooler_filter::json::Json;
/// let event = Json::parse(r#"{"type":"ping","n":[1,2]}"#.into()).unwrap();
/// assert!(event.root().get("type").unwrap().is_str("ping"));
/// assert_eq!(event.root().get("n").unwrap().raw(), "[1,2]");
/// ```
#[derive(Clone)]
pub struct Json {
    text: Bytes,
    /// Where `text` begins in the text that the tape's offsets count from.
    base: usize,
    tape: Tape,
    /// The tape index of the root.
    root: u32,
}

impl Json {
    /// Checks and indexes a text. White space around the value is allowed, anything else after it is not.
    ///
    /// # Errors
    /// [`JsonError::NotJson`], [`JsonError::TooDeep`] and [`JsonError::TooLarge`].
    pub fn parse(text: Bytes) -> Result<Self, JsonError> {
        Self::parse_within(text, usize::MAX)
    }

    /// The same with an index of at most so many bytes, and a few more for the last value.
    ///
    /// # Errors
    /// Also [`JsonError::IndexTooLarge`].
    pub fn parse_within(text: Bytes, most_index: usize) -> Result<Self, JsonError> {
        let tape = index::index(&text, most_index)?;
        Ok(Self { text, base: 0, tape, root: 0 })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value::new(self, self.root)
    }

    /// The text as it came, white space around the value included.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.text
    }

    /// What the index occupies besides the text, in bytes. A text of nothing but brackets has an index eight times its
    /// size, which is the most there is; a text of long strings has next to none.
    #[must_use]
    pub fn index_size(&self) -> usize {
        self.tape.size()
    }

    /// A value inside as a document of its own, on the same text and the same index.
    fn part(&self, node: u32) -> Self {
        let (start, _) = self.span(node);
        Self { text: self.slice(node), base: self.base + start, tape: self.tape.clone(), root: node }
    }

    /// Where a node's text stands in [`Self::bytes`]: its start and its end.
    #[inline]
    fn span(&self, node: u32) -> (usize, usize) {
        let (start, end) = self.tape.span(node);
        (start - self.base, end - self.base)
    }

    /// A node's text. Nodes lie inside the text by construction.
    #[inline]
    fn source(&self, node: u32) -> &[u8] {
        let (start, end) = self.span(node);
        self.text.get(start..end).unwrap_or_default()
    }

    /// A node's text as a slice that shares the memory.
    fn slice(&self, node: u32) -> Bytes {
        self.text.slice_ref(self.source(node))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({:?}, {} bytes)", self.root().kind(), self.text.len())
    }
}

impl From<Json> for Bytes {
    fn from(json: Json) -> Self {
        json.text
    }
}

#[cfg(test)]
mod tests;
