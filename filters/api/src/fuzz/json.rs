//! The index and the object with edits against `serde_json`: the same texts accepted, the same values read and written.

use std::collections::{HashMap, HashSet};
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Theirs;

use crate::json::{Json, JsonError, JsonObject, Kind, MAX_DEPTH, MAX_KEYS, Value};

/// Any bytes.
///
/// # Panics
/// When a property does not hold.
pub fn json(text: &[u8]) {
    agrees(text);
    within(text);
    object(text);
}

/// No index needs more than eight times its text, and one that is bounded stays near its bound or is refused.
fn within(text: &[u8]) {
    let parse = |most| Json::parse_within(Bytes::copy_from_slice(text), most);
    let Ok(whole) = parse(usize::MAX) else { return };
    assert!(parse(8 * text.len()).is_ok(), "{:?}", String::from_utf8_lossy(text));
    for most in [0, whole.index_size() / 4, whole.index_size() / 2] {
        match parse(most) {
            // What it occupies doubles as it grows.
            Ok(small) => assert!(small.index_size() <= 2 * most + 256, "{most}: {}", small.index_size()),
            Err(error) => assert_eq!(error, JsonError::IndexTooLarge),
        }
    }
}

/// `IgnoredAny` follows the grammar alone: no range of numbers, no pairing of surrogates, no limit of depth.
fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Compares a text with `serde_json`'s opinion of it.
pub(crate) fn agrees(text: &[u8]) {
    let ours = Json::parse(Bytes::copy_from_slice(text));
    match &ours {
        Err(JsonError::TooDeep) => return assert!(nests(text), "{:?}", String::from_utf8_lossy(text)),
        _ => assert_eq!(ours.is_ok(), is_json(text), "{:?}: {ours:?}", String::from_utf8_lossy(text)),
    }
    if let (Ok(ours), Ok(theirs)) = (ours, serde_json::from_slice(text)) {
        assert!(serde_json::from_str::<Theirs>(ours.root().raw()).is_ok_and(|again| again == theirs));
        same(ours.root(), &theirs);
    }
}

/// Whether more brackets are open somewhere, outside strings, than may be.
fn nests(text: &[u8]) -> bool {
    let (mut depth, mut string, mut escaped) = (0_usize, false, false);
    text.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            b'[' | b'{' if !string => depth += 1,
            b']' | b'}' if !string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// Compares a value with the one that `serde_json` read.
pub(crate) fn same(ours: Value<'_>, theirs: &Theirs) {
    match theirs {
        Theirs::Null => assert!(ours.is_null()),
        Theirs::Bool(expected) => assert_eq!(ours.as_bool(), Some(*expected)),
        Theirs::Number(expected) => {
            if !expected.is_f64() {
                assert_eq!(ours.as_i64(), expected.as_i64());
                assert_eq!(ours.as_u64(), expected.as_u64());
            }
            // Without its feature `float_roundtrip` serde_json may be off in the last bits, also of the smallest numbers.
            let (ours, theirs) = (ours.as_f64().unwrap_or(f64::NAN), expected.as_f64().unwrap_or_default());
            assert!((ours - theirs).abs() <= theirs.abs() * 1e-15 + 1e-320, "{ours} {theirs}");
        }
        Theirs::String(expected) => {
            assert_eq!(ours.as_str().as_deref(), Some(expected.as_str()));
            assert!(ours.is_str(expected));
        }
        Theirs::Array(expected) => {
            assert_eq!((ours.kind(), ours.len(), ours.items().count()), (Kind::Array, expected.len(), expected.len()));
            ours.items().zip(expected).for_each(|(ours, theirs)| same(ours, theirs));
        }
        Theirs::Object(expected) => {
            assert_eq!((ours.kind(), ours.len()), (Kind::Object, ours.entries().count()));
            // Of a key that comes twice, serde_json keeps the last value.
            let last: HashMap<_, _> = ours.entries().map(|(key, value)| (key.as_str(), value)).collect();
            assert_eq!(last.len(), expected.len());
            for (key, theirs) in expected {
                same(last[key.as_str()], theirs);
                assert!(ours.get(key).is_some());
            }
        }
    }
}

/// The names of an object, in their order and with those that come twice.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        source.deserialize_map(Reader)
    }
}

/// An object is read if its names differ, written back as it came, and edited as a map is.
fn object(text: &[u8]) {
    let Some(Names(names)) = std::str::from_utf8(text).ok().and_then(|text| serde_json::from_str(text).ok()) else {
        return;
    };
    let parsed = JsonObject::parse(Bytes::copy_from_slice(text));
    let distinct: HashSet<&String> = names.iter().collect();
    let mut object = match parsed {
        Ok(object) => object,
        Err(JsonError::TooDeep) => return,
        Err(JsonError::TooManyKeys) => return assert!(names.len() > MAX_KEYS),
        Err(JsonError::DuplicateKey(_)) => return assert!(distinct.len() < names.len()),
        Err(
            error @ (JsonError::NotJson { .. }
            | JsonError::NotAnObject
            | JsonError::TooLarge
            | JsonError::IndexTooLarge),
        ) => {
            panic!("{error}: {:?}", String::from_utf8_lossy(text))
        }
    };
    assert_eq!(distinct.len(), names.len());
    assert!(object.keys().map(|key| key.as_str().into_owned()).eq(names.iter().cloned()));
    assert_eq!(object.to_bytes(), text);
    if let Ok(Theirs::Object(mut map)) = serde_json::from_slice(text) {
        edit(&mut object, &mut map, &names);
    }
}

/// Edits of all kinds on names that are there, that were there and that are new, on both sides.
fn edit(object: &mut JsonObject, map: &mut serde_json::Map<String, Theirs>, names: &[String]) {
    let new = ["model".to_owned(), String::new(), "\u{1f600}\"\\".to_owned()];
    let edited: Vec<&String> = names.iter().take(5).chain(&new).collect();
    for (turn, name) in edited.iter().chain(&edited).enumerate() {
        match (turn + names.len()) % 4 {
            0 => {
                object.set_str(name, name);
                map.insert((*name).clone(), (*name).clone().into());
            }
            1 => assert_eq!(object.remove(name), map.remove(*name).is_some()),
            2 => {
                object.set_null(name);
                map.insert((*name).clone(), Theirs::Null);
            }
            _ => {
                object.set(name, "[1, 2]");
                map.insert((*name).clone(), serde_json::json!([1, 2]));
            }
        }
        assert_eq!(object.len(), map.len());
        assert_eq!(object.get(name).is_some(), map.contains_key(*name));
    }
    let (bytes, place) = object.to_bytes_with_place("model");
    assert_eq!(object.to_chunks().0.to_bytes(), bytes);
    let read: Theirs = serde_json::from_slice(&bytes).expect("what is written is JSON");
    assert_eq!(read.as_object(), Some(&*map));
    let told = place.map(|at| bytes.slice(at..));
    assert_eq!(told.is_some(), map.contains_key("model"));
    if let (Some(told), Some(model)) = (told, object.get("model")) {
        assert!(told.starts_with(model.raw().as_bytes()));
    }
    let again = JsonObject::parse(bytes.clone()).expect("no name comes twice");
    assert_eq!((again.len(), again.to_bytes()), (object.len(), bytes));
}
