//! Bodies: what no rule names goes upstream byte for byte.

use pooler_filter::json::Json;
use pooler_filter::{Expects, ModelFacts};
use serde_json::{Value, json};

use crate::harness::Native;

/// The members that every request gets, in the spelling that needs no edit.
const READY: &str = r#""reasoning": {"effort" : "high"}, "include":["reasoning.encrypted_content"]"#;

fn sent(members: &str) -> Value {
    let body = format!(r#"{{"model":"gpt-5.5","input":[],{members}}}"#);
    Native::responses().sent(&body).json()
}

#[test]
fn a_request_of_the_cli_goes_upstream_byte_for_byte() {
    let body = format!(
        r#"{{ "model":"gpt-5.5","stream":true, "service_tier": "priority",
        "input":[ {{"type":"message","id":"msg_1","role":"developer","content":[{{"type":"input_text","text":"é \u00e9"}}],
        "internal_chat_message_metadata_passthrough":{{"turn_id":"t","create_time":1.50}}}} ],
        "tools":[{{"type":"tool_search","execution":"client"}}, {{"type":"unheard_of"}}],"tool_choice":"auto","parallel_tool_calls":true,
        {READY},"store" : false ,"prompt_cache_key":"k","text":{{"verbosity":"low"}},"client_metadata":{{"session_id":"s"}},
        "metadata":{{"a":1.0}},"truncation":null,"access_programs":[1e2],"stream_options":{{"x":1}} }}"#
    );
    let sent = Native::responses().sent(&body);
    assert_eq!(sent.text(), body);
    assert_eq!((sent.request.path.as_str(), sent.request.expects), ("/backend-api/codex/responses", Expects::Response));
    let intent = sent.intent();
    assert!(intent.stream && !intent.one_account && intent.estimated_input_tokens > 0);
    assert_eq!((intent.model.as_str(), intent.effort.as_deref()), ("gpt-5.5", Some("high")));
    assert_eq!((intent.service_tier.as_deref(), intent.prompt_cache_key.as_deref()), (Some("priority"), Some("k")));
}

