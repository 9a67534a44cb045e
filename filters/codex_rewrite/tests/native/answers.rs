//! Streams: the bytes that came, but for what would show one account as the client's own.

use crate::harness::Native;

const BODY: &str = r#"{"model":"gpt-5.5","input":[],"stream":true}"#;

fn relayed(stream: &str) -> String {
    Native::responses().sent(BODY).streamed(&[], stream).text
}

#[test]
fn a_stream_passes_byte_for_byte_comments_and_odd_forms_included() {
    let stream = concat!(
        ": a comment\n\n",
        "event: response.created\r\ndata: {\"type\":\"response.created\", \"response\":{\"id\":\"resp_1\"}}\r\n\r\n",
        "id: 7\nretry: 5\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"\\u00e9 é\"}\n\n",
        "data: not json\n\ndata: [DONE]\n\n",
        "event: codex.other\ndata: {\"type\":\"codex.other\"}\n\n",
        "event: response.metadata\ndata: {\"type\":\"response.metadata\", \"headers\":{\"x-codex-turn-state\" : \"ts\"}}\n\n",
        "event: response.failed\ndata:  {\"type\":\"response.failed\",\ndata: \"response\":{\"error\":{\"code\":\"odd_thing\",\"message\":\"theirs\"}}}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n",
    );
    assert_eq!(relayed(stream), stream);
}

#[test]
fn the_quota_of_one_account_is_not_told() {
    let event = "event: codex.rate_limits\ndata: {\"type\":\"codex.rate_limits\",\"plan_type\":\"pro\"}\n\n";
    assert_eq!(relayed(event), "");
    assert_eq!(relayed("data: {\"type\":\"codex.rate_limits\"}\n\n: x\n\n"), ": x\n\n");
}

#[test]
fn headers_that_an_event_repeats_are_held_to_the_same_list() {
    let event = |headers: &str| {
        format!(
            "event: codex.response.metadata\ndata: {{\"type\":\"codex.response.metadata\",\"headers\":{headers}}}\n\n"
        )
    };
    let given = r#"{"X-Models-Etag":"theirs","x-codex-turn-state":"ts","x-codex-primary-used-percent":"9","openai-model":"other","cf-ray":"x"}"#;
    let wanted = r#"{"x-models-etag":"W/\"fake\"","x-codex-turn-state":"ts"}"#;
    assert_eq!(relayed(&event(given)), event(wanted));
    let fine = r#"{"openai-model":"gpt-5.5"}"#;
    assert_eq!(relayed(&event(fine)), event(fine));
}

#[test]
fn a_failure_has_the_code_that_the_client_acts_on() {
    let failed = |error: &str| {
        format!(
            "event: response.failed\ndata: {{\"type\":\"response.failed\",\"response\":{{\"id\":\"r\",\"error\":{error}}}}}\n\n"
        )
    };
    for (given, wanted) in [
        (r#"{"code":"overloaded_error","message":"m"}"#, r#"{"code":"server_is_overloaded","message":"m"}"#),
        (r#"{"code":" slow_down ","message":"m"}"#, r#"{"code":"slow_down","message":"m"}"#),
        (r#"{"code":"invalid_previous_response_id"}"#, r#"{"code":"previous_response_not_found"}"#),
        (
            r#"{"code":"token_expired","message":"your token"}"#,
            r#"{"code":"server_is_overloaded","message":"The provider is overloaded at the moment."}"#,
        ),
        (r#"{"code":"usage_limit_reached","message":"m"}"#, r#"{"code":"usage_limit_reached","message":"m"}"#),
        (r#"{"code":null,"message":"m"}"#, r#"{"code":null,"message":"m"}"#),
        ("null", "null"),
    ] {
        assert_eq!(relayed(&failed(given)), failed(wanted), "{given}");
    }
    let error = |code: &str| {
        format!("event: error\ndata: {{\"type\":\"error\",\"code\":\"{code}\",\"error\":{{\"code\":\"{code}\"}}}}\n\n")
    };
    let inner =
        error("overloaded_error").replace("{\"code\":\"overloaded_error\"}", "{\"code\":\"server_is_overloaded\"}");
    assert_eq!(relayed(&error("overloaded_error")), inner);
    let bare = |code: &str| format!("data: {{\"type\":\"error\",\"code\":\"{code}\",\"message\":\"m\"}}\n\n");
    assert_eq!(relayed(&bare("overloaded_error")), bare("server_is_overloaded"));
}

#[test]
fn a_cut_stream_gets_no_end_of_ours() {
    let cut = "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: response.out";
    assert_eq!(relayed(cut), "event: response.created\ndata: {\"type\":\"response.created\"}\n\n");
}
