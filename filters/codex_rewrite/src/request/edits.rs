//! What becomes of the members of a body: collected while it is read, written at the end.

use bytes::Bytes;
use pooler_filter::json::{JsonObject, write_str};

use super::fields::Field;

/// New values of members, by name; none takes the member out. Of two for one name the later one counts.
#[derive(Default)]
pub(super) struct Edits(pub(super) Vec<(&'static str, Option<Bytes>)>);

impl Edits {
    /// Gives the member a new value; none leaves it as it is.
    pub(super) fn set(&mut self, field: Field, value: Option<Bytes>) {
        self.put(field.name(), value);
    }

    /// The same for a string.
    pub(super) fn set_str(&mut self, field: Field, text: &str) {
        self.put_str(field.name(), text);
    }

    /// The same for a member that `/v1` may not know.
    pub(super) fn put(&mut self, name: &'static str, value: Option<Bytes>) {
        if value.is_some() {
            self.0.push((name, value));
        }
    }

    /// The same for a string.
    pub(super) fn put_str(&mut self, name: &'static str, text: &str) {
        let mut literal = Vec::with_capacity(text.len() + 2);
        write_str(&mut literal, text);
        self.put(name, Some(literal.into()));
    }

    /// Takes the member out, if it is there.
    pub(super) fn remove(&mut self, field: Field) {
        self.0.push((field.name(), None));
    }

    /// Writes them into the body.
    pub(super) fn apply(self, body: &mut JsonObject) {
        for (name, value) in self.0 {
            match value {
                Some(value) => body.set(name, value),
                None => {
                    body.remove(name);
                }
            }
        }
    }
}