#[test]
fn only_the_form_of_input_tools_and_model_is_judged() {
    let native = Native::responses();
    let bad = "invalid_request";
    native.refuses(r#"{"input":[]}"#, bad, Some("model"), "model is required");
    native.refuses(r#"{"model":" ","input":[]}"#, bad, Some("model"), "model is required");
    for input in ["\"hi\"", "{}", "null", "7"] {
        let body = format!(r#"{{"model":"gpt-5.5","input":{input}}}"#);
        native.refuses(&body, bad, Some("input"), "input must be an array");
    }
    native.refuses(r#"{"model":"gpt-5.5"}"#, bad, Some("input"), "input must be an array");
    native.refuses(r#"{"model":"gpt-5.5","input":[],"tools":{}}"#, bad, Some("tools"), "tools must be an array");
    let unknown = "model is not available for this pool";
    native.refuses(r#"{"model":"nope","input":[]}"#, "invalid_model", Some("model"), unknown);
    let odd = r#""instructions":7,"text":"x","parallel_tool_calls":"yes","store":true,"whatever":{},"include":"x","reasoning":"x""#;
    let sent = sent(odd);
    assert_eq!((&sent["instructions"], &sent["include"], &sent["reasoning"]), (&json!(7), &json!("x"), &json!("x")));
}

#[test]
fn what_the_upstream_refuses_is_left_out_and_nothing_is_made_up() {
    let stripped = r#""max_output_tokens":9,"prompt_cache_retention":"24h","prompt_cache_options":{},"safety_identifier":"s",
        "temperature":1,"top_p":1,"type":"response.create","generate":false,"user":"u","metadata":{}"#;
    let sent = sent(stripped);
    let mut keys: Vec<&str> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["include", "input", "metadata", "model", "reasoning", "user"]);
    assert_eq!((&sent["include"], &sent["reasoning"]), (&json!(["reasoning.encrypted_content"]), &json!({})));
}

#[test]
fn the_model_goes_by_its_upstream_name() {
    let facts = ModelFacts { id: "fast".into(), upstream_id: "gpt-5.5-x".into(), ..ModelFacts::default() };
    let sent = Native::responses().model("fast", facts).sent(r#"{"model":"FAST","input":[]}"#);
    assert_eq!(sent.json()["model"], "gpt-5.5-x");
    assert_eq!((sent.intent().model.as_str(), sent.header("x-codex-routing-hint")), ("fast", Some("model=gpt-5.5-x")));
}

#[test]
fn include_and_reasoning_are_normalised() {
    for (given, include) in [
        (r#"["x","x"]"#, json!(["x", "reasoning.encrypted_content"])),
        ("null", json!(["reasoning.encrypted_content"])),
        ("[]", json!(["reasoning.encrypted_content"])),
    ] {
        assert_eq!(sent(&format!(r#""include":{given}"#))["include"], include, "{given}");
    }
    for (given, reasoning) in [
        ("null", json!({})),
        (r#"{"effort":"minimal","x":[1]}"#, json!({"effort": "low", "x": [1]})),
        (r#"{"effort":" Ultra "}"#, json!({"effort": "max"})),
        (r#"{"effort":"a--b"}"#, json!({"effort": "a--b"})),
        (r#"{"effort":7,"summary":"auto"}"#, json!({"effort": 7, "summary": "auto"})),
        (r#"{"effort":null,"context":"all_turns"}"#, json!({"effort": null, "context": "all_turns"})),
    ] {
        assert_eq!(sent(&format!(r#""reasoning":{given}"#))["reasoning"], reasoning, "{given}");
    }
}

#[test]
fn a_model_that_takes_no_summary_gets_none() {
    let facts = ModelFacts { id: "m".into(), upstream_id: "m".into(), ..ModelFacts::default() };
    let native = Native::responses().model("m", facts);
    let body = r#"{"model":"m","input":[],"reasoning":{"summary":"auto","effort":"low"},"reasoning_summary":"auto"}"#;
    assert_eq!(native.sent(body).json()["reasoning"], json!({"effort": "low"}));
}

#[test]
fn other_spellings_of_reasoning_are_understood_and_not_sent() {
    for (given, reasoning) in [
        (r#""reasoning_effort":"HIGH""#, json!({"effort": "high"})),
        (r#""reasoningEffort":"minimal","reasoning_effort":null"#, json!({"effort": "low"})),
        (r#""reasoning_summary":"Auto""#, json!({"summary": "auto"})),
        (r#""reasoningSummary":"detailed","reasoningEffort":"low""#, json!({"effort": "low", "summary": "detailed"})),
        (r#""thinking":true"#, json!({"effort": "medium"})),
        (r#""thinking":false"#, json!({})),
        (r#""thinking":"xhigh""#, json!({"effort": "xhigh"})),
        (r#""thinking":{"type":"enabled","budget_tokens":1024}"#, json!({"effort": "medium"})),
        (r#""thinking":{"type":"disabled"}"#, json!({})),
        (r#""thinking":{"effort":"low"}"#, json!({"effort": "low"})),
        (r#""enable_thinking":true"#, json!({"effort": "medium"})),
        (r#""enable_thinking":false,"thinking":"low""#, json!({"effort": "low"})),
        (
            r#""reasoning":{"effort":"low"},"thinking":true,"reasoning_summary":"auto""#,
            json!({"effort": "low", "summary": "auto"}),
        ),
    ] {
        let sent = sent(given);
        assert_eq!(sent["reasoning"], reasoning, "{given}");
        assert_eq!(sent.as_object().unwrap().len(), 4, "{given}: {sent}");
    }
    let native = Native::responses();
    let refuses = |member: &str, param: &str, message: &str| {
        let body = format!(r#"{{"model":"gpt-5.5","input":[],{member}}}"#);
        native.refuses(&body, "invalid_request", Some(param), message);
    };
    refuses(r#""reasoning_effort":7"#, "reasoning_effort", "reasoning effort is not supported");
    refuses(r#""thinking":"a b""#, "thinking", "reasoning effort is not supported");
    refuses(r#""enable_thinking":[]"#, "enable_thinking", "reasoning effort is not supported");
    refuses(r#""reasoningSummary":"long""#, "reasoningSummary", "reasoning summary is not supported");
}

#[test]
fn the_response_before_is_named_only_with_the_output_of_a_tool() {
    let with = |items: &str, id: &str| {
        let body = format!(r#"{{"model":"gpt-5.5","input":[{items}],"previous_response_id":{id}}}"#);
        let sent = Native::responses().sent(&body);
        (sent.json().get("previous_response_id").cloned(), sent.intent().previous_response_id.clone())
    };
    for output in ["function_call_output", "custom_tool_call_output", "tool_search_output", "local_shell_call_output"] {
        let item = format!(r#"{{"type":"{output}","call_id":"c","output":"x"}}"#);
        assert_eq!(with(&item, "\"resp_1\""), (Some(json!("resp_1")), Some("resp_1".into())), "{output}");
        assert_eq!(with(&item, "7"), (None, None));
        assert_eq!(with(&item, "\" \""), (None, None));
    }
    assert_eq!(with(r#"{"type":"message","role":"user","content":[]}"#, "\"resp_1\""), (None, None));
}

#[test]
fn reasoning_is_marked_for_the_account_that_issued_it() {
    let sealed = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"AAA"}"#;
    let bare = r#"{"type":"reasoning","id":"rs_2","summary":[]}"#;
    let compaction = r#"{"type":"compaction","encrypted_content":"BBB"}"#;
    let message = r#"{"type":"message","role":"user","content":[]}"#;
    let body = format!(r#"{{"model":"gpt-5.5", "input" : [ {compaction}, {bare}, {message} ,{sealed},{bare}]}}"#);
    let sent = Native::responses().sent(&body);
    let text = sent.text();
    let input = Json::parse(text.clone().into()).unwrap().root().get("input").unwrap().raw().to_owned();
    assert!(!text.contains("rs_2"), "nobody can read it: {text}");
    let [first, second] = &sent.intent().replayed[..] else { panic!("{:?}", sent.intent().replayed) };
    assert_eq!(first.place, None, "a conversation without its beginning is none");
    assert_eq!(&input[second.place.clone().unwrap()], sealed);
    assert_ne!(first.digest, second.digest);
    // Without an edit the places are those in the client's own text.
    let body = format!(r#"{{"model":"gpt-5.5","input":[ {message}, {sealed} ],{READY}}}"#);
    let sent = Native::responses().sent(&body);
    let input = Json::parse(body.clone().into()).unwrap().root().get("input").unwrap().raw().to_owned();
    assert_eq!((sent.text(), &input[sent.intent().replayed[0].place.clone().unwrap()]), (body, sealed));
    // The response before may be of another account than the items: what has no content is the upstream's to know, the rest is not.
    let output = r#"{"type":"function_call_output","call_id":"c","output":"x"}"#;
    let body = format!(r#"{{"model":"gpt-5.5","input":[{sealed},{bare},{output}],"previous_response_id":"resp_1"}}"#);
    let sent = Native::responses().sent(&body);
    assert!(sent.intent().replayed.len() == 1 && sent.text().contains("rs_2"));
}

#[test]
fn files_are_found_wherever_they_stand() {
    let body = r#"{"model":"gpt-5.5","input":[{"type":"message","role":"user","content":[
        {"type":"input_file","file_id":"file_1"},{"type":"input_image","file_id":"file_2"},
        {"type":"input_image","image_url":"sediment://file_3"},{"type":"input_text","file_id":"file_9","text":""},
        {"type":"input_image","image_url":"data:image/png;base64,AA"}]},
        {"type":"function_call_output","call_id":"c","output":[{"type":"input_image","file_id":"file_1"},{"type":"input_image","file_id":"file_4"}]}]}"#;
    let sent = Native::responses().sent(body);
    assert_eq!(sent.intent().files, ["file_1", "file_2", "file_3", "file_4"]);
    assert!(sent.intent().input_file);
}
