//! Views of a value and of a key inside an indexed text.

use std::borrow::Cow;
use std::fmt;
use std::iter;
use std::ops::Range;

use bytes::Bytes;

use super::text::{checked, decode, inner, says};
use super::{Json, JsonError, JsonObject, Kind};

/// One value of a [`Json`] text.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    json: &'a Json,
    node: u32,
}

impl<'a> Value<'a> {
    pub(super) const fn new(json: &'a Json, node: u32) -> Self {
        Self { json, node }
    }

    /// What it is.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        self.json.tape.kind(self.node)
    }

    /// Exactly its source text. Takes a look at every byte of it; [`Self::raw_bytes`] does not.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        checked(self.source())
    }

    /// Exactly its source text, sharing the memory of the whole.
    #[must_use]
    pub fn raw_bytes(&self) -> Bytes {
        self.json.slice(self.node)
    }

    /// Whether it is `null`.
    #[must_use]
    #[inline]
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.source() == b"true")
    }

    /// A number written without fraction and exponent, when it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A number written without sign, fraction and exponent, when it fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        let digits = (self.kind() == Kind::Number).then(|| self.source())?;
        digits.iter().try_fold(0_u64, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
    }

    /// The nearest double to a number, when it is finite.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.number()?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The text of a string, borrowed when nothing in it is escaped. A surrogate without its partner reads as U+FFFD.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| decode(self.source(), self.json.tape.escaped(self.node)))
    }

    /// Whether it is this string.
    #[must_use]
    #[inline]
    pub fn is_str(&self, expected: &str) -> bool {
        self.kind() == Kind::String && says(self.source(), self.json.tape.escaped(self.node), expected)
    }

    /// The value under a key of an object: the first one when the key comes twice. None for everything else.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Self> {
        self.entries().find_map(|(name, value)| name.is(key).then_some(value))
    }

    /// The entries of an object in their order; none for everything else.
    pub fn entries(&self) -> impl Iterator<Item = (Key<'a>, Self)> + use<'a> {
        self.entry_nodes().map(|(key, value)| (key.as_key(), value))
    }

    /// The items of an array in their order; none for everything else.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.members(Kind::Array)
    }

    /// How many entries or items it has, without counting them; 0 for scalars.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.json.tape.count(self.node)
    }

    /// Whether it has no entries or items; true for scalars.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as a document of its own: it shares text and index with the whole, nothing is parsed again.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.json.part(self.node)
    }

    /// The value as an object that can be edited.
    ///
    /// # Errors
    /// Those of [`JsonObject::from_json`].
    pub fn to_object(&self) -> Result<JsonObject, JsonError> {
        JsonObject::from_json(self.to_json())
    }

    /// Where its text stands in the text of another value of the same document, in bytes; None when it is not part of it.
    #[must_use]
    pub fn place_in(&self, whole: &Self) -> Option<Range<usize>> {
        let ((start, end), (first, last)) = (self.span(), whole.span());
        let inside = std::ptr::eq(self.json, whole.json) && first <= start && end <= last;
        inside.then(|| start - first..end - first)
    }

    /// Its place in the index, which names it within its document.
    pub(super) const fn node(&self) -> u32 {
        self.node
    }

    /// Where its text stands in the document's bytes.
    pub(super) fn span(&self) -> (usize, usize) {
        self.json.span(self.node)
    }

    /// The entries of an object with their keys as values.
    pub(super) fn entry_nodes(&self) -> impl Iterator<Item = (Self, Self)> + use<'a> {
        let mut members = self.members(Kind::Object);
        iter::from_fn(move || Some((members.next()?, members.next()?)))
    }

    /// A key's view of the string that it is.
    #[inline]
    pub(super) fn as_key(&self) -> Key<'a> {
        Key { literal: self.source(), escaped: self.json.tape.escaped(self.node) }
    }

    fn members(&self, kind: Kind) -> impl Iterator<Item = Self> + use<'a> {
        let json = self.json;
        let (mut node, end) = if self.kind() == kind { json.tape.members(self.node) } else { (0, 0) };
        iter::from_fn(move || {
            (node < end).then(|| {
                let member = Self { json, node };
                node = json.tape.next(node);
                member
            })
        })
    }

    fn number(&self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.raw())
    }

    #[inline]
    fn source(&self) -> &'a [u8] {
        self.json.source(self.node)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}, {} bytes)", self.kind(), self.source().len())
    }
}

impl From<Value<'_>> for Bytes {
    fn from(value: Value<'_>) -> Self {
        value.raw_bytes()
    }
}

/// A key of an object, as it is written.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    literal: &'a [u8],
    escaped: bool,
}

impl<'a> Key<'a> {
    pub(super) const fn new(literal: &'a [u8], escaped: bool) -> Self {
        Self { literal, escaped }
    }

    /// The name, borrowed when nothing in it is escaped.
    #[must_use]
    pub fn as_str(&self) -> Cow<'a, str> {
        decode(self.literal, self.escaped)
    }

    /// The bytes of the name, borrowed when nothing in it is escaped: the cheapest way to tell names apart.
    #[must_use]
    pub fn name(&self) -> Cow<'a, [u8]> {
        if self.escaped {
            Cow::Owned(self.as_str().into_owned().into_bytes())
        } else {
            Cow::Borrowed(inner(self.literal))
        }
    }

    /// The source text, quotes included.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        checked(self.literal)
    }

    /// Whether the key is this name, in whatever spelling.
    #[must_use]
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        says(self.literal, self.escaped, name)
    }

    /// Whether two keys are one name.
    pub(super) fn same(self, other: Self) -> bool {
        if self.escaped || other.escaped { self.as_str() == other.as_str() } else { self.literal == other.literal }
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.literal.len())
    }
}
