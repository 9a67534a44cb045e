//! The lines of the acceptance checklist that the way down decides.

use pooler_filter_codex_rewrite::Config;

use crate::harness::{Gateway, input, refuses, sent, with};

const CONTINUATION: &str = r#"{"model":"gpt-5.5","previous_response_id":"resp_1","input":[
    {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"},
    {"type":"function_call_output","call_id":"c","output":"1"}]}"#;

#[test]
fn checklist_07_store_and_stream_are_forced_and_metadata_stays_here() {
    let body = with(r#""store":true,"stream":false,"metadata":{"a":"b"},"stream_options":{"include_usage":true}"#);
    let sent = sent(&body);
    assert_eq!(sent.member("store").as_deref(), Some("false"));
    assert_eq!(sent.member("stream").as_deref(), Some("true"));
    assert_eq!(sent.member("include").as_deref(), Some(r#"["reasoning.encrypted_content"]"#));
    assert_eq!(sent.member("instructions").as_deref(), Some(r#""""#));
    assert_eq!(sent.member("metadata"), None);
    assert_eq!(sent.member("stream_options"), None);
    assert!(!sent.intent().stream);
}

#[test]
fn checklist_07_encrypted_reasoning_is_included_once() {
    let included = |include: &str| sent(&with(&format!(r#""include":{include}"#))).member("include");
    assert_eq!(included("[]").as_deref(), Some(r#"["reasoning.encrypted_content"]"#));
    assert_eq!(
        included(r#"["a","reasoning.encrypted_content","a","reasoning.encrypted_content"]"#).as_deref(),
        Some(r#"["a","reasoning.encrypted_content"]"#)
    );
    assert_eq!(included(r#"["a"]"#).as_deref(), Some(r#"["a","reasoning.encrypted_content"]"#));
}

#[test]
fn checklist_08_system_and_developer_text_is_lifted_in_order_and_the_image_stays() {
    let sent = sent(&input(
        r#"[{"role":"developer","content":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"https://a.example/i.png"}]},
            {"role":"user","content":[{"type":"input_text","text":"q"}],"type":"message"},
            {"role":"system","content":"two"}]"#,
    ));
    assert_eq!(sent.member("instructions").as_deref(), Some(r#""one\ntwo""#));
    assert_eq!(
        sent.member("input").as_deref(),
        Some(
            r#"[{"role":"developer","content":[{"type":"input_image","image_url":"https://a.example/i.png"}],"type":"message"},{"role":"user","content":[{"type":"input_text","text":"q"}],"type":"message"}]"#
        )
    );
}

#[test]
fn checklist_09_values_that_ask_for_nothing_are_accepted_and_absent_upstream() {
    let body = with(
        r#""background":false,"max_tool_calls":null,"top_logprobs":0,"user":"u","truncation":"auto","conversation":[],"prompt":null,"logprobs":false"#,
    );
    let sent = sent(&body);
    for name in
        ["background", "max_tool_calls", "top_logprobs", "user", "truncation", "conversation", "prompt", "logprobs"]
    {
        assert_eq!(sent.member(name), None, "{name}");
    }
}

#[test]
fn checklist_09_values_that_ask_for_something_unsupported_are_refused() {
    for (name, value) in [
        ("background", "true"),
        ("max_tool_calls", "3"),
        ("top_logprobs", "2"),
        ("context_management", "[{}]"),
        ("conversation", r#""conv_1""#),
        ("prompt", r#"{"id":"pmpt_1"}"#),
        ("logprobs", "true"),
        ("truncation", r#""sometimes""#),
    ] {
        let message = format!("Unsupported parameter: {name}");
        let body = with(&format!(r#""{name}":{value}"#));
        refuses(&body, 400, "unsupported_parameter", Some(name), &message);
    }
}

#[test]
fn checklist_09_an_unknown_key_is_refused_even_when_null() {
    let message = "Unsupported parameter: surprise";
    refuses(&with(r#""surprise":null"#), 400, "unsupported_parameter", Some("surprise"), message);
}

#[test]
fn checklist_10_sampling_is_accepted_and_absent_upstream() {
    let sent = sent(&with(r#""temperature":0.7,"top_p":0.5,"max_output_tokens":9000"#));
    for name in ["temperature", "top_p", "max_output_tokens"] {
        assert_eq!(sent.member(name), None, "{name}");
    }
    assert_eq!(sent.intent().estimated_output_tokens, 9000);
}

#[test]
fn checklist_10_max_output_tokens_has_to_be_a_positive_integer() {
    for value in ["0", "-1", "1.5", r#""5""#, "true", "[]"] {
        let body = with(&format!(r#""max_output_tokens":{value}"#));
        let message = "max_output_tokens must be a positive integer";
        refuses(&body, 400, "invalid_request", Some("max_output_tokens"), message);
    }
}

#[test]
fn checklist_11_efforts_have_upstream_names() {
    for (asked, upstream) in
        [("minimal", "low"), ("ultra", "max"), (" HIGH ", "high"), ("none", "none"), ("x-1_y", "x-1_y")]
    {
        let sent = sent(&with(&format!(r#""reasoning":{{"effort":"{asked}"}}"#)));
        assert_eq!(sent.member("reasoning"), Some(format!(r#"{{"effort":"{upstream}"}}"#)));
        assert_eq!(sent.intent().effort.as_deref(), Some(upstream));
    }
}

#[test]
fn checklist_11_a_malformed_effort_is_refused() {
    let long = "a".repeat(33);
    for effort in ["high--x", "a_-b", "-a", "", "a b", "é", long.as_str()] {
        let body = with(&format!(r#""reasoning":{{"effort":"{effort}"}}"#));
        refuses(&body, 400, "invalid_request", Some("reasoning.effort"), "reasoning effort is not supported");
    }
}

#[test]
fn checklist_12_service_tiers() {
    let tier = |value: &str| sent(&with(&format!(r#""service_tier":{value}"#))).member("service_tier");
    assert_eq!(tier(r#""fast""#).as_deref(), Some(r#""priority""#));
    assert_eq!(tier(r#"" Flex ""#).as_deref(), Some(r#""flex""#));
    assert_eq!(tier(r#""ultrafast""#).as_deref(), Some(r#""ultrafast""#));
    for absent in [r#""auto""#, r#""default""#, "null"] {
        assert_eq!(tier(absent), None, "{absent}");
    }
    let sent = sent(&with(r#""service_tier":"fast""#));
    assert_eq!(sent.intent().service_tier.as_deref(), Some("priority"));
}

#[test]
fn checklist_13_a_continuation_without_tool_output_is_refused() {
    let message = "previous_response_id requires a tool-output continuation";
    let body = with(r#""previous_response_id":"resp_1""#);
    refuses(&body, 400, "invalid_request", Some("previous_response_id"), message);
}

#[test]
fn checklist_13_a_continuation_with_tool_output_goes_on_with_its_reasoning() {
    let sent = sent(CONTINUATION);
    assert_eq!(sent.member("previous_response_id").as_deref(), Some(r#""resp_1""#));
    assert!(sent.member("input").is_some_and(|input| input.contains(r#"{"type":"reasoning","id":"rs_1""#)));
    assert_eq!(sent.intent().estimated_output_tokens, 2048);
}

#[test]
fn checklist_14_remote_mcp_tools_are_refused() {
    let body = with(r#""tools":[{"type":"mcp","server_label":"s","server_url":"https://a.example"}]"#);
    refuses(&body, 400, "invalid_request", Some("tools"), "remote MCP tools are not supported");
}

#[test]
fn checklist_14_tool_names_are_unique() {
    let body = with(r#""tools":[{"type":"function","name":"a","parameters":{}},{"type":"custom","name":"\u0061"}]"#);
    refuses(&body, 400, "invalid_request", Some("tools"), "tool names must be unique");
}

#[test]
fn metadata_goes_upstream_only_when_configured() {
    let config = Config { forward_metadata: true, ..Config::default() };
    let sent = Gateway { config, ..Gateway::new() }.send(&with(r#""metadata":{ "a":"1E5"}"#)).expect("accepted");
    assert_eq!(sent.member("metadata").as_deref(), Some(r#"{"a":"1E5"}"#));
}
