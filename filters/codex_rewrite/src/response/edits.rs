//! Edits of one JSON text at any depth, applied in one copy: what is between them is taken over byte for byte.

use std::ops::Range;

use bytes::Bytes;
use pooler_filter::json::{Json, Value};

/// Members that are added to an object, each with the comma before it.
#[derive(Default)]
pub(super) struct Members(Vec<u8>);

impl Members {
    /// Adds a member. The name needs no escapes; `value` is JSON.
    pub(super) fn add(&mut self, name: &str, value: &[u8]) {
        self.begin(name, value.len());
        self.0.extend_from_slice(value);
    }

    /// Adds a member whose value is a number.
    pub(super) fn add_u64(&mut self, name: &str, value: u64) {
        self.add(name, itoa::Buffer::new().format(value).as_bytes());
    }

    /// Adds a member whose value is a string.
    pub(super) fn add_str(&mut self, name: &str, value: &str) {
        self.begin(name, value.len() + 2);
        pooler_filter::json::write_str(&mut self.0, value);
    }

    /// Adds the members of another list.
    pub(super) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// `value`: how long the value will be, about.
    fn begin(&mut self, name: &str, value: usize) {
        self.0.reserve(name.len() + value + b",\"\":".len());
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// The members as an object of their own.
    pub(super) fn into_object(self) -> Vec<u8> {
        let mut object = self.0;
        match object.first_mut() {
            Some(comma) => *comma = b'{',
            None => object.push(b'{'),
        }
        object.push(b'}');
        object
    }
}

/// What is to change in a text. An edit must not touch what another one replaces.
pub(super) struct Edits<'a> {
    text: &'a Bytes,
    list: Vec<Edit>,
}

struct Edit {
    place: Range<usize>,
    with: With,
}

/// What stands in the place afterwards.
enum With {
    Text(Bytes),
    /// Without the first comma where nothing stands before it.
    Members(Vec<u8>, bool),
}

impl With {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Members(members, first) => members.get(usize::from(*first)..).unwrap_or_default(),
        }
    }
}

impl<'a> Edits<'a> {
    /// No edits of this document yet; all values handed in later are values of it.
    pub(super) const fn of(json: &'a Json) -> Self {
        Self { text: json.bytes(), list: Vec::new() }
    }

    /// Puts another value, a JSON text, in the place of one.
    pub(super) fn replace(&mut self, value: Value<'_>, with: impl Into<Bytes>) {
        if let Some(place) = self.place(value) {
            self.list.push(Edit { place, with: With::Text(with.into()) });
        }
    }

    /// Adds members at the end of an object. Once for each object.
    pub(super) fn add(&mut self, object: Value<'_>, members: Members) {
        if members.0.is_empty() {
            return;
        }
        if let Some(place) = self.place(object) {
            let brace = place.end - 1;
            self.list.push(Edit { place: brace..brace, with: With::Members(members.0, object.is_empty()) });
        }
    }

    /// Whether there is nothing to change.
    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the edited text is this very one, not only an equal one.
    pub(super) fn are_of(&self, text: &Bytes) -> bool {
        self.text.as_ptr() == text.as_ptr() && self.text.len() == text.len()
    }

    /// The text with all edits made.
    pub(super) fn apply(mut self) -> Bytes {
        if self.list.is_empty() {
            return self.text.clone();
        }
        self.list.sort_by_key(|edit| edit.place.start);
        let grown: usize = self.list.iter().map(|edit| edit.with.bytes().len()).sum();
        let mut out = Vec::with_capacity(self.text.len() + grown);
        let mut at = 0;
        for edit in &self.list {
            out.extend_from_slice(self.text.get(at..edit.place.start).unwrap_or_default());
            out.extend_from_slice(edit.with.bytes());
            at = edit.place.end;
        }
        out.extend_from_slice(self.text.get(at..).unwrap_or_default());
        out.into()
    }

    /// Where a value's text stands. It shares the memory of the whole text, so its address tells.
    fn place(&self, value: Value<'_>) -> Option<Range<usize>> {
        let raw = value.raw_bytes();
        let start = raw.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let place = start..start.checked_add(raw.len())?;
        (place.end <= self.text.len()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn members(list: &[(&str, &str)]) -> Members {
        let mut members = Members::default();
        for (name, value) in list {
            members.add(name, value.as_bytes());
        }
        members
    }

    #[test]
    fn edits_at_several_depths_are_made_in_one_go() {
        let json = json(r#"{ "a": {"b": 1 , "c":{}}, "d":[2] }"#);
        let root = json.root();
        let inner = root.get("a").unwrap();
        let mut edits = Edits::of(&json);
        edits.add(root, members(&[("z", "9")]));
        edits.replace(inner.get("b").unwrap(), "[true]");
        edits.add(inner, members(&[("x", "null"), ("y", "\"\"")]));
        edits.add(inner.get("c").unwrap(), members(&[("q", "0")]));
        assert_eq!(edits.apply(), r#"{ "a": {"b": [true] , "c":{"q":0},"x":null,"y":""}, "d":[2] ,"z":9}"#);
    }

    #[test]
    fn a_text_without_edits_is_not_copied() {
        let json = json(r#"{"a":1}"#);
        let mut edits = Edits::of(&json);
        edits.add(json.root(), Members::default());
        assert!(edits.is_empty());
        assert_eq!(edits.apply().as_ptr(), json.bytes().as_ptr());
    }

    #[test]
    fn edits_of_a_part_count_from_its_own_start() {
        let whole = json(r#"{"x":1,"part":{"a":1}}"#);
        let part = whole.root().get("part").unwrap().to_json();
        let mut edits = Edits::of(&part);
        edits.replace(part.root().get("a").unwrap(), "2");
        assert_eq!(edits.apply(), r#"{"a":2}"#);
    }

    #[test]
    fn members_alone_are_an_object() {
        assert_eq!(members(&[]).into_object(), b"{}");
        assert_eq!(members(&[("a", "1"), ("b", "2")]).into_object(), br#"{"a":1,"b":2}"#);
    }
}
