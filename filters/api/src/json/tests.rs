//! What is accepted, what is refused, and how values read; then the same against `serde_json` on generated texts.

mod generated;
pub(super) mod noise;

use super::*;

fn parse(text: &str) -> Result<Json, JsonError> {
    Json::parse(Bytes::copy_from_slice(text.as_bytes()))
}

fn json(text: &str) -> Json {
    parse(text).unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn accepts_what_the_grammar_allows() {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "10",
        "1.0",
        "0.5",
        "1e5",
        "1E+5",
        "1e-05",
        "-0.0e0",
        "123456789012345678901",
        "1e999",
        "\"\"",
        "\"a\"",
        r#""\"\\\/\b\f\n\r\t\u0000\uD83D\ude00\ud800""#,
        "\"\u{7f}\u{80}\u{2028}😀\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1]",
        "[1,2]",
        " [ 1 , 2 ] ",
        "\t\r\n {\r\n\"a\"\t:\n1 , \"b\" : [ { } ] } \n",
        "[[],[[]],{}]",
        r#"{"a":1,"a":2}"#,
        r#"{"":""}"#,
        "\"0123456701234567012345670123456701234567\"",
    ];
    for text in texts {
        assert!(parse(text).is_ok(), "{text}");
        assert_eq!(json(text).root().raw(), text.trim_ascii(), "{text}");
        assert_eq!(json(text).bytes(), text, "{text}");
    }
}

