//! Edits against a model that writes the expected text from its parts.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::noise;
use super::duplicate::{COMPARED_KEYS, NAME_SHOWN};
use super::*;

fn object(text: &str) -> JsonObject {
    JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn refusal(text: &str) -> JsonError {
    JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err()
}

fn with_keys(count: usize) -> String {
    let members: Vec<_> = (0..count).map(|key| format!("\"{key}\":{key}")).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn refuses_what_is_no_object() {
    for text in ["[]", "1", "\"{}\"", "null"] {
        assert_eq!(refusal(text), JsonError::NotAnObject, "{text}");
    }
    assert_eq!(refusal("{"), JsonError::NotJson { offset: 1 });
}

#[test]
fn refuses_top_level_keys_that_come_twice_in_any_spelling() {
    assert_eq!(refusal(r#"{"a":1,"b":2,"a":1}"#), JsonError::DuplicateKey("a".into()));
    assert_eq!(refusal(r#"{"a":1,"\u0061":2}"#), JsonError::DuplicateKey("a".into()));
    assert_eq!(refusal(r#"{"\n":1,"\u000a":2}"#).to_string(), r#"duplicate key "\n""#);
    assert!(JsonObject::parse(r#"{"a":{"b":1,"b":2},"A":1,"aa":2,"":3}"#.into()).is_ok());
    for count in [COMPARED_KEYS - 1, COMPARED_KEYS, COMPARED_KEYS + 1] {
        let twice = with_keys(count).replace("\"3\":", "\"\\u0031\":");
        assert_eq!(refusal(&twice), JsonError::DuplicateKey("1".into()));
    }
    let long = "x".repeat(1000);
    assert_eq!(refusal(&format!("{{\"{long}\":1,\"{long}\":2}}")), JsonError::DuplicateKey("x".repeat(NAME_SHOWN)));
}

#[test]
fn takes_keys_to_the_limit_and_no_more() {
    assert_eq!(object(&with_keys(MAX_KEYS)).len(), MAX_KEYS);
    assert_eq!(refusal(&with_keys(MAX_KEYS + 1)), JsonError::TooManyKeys);
    let inside = format!("{{\"a\":{}}}", with_keys(MAX_KEYS + 1));
    assert_eq!(object(&inside).get("a").unwrap().len(), MAX_KEYS + 1, "the limit is about the top level");
}

#[test]
fn hands_out_the_source_itself_while_nothing_is_edited() {
    let source = Bytes::from_static(b" { \"a\" : 1 } ");
    let mut body = JsonObject::parse(source.clone()).unwrap();
    assert!(!body.is_edited());
    assert_eq!(body.to_bytes().as_ptr(), source.as_ptr());
    body.set_u64("a", 1);
    assert!(!body.remove("b"));
    body.set_null("b");
    assert!(body.is_edited());
    assert!(body.remove("b"));
    assert!(!body.is_edited(), "edits that change nothing are none");
    assert_eq!(body.to_bytes().as_ptr(), source.as_ptr());
}

#[test]
fn changes_only_the_value_that_is_set() {
    let mut body = object("{\n  \"model\" : \"a\" ,\n  \"n\": [1,  2]\n}\n");
    body.set_str("model", "b\"");
    assert_eq!(body.to_bytes(), "{\n  \"model\" : \"b\\\"\" ,\n  \"n\": [1,  2]\n}\n");
    body.set_str("model", "a");
    assert!(!body.is_edited(), "set back to what it was");
}

#[test]
fn appends_new_keys_in_the_order_they_come() {
    let mut body = JsonObject::empty();
    assert_eq!(body.to_bytes(), "{}");
    body.set_bool("b", true);
    body.set_i64("a\n", -5);
    body.set("c", Json::parse(r#"{"x":[]}"#.into()).unwrap());
    body.set_null("b");
    assert_eq!(body.to_bytes(), r#"{"b":null,"a\n":-5,"c":{"x":[]}}"#);
    assert_eq!(body.keys().map(|key| key.as_str().into_owned()).collect::<Vec<_>>(), ["b", "a\n", "c"]);
    assert_eq!(body.get("a\n").unwrap().as_i64(), Some(-5));
}

#[test]
fn removes_members_with_their_commas() {
    let text = r#"{ "a":1 , "b":2 , "c":3 }"#;
    let without = |keys: &[&str]| {
        let mut body = object(text);
        assert!(keys.iter().all(|key| body.remove(key)) && keys.iter().all(|key| !body.remove(key)));
        body.to_bytes()
    };
    assert_eq!(without(&["a"]), r#"{ "b":2 , "c":3 }"#);
    assert_eq!(without(&["b"]), r#"{ "a":1 , "c":3 }"#);
    assert_eq!(without(&["c"]), r#"{ "a":1 , "b":2  }"#);
    assert_eq!(without(&["a", "b"]), r#"{ "c":3 }"#);
    assert_eq!(without(&["a", "b", "c"]), "{ }");
}

#[test]
fn reads_the_state_after_the_edits() {
    let mut body = object(r#"{"a":1,"b":{"x":1},"c":"s"}"#);
    body.set("b", r#"{"x":2}"#);
    body.remove("a");
    body.set_str("d", "t");
    assert!(body.get("a").is_none());
    assert_eq!(body.get("b").unwrap().get("x").unwrap().as_u64(), Some(2));
    assert_eq!((body.get_str("c").unwrap().as_ref(), body.get_str("d").unwrap().as_ref()), ("s", "t"));
    assert_eq!(body.get_str("b"), None);
    let entries: Vec<_> = body.entries().map(|(key, value)| (key.raw(), value.raw())).collect();
    assert_eq!(entries, [("\"b\"", r#"{"x":2}"#), ("\"c\"", "\"s\""), ("\"d\"", "\"t\"")]);
    body.set_u64("a", 7);
    assert_eq!(body.to_bytes(), r#"{"b":{"x":2},"c":"s","d":"t","a":7}"#, "removed and set again comes last");
    assert_eq!(body.len(), 4);
}

#[test]
fn finds_keys_in_any_spelling() {
    let mut body = object(r#"{"\u0061":1}"#);
    assert_eq!(body.get("a").unwrap().as_u64(), Some(1));
    body.set_u64("a", 2);
    assert_eq!(body.to_bytes(), r#"{"\u0061":2}"#);
}

#[test]
fn edits_a_part_without_its_surroundings() {
    let whole = Json::parse(r#"[0, { "a": 1, "b":2 } ,3]"#.into()).unwrap();
    let part = whole.root().items().nth(1).unwrap();
    let mut part = part.to_object().unwrap();
    assert_eq!(part.to_bytes(), r#"{ "a": 1, "b":2 }"#);
    part.set_bool("a", false);
    assert_eq!(part.to_bytes(), r#"{ "a": false, "b":2 }"#);
    assert_eq!(whole.root().to_object().unwrap_err(), JsonError::NotAnObject);
}

/// A member as it is written: the key's literal, its name, the value and the white space around them.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    literal: String,
    value: String,
    spaces: [String; 4],
}

impl Part {
    fn added(name: &str, value: &str) -> Self {
        let literal = serde_json::to_string(name).unwrap();
        Self { name: name.into(), literal, value: value.into(), spaces: Default::default() }
    }

    fn text(&self, last_of_original: bool) -> String {
        let Self { literal, value, spaces: [a, b, c, d], .. } = self;
        format!("{a}{literal}{b}:{c}{value}{}", if last_of_original { "" } else { d })
    }
}

/// The text of an object, and what it should become: every member keeps its white space, the last one's stays at the
/// brace.
#[derive(Debug, Clone)]
struct Model {
    parts: Vec<Part>,
    last: Option<String>,
    around: [String; 3],
}

impl Model {
    fn text(&self) -> String {
        let [before, end, after] = &self.around;
        let parts: Vec<_> = self.parts.iter().map(|part| part.text(self.last.as_ref() == Some(&part.name))).collect();
        format!("{before}{{{}{end}}}{after}", parts.join(","))
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.parts.iter_mut().find(|part| part.name == name) {
            Some(part) => value.clone_into(&mut part.value),
            None => self.parts.push(Part::added(name, value)),
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        if self.last.as_deref() == Some(name) {
            self.last = None;
        }
        let before = self.parts.len();
        self.parts.retain(|part| part.name != name);
        self.parts.len() < before
    }
}

/// Few names, so that edits meet members; some of them need escapes.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", Just("e\n\"".to_owned()), Just("ü".to_owned()), noise::text()]
}

fn value_text() -> impl Strategy<Value = String> {
    (noise::value(), vec(any::<u8>(), 1..50))
        .prop_map(|(value, dice)| noise::print(&value, &dice).trim_ascii().to_owned())
}

fn part() -> impl Strategy<Value = Part> {
    let spaces = [noise::space(), noise::space(), noise::space(), noise::space()];
    (name(), value_text(), vec(any::<u8>(), 1..20), spaces).prop_map(|(name, value, dice, spaces)| {
        let literal = noise::print(&name.as_str().into(), &dice).trim_ascii().to_owned();
        Part { name, literal, value, spaces }
    })
}

fn model() -> impl Strategy<Value = Model> {
    (vec(part(), 0..7), [noise::space(), noise::space(), noise::space()]).prop_map(|(mut parts, around)| {
        let mut seen = std::collections::HashSet::new();
        parts.retain(|part| seen.insert(part.name.clone()));
        let last = parts.last().map(|part| part.name.clone());
        Model { parts, last, around }
    })
}

fn check(body: &JsonObject, model: &Model) -> Result<(), TestCaseError> {
    let written = body.to_bytes();
    prop_assert_eq!(std::str::from_utf8(&written).unwrap(), model.text());
    prop_assert_eq!(body.len(), model.parts.len());
    let again = JsonObject::parse(written).unwrap();
    for body in [body, &again] {
        let entries: Vec<_> = body.entries().map(|(key, value)| (key.as_str().into_owned(), value.raw())).collect();
        let expected: Vec<_> = model.parts.iter().map(|part| (part.name.clone(), part.value.as_str())).collect();
        prop_assert_eq!(entries, expected);
        for part in &model.parts {
            prop_assert_eq!(body.get(&part.name).map(|value| value.raw()), Some(part.value.as_str()));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn edits_as_a_map_that_keeps_its_order_and_its_bytes(
        original in model(),
        edits in vec((name(), prop::option::of(value_text())), 0..12),
    ) {
        let mut model = original;
        let mut body = object(&model.text());
        check(&body, &model)?;
        for (name, edit) in edits {
            match edit {
                Some(value) => {
                    model.set(&name, &value);
                    body.set(&name, value);
                }
                None => prop_assert_eq!(body.remove(&name), model.remove(&name)),
            }
            check(&body, &model)?;
        }
    }

    #[test]
    fn edits_a_part_like_a_whole(
        mut original in model(),
        edits in vec((name(), prop::option::of(value_text())), 0..6),
    ) {
        (original.around[0], original.around[2]) = (String::new(), String::new());
        let whole = Json::parse(format!("[ {{}},{}, 1]", original.text()).into()).unwrap();
        let mut part = whole.root().items().nth(1).unwrap().to_object().unwrap();
        for (name, edit) in edits {
            match edit {
                Some(value) => {
                    original.set(&name, &value);
                    part.set(&name, value);
                }
                None => prop_assert_eq!(part.remove(&name), original.remove(&name)),
            }
        }
        check(&part, &original)?;
    }
}

#[test]
fn the_place_of_a_member_is_where_its_value_begins_in_the_text_that_is_written() {
    let text = r#"{ "a" : 1 , "input" : [1, 2], "b": {"input": 3} }"#;
    let edits: [fn(&mut JsonObject); 6] = [
        |_| {},
        |o| o.set("a", Bytes::from_static(b"\"longer\"")),
        |o| o.set("input", Bytes::from_static(b"[7]")),
        |o| {
            o.remove("a");
        },
        |o| o.set("c", Bytes::from_static(b"null")),
        |o| {
            o.remove("input");
            o.remove("a");
            o.set("input", Bytes::from_static(b"[8]"));
        },
    ];
    for (at, edit) in edits.iter().enumerate() {
        let mut object = JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        edit(&mut object);
        let (bytes, place) = object.to_bytes_with_place("input");
        let value = object.get("input").unwrap();
        assert!(bytes[place.unwrap()..].starts_with(value.raw().as_bytes()), "{at}: {bytes:?} at {place:?}");
        assert_eq!(object.to_bytes_with_place("none").1, None);
    }
    let mut object = JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    object.remove("input");
    assert_eq!(object.to_bytes_with_place("input").1, None);
}

#[test]
fn long_pieces_share_the_memory_of_what_they_come_from() {
    let long = format!("[{}]", "1,".repeat(100_000) + "1");
    let text = Bytes::from(format!(r#"{{"a": 1, "input": {long}, "b": 2}}"#));
    let mut object = JsonObject::parse(text.clone()).unwrap();
    let shares = |object: &JsonObject, of: &Bytes| {
        let (chunks, kept) = object.to_chunks();
        assert_eq!(chunks.to_bytes(), object.to_bytes());
        assert!(kept >= chunks.len() && kept <= chunks.len() + 64 * 1024, "{kept} of {}", chunks.len());
        chunks.pieces().filter(|piece| of.as_ptr_range().contains(&piece.as_ptr())).count()
    };
    assert_eq!(shares(&object, &text), 1);
    object.set("a", "true");
    object.remove("b");
    object.set("c", "[]");
    assert_eq!(shares(&object, &text), 1);
    let new = Bytes::from(long.replace('1', "22"));
    object.set("input", new.clone());
    assert_eq!((shares(&object, &text), shares(&object, &new)), (0, 1));
}

#[test]
fn a_part_of_a_text_does_not_keep_a_long_rest_of_it() {
    let long = format!("\"{}\"", "x".repeat(100_000));
    let mut object = JsonObject::parse(Bytes::from(format!(r#"{{"a":{long},"b":{long}}}"#))).unwrap();
    object.remove("a");
    let (chunks, kept) = object.to_chunks();
    assert_eq!((chunks.to_bytes(), chunks.pieces().count(), kept), (object.to_bytes(), 1, object.to_bytes().len()));
}
