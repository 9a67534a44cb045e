//! Streams that fail: one terminal, our words, the id already sent (docs/v1.md, Projected failed response and Abnormal endings).

use pooler_filter::{Cut, End, Reject, RejectKind};
use serde_json::{Value, json};

use super::support::{Answer, Backend, Host, NOW, response};

const THEIRS: &str = "SECRET words of the provider";

fn failed_event(error: Value) -> Value {
    let mut failed = response("failed");
    failed["error"] = error;
    json!({ "response": failed })
}

fn error(code: &str) -> Value {
    json!({"code": code, "message": THEIRS, "type": "whatever", "param": "secret_param"})
}

/// The one terminal, checked for what holds of every failure.
fn terminal(answer: &Answer) -> Value {
    let events = answer.events();
    let last = events.last().unwrap().clone();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(events.iter().filter(|event| event["type"] == "response.failed").count(), 1);
    assert_eq!(last["error"], last["response"]["error"]);
    assert_eq!(last["response"]["status"], "failed");
    assert_eq!(last["response"]["output"], json!([]));
    assert_eq!(last["response"].get("output_text"), None);
    let members: Vec<&String> = last["error"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["code", "message", "param", "type"]);
    assert_eq!(last["error"]["param"], Value::Null);
    assert!(!answer.bytes().contains("SECRET") && !answer.bytes().contains("secret_param"));
    last
}

fn begun_then(kind: &str, members: Value) -> Value {
    terminal(&Host::streaming().run(Backend::new().begun().event(kind, members).wire()))
}

#[test]
fn a_failed_response_is_projected() {
    let mut members = failed_event(error("invalid_prompt"));
    members["response"]["id"] = json!("resp_other");
    members["response"]["model"] = json!("gpt-5.5-2026");
    members["response"]["output"] = json!([{"type": "message", "content": THEIRS}]);
    members["response"]["output_text"] = json!(THEIRS);
    members["response"]["debug"] = json!(THEIRS);
    let failed = begun_then("response.failed", members);
    let expected = json!({"message": "The provider rejected the prompt as invalid.", "type": "invalid_request_error",
        "code": "invalid_prompt", "param": null});
    assert_eq!(failed["error"], expected);
    let mut whole = response("failed");
    whole["error"] = expected;
    whole["text"] = json!({"format": {"type": "text"}});
    whole["reasoning"] = Value::Null;
    assert_eq!(failed["response"], whole);
    assert_eq!(failed["sequence_number"], 2);
}

#[test]
fn codes_get_the_sentence_and_the_type_of_their_status() {
    let table = [
        ("context_length_exceeded", "invalid_request_error", "maximum context length is 272000 tokens."),
        ("misalignment_policy_violation", "invalid_request_error", "misalignment policy violation"),
        ("cyber_policy", "invalid_request_error", "content policy"),
        ("rate_limit_exceeded", "rate_limit_error", "limiting the rate"),
        ("usage_limit_reached", "usage_limit_reached", "usage limit"),
        ("server_is_overloaded", "server_error", "overloaded"),
        ("some_new_code", "server_error", "The upstream request failed."),
    ];
    for (code, kind, words) in table {
        let failed = begun_then("response.failed", failed_event(error(code)));
        assert_eq!((&failed["error"]["code"], &failed["error"]["type"]), (&json!(code), &json!(kind)));
        assert!(failed["error"]["message"].as_str().unwrap().contains(words), "{code}: {failed}");
    }
}

#[test]
fn a_known_delay_is_told_and_nothing_else_of_the_message() {
    let error = json!({"code": "rate_limit_exceeded", "message": format!("{THEIRS}: try again in 1.3s")});
    let failed = begun_then("response.failed", failed_event(error));
    assert!(failed["error"]["message"].as_str().unwrap().ends_with("Please try again in 1.3s."));
}

#[test]
fn unsafe_and_absent_codes_become_upstream_error() {
    for error in [error("a b"), error("<script>"), error(""), json!({"message": THEIRS}), Value::Null] {
        assert_eq!(begun_then("response.failed", failed_event(error))["error"]["code"], "upstream_error");
    }
    assert_eq!(begun_then("response.failed", json!({}))["error"]["code"], "upstream_error");
}

#[test]
fn an_error_event_becomes_a_failed_response_with_its_code() {
    for members in [
        json!({"code": "server_error", "message": THEIRS, "param": "secret_param"}),
        json!({"error": error("server_error")}),
        json!({"status": 500, "error": error("server_error")}),
    ] {
        let failed = begun_then("error", members);
        assert_eq!(
            (&failed["error"]["code"], &failed["error"]["type"]),
            (&json!("server_error"), &json!("server_error"))
        );
        assert_eq!(failed["response"]["id"], "resp_1");
    }
}

#[test]
fn an_incomplete_response_that_is_a_failure_is_converted() {
    let reasons = [
        "context_length_exceeded",
        "rate_limit_exceeded",
        "usage_limit_reached",
        "insufficient_quota",
        "server_error",
        "stream_incomplete",
        "server_is_overloaded",
    ];
    for reason in reasons {
        let mut incomplete = response("incomplete");
        incomplete["incomplete_details"] = json!({ "reason": reason });
        let failed = begun_then("response.incomplete", json!({ "response": incomplete }));
        assert_eq!(failed["error"]["code"], reason);
        assert_eq!(failed["response"]["incomplete_details"], Value::Null);
    }
}

