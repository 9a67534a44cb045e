use std::collections::BTreeMap;
use std::sync::Arc;

use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts, upstream_request, write};
use pooler_filter::{FilterContext, FilterFactory, Principal};

use super::Identity;
use crate::echo::{Echo, Form};
use crate::{CodexRewrite, Config};

/// What the way up will know of this request.
fn echo(body: &str) -> Echo {
    let ports = FakePorts::new().ports();
    let filter = CodexRewrite::build(Config::default(), &FilterContext::new(&ports, &CodexRewrite::CONTRACT));
    let filter = filter.expect("the default configuration is valid");
    let mut cx = ExchangeBuilder::responses().build();
    write(&mut cx, Principal(Arc::new(key_facts())));
    let mut request = upstream_request(body);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    let done = runtime.block_on(filter.on_request_body(&mut request, &mut cx));
    done.unwrap_or_else(|reject| panic!("refused: {reject}"));
    cx.require::<Echo>().expect("an accepted request leaves its echo").clone()
}

fn members(body: &str) -> BTreeMap<&'static str, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8");
    let echo = echo(body);
    let count = echo.members.len();
    let members: BTreeMap<_, _> = echo.members.iter().map(|(name, value)| (*name, text(value))).collect();
    assert_eq!(members.len(), count, "no member is repeated twice");
    members
}

#[test]
fn answers_repeat_what_the_client_wrote() {
    let tools = r#"[{"type":"function", "name":"f","parameters":{"n":1E5},"strict":null}]"#;
    let body = format!(
        r#"{{"model":"GPT-5.5","input":[{{"role":"system","content":"lifted"}}],"instructions":"own \u0041","tools":{tools},
            "tool_choice":{{"type":"function","name":"f"}},"parallel_tool_calls":false,"temperature":0.50,"top_p":1E0,
            "max_output_tokens":7,"metadata":{{"a": "b"}},"prompt_cache_key":"k","safety_identifier":"s","user":"u",
            "truncation":" Auto ","service_tier":"fast","top_logprobs":0,"text":{{"format":null,"verbosity":"low"}},
            "reasoning":{{"effort":"Minimal","summary":null}},"store":true,"stream_options":{{}}}}"#
    );
    let expected = [
        ("instructions", r#""own \u0041""#),
        ("max_output_tokens", "7"),
        ("metadata", r#"{"a": "b"}"#),
        ("parallel_tool_calls", "false"),
        ("prompt_cache_key", r#""k""#),
        ("reasoning", r#"{"effort":"minimal","summary":null}"#),
        ("safety_identifier", r#""s""#),
        ("service_tier", r#""fast""#),
        ("temperature", "0.50"),
        ("text", r#"{"verbosity":"low"}"#),
        ("tool_choice", r#"{"type":"function","name":"f"}"#),
        ("tools", tools),
        ("top_logprobs", "0"),
        ("top_p", "1E0"),
        ("truncation", r#""auto""#),
        ("user", r#""u""#),
    ];
    assert_eq!(members(&body), expected.map(|(name, value)| (name, value.to_owned())).into());
    assert_eq!(echo(&body).model, "GPT-5.5");
}

#[test]
fn answers_repeat_the_response_that_was_continued() {
    let body = r#"{"model":"gpt-5.5","previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"c","output":"1"}]}"#;
    assert_eq!(members(body).get("previous_response_id").map(String::as_str), Some(r#""resp_1""#));
}

#[test]
fn answers_repeat_nothing_that_was_absent_null_or_of_another_kind() {
    let body = r#"{"model":"gpt-5.5","input":"x","tools":null,"instructions":null,"temperature":"hot","user":5,"metadata":[],"reasoning":null}"#;
    assert_eq!(members(body), BTreeMap::new());
}

#[test]
fn a_namespace_is_remembered_for_names_that_stand_in_it_alone() {
    let body = r#"{"model":"gpt-5.5","input":"x","tools":[
        {"type":"function","name":"top","parameters":{}},
        {"type":"namespace","name":"a","description":"d","tools":[{"type":"custom","name":"one"},{"type":"custom","name":"both"},{"type":"custom","name":"top"}]},
        {"type":"namespace","name":"b","description":"d","tools":[{"type":"custom","name":"both"}]}]}"#;
    assert_eq!(echo(body).namespaces, [("one".to_owned(), "a".to_owned())].into());
}

#[test]
fn namespaces_of_the_input_are_remembered_too() {
    let tools = |namespace: &str, name: &str| {
        format!(
            r#"{{"type":"namespace","name":"{namespace}","description":"d","tools":[{{"type":"custom","name":"{name}"}}]}}"#
        )
    };
    let item =
        |tools: &[String]| format!(r#"{{"type":"additional_tools","role":"developer","tools":[{}]}}"#, tools.join(","));
    let body = format!(
        r#"{{"model":"gpt-5.5","input":[{},{}],"tools":[{}]}}"#,
        item(&[tools("a", "one"), tools("b", "both")]),
        item(&[tools("a", "one")]),
        tools("c", "both"),
    );
    assert_eq!(echo(&body).namespaces, [("one".to_owned(), "a".to_owned())].into());
}

#[test]
fn the_way_up_knows_of_a_compaction_trigger_and_whether_its_answer_streams() {
    let body = |metadata: &str| {
        format!(
            r#"{{"model":"gpt-5.5","client_metadata":{metadata},"input":[{{"role":"user","content":"q"}},{{"type":"compaction_trigger"}}]}}"#
        )
    };
    let streamed = r#"{"x-codex-turn-metadata":"{\"compaction\":{\"implementation\":\"responses_compaction_v2\"}}"}"#;
    assert_eq!(echo(&body("{}")).form, Form::CompactionTrigger { streamed: false });
    assert_eq!(echo(&body(streamed)).form, Form::CompactionTrigger { streamed: true });
    assert_eq!(echo(r#"{"model":"gpt-5.5","input":"q"}"#).form, Form::Plain);
}

#[test]
fn an_identity_that_is_no_header_is_refused_by_its_name() {
    let identity = |originator: &str, agent: &str, version: &str| {
        Identity::new(Some(originator.into()), Some(agent.into()), Some(version.into())).err()
    };
    assert_eq!(identity("a", "b/1", "1.0"), None);
    assert_eq!(identity("a\n", "b/1", "1.0"), Some("originator"));
    assert_eq!(identity("a", "\u{0}", "1.0"), Some("user_agent"));
    assert_eq!(identity("a", "b/1", " "), Some("version"));
}

#[test]
fn debug_of_an_echo_tells_no_member() {
    let shown = format!("{:?}", echo(r#"{"model":"gpt-5.5","input":"x","instructions":"canary"}"#));
    assert!(!shown.contains("canary"), "{shown}");
}
