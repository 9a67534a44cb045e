use proptest::prelude::*;

use super::*;
use crate::response::fuzz;

fn text(data: &str) -> Frame {
    Frame::event(TEXT_DELTA, data.to_owned())
}

fn agree(frame: &Frame) -> bool {
    fuzz::agree(&mut Deltas::default(), frame)
}

fn read(frame: &Frame) -> Option<Delta<'_>> {
    Deltas::default().read(frame)
}

#[test]
fn a_delta_is_read_in_one_look() {
    let frame = text(
        r#"{"type":"response.output_text.delta","content_index":2,"delta":"a\n\u00e9 \"ü\"","item_id":"msg_1","logprobs":[],"obfuscation":"x","output_index":1,"sequence_number":40}"#,
    );
    assert!(agree(&frame));
    let delta = read(&frame).unwrap();
    assert_eq!(delta.text.unwrap(), r#"a\n\u00e9 \"ü\""#.as_bytes());
    assert_eq!((delta.sequence_number, delta.output_index, delta.content_index), (Some(40), Some(1), Some(2)));
    assert!(delta.logprobs && delta.class == Class::TextDelta);
    let name = "response.function_call_arguments.delta";
    let frame = Frame::event(name, format!(r#"{{"delta":"","sequence_number":0,"type":"{name}"}}"#));
    assert!(agree(&frame));
    assert!(read(&frame).is_some_and(|delta| delta.class == Class::Other && !delta.logprobs));
}

#[test]
fn everything_else_is_left_to_who_looks_closer() {
    let whole = r#"{"type":"response.output_text.delta","delta":"a","sequence_number":4}"#;
    assert!(agree(&text(whole)));
    for (before, after) in [
        (r#""a""#, "7"),
        (r#""a""#, r#""\x""#),
        (r#""a""#, r#""\u12g4""#),
        (r#""a""#, r#""\u12"#),
        (r#""a""#, "\"\t\""),
        (r#""a""#, "\"a\nb\""),
        (r#""a""#, r#""a"#),
        (r#""a""#, r#""a","delta":"b""#),
        (r#""a""#, r#""a","logprobs":[{}]"#),
        (r#""a""#, r#""a","logprobs":[],"logprobs":[]"#),
        (r#""a""#, r#""a","response":{"id":"resp_1"}"#),
        (r#""a""#, r#""a","item_id":"x","item_id":"x""#),
        (r#""a""#, r#""a","x":null"#),
        (r#""a""#, r#""a", "x":1"#),
        (r#""a""#, r#""a","x":01"#),
        (r#""a""#, r#""a","x":1.5"#),
        (r#""a""#, r#""a","x":1e3"#),
        (r#""a""#, r#""a","x":-1"#),
        (r#""a""#, r#""a","x":99999999999999999999"#),
        (r#""a""#, r#""a","\u0078":1"#),
        (r#""a""#, r#""a",,"x":1"#),
        (r#""a""#, r#""a","x"1"#),
        ("4}", "4,}"),
        ("4}", "4} "),
        ("4}", "4}}"),
        ("4}", "4"),
        ("4}", "}"),
        ("4}", r#"4,"sequence_number":5}"#),
        ("output_text", "output_te\\u0078t"),
        ("output_text", "refusal"),
        (r#""type":"response.output_text.delta","#, ""),
        ("{", " {"),
        ("{", "["),
    ] {
        let data = whole.replacen(before, after, 1);
        assert!(read(&text(&data)).is_none(), "{data}");
        let mut deltas = Deltas::default();
        assert!(fuzz::agree(&mut deltas, &text(whole)));
        assert!(deltas.read(&text(&data)).is_none(), "{data}");
    }
    assert!(read(&text("")).is_none());
    assert!(read(&Frame::unnamed(whole)).is_none());
    assert!(read(&Frame::event("response.output_text.done", whole)).is_none());
    assert!(read(&Frame::event("response.moderation.delta", whole)).is_none());
    assert!(agree(&text(&whole.replace(r#""a""#, "\"\u{7f}\""))));
    let latin = [&whole.as_bytes()[..whole.len() - 2], b"4,\"x\":\"\xe9\"}"].concat();
    assert!(read(&Frame::event(TEXT_DELTA, latin)).is_none());
}

fn member() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "type",
        "delta",
        "sequence_number",
        "output_index",
        "content_index",
        "logprobs",
        "item_id",
        "response",
        "x",
        "",
    ]);
    let value = prop_oneof![
        4 => Just(format!("{TEXT_DELTA:?}")),
        2 => (0_u64..5).prop_map(|number| number.to_string()),
        2 => prop::sample::select(vec!["[]", "\"\"", r#""a\"""#, r#""\u00e9""#, "null", "{}", "-1", "1.5", "\"ü\""])
            .prop_map(Into::into),
        1 => ".{0,6}",
    ];
    (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
}

#[test]
fn pieces_of_one_shape_differ_in_text_padding_and_number() {
    let mut deltas = Deltas::default();
    let mut both = |delta: &str, number: &str, index: u64| {
        let data = format!(
            r#"{{"type":"{TEXT_DELTA}","delta":"{delta}","output_index":{index},"obfuscation":"{number}","sequence_number":{number}}}"#
        );
        let frame = text(&data);
        assert_eq!(fuzz::agree(&mut deltas, &frame), agree(&frame), "{data}");
        assert_eq!(deltas.read(&frame), read(&frame), "{data}");
        // Whatever was refused, the shape of what was read before still holds.
        read(&frame).is_some()
    };
    assert!(both("a", "4", 0) && both(r#"b\n"#, "15", 0) && both("ü", "0", 0) && both("", "16", 0));
    assert!(both("a", "17", 1) && both("b", "18", 0));
    for (delta, number) in
        [("\u{1}", "5"), ("\\x", "5"), ("a", "05"), ("a", "-5"), ("a", "5.0"), ("a\"", "5"), ("a", "")]
    {
        assert!(!both(delta, number, 0), "{delta} {number}");
    }
    assert!(both("b", "19", 0));
    let other =
        Frame::event("response.refusal.delta", r#"{"type":"response.refusal.delta","delta":"a","sequence_number":4}"#);
    assert!(fuzz::agree(&mut deltas, &other));
}

proptest! {
    #[test]
    fn no_text_is_read_in_another_way(
        events in prop::collection::vec(
            (prop::collection::vec(member(), 0..5), prop::sample::select(vec!["}", "}", "}", "", "}}"])),
            1..4,
        ),
    ) {
        let mut deltas = Deltas::default();
        for (members, tail) in events {
            let data = format!(r#"{{"type":"{TEXT_DELTA}",{}{tail}"#, members.join(","));
            fuzz::agree(&mut deltas, &text(&data));
            let untyped = data.replacen(&format!(r#""type":"{TEXT_DELTA}","#), "", 1);
            prop_assert_eq!(fuzz::agree(&mut deltas, &text(&untyped)), agree(&text(&untyped)));
        }
    }
}
