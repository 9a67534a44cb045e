//! `$ref`: the definitions at the top of a schema, and how far the walk is with each.

use std::borrow::Cow;
use std::collections::HashMap;

use pooler_filter::json::{Key, Value};

use super::shown;

/// The members of the root that hold definitions.
const GROUPS: [&str; 2] = ["$defs", "definitions"];

/// How far the walk is with a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing has referred to it yet.
    New,
    /// The walk is inside of it.
    Open,
    /// It was found in order.
    Done,
}

/// A definition at the top of a schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'a> {
    pub(super) group: &'static str,
    pub(super) name: Key<'a>,
    pub(super) schema: Value<'a>,
    pub(super) progress: Progress,
}

/// The definitions of one schema. They are looked up by hash: as many references as definitions would make the work grow with the square
/// of the request's size.
#[derive(Debug)]
pub(super) struct References<'a> {
    root: Value<'a>,
    definitions: Vec<Definition<'a>>,
    /// By group and name; none until the first reference.
    places: Option<HashMap<(&'static str, Cow<'a, str>), usize>>,
}

impl<'a> References<'a> {
    pub(super) const fn new(root: Value<'a>) -> Self {
        Self { root, definitions: Vec::new(), places: None }
    }

    /// The definition that a `$ref` points to, or why there is none.
    pub(super) fn find(&mut self, reference: Value<'_>) -> Result<&mut Definition<'a>, String> {
        let text = reference.as_str().ok_or_else(|| "'$ref' must be a string".to_owned())?;
        if text == "#" {
            return Err(circular(&text));
        }
        let Some(local) = text.strip_prefix('#') else {
            return Err(format!(
                "reference '{}' is not local: only definitions of the schema can be used",
                shown(&text)
            ));
        };
        let place = split(local).and_then(|(group, name)| {
            let places = self.places();
            let as_written = places.get(&(group, Cow::Borrowed(name)));
            as_written.or_else(|| places.get(&(group, Cow::Owned(decoded(name))))).copied()
        });
        place.and_then(|place| self.definitions.get_mut(place)).ok_or_else(|| unresolved(&text, local))
    }

    fn places(&mut self) -> &HashMap<(&'static str, Cow<'a, str>), usize> {
        let (root, definitions) = (self.root, &mut self.definitions);
        self.places.get_or_insert_with(|| {
            let mut places = HashMap::new();
            for group in GROUPS {
                for (name, schema) in root.get(group).iter().flat_map(Value::entries) {
                    places.entry((group, name.as_str())).or_insert(definitions.len());
                    definitions.push(Definition { group, name, schema, progress: Progress::New });
                }
            }
            places
        })
    }
}

/// The reason why a reference that leads back to itself is refused.
pub(super) fn circular(reference: &str) -> String {
    format!("circular references are not supported: '{}' leads back to itself", shown(reference))
}

fn unresolved(reference: &str, local: &str) -> String {
    match split(local) {
        Some((_, name)) if !name.contains('/') => {
            format!("reference '{}' was not found in the schema", shown(reference))
        }
        _ => "reference can only point to definitions defined at the top level of the schema".to_owned(),
    }
}

/// The group and the name of a pointer to a definition.
fn split(pointer: &str) -> Option<(&'static str, &str)> {
    let pointer = pointer.strip_prefix('/')?;
    GROUPS.into_iter().find_map(|group| Some((group, pointer.strip_prefix(group)?.strip_prefix('/')?)))
}

/// A name as it stands in the schema: in a pointer inside a URI some characters are spelled otherwise (RFC 6901, sections 3 and 6).
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.split_at_checked(2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|(digits, tail)| {
            let digits =
                std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            Some((u8::from_str_radix(digits?, 16).ok()?, tail))
        });
        let (byte, tail) = byte.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn names_are_read_as_pointers_in_a_uri() {
        for (written, name) in [
            ("Box_int_", "Box_int_"),
            ("Box%3Cint%3E", "Box<int>"),
            ("a~1b", "a/b"),
            ("a~01b", "a~1b"),
            ("%C3%A9", "é"),
            ("100%", "100%"),
            ("%+1%zz%4", "%+1%zz%4"),
            ("é%20è", "é è"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(written), name);
        }
    }
}