#[test]
fn refuses_what_the_grammar_does_not_allow_and_says_where() {
    let texts = [
        ("", 0),
        (" ", 1),
        ("nul", 0),
        ("nulll", 4),
        ("True", 0),
        ("tru", 0),
        ("-", 1),
        ("+1", 0),
        ("01", 1),
        ("-01", 2),
        ("1.", 2),
        (".5", 0),
        ("1.e5", 2),
        ("1e", 2),
        ("1e+", 3),
        ("0x1", 1),
        ("1 2", 2),
        ("NaN", 0),
        ("-Infinity", 1),
        ("\"", 1),
        ("\"a", 2),
        (r#""\"#, 2),
        (r#""\a""#, 2),
        (r#""\u12G4""#, 5),
        (r#""\u12"#, 5),
        ("\"\n\"", 1),
        ("\"\u{1f}\"", 1),
        ("\"01234567\t\"", 9),
        ("'a'", 0),
        ("[", 1),
        ("]", 0),
        ("[1", 2),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{", 1),
        ("}", 0),
        ("{1:2}", 1),
        (r#"{"a"}"#, 4),
        (r#"{"a":}"#, 5),
        (r#"{"a":1,}"#, 7),
        (r#"{"a":1"#, 6),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":1 "b":2}"#, 7),
        (r#"{"a":1]"#, 6),
        (r#"{,"a":1}"#, 1),
        ("[] []", 3),
        ("{}x", 2),
        ("\u{feff}1", 0),
        ("1\u{a0}", 1),
        ("1\u{b}", 1),
        ("1\0", 1),
        ("/**/1", 0),
    ];
    for (text, offset) in texts {
        assert_eq!(parse(text).unwrap_err(), JsonError::NotJson { offset }, "{text:?}");
    }
}

#[test]
fn refuses_text_that_is_not_utf8_even_inside_strings() {
    for text in [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xe2\x82\""] {
        assert_eq!(Json::parse(Bytes::copy_from_slice(text)).unwrap_err(), JsonError::NotJson { offset: 1 });
    }
}

#[test]
fn finds_what_ends_a_string_at_every_distance() {
    for len in 0..300 {
        let plain = "é".repeat(len / 2) + &"x".repeat(len % 2);
        assert_eq!(json(&format!("\"{plain}\"")).root().as_str().unwrap(), plain);
        assert_eq!(json(&format!("\"{plain}\\n{plain}\"")).root().as_str().unwrap(), format!("{plain}\n{plain}"));
        for control in 0..0x20_u8 {
            let text = format!("\"{plain}{}\"", char::from(control));
            assert_eq!(parse(&text).unwrap_err(), JsonError::NotJson { offset: plain.len() + 1 });
        }
    }
}

#[test]
fn nests_to_the_limit_and_no_deeper() {
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&nested(MAX_DEPTH + 1)).unwrap_err(), JsonError::TooDeep);
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert!(parse(&objects(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&objects(MAX_DEPTH + 1)).unwrap_err(), JsonError::TooDeep);
    assert!(parse(&format!("[{}]", vec![nested(MAX_DEPTH - 1); 3].join(","))).is_ok(), "depth is not a sum");
}

#[test]
fn refuses_a_text_over_the_size_limit_before_reading_it() {
    let text = Bytes::from(vec![0; MAX_TEXT + 1]);
    assert_eq!(Json::parse(text.clone()).unwrap_err(), JsonError::TooLarge);
    assert_eq!(Json::parse(text.slice(1..)).unwrap_err(), JsonError::NotJson { offset: 0 });
}

#[test]
fn reads_scalars_as_what_they_are_and_as_nothing_else() {
    let list =
        json(r#"[null, true, false, 1, -1, 1.5, 1e2, 18446744073709551615, 18446744073709551616, 1e999, "1", -0]"#);
    let items: Vec<_> = list.root().items().collect();
    let kinds: Vec<_> = items.iter().map(Value::kind).collect();
    let number = [Kind::Number; 7];
    assert_eq!(kinds[..3], [Kind::Null, Kind::Bool, Kind::Bool]);
    assert_eq!((&kinds[3..10], &kinds[10..]), (&number[..], &[Kind::String, Kind::Number][..]));
    let bools: Vec<_> = items.iter().filter_map(Value::as_bool).collect();
    assert_eq!(bools, [true, false]);
    assert_eq!(items.iter().filter(|item| item.is_null()).count(), 1);
    let signed: Vec<_> = items.iter().map(Value::as_i64).collect();
    let none = None;
    assert_eq!(signed, [none, none, none, Some(1), Some(-1), none, none, none, none, none, none, Some(0)]);
    let unsigned: Vec<_> = items.iter().filter_map(Value::as_u64).collect();
    assert_eq!(unsigned, [1, u64::MAX]);
    let doubles: Vec<_> = items.iter().filter_map(Value::as_f64).collect();
    assert_eq!(doubles, [1.0, -1.0, 1.5, 100.0, 18446744073709551615.0, 18446744073709551616.0, -0.0]);
    assert_eq!(items.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn borrows_strings_without_escapes_and_decodes_the_others() {
    use std::borrow::Cow;
    let list = json(r#"["plain ü", "a\"\\\/\b\f\n\r\tz", "\u0041\u00fc\u20AC\ud83d\uDE00", "\u0000"]"#);
    let texts: Vec<_> = list.root().items().filter_map(|item| item.as_str()).collect();
    assert_eq!(texts, ["plain ü", "a\"\\/\u{8}\u{c}\n\r\tz", "Aü€😀", "\0"]);
    assert!(matches!(texts[0], Cow::Borrowed(_)));
}

#[test]
fn reads_surrogates_without_partner_as_replacement_characters() {
    let texts = [
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\udc00x""#, "\u{fffd}x"),
        (r#""\ud800\ud800\udc00""#, "\u{fffd}\u{10000}"),
        (r#""\ud800\n""#, "\u{fffd}\n"),
        (r#""\ud800\u0041""#, "\u{fffd}A"),
        (r#""\ud800é""#, "\u{fffd}é"),
        (r#""\udbff\udfff""#, "\u{10ffff}"),
        (r#""\ud800\\u0041""#, "\u{fffd}\\u0041"),
    ];
    for (text, expected) in texts {
        assert_eq!(json(text).root().as_str().unwrap(), expected, "{text}");
    }
}

#[test]
fn compares_strings_in_whatever_spelling() {
    assert!(json(r#""response.failed""#).root().is_str("response.failed"));
    assert!(json(r#""\u0072esponse""#).root().is_str("response"));
    assert!(json(r#""\u0061\u0062""#).root().is_str("ab"));
    assert!(json(r#""\ud83d\ude00""#).root().is_str("\u{1f600}"));
    assert!(!json(r#""\u0061\u0062""#).root().is_str("a"));
    assert!(!json(r#""\n""#).root().is_str(""));
    assert!(!json(r#""response""#).root().is_str("response.failed"));
    assert!(!json(r#""\\n""#).root().is_str("\n"));
    assert!(!json("1").root().is_str("1"));
}

#[test]
fn finds_members_by_name_and_takes_the_first_of_two() {
    let object = json(r#"{"a":{"x":[1,{"y":2}]},"\u0062":2,"a":3,"c":[]}"#);
    let root = object.root();
    assert_eq!(root.get("a").unwrap().get("x").unwrap().raw(), r#"[1,{"y":2}]"#);
    assert_eq!(root.get("b").unwrap().as_u64(), Some(2));
    assert!(root.get("c").unwrap().is_empty());
    assert!(root.get("x").is_none() && root.get("").is_none());
    let keys: Vec<_> = root.entries().map(|(key, _)| (key.raw(), key.as_str())).collect();
    assert_eq!(keys[1], (r#""\u0062""#, "b".into()));
    assert_eq!((keys.len(), root.len()), (4, 4));
}

#[test]
fn has_no_members_where_there_are_none() {
    for text in ["1", "\"a\"", "null", "true"] {
        let scalar = json(text);
        let root = scalar.root();
        assert_eq!((root.len(), root.entries().count(), root.items().count()), (0, 0, 0), "{text}");
        assert!(root.get("a").is_none());
    }
    assert_eq!(json("[1]").root().entries().count(), 0);
    assert_eq!(json(r#"{"a":1}"#).root().items().count(), 0);
}

#[test]
fn shares_the_memory_of_the_whole() {
    let whole = json(r#" [ {"a": [1, "b"]} , 2 ] "#);
    let inside = |bytes: &Bytes| whole.bytes().as_ptr_range().contains(&bytes.as_ptr());
    let object = whole.root().items().next().unwrap();
    assert!(inside(&object.raw_bytes()));
    let part = object.to_json();
    assert_eq!(part.bytes(), r#"{"a": [1, "b"]}"#);
    assert!(inside(part.bytes()));
    let list = part.root().get("a").unwrap().to_json();
    assert_eq!(list.root().raw(), r#"[1, "b"]"#);
    assert_eq!(list.root().items().map(|item| item.raw()).collect::<Vec<_>>(), ["1", "\"b\""]);
    assert!(inside(&list.root().items().nth(1).unwrap().raw_bytes()));
}

#[test]
fn has_an_index_in_proportion_to_the_values_and_not_to_the_text() {
    let long = json(&format!("[\"{}\"]", "x".repeat(1 << 20)));
    let many = json(&format!("[{}[]]", "[],".repeat(1 << 18)));
    assert!(long.index_size() < 20_000, "{}", long.index_size());
    assert!((4 << 20..5 << 20).contains(&many.index_size()), "{}", many.index_size());
}

#[test]
fn tells_nothing_of_the_contents_when_printed() {
    let object = JsonObject::parse(r#"{"secret":"hunter2"}"#.into()).unwrap();
    let root = object.get("secret").unwrap();
    let (key, _) = object.entries().next().unwrap();
    let shown = format!("{object:?} {root:?} {key:?} {:?}", root.to_json());
    assert_eq!(
        shown,
        "JsonObject(1 members, 20 bytes, 0 edits) Value(String, 9 bytes) Key(8 bytes) Json(String, 9 bytes)"
    );
}

#[test]
fn writes_strings_with_the_escapes_that_have_to_be() {
    let written = |text: &str| {
        let mut out = b"x".to_vec();
        write_str(&mut out, text);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(""), "x\"\"");
    assert_eq!(written("a/é😀\u{7f}"), "x\"a/é😀\u{7f}\"");
    assert_eq!(written("\"\\\n\r\t\u{8}\u{c}\0\u{1f}"), r#"x"\"\\\n\r\t\b\f\u0000\u001f""#);
}

#[test]
fn an_index_is_bounded_by_what_it_may_take() {
    let index_of = |text: String| Json::parse(text.into()).unwrap().index_size();
    assert!(index_of(format!("\"{}\"", "x".repeat(100_000))) <= 16 * 1024);
    assert!(index_of("[[],[]]".to_owned()) <= 64);
    let brackets: Bytes = format!("[{}1]", "[],".repeat(1000)).into();
    let refused = Json::parse_within(brackets.clone(), 8000).unwrap_err();
    assert_eq!(
        (refused.clone(), refused.to_string().as_str()),
        (JsonError::IndexTooLarge, "too many values for its length")
    );
    assert_eq!(JsonObject::parse_within(brackets.clone(), 8000).unwrap_err(), JsonError::IndexTooLarge);
    assert!(Json::parse_within(brackets, 17_000).is_ok());
}

#[test]
fn the_index_of_a_large_text_keeps_what_it_needs_of_its_address_space() {
    let long: Bytes = format!("[\"{}\"]", "x".repeat(2 << 20)).into();
    assert!(Json::parse_within(long.clone(), long.len() / 2).unwrap().index_size() <= 40 * 1024);
    let short: Bytes = format!("[{}1]", "[],".repeat(700_000)).into();
    let needed = 8 * (2 * 700_001 + 1);
    assert_eq!(Json::parse_within(short.clone(), needed - 64).unwrap_err(), JsonError::IndexTooLarge);
    let size = Json::parse_within(short.clone(), 6 * short.len()).unwrap().index_size();
    assert!((needed..needed + 40 * 1024).contains(&size), "{size} for {needed}");
}
