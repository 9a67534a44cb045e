//! The id of a response at its beginning. Such an event repeats the whole request, and all that matters here stands before most of that.

/// The `id` of the `response` in an event, where it can be read without an index: no text has to be checked or even read beyond it.
pub(super) fn response_id(event: &[u8]) -> Option<&str> {
    let id = member(member(event, b"response")?, b"id")?;
    let (id, _) = string(id)?;
    std::str::from_utf8(id).ok().filter(|id| !id.contains('\\'))
}

/// What begins with the value under a key of the object that stands first. The first one counts. None also where a key is written with
/// escapes.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = object.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let (key, tail) = string(rest.trim_ascii_start())?;
        let value = tail.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        if key == name {
            return Some(value);
        }
        if key.contains(&b'\\') {
            return None;
        }
        rest = after(value)?.trim_ascii_start().strip_prefix(b",")?;
    }
}

/// What comes after the value that stands first.
fn after(value: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut depth) = (value, 0_usize);
    loop {
        rest = match rest.first()? {
            b'"' => string(rest)?.1,
            b'{' | b'[' => {
                depth += 1;
                rest.get(1..)?
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                rest.get(1..)?
            }
            _ => {
                let matters =
                    |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']') || (depth == 0 && *byte == b',');
                rest.get(rest.iter().position(matters)?..)?
            }
        };
        if depth == 0 {
            return Some(rest);
        }
    }
}

/// The string that stands first: what is between its quotes, and what comes after it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut end = 0;
    loop {
        end += memchr::memchr2(b'"', b'\\', inner.get(end..)?)?;
        if inner.get(end) == Some(&b'"') {
            return Some((inner.get(..end)?, inner.get(end + 1..)?));
        }
        end += 2;
    }
}

#[cfg(test)]
mod tests {
    use pooler_filter::json::Json;
    use proptest::prelude::*;

    use super::*;

    /// The same with an index.
    fn indexed(event: &str) -> Option<String> {
        let json = Json::parse(event.to_owned().into()).ok()?;
        Some(json.root().get("response")?.get("id")?.as_str()?.into_owned())
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        for event in [
            r#"{"type":"response.created","response":{"id":"resp_1","tools":[{"a":"}"}]}}"#,
            r#" { "a" : [1, {"id":"no"}, "]\"" ] , "n":-1.5e3 , "response" : { "x" : {"id":"no"} , "t":true, "id" : "resp_1" } } "#,
            r#"{"e":"","o":{},"l":[],"response":{"nested":{"response":{"id":"no"}},"null":null,"id":"resp_1","id":"no"},"response":7}"#,
        ] {
            assert_eq!(response_id(event.as_bytes()), Some("resp_1"), "{event}");
            assert_eq!(indexed(event).unwrap(), "resp_1");
            assert_eq!(response_id(&event.as_bytes()[..event.rfind("resp_1").unwrap()]), None, "cut: {event}");
        }
    }

    #[test]
    fn what_needs_a_closer_look_is_not_found() {
        for event in [
            r#"{"response":{"id":"resp\u005f1"}}"#,
            r#"{"response":{"i\u0064":"a","id":"b"}}"#,
            r#"{"respons\u0065":{"id":"a"},"response":{"id":"b"}}"#,
            r#"{"response":{"id":7}}"#,
            r#"{"response":["id","a"]}"#,
            r#"{"response":null}"#,
            r#"{"id":"a"}"#,
            r#"[{"response":{"id":"a"}}]"#,
            r#"{"a":1"response":{"id":"a"}}"#,
            "",
        ] {
            assert_eq!(response_id(event.as_bytes()), None, "{event}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "-1.5e3",
            "null",
            "true",
            "\"\"",
            r#""a""#,
            r#""}\"]{""#,
            r#""\\""#,
            "[]",
            "{}",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
            let key = prop::sample::select(vec!["id", "response", "x", r#"i\u0064"#, ""]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
                prop::collection::vec((key, inner), 0..5).prop_map(|members| {
                    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\" :{value}")).collect();
                    format!("{{{}}}", members.join(" ,"))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_an_index_finds(response in value(), before in value()) {
            let event = format!("{{\"type\":{before},\"response\":{response}}}");
            if let Some(id) = response_id(event.as_bytes()) {
                prop_assert_eq!(Some(id.to_owned()), indexed(&event));
            }
        }
    }
}