#[test]
fn an_ordinary_reason_stays_beside_an_error() {
    for reason in ["max_output_tokens", "content_filter"] {
        let mut incomplete = response("incomplete");
        incomplete["incomplete_details"] = json!({"reason": reason, "note": THEIRS});
        incomplete["error"] = error("server_error");
        let failed = begun_then("response.incomplete", json!({ "response": incomplete }));
        assert_eq!(failed["response"]["incomplete_details"], json!({ "reason": reason }));
        assert_eq!(failed["error"]["code"], "server_error");
    }
}

#[test]
fn a_lost_previous_response_is_masked() {
    for code in ["previous_response_not_found", "invalid_previous_response_id"] {
        for (kind, members) in
            [("response.failed", failed_event(error(code))), ("error", json!({"status": 400, "error": error(code)}))]
        {
            let failed = begun_then(kind, members);
            assert_eq!(failed["error"]["code"], "stream_incomplete");
            assert_eq!(failed["error"]["type"], "server_error");
        }
    }
}

#[test]
fn an_error_about_our_account_is_not_the_clients() {
    let failed = begun_then("error", json!({"status": 401, "error": error("token_expired")}));
    assert_eq!(
        (&failed["error"]["code"], &failed["error"]["type"]),
        (&json!("no_eligible_backend"), &json!("server_error"))
    );
}

#[test]
fn a_failure_as_the_first_event_names_the_backends_id_when_it_is_one() {
    let table = [
        (json!("resp_abc-1"), "resp_abc-1"),
        (json!("abc"), "resp_failed"),
        (json!("resp_\"x"), "resp_failed"),
        (json!(7), "resp_failed"),
    ];
    for (id, expected) in table {
        let mut members = failed_event(error("invalid_prompt"));
        members["response"]["id"] = id;
        let answer = Host::streaming().run(Backend::new().event("response.failed", members).wire());
        assert_eq!(answer.types(), ["response.failed"]);
        let failed = terminal(&answer);
        assert_eq!(failed["response"]["id"], expected);
        assert_eq!(failed["response"]["created_at"], NOW);
    }
}

#[test]
fn usage_of_a_failure_is_bounded_integers_or_null() {
    let table = [
        (Value::Null, Value::Null),
        (json!("x"), Value::Null),
        (json!({"input_tokens": 1}), Value::Null),
        (json!({"input_tokens": -1, "output_tokens": 1}), Value::Null),
        (json!({"input_tokens": 9_007_199_254_740_992_u64, "output_tokens": 1}), Value::Null),
        (
            json!({"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2, "x": THEIRS},
                "output_tokens_details": {"reasoning_tokens": "1"}, "note": THEIRS}),
            json!({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
                "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7}),
        ),
    ];
    for (usage, expected) in table {
        let mut members = failed_event(error("invalid_prompt"));
        members["response"]["usage"] = usage;
        assert_eq!(begun_then("response.failed", members)["response"]["usage"], expected);
    }
}

#[test]
fn a_cut_is_one_failed_response_with_the_id_already_sent() {
    let stream = Backend::new().begun().message(0, &["a", "b"]);
    for end in [End::Cut(Cut::Closed), End::Cut(Cut::Idle), End::Cut(Cut::TooLarge), End::Complete] {
        let answer = Host::streaming().run_split(stream.wire().as_bytes(), &[], end);
        let wire = answer.bytes();
        assert!(wire.starts_with(stream.wire()));
        let failed = terminal(&answer);
        assert_eq!(failed["response"]["id"], "resp_1");
        assert_eq!(failed["response"]["created_at"], 1_794_000_000);
        assert_eq!(failed["error"]["code"], "server_error");
        assert_eq!(failed["error"]["type"], "server_error");
        assert_eq!(failed["error"]["message"], "The answer of the provider ended before it was complete.");
    }
}

#[test]
fn a_cut_names_the_made_id_when_that_was_sent() {
    let answer = Host::streaming().run_cut(Backend::new().reasoning(0).wire());
    let created = answer.event("response.created");
    assert_eq!(terminal(&answer)["response"]["id"], created["response"]["id"]);
}

#[test]
fn a_refusal_of_the_host_is_told_in_band() {
    let reject = Reject::new(RejectKind::Unavailable, "no_eligible_backend", "nobody there");
    let stream = Backend::new().begun();
    let answer = Host::streaming().run_split(stream.wire().as_bytes(), &[], End::Failed(reject));
    let failed = terminal(&answer);
    assert_eq!(
        failed["error"],
        json!({"message": "nobody there", "type": "server_error", "code": "no_eligible_backend", "param": null})
    );
    let answer = Host::streaming().run_frames(Vec::new(), End::Failed(Reject::internal("why")));
    assert_eq!(terminal(&answer)["response"]["id"], "resp_failed");
}

#[test]
fn a_failed_response_repeats_what_was_asked_for() {
    let host = Host::streaming().asked("metadata", &json!({"a": "b"})).asked("temperature", &json!(0.2));
    let failed = terminal(&host.run_cut(Backend::new().begun().wire()));
    assert_eq!(failed["response"]["metadata"], json!({"a": "b"}));
    assert_eq!(failed["response"]["temperature"], json!(0.2));
}
