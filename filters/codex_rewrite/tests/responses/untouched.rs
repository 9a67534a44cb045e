//! Properties: what no rule names passes byte for byte, and no object whatever makes the filter panic.

use pooler_filter::Expects;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::harness::{compact, send, sent};

/// White space between tokens.
fn space() -> impl Strategy<Value = String> {
    "[ \t\n\r]{0,2}"
}

/// JSON values in odd but valid spellings.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
        string(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (vec((space(), inner.clone(), space()), 0..4)).prop_map(|items| {
                let items: Vec<String> = items.into_iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                format!("[{}]", items.join(","))
            }),
            vec((string(), space(), inner), 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(k, s, v)| format!("{s}{k}{s}:{s}{v}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

fn string() -> impl Strategy<Value = String> {
    r#""([a-z é€😀]|\\u00[4-7][0-9a-f]|\\ud83d\\ude00|\\ud800|\\["\\/bfnrt]){0,6}""#
}

fn object() -> impl Strategy<Value = String> {
    vec((string(), space(), value()), 0..4).prop_map(|entries| {
        let entries: Vec<String> = entries.into_iter().map(|(k, s, v)| format!("{k}{s}:{s}{v}{s}")).collect();
        format!("{{{}}}", entries.join(","))
    })
}

/// A word that some rule knows, for keys and values alike.
fn known_word() -> impl Strategy<Value = String> {
    prop::sample::select(
        "model input instructions stream store include reasoning text tools tool_choice previous_response_id type role \
         content name parameters strict format function custom namespace message user assistant system developer tool \
         input_text output_text thinking refusal input_image input_file image_url file_data file_id function_call \
         function_call_output custom_tool_call call_id id arguments output tool_calls item_reference compaction \
         encrypted_content effort summary context service_tier auto web_search_preview allowed_tools mode filters \
         allowed_domains annotations url_citation prompt_cache_breakpoint gpt-5.5 metadata truncation moderation status async response_item_id msg_1 \
         shell_call shell_call_output program program_output additional_tools compaction_trigger input_audio action commands code \
         fingerprint result stdout stderr outcome environment skills caller data wav audio_url properties items anyOf const enum \
         encrypted client_metadata"
            .split_whitespace()
            .map(|word| format!("\"{word}\""))
            .collect::<Vec<_>>(),
    )
}

/// Values made of words that rules know, so that walks go deep before they fail.
fn familiar() -> impl Strategy<Value = String> {
    prop_oneof![4 => known_word(), 1 => value()].prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((known_word(), inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// Items in forms that clients send, most of them in need of a rewrite.
fn valid_item() -> impl Strategy<Value = String> {
    let text = || string().prop_filter("an empty text is refused", |text| text != "\"\"");
    let part = prop_oneof![
        text().prop_map(|text| format!(r#"{{"type":"text","text":{text},"logprobs":null}}"#)),
        text().prop_map(|text| format!(r#"{{"text":{text},"type":"input_text","annotations":[]}}"#)),
        Just(r#"{"type":"input_image","image_url":"https://a.example/i","detail":null}"#.to_owned()),
    ];
    let role = || prop::sample::select(vec!["user", "assistant", "system", "developer"]);
    prop_oneof![
        (role(), text()).prop_map(|(role, text)| format!(r#"{{"role":"{role}","content":{text}}}"#)),
        (role(), vec(part, 1..4)).prop_map(|(role, parts)| {
            format!(r#"{{"id":"x","content":[{}],"role":"{role}","status":null}}"#, parts.join(","))
        }),
        (text(), object()).prop_map(|(text, metadata)| format!(
            r#"{{"role":"assistant","content":null,"metadata":{metadata},"tool_calls":[{{"id":"c","function":{{"name":"f","arguments":{text}}}}}]}}"#
        )),
        value().prop_filter("null is no output", |value| value != "null").prop_map(|value| format!(
            r#"{{"type":"function_call_output","call_id":"c","id":"fco_1","output":{value},"status":"completed"}}"#
        )),
        Just(r#"{"type":"function_call","id":"fc_1","call_id":"","name":"f","arguments":"{}"}"#.to_owned()),
        value().prop_map(|value| format!(r#"{{"type":"web_search_call","action":{value}}}"#)),
        Just(r#"{"type":"reasoning","summary":[],"encrypted_content":"e","status":null}"#.to_owned()),
        Just(r#"{"type":"reasoning","summary":[]}"#.to_owned()),
        Just(r#"{"type":"compaction_summary","encrypted_content":"e","created_by":"x"}"#.to_owned()),
        Just(r#"{"type":"input_file","file_id":"file_1","filename":null}"#.to_owned()),
        text().prop_map(|text| format!(r#"{{"type":"program","id":"x","call_id":"p","code":{text},"fingerprint":"f"}}"#)),
        text().prop_map(|text| format!(
            r#"{{"type":"shell_call_output","call_id":"s","output":[{{"stdout":{text},"stderr":"","outcome":{{"type":"exit","exit_code":1}},"created_by":"x"}}],"max_output_length":null}}"#
        )),
        object().prop_map(|schema| format!(
            r#"{{"type":"additional_tools","role":"system","tools":[{{"type":"function","name":"f","strict":null,"parameters":{schema}}}]}}"#
        )),
        Just(r#"{"role":"user","content":[{"type":"input_audio","data":"QQ==","format":"wav"}]}"#.to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_that_no_rule_changes_pass_byte_for_byte(
        metadata in object(),
        schema in object(),
        output in value().prop_filter("null is no output", |value| value != "null"),
        text in string().prop_filter("an empty text is refused", |text| text != "\"\""),
        (a, b, c) in (space(), space(), space()),
    ) {
        let call = format!(r#"{{{a}"type":"function_call","call_id":"c",{b}"name":"f","arguments":{text}{c}}}"#);
        let result = format!(r#"{{"type":"function_call_output","call_id":"c",{c}"output":{a}{output}}}"#);
        let tool = format!(r#"{{"type"{a}:"function","name":"f",{b}"parameters":{{"type":"object",{b}"properties":{{}},"default":{schema}}}}}"#);
        let shell = format!(r#"{{"type":"shell_call",{a}"call_id":"s","action":{{"commands":[{text}]{b}}},"status":"completed"}}"#);
        let printed = format!(r#"{{"type":"shell_call_output","call_id":"s",{c}"output":[{{"stdout":{text},"stderr":"","outcome":{{"type":"timeout"}}}}]}}"#);
        let program = format!(r#"{{"type":"program",{b}"call_id":"p","code":{text},"fingerprint":"f"}}"#);
        let done = format!(r#"{{"type":"program_output","call_id":"p",{a}"result":{text},"status":"incomplete"}}"#);
        let extra = format!(r#"{{"type":"additional_tools",{b}"role":"developer","tools":[{tool}{a}]}}"#);
        let file = format!(r#"{{"type":"input_file",{b}"file_id":"file_1","filename":{text}}}"#);
        let reasoning = format!(r#"{{"type":"reasoning","summary":{output},{a}"encrypted_content":"e","metadata":{metadata}}}"#);
        let body = format!(
            r#"{{{a}"client_metadata":{metadata},{b}"tools":[{tool},{{"type":"custom","name":"g","format":null}}],"model":"gpt-5.5","input":[{call},{a}{{"role":"user","content":{text}}},{result},{shell},{printed}{b},{program},{done},{extra},{file},{reasoning}]{c}}}"#
        );
        let sent = sent(&body);
        let upstream = sent.text();
        for kept in [&metadata, &tool, &call, &result, &shell, &printed, &program, &done, &extra, &file] {
            prop_assert!(upstream.contains(kept.as_str()), "{kept}\nis not in\n{upstream}");
        }
        prop_assert_eq!(upstream.contains(&reasoning), output != "null");
        let part = format!(r#"[{{"type":"input_text","text":{text}}}]"#);
        prop_assert!(compact(&upstream).contains(&compact(&part)));
    }

    #[test]
    fn valid_items_are_accepted_and_what_went_upstream_goes_there_again_unchanged(items in vec(valid_item(), 1..6)) {
        let once = sent(&format!(r#"{{"model":"gpt-5.5","input":[{}]}}"#, items.join(",")));
        if once.member("input").is_some_and(|input| input != "[]") {
            prop_assert_eq!(sent(&once.text()).text(), once.text());
        }
    }

    #[test]
    fn no_object_makes_the_filter_panic(
        members in vec((known_word(), familiar()), 0..8),
        valid_model in any::<bool>(),
    ) {
        let mut names = std::collections::HashSet::new();
        let mut members: Vec<String> = members
            .into_iter()
            .filter(|(name, _)| names.insert(name.clone()) && !(valid_model && name == "\"model\""))
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        if valid_model {
            members.push(r#""model":"gpt-5.5""#.to_owned());
        }
        let body = format!("{{{}}}", members.join(","));
        if let Ok(sent) = send(&body) {
            prop_assert_eq!(sent.member("store"), Some("false".to_owned()));
            let streamed = (sent.request.expects == Expects::Response).then(|| "true".to_owned());
            prop_assert_eq!(sent.member("stream"), streamed);
        }
    }

    #[test]
    fn arbitrary_objects_are_refused_or_sent(object in object()) {
        let _ = send(&object);
    }
}
