//! The index against `serde_json`: the same texts accepted, the same values read.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::noise;
use crate::fuzz::{json, same};

proptest! {
    #[test]
    fn agrees_on_arbitrary_bytes(text in vec(any::<u8>(), 0..64)) {
        json(&text);
    }

    #[test]
    fn agrees_on_rows_of_json_bytes(
        text in vec(prop::sample::select(br#"{}[]:,""\ 01-+.eE"#.to_vec()), 0..12),
    ) {
        json(&text);
    }

    #[test]
    fn agrees_on_documents_in_any_spelling(value in noise::value(), dice in vec(any::<u8>(), 1..200)) {
        let text = noise::print(&value, &dice);
        prop_assert!(Json::parse(Bytes::copy_from_slice(text.as_bytes())).is_ok());
        json(text.as_bytes());
    }

    #[test]
    fn agrees_on_documents_with_mistakes(
        value in noise::value(),
        dice in vec(any::<u8>(), 1..200),
        mutations in noise::mutations(),
    ) {
        json(&noise::mutate(&noise::print(&value, &dice), &mutations));
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
            same(part.root(), &serde_json::from_slice(alone.bytes()).unwrap());
            let inside = part.root().items().chain(part.root().entries().map(|(_, value)| value));
            parts.extend(inside.map(|value| value.to_json()));
        }
    }
}
