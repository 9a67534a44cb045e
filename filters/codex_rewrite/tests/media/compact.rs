//! Conversations to compact (docs/v1.md, Compact).

use http::Method;
use pooler_filter::{Expects, Operation};

use crate::harness::{Gateway, check_fixtures, json};

fn gateway() -> Gateway {
    Gateway::of(Operation::Compact)
}

#[test]
fn every_fixture_becomes_what_its_pair_says() {
    check_fixtures("compact", 3, |_, body| gateway().sent(body));
}

#[test]
fn the_request_goes_to_one_account_and_expects_json() {
    let body = r#"{"model":"gpt-5.5","input":"x","stream":true,"prompt_cache_key":"k","service_tier":"fast","reasoning":{"effort":"minimal"}}"#;
    let sent = gateway().sent(json(body));
    let path = "/backend-api/codex/responses/compact";
    assert_eq!((&sent.request.method, sent.request.path.as_str()), (&Method::POST, path));
    assert_eq!(sent.request.expects, Expects::Json);
    assert_eq!(sent.header("accept"), Some("application/json"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("originator"), Some("codex-pooler"));
    assert_eq!(sent.header("cookie"), None);
    let intent = sent.intent();
    assert!(intent.one_account && !intent.stream);
    assert_eq!((intent.model.as_str(), intent.prompt_cache_key.as_deref()), ("gpt-5.5", Some("k")));
    assert_eq!((intent.service_tier.as_deref(), intent.effort.as_deref()), (Some("priority"), Some("low")));
}

#[test]
fn the_rules_of_responses_hold() {
    let with = |members: &str| json(&format!(r#"{{"model":"gpt-5.5","input":"x",{members}}}"#));
    let unsupported = "unsupported_parameter";
    gateway().refuses(with(r#""zzz":null"#), 400, unsupported, Some("zzz"), "Unsupported parameter: zzz");
    gateway().refuses(
        with(r#""background":true"#),
        400,
        unsupported,
        Some("background"),
        "Unsupported parameter: background",
    );
    gateway().refuses(
        with(r#""max_output_tokens":0"#),
        400,
        "invalid_request",
        Some("max_output_tokens"),
        "max_output_tokens must be a positive integer",
    );
    gateway().refuses(with(r#""stream":1"#), 400, "invalid_request", Some("stream"), "stream must be a boolean");
    gateway().refuses(with(r#""tools":1"#), 400, "invalid_request", Some("tools"), "tools must be an array");
    gateway().refuses(json(r#"{"input":"x"}"#), 400, "invalid_request", Some("model"), "model is required");
    gateway().refuses(
        json(r#"{"model":"gpt-9","input":"x"}"#),
        400,
        "invalid_model",
        Some("model"),
        "model is not available for this pool",
    );
    let key = gateway().allowing(&["other"]);
    key.refuses(
        json(r#"{"model":"gpt-5.5","input":"x"}"#),
        403,
        "model_not_allowed",
        None,
        "api key is not allowed to use this model",
    );
}
