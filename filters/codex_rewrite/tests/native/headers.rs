//! Headers, both ways: a list says what passes, and nothing else does.

use pooler_filter::testing::upstream_request;
use pooler_filter::{Carrier, Delivery, ModelFacts, Operation};

use crate::harness::Native;

const BODY: &str = r#"{"model":"gpt-5.5","input":[],"service_tier":"priority","stream":true}"#;

const PASSED: [&str; 14] = [
    "x-codex-window-id",
    "x-codex-parent-thread-id",
    "x-codex-installation-id",
    "x-codex-turn-state",
    "x-codex-beta-features",
    "x-openai-subagent",
    "x-openai-internal-codex-responses-lite",
    "x-responsesapi-include-timing-metrics",
    "session-id",
    "thread-id",
    "x-client-request-id",
    "version",
    "openai-beta",
    "accept",
];

const KEPT_HERE: [&str; 20] = [
    "cookie",
    "chatgpt-account-id",
    "x-openai-account-routing-override",
    "x-oai-attestation",
    "x-forwarded-for",
    "forwarded",
    "via",
    "traceparent",
    "tracestate",
    "x-request-id",
    "idempotency-key",
    "x-codex-session-id",
    "x-codex-conversation-id",
    "x-codex-previous-response-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-api-key",
    "x-openai-internal-codex-residency",
    "x-codex-whatever",
];

#[test]
fn the_list_passes_and_nothing_else() {
    let mut native = Native::responses().header("originator", "codex_exec").header("user-agent", "codex_exec/0.169.0");
    for name in PASSED.iter().chain(&KEPT_HERE) {
        native = native.header(name, &format!("canary-{name}"));
    }
    let sent = native.sent(BODY);
    let mut names: Vec<&str> = sent.request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let mut wanted = PASSED.to_vec();
    wanted.extend(["originator", "user-agent", "content-type", "x-codex-routing-hint"]);
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for name in PASSED {
        assert_eq!(sent.header(name), Some(format!("canary-{name}").as_str()));
    }
    assert_eq!(
        (sent.header("originator"), sent.header("user-agent")),
        (Some("codex_exec"), Some("codex_exec/0.169.0"))
    );
    assert_eq!(sent.header("x-codex-routing-hint"), Some("model=gpt-5.5;tier=priority"));
}

#[test]
fn a_hint_of_the_client_gives_way_to_ours_and_no_name_to_that_of_this_program() {
    let sent = Native::responses().header("x-codex-routing-hint", "model=other").sent(BODY);
    assert_eq!(sent.header("x-codex-routing-hint"), Some("model=gpt-5.5;tier=priority"));
    assert_eq!((sent.header("originator"), sent.header("version")), (Some("codex-pooler"), None));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
}

#[test]
fn the_names_of_the_clients_tools_stay_here() {
    let sent = |value: &str| {
        let sent = Native::responses().header("x-codex-turn-metadata", value).sent(BODY);
        sent.header("x-codex-turn-metadata").map(str::to_owned)
    };
    let plain = r#"{"turn_id": "t",  "n":1.0}"#;
    assert_eq!(sent(plain).as_deref(), Some(plain));
    assert_eq!(sent(r#"{"a":1,"code_mode_tool_names":["x"],"b":2}"#).as_deref(), Some(r#"{"a":1,"b":2}"#));
    assert_eq!(sent(r#"{"code_mode_tool\u005fnames":["x"]}"#).as_deref(), Some("{}"));
    assert_eq!(sent("code_mode_tool_names"), None);
}

#[test]
fn of_the_answer_only_the_list_is_relayed() {
    let given = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("x-codex-turn-state", "ts-1"),
        ("openai-model", "gpt-5.5"),
        ("x-reasoning-included", "true"),
        ("x-codex-safety-buffering-enabled", "true"),
        ("x-codex-safety-buffering-faster-model", "gpt-x"),
        ("x-models-etag", "W/\"theirs\""),
        ("x-codex-primary-used-percent", "50"),
        ("x-codex-credits-balance", "7"),
        ("x-codex-plan-type", "pro"),
        ("x-request-id", "req_1"),
        ("set-cookie", "__cf_bm=1"),
        ("cf-ray", "x"),
        ("retry-after", "9"),
        ("content-encoding", "identity"),
        ("cache-control", "no-cache"),
        ("x-openai-model", "gpt-5.5"),
    ];
    let stream = Native::responses().sent(BODY).streamed(&given, "");
    let mut names: Vec<&str> = stream.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let wanted = [
        "content-type",
        "openai-model",
        "x-codex-safety-buffering-enabled",
        "x-codex-safety-buffering-faster-model",
        "x-codex-turn-state",
        "x-models-etag",
        "x-reasoning-included",
    ];
    assert_eq!(names, wanted);
    assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(stream.headers["x-models-etag"], "W/\"fake\"", "ours");
    let whole = Native::responses().sent(BODY).answered(Carrier::Json, &given, "{}");
    assert_eq!((whole.headers.get("x-models-etag"), whole.text.as_str()), (None, "{}"));
    assert_eq!((stream.delivery, whole.delivery), (Delivery::Stream, Delivery::Whole));
}

#[test]
fn the_served_model_is_told_only_when_it_is_the_one_that_was_asked_for() {
    let told = |model: &str| Native::responses().sent(BODY).streamed(&[("openai-model", model)], "").headers;
    assert!(told("gpt-5.5").contains_key("openai-model"));
    assert!(!told("gpt-5.2-fallback").contains_key("openai-model"));
}

#[test]
fn images_go_on_as_they_came() {
    let body = r#"{ "prompt":"a cat","model":"gpt-image-2", "size":"auto","stream":true}"#;
    for (operation, path) in [(Operation::GenerateImage, "generations"), (Operation::EditImage, "edits")] {
        let native = Native::of(operation).header("x-codex-image-turn-id", "canary").header("version", "1");
        let sent = native.send_body(upstream_request(body).body).unwrap();
        assert_eq!(
            (sent.text().as_str(), sent.request.path.as_str()),
            (body, &*format!("/backend-api/codex/images/{path}"))
        );
        assert_eq!((sent.header("x-codex-image-turn-id"), sent.header("version")), (None, Some("1")));
        assert_eq!((sent.header("accept"), sent.intent().model.as_str()), (Some("application/json"), "gpt-image-2"));
        assert!(!sent.intent().stream);
        let answer =
            sent.answered(Carrier::Json, &[("content-type", "application/json"), ("x-y", "z")], "{ \"data\":[]}");
        assert_eq!((answer.text.as_str(), answer.headers.len()), ("{ \"data\":[]}", 1));
    }
}

/// The header announces the form of the body; it makes no such body.
#[test]
fn a_body_of_the_lite_form_is_announced_as_one() {
    let lite = "x-openai-internal-codex-responses-lite";
    let facts = |id: &str, lite| ModelFacts { id: id.into(), upstream_id: id.into(), lite, ..ModelFacts::default() };
    let native = || Native::responses().model("light", facts("light", true)).model("full", facts("full", false));
    let body = |model: &str, tools: &str| format!(r#"{{"model":"{model}","input":[]{tools}}}"#);
    assert_eq!(native().sent(&body("light", "")).header(lite), Some("true"));
    assert_eq!(native().sent(&body("light", r#","tools":null"#)).header(lite), Some("true"));
    assert_eq!(native().header(lite, "own").sent(&body("light", "")).header(lite), Some("own"));
    assert_eq!(native().sent(&body("full", "")).header(lite), None);
    assert_eq!(native().sent(&body("light", r#","tools":[]"#)).header(lite), None, "it has the other form");
}
