//! The index against `serde_json`: the same texts accepted, the same values read.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::*;
use super::noise;

/// `IgnoredAny` follows the grammar alone: no range of numbers, no pairing of surrogates, no limit of depth.
fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Compares a text with `serde_json`'s opinion of it.
fn check(text: &[u8]) -> Result<(), TestCaseError> {
    let ours = Json::parse(Bytes::copy_from_slice(text));
    prop_assert_eq!(ours.is_ok(), is_json(text), "{:?}: {:?}", String::from_utf8_lossy(text), ours);
    if let (Ok(ours), Ok(theirs)) = (ours, serde_json::from_slice(text)) {
        same(ours.root(), &theirs)?;
    }
    Ok(())
}

fn same(ours: Value<'_>, theirs: &serde_json::Value) -> Result<(), TestCaseError> {
    use serde_json::Value as Theirs;
    prop_assert!(serde_json::from_str::<Theirs>(ours.raw()).is_ok_and(|again| again == *theirs));
    match theirs {
        Theirs::Null => prop_assert!(ours.is_null()),
        Theirs::Bool(expected) => prop_assert_eq!(ours.as_bool(), Some(*expected)),
        Theirs::Number(expected) => {
            if !expected.is_f64() {
                prop_assert_eq!(ours.as_i64(), expected.as_i64());
                prop_assert_eq!(ours.as_u64(), expected.as_u64());
            }
            // Without its feature `float_roundtrip` serde_json may be off in the last bits, also of the smallest
            // numbers.
            let (ours, theirs) = (ours.as_f64().unwrap(), expected.as_f64().unwrap());
            prop_assert!((ours - theirs).abs() <= theirs.abs() * 1e-15 + 1e-320, "{} {}", ours, theirs);
        }
        Theirs::String(expected) => {
            prop_assert_eq!(&ours.as_str().unwrap(), expected);
            prop_assert!(ours.is_str(expected));
        }
        Theirs::Array(expected) => {
            prop_assert_eq!(
                (ours.kind(), ours.len(), ours.items().count()),
                (Kind::Array, expected.len(), expected.len())
            );
            for (ours, theirs) in ours.items().zip(expected) {
                same(ours, theirs)?;
            }
        }
        Theirs::Object(expected) => {
            prop_assert_eq!((ours.kind(), ours.len()), (Kind::Object, ours.entries().count()));
            let last: HashMap<_, _> = ours.entries().map(|(key, value)| (key.as_str(), value)).collect();
            prop_assert_eq!(last.len(), expected.len());
            for (key, theirs) in expected {
                same(last[key.as_str()], theirs)?;
                prop_assert!(ours.get(key).is_some());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn agrees_on_arbitrary_bytes(text in vec(any::<u8>(), 0..64)) {
        check(&text)?;
    }

    #[test]
    fn agrees_on_rows_of_json_bytes(
        text in vec(prop::sample::select(br#"{}[]:,""\ 01-+.eE"#.to_vec()), 0..12),
    ) {
        check(&text)?;
    }

    #[test]
    fn agrees_on_documents_in_any_spelling(value in noise::value(), dice in vec(any::<u8>(), 1..200)) {
        let text = noise::print(&value, &dice);
        prop_assert!(Json::parse(Bytes::copy_from_slice(text.as_bytes())).is_ok());
        check(text.as_bytes())?;
    }

    #[test]
    fn agrees_on_documents_with_mistakes(
        value in noise::value(),
        dice in vec(any::<u8>(), 1..200),
        mutations in noise::mutations(),
    ) {
        check(&noise::mutate(&noise::print(&value, &dice), &mutations))?;
    }

    #[test]
    fn reads_back_what_it_writes(text in noise::text()) {
        let mut literal = Vec::new();
        write_str(&mut literal, &text);
        prop_assert_eq!(&literal, &serde_json::to_vec(&text).unwrap());
        let literal = Json::parse(literal.into()).unwrap();
        prop_assert_eq!(literal.root().as_str().unwrap(), text);
    }

    #[test]
    fn parts_are_documents_of_their_own(value in noise::value(), dice in vec(any::<u8>(), 1..200)) {
        let text = noise::print(&value, &dice);
        let whole = Json::parse(text.into()).unwrap();
        let mut parts = vec![whole.root().to_json()];
        while let Some(part) = parts.pop() {
            let alone = Json::parse(part.bytes().clone()).unwrap();
            same(part.root(), &serde_json::from_slice(alone.bytes()).unwrap())?;
            let inside = part.root().items().chain(part.root().entries().map(|(_, value)| value));
            parts.extend(inside.map(|value| value.to_json()));
        }
    }
}
