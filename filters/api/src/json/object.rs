//! A JSON object that remembers its edits: what was not edited is written byte for byte, in its order.

mod duplicate;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

use super::{Json, JsonError, Key, Kind, MAX_KEYS, Value, write_str};
use crate::form::Chunks;

/// A JSON object: the original text with its index, and the edits made since. Cheap to clone while the edits are few.
///
/// ```
/// # use pooler_filter::json::JsonObject;
/// let mut body = JsonObject::parse(r#"{ "model": "a", "input": [1,  2] }"#.into()).unwrap();
/// body.set_str("model", "b");
/// body.set_bool("stream", true);
/// assert_eq!(body.to_bytes(), r#"{ "model": "b", "input": [1,  2],"stream":true }"#);
/// ```
#[derive(Clone)]
pub struct JsonObject {
    json: Json,
    /// What became of original members, by their key's place in the index.
    changes: BTreeMap<u32, Change>,
    /// Members that the original does not have (any more), in the order they came.
    added: Vec<Added>,
}

#[derive(Clone)]
enum Change {
    Removed,
    Replaced(Written),
}

/// A value that was set: the text as given, indexed only when somebody reads it back.
#[derive(Clone)]
struct Written {
    text: Bytes,
    json: OnceLock<Option<Json>>,
}

#[derive(Clone)]
struct Added {
    /// The key as a string literal.
    literal: Vec<u8>,
    escaped: bool,
    value: Written,
}

impl JsonObject {
    /// Checks and indexes a text that has to be an object without duplicate top-level keys. Deeper duplicates pass.
    ///
    /// # Errors
    /// Every [`JsonError`].
    pub fn parse(text: Bytes) -> Result<Self, JsonError> {
        Self::from_json(Json::parse(text)?)
    }

    /// The same with an index of at most so many bytes, see [`Json::parse_within`].
    ///
    /// # Errors
    /// Every [`JsonError`].
    pub fn parse_within(text: Bytes, most_index: usize) -> Result<Self, JsonError> {
        Self::from_json(Json::parse_within(text, most_index)?)
    }

    /// What the index of the original text occupies, in bytes.
    #[must_use]
    pub fn index_size(&self) -> usize {
        self.json.index_size()
    }

    /// The same for a document that is indexed already.
    ///
    /// # Errors
    /// [`JsonError::NotAnObject`], [`JsonError::TooManyKeys`] and [`JsonError::DuplicateKey`].
    pub fn from_json(json: Json) -> Result<Self, JsonError> {
        let root = json.root();
        if root.kind() != Kind::Object {
            return Err(JsonError::NotAnObject);
        }
        if root.len() > MAX_KEYS {
            return Err(JsonError::TooManyKeys);
        }
        if let Some(name) = duplicate::duplicate_key(root) {
            return Err(JsonError::DuplicateKey(name));
        }
        Ok(Self { json, changes: BTreeMap::new(), added: Vec::new() })
    }

    /// An object without members.
    #[must_use]
    pub fn empty() -> Self {
        let json = Json::parse(Bytes::from_static(b"{}")).expect("`{}` is JSON");
        Self { json, changes: BTreeMap::new(), added: Vec::new() }
    }

