//! Properties: what users and tools wrote passes byte for byte, and no chat whatever makes the filter panic.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::harness::{send, sent};

/// String literals in odd but valid spellings, none of them empty.
fn text() -> impl Strategy<Value = String> {
    r#""([a-z é€😀]|\\u00[4-7][0-9a-f]|\\ud83d\\ude00|\\ud800|\\["\\/bfnrt]){1,9}""#
}

/// Long texts are referred to instead of copied.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => text(),
        1 => text().prop_map(|text| format!(r#""{}""#, text[1..text.len() - 1].repeat(200))),
    ]
}

/// A message of a client, and what stands upstream for it.
fn message() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        (any_text(), prop::sample::select(vec![("user", "input_text"), ("assistant", "output_text")])).prop_map(
            |(text, (role, kind))| (
                format!(r#"{{ "content" : {text}, "role":"{role}","refusal":null}}"#),
                format!(r#"{{"type":"message","role":"{role}","content":[{{"type":"{kind}","text":{text}}}]}}"#),
            )
        ),
        (any_text(), any_text()).prop_map(|(a, b)| (
            format!(r#"{{"role":"user","content":[{{"text":{a},"type":"text"}} , {{"type":"text","text":{b},"x":[]}}]}}"#),
            format!(
                r#"{{"type":"message","role":"user","content":[{{"type":"input_text","text":{a}}},{{"type":"input_text","text":{b}}}]}}"#
            ),
        )),
        any_text().prop_map(|arguments| (
            format!(
                r#"{{"role":"assistant","content":null,"tool_calls":[{{"index":0,"id":"c","type":"function","function":{{"arguments":{arguments},"name":"f"}}}}]}}"#
            ),
            format!(r#"{{"type":"function_call","call_id":"c","name":"f","arguments":{arguments}}}"#),
        )),
        any_text().prop_map(|output| (
            format!(r#"{{"role":"tool","content":{output},"tool_call_id":"c"}}"#),
            format!(r#"{{"type":"function_call_output","call_id":"c","output":{output}}}"#),
        )),
    ]
}

/// A word that some rule knows, for keys and values alike.
fn known_word() -> impl Strategy<Value = String> {
    prop::sample::select(
        "model messages input instructions stream tools tool_choice type role content name parameters strict format grammar function \
         custom namespace user assistant system developer tool text thinking refusal image_url url file file_id file_data filename \
         input_audio data tool_calls tool_call_id id arguments output function_call tool_use tool_result tool-call tool-result \
         toolCallId toolName args result value json response_format json_schema schema verbosity reasoning_effort max_tokens n stop \
         stream_options include_usage service_tier auto prompt_cache_breakpoint gpt-5.5 metadata"
            .split_whitespace()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>(),
    )
}

/// Values made of words that rules know, so that walks go deep before they fail.
fn familiar() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec!["null", "true", "0", "1", "-1.5e3"]).prop_map(str::to_owned);
    prop_oneof![4 => known_word(), 1 => scalar].prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((known_word(), inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_calls_and_outputs_pass_byte_for_byte(messages in vec(message(), 1..8)) {
        let (client, upstream): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let sent = sent(&format!(r#"{{"model":"gpt-5.5","messages":[{}]}}"#, client.join(" ,\n")));
        let expected = format!(r#""input":[{}]"#, upstream.join(","));
        prop_assert!(sent.text().contains(&expected), "{expected}\nis not in\n{}", sent.text());
    }

    #[test]
    fn no_chat_makes_the_filter_panic(
        messages in vec(familiar(), 0..4),
        members in vec((known_word(), familiar()), 0..6),
    ) {
        let mut names = std::collections::HashSet::from(["\"model\"".to_owned(), "\"messages\"".to_owned()]);
        let mut all = vec![r#""model":"gpt-5.5""#.to_owned(), format!(r#""messages":[{}]"#, messages.join(","))];
        all.extend(members.into_iter().filter(|(name, _)| names.insert(name.clone())).map(|(name, value)| format!("{name}:{value}")));
        if let Ok(sent) = send(&format!("{{{}}}", all.join(","))) {
            prop_assert_eq!(sent.member("store"), Some("false".to_owned()));
            prop_assert!(sent.member("input").is_some_and(|input| input.starts_with('[')));
        }
    }

    #[test]
    fn what_an_assistant_and_its_tools_left_is_accepted_with_whatever_was_added(extra in familiar(), text in text()) {
        let list = format!(
            r#"{{"role":"user","content":"q"}},{{"role":"assistant","content":{text},"zzz":{extra},"annotations":{extra},"refusal":{extra}}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":{text},"parsed_arguments":{extra}}},"zzz":{extra}}}]}},{{"role":"tool","tool_call_id":"c","content":{text},"name":{extra}}}"#
        );
        let sent = sent(&format!(r#"{{"model":"gpt-5.5","messages":[{list}]}}"#));
        prop_assert!(sent.text().contains(&text));
    }
}
