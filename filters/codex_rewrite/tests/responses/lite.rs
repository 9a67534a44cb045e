//! Models that take the lite form of requests.

use pooler_filter::Operation;
use proptest::prelude::*;

use crate::harness::{Gateway, Sent, refuses, route, sent};

const LITE: &str = "x-openai-internal-codex-responses-lite";

fn lite(members: &str) -> Sent {
    sent(&format!(r#"{{"model":"gpt-6-sol",{members}}}"#))
}

#[test]
fn a_header_says_the_form_and_only_for_models_of_that_form() {
    let value = |sent: &Sent| sent.request.headers.get(LITE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    assert_eq!(value(&lite(r#""input":"x""#)).as_deref(), Some("true"));
    assert_eq!(value(&sent(r#"{"model":"gpt-5.5","input":"x"}"#)), None);
}

#[test]
fn a_marker_of_the_client_never_goes_upstream() {
    let metadata = r#""input":"x","client_metadata":{"a":"1E5", "ws_request_header_x_openai_internal_codex_responses_lite":"true"}"#;
    for model in ["gpt-5.5", "gpt-6-sol"] {
        let sent = sent(&format!(r#"{{"model":"{model}",{metadata}}}"#));
        assert_eq!(sent.member("client_metadata").as_deref(), Some(r#"{"a":"1E5"}"#));
    }
}

#[test]
fn the_members_that_move_are_gone_from_the_top() {
    let sent =
        lite(r#""input":"x","instructions":"i","tools":[{"type":"custom","name":"c"}],"parallel_tool_calls":true"#);
    for name in ["tools", "instructions"] {
        assert_eq!(sent.member(name), None, "{name}");
    }
    assert_eq!(sent.member("parallel_tool_calls").as_deref(), Some("false"));
    assert_eq!(sent.member("reasoning").as_deref(), Some(r#"{"context":"all_turns"}"#));
}

#[test]
fn instructions_follow_the_tools_that_the_client_has_put_first() {
    let tools = r#"{"type":"additional_tools", "role":"developer","tools":[]}"#;
    let sent = lite(&format!(
        r#""instructions":"i","tools":[{{"type":"custom","name":"c"}}],"input":[ {tools} , {tools}, {{"role":"user","content":"q"}},{tools}]"#
    ));
    let input = sent.body.get("input").expect("there is input");
    let kinds: Vec<_> = input.items().filter_map(|item| item.get("type")?.as_str()).collect();
    let expected =
        ["additional_tools", "additional_tools", "additional_tools", "message", "message", "additional_tools"];
    assert_eq!(kinds, expected);
    assert!(sent.text().contains(tools), "{}", sent.text());
}

#[test]
fn an_input_of_instructions_alone_becomes_a_message() {
    let sent = lite(r#""input":[{"role":"system","content":"be brief"}]"#);
    let message = r#"[{"type":"message","role":"developer","content":[{"type":"input_text","text":"be brief"}]}]"#;
    assert_eq!(sent.member("input").as_deref(), Some(message));
    assert_eq!(lite(r#""instructions":"""#).member("input").as_deref(), Some("[]"));
}

#[test]
fn an_object_as_choice_is_refused_and_a_mode_is_not() {
    let body = |choice: &str| {
        format!(r#"{{"model":"gpt-6-sol","input":"x","tools":[{{"type":"web_search"}}],"tool_choice":{choice}}}"#)
    };
    for choice in
        [r#"{"type":"web_search"}"#, r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"web_search"}]}"#, "{}"]
    {
        let message = "Unsupported parameter: tool_choice";
        refuses(&body(choice), 400, "unsupported_parameter", Some("tool_choice"), message);
    }
    for mode in ["auto", "none", "required"] {
        assert_eq!(sent(&body(&format!("\"{mode}\""))).member("tool_choice"), Some(format!("\"{mode}\"")));
    }
}

#[test]
fn a_chat_takes_the_lite_form_too() {
    let body = r#"{"model":"gpt-6-sol","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"q"}],"tools":[{"type":"custom","custom":{"name":"c"}}]}"#;
    let route = route("POST /v1/chat/completions", Operation::Chat);
    let sent = Gateway { route, ..Gateway::new() }.send(body).expect("accepted");
    let expected = r#"[{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"c"}]},{"type":"message","role":"developer","content":[{"type":"input_text","text":"be brief"}]},{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]}]"#;
    assert_eq!(sent.member("input").as_deref(), Some(expected));
    assert_eq!((sent.member("tools"), sent.member("instructions")), (None, None));
    assert!(sent.request.headers.contains_key(LITE));
}

#[test]
fn reasoning_of_a_chat_with_an_input_is_found() {
    let reasoning = r#"{"type":"reasoning", "summary":[],"encrypted_content":"e"}"#;
    let route = route("POST /v1/chat/completions", Operation::Chat);
    for model in ["gpt-5.5", "gpt-6-sol"] {
        let body = format!(r#"{{"model":"{model}","instructions":"i","input":[ {reasoning} ]}}"#);
        let sent = Gateway { route, ..Gateway::new() }.send(&body).expect("accepted");
        let place = sent.intent().replayed[0].place.clone().expect("reasoning has a place");
        assert_eq!(sent.body.get("input").and_then(|input| input.raw().get(place)), Some(reasoning));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lite_form_is_the_ordinary_one_with_tools_and_instructions_in_front(
        input in prop::sample::select(vec![r#""x""#, r#"[ {"role":"user","content":"q"} ]"#, r#"[{"role":"system","content":"s"}]"#,
            r#"[{"type":"message","role":"user","content":[ {"type":"input_text","text":"q"} ]}]"#]),
        tools in prop::sample::select(vec!["[]", "null", r#"[ {"type":"web_search"} ]"#, r#"[{"type":"web_search_preview"}]"#]),
        instructions in prop::sample::select(vec!["null", r#""""#, r#""i \u0041""#]),
    ) {
        let body = |model: &str| format!(r#"{{"model":"{model}","input":{input},"tools":{tools},"instructions":{instructions}}}"#);
        let (ordinary, lite) = (sent(&body("gpt-5.5")), sent(&body("gpt-6-sol")));
        let list = |sent: &Sent| -> Vec<String> {
            sent.body.get("input").expect("there is input").items().map(|item| item.raw().to_owned()).collect()
        };
        let tools = ordinary.body.get("tools").filter(|tools| !tools.is_empty());
        let tools = tools.map(|tools| format!(r#"{{"type":"additional_tools","role":"developer","tools":{}}}"#, tools.raw()));
        let text = ordinary.body.get("instructions").filter(|text| !text.is_str(""));
        let message = text.map(|text| {
            format!(r#"{{"type":"message","role":"developer","content":[{{"type":"input_text","text":{}}}]}}"#, text.raw())
        });
        let expected: Vec<String> = tools.into_iter().chain(message).chain(list(&ordinary)).collect();
        prop_assert_eq!(list(&lite), expected);
    }
}