    /// The value under a key as it is now: the original one, or what it was set to.
    ///
    /// A value that was set to something that is not JSON reads as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        match self.original(key) {
            Some((node, value)) => match self.changes.get(&node) {
                None => Some(value),
                Some(Change::Replaced(written)) => written.value(),
                Some(Change::Removed) => self.get_added(key),
            },
            None => self.get_added(key),
        }
    }

    /// The string under a key; None when it is absent or something else.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key)?.as_str()
    }

    /// The keys as they are now, in the order in which they are written.
    pub fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        self.written().map(|(key, _)| key)
    }

    /// The members as they are now, in the order in which they are written.
    pub fn entries(&self) -> impl Iterator<Item = (Key<'_>, Value<'_>)> {
        self.written().filter_map(|(key, source)| {
            let value = match source {
                Source::Original(value) => value,
                Source::Set(written) => written.value()?,
            };
            Some((key, value))
        })
    }

    /// How many members it has now.
    #[must_use]
    pub fn len(&self) -> usize {
        let removed = self.changes.values().filter(|change| matches!(change, Change::Removed)).count();
        self.json.root().len() - removed + self.added.len()
    }

    /// Whether it has no members now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a JSON text under a key. A key that is there keeps its place, a new one is appended.
    ///
    /// The text is written as it is given: that it is one JSON value is the caller's promise. Setting a value to the
    /// text that already stands there is no edit.
    pub fn set(&mut self, key: &str, value: impl Into<Bytes>) {
        let text: Bytes = value.into();
        debug_assert!(Json::parse(text.clone()).is_ok(), "what is set under {key:?} has to be JSON");
        if let Some((node, original)) = self.original(key) {
            let same = original.raw_bytes() == text;
            match self.changes.get(&node) {
                Some(Change::Removed) => {}
                Some(Change::Replaced(_)) | None => {
                    if same {
                        self.changes.remove(&node);
                    } else {
                        self.changes.insert(node, Change::Replaced(Written::new(text)));
                    }
                    return;
                }
            }
        }
        let value = Written::new(text);
        match self.added.iter_mut().find(|added| added.key().is(key)) {
            Some(added) => added.value = value,
            None => self.added.push(Added::new(key, value)),
        }
    }

    /// Puts a string under a key.
    pub fn set_str(&mut self, key: &str, value: &str) {
        let mut literal = Vec::with_capacity(value.len() + 2);
        write_str(&mut literal, value);
        self.set(key, literal);
    }

    /// Puts a boolean under a key.
    pub fn set_bool(&mut self, key: &str, value: bool) {
        self.set(key, if value { "true" } else { "false" });
    }

    /// Puts a number under a key.
    pub fn set_u64(&mut self, key: &str, value: u64) {
        self.set(key, Bytes::copy_from_slice(itoa::Buffer::new().format(value).as_bytes()));
    }

    /// Puts a number under a key.
    pub fn set_i64(&mut self, key: &str, value: i64) {
        self.set(key, Bytes::copy_from_slice(itoa::Buffer::new().format(value).as_bytes()));
    }

    /// Puts `null` under a key.
    pub fn set_null(&mut self, key: &str) {
        self.set(key, "null");
    }

    /// Takes a key out; whether it was there. Set again later, it is appended.
    pub fn remove(&mut self, key: &str) -> bool {
        if let Some((node, _)) = self.original(key)
            && !matches!(self.changes.get(&node), Some(Change::Removed))
        {
            self.changes.insert(node, Change::Removed);
            return true;
        }
        let place = self.added.iter().position(|added| added.key().is(key));
        place.map(|place| self.added.remove(place)).is_some()
    }

    /// Whether what is written differs from the original text.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        !self.changes.is_empty() || !self.added.is_empty()
    }

    /// The object as text: the original bytes themselves while nothing is edited, otherwise one new text in which
    /// everything that was not edited stands byte for byte, white space included.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.to_bytes_with_place("").0
    }

    /// The same, and where in it the value of this member begins, if the object has it.
    #[must_use]
    pub fn to_bytes_with_place(&self, key: &str) -> (Bytes, Option<usize>) {
        if self.is_edited() {
            let (pieces, place) = write::edited(self, key);
            return (pieces.join(), place);
        }
        let place = self.original(key).map(|(_, value)| value.span().0);
        (self.json.bytes().clone(), place)
    }

    /// The same text in pieces, the long ones without a copy, and how many bytes of memory they keep: parts of a text keep it whole.
    #[must_use]
    pub fn to_chunks(&self) -> (Chunks, usize) {
        if self.is_edited() {
            return write::edited(self, "").0.share();
        }
        let text = self.json.bytes();
        (text.clone().into(), text.len())
    }

    /// The original member of that name, whatever became of it: its key's place in the index and its value.
    fn original(&self, key: &str) -> Option<(u32, Value<'_>)> {
        let mut members = self.json.root().entry_nodes();
        members.find(|(name, _)| name.as_key().is(key)).map(|(name, value)| (name.node(), value))
    }

    fn get_added(&self, key: &str) -> Option<Value<'_>> {
        self.added.iter().find(|added| added.key().is(key))?.value.value()
    }

    fn written(&self) -> impl Iterator<Item = (Key<'_>, Source<'_>)> {
        let originals = self.json.root().entry_nodes().filter_map(|(key, value)| {
            let source = match self.changes.get(&key.node()) {
                None => Source::Original(value),
                Some(Change::Replaced(written)) => Source::Set(written),
                Some(Change::Removed) => return None,
            };
            Some((key.as_key(), source))
        });
        originals.chain(self.added.iter().map(|added| (added.key(), Source::Set(&added.value))))
    }
}

/// Where a member's value comes from.
enum Source<'a> {
    Original(Value<'a>),
    Set(&'a Written),
}

impl Written {
    const fn new(text: Bytes) -> Self {
        Self { text, json: OnceLock::new() }
    }

    fn value(&self) -> Option<Value<'_>> {
        self.json.get_or_init(|| Json::parse(self.text.clone()).ok()).as_ref().map(Json::root)
    }
}

impl Added {
    fn new(key: &str, value: Written) -> Self {
        let mut literal = Vec::with_capacity(key.len() + 2);
        write_str(&mut literal, key);
        let escaped = literal.len() != key.len() + 2;
        Self { literal, escaped, value }
    }

    fn key(&self) -> Key<'_> {
        Key::new(&self.literal, self.escaped)
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.changes.len() + self.added.len();
        write!(f, "JsonObject({} members, {} bytes, {edits} edits)", self.len(), self.json.bytes().len())
    }
}

#[cfg(test)]
mod tests;
