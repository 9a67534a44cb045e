//! Chat streams that fail: an error that may still become a status, or one last chunk; never `[DONE]`
//! (docs/v1.md, Chat completions, Stream).

use pooler_filter::sse::{Framer, Limits};
use pooler_filter::{Cut, End, Frame, Reject, RejectKind};
use serde_json::{Value, json};

use super::support::{Backend, Chat, custom, failed, function, streaming, until_refused};

const CUT: &str = "The answer of the provider ended before it was complete.";

fn frames(stream: &Backend) -> Vec<Frame> {
    let mut framer = Framer::new(Limits::default());
    framer.push(stream.wire().to_owned().into());
    std::iter::from_fn(|| framer.next_block().unwrap()).map(Frame::from_block).collect()
}

/// Everything that ends a stream badly: the event, the status that it would have, its type and code.
fn failures() -> Vec<(&'static str, Value, u16, &'static str, &'static str)> {
    let error = |code: &str| json!({"code": code, "message": "SECRET words", "type": "x", "param": "secret"});
    let failed = |code: &str| json!({"response": {"id": "resp_1", "status": "failed", "error": error(code)}});
    let incomplete = |reason: &str| json!({"response": {"id": "resp_1", "incomplete_details": {"reason": reason}}});
    let (invalid, server) = ("invalid_request_error", "server_error");
    vec![
        ("response.failed", failed("invalid_prompt"), 400, invalid, "invalid_prompt"),
        ("response.failed", failed("context_length_exceeded"), 400, invalid, "context_length_exceeded"),
        ("response.failed", failed("misalignment_policy_violation"), 400, invalid, "misalignment_policy_violation"),
        ("response.failed", failed("rate_limit_exceeded"), 429, "rate_limit_error", "rate_limit_exceeded"),
        ("response.failed", failed("usage_limit_reached"), 429, "usage_limit_reached", "usage_limit_reached"),
        ("response.failed", failed("server_is_overloaded"), 503, server, "server_is_overloaded"),
        ("response.failed", failed("token_expired"), 503, server, "no_eligible_backend"),
        ("response.failed", failed("previous_response_not_found"), 502, server, "stream_incomplete"),
        ("response.failed", failed("some_new_code"), 502, server, "some_new_code"),
        ("response.failed", failed("not safe"), 502, server, "upstream_error"),
        ("response.failed", json!({}), 502, server, "upstream_error"),
        ("error", json!({"error": error("server_error")}), 502, server, "server_error"),
        (
            "error",
            json!({"code": "slow_down", "message": "SECRET", "param": "secret"}),
            429,
            "rate_limit_error",
            "slow_down",
        ),
        ("response.incomplete", incomplete("insufficient_quota"), 429, "usage_limit_reached", "insufficient_quota"),
        ("response.incomplete", json!({"response": {"error": error("server_error")}}), 502, server, "server_error"),
    ]
}

/// Beginnings that make no chunk.
fn silent() -> Vec<Backend> {
    let limits = json!({"plan_type": "pro"});
    vec![Backend::new(), Backend::new().raw(": hi\n\n").event("codex.rate_limits", limits), Backend::new().reasoning(0)]
}

/// Beginnings that make at least the first chunk.
fn begun() -> Vec<Backend> {
    vec![
        Backend::new().begun(),
        Backend::new().begun().message(0, &["a"]),
        Backend::new().message(0, &["a"]),
        Backend::new().begun().function_call(0),
        Backend::new().event("response.output_item.added", json!({"output_index": 0, "item": custom(0, "")})),
    ]
}

fn check(error: &Value, kind: &str, code: &str) {
    assert_eq!((&error["type"], &error["code"], &error["param"]), (&json!(kind), &json!(code), &Value::Null));
    assert_eq!(error.as_object().unwrap().len(), 4, "{error}");
    assert!(error["message"].is_string() && !error.to_string().to_lowercase().contains("secret"), "{error}");
}

#[test]
fn before_the_first_chunk_a_failure_may_become_a_status() {
    for (kind, members, status, _, code) in failures() {
        for beginning in silent() {
            let (pushed, refused) = until_refused(&streaming(), frames(&beginning.event(kind, members.clone())));
            let refused = refused.expect("a refusal");
            assert_eq!((pushed, refused.status().as_u16(), refused.code_str()), (0, status, code));
        }
    }
}

#[test]
fn when_the_status_is_sent_already_a_failure_is_one_chunk_without_role() {
    for (kind, members, _, error_type, code) in failures() {
        for beginning in silent() {
            let frames = frames(&beginning.event(kind, members.clone()));
            check(&failed(&streaming(), frames, End::Complete), error_type, code);
        }
    }
}

#[test]
fn after_the_first_chunk_a_failure_is_the_last_chunk() {
    for (kind, members, _, error_type, code) in failures() {
        for beginning in begun() {
            let count = Chat::of(&streaming().run_cut(beginning.wire())).chunks.len();
            let stream = beginning.event(kind, members.clone()).message(7, &["late"]).completed(json!([]));
            let (pushed, refused) = until_refused(&streaming(), frames(&stream));
            assert_eq!((pushed, refused.is_none()), (count + 1, true));
            let chat = Chat::of(&streaming().run(stream.wire()));
            check(chat.error.as_ref().expect("an error"), error_type, code);
            assert_eq!((chat.chunks.len(), chat.done), (count, false));
        }
    }
}

#[test]
fn a_cut_is_an_error_and_never_an_end() {
    let ends = [|| End::Complete, || End::Cut(Cut::Closed), || End::Cut(Cut::Idle), || End::Cut(Cut::TooLarge)];
    for end in ends {
        for beginning in begun() {
            let chat = Chat::of(&streaming().run_frames(frames(&beginning), end()));
            check(chat.error.as_ref().expect("an error"), "server_error", "server_error");
            assert_eq!((&chat.error.unwrap()["message"], chat.done), (&json!(CUT), false));
        }
        for beginning in silent() {
            check(&failed(&streaming(), frames(&beginning), end()), "server_error", "server_error");
        }
    }
}

#[test]
fn a_refusal_of_the_host_is_told_with_its_own_words() {
    let reject = || Reject::new(RejectKind::RateLimited, "rate_limit_exceeded", "Slow down.");
    for beginning in begun() {
        let chat = Chat::of(&streaming().run_frames(frames(&beginning), End::Failed(reject())));
        check(chat.error.as_ref().expect("an error"), "rate_limit_error", "rate_limit_exceeded");
        assert_eq!(chat.error.unwrap()["message"], "Slow down.");
    }
    check(&failed(&streaming(), Vec::new(), End::Failed(reject())), "rate_limit_error", "rate_limit_exceeded");
}

#[test]
fn an_unusable_plain_answer_is_refused() {
    for body in ["", "<html>", "[]", "{\"a\":1"] {
        let (pushed, refused) = until_refused(&streaming().plain_json(), vec![Frame::json(body)]);
        assert_eq!((pushed, refused.unwrap().code_str()), (0, "invalid_upstream_response"));
    }
}

#[test]
fn more_calls_than_anyone_makes_are_refused() {
    let calls = |count: u64| {
        (0..count).fold(Backend::new(), |stream, index| {
            let item = json!({"output_index": index, "item": function(index, "completed", "{}")});
            stream.event("response.output_item.done", item)
        })
    };
    let chat = Chat::of(&streaming().run(calls(4096).completed(json!([])).wire()));
    assert_eq!((chat.deltas().len(), chat.done), (4096, true));
    let chat = Chat::of(&streaming().run(calls(4097).completed(json!([])).wire()));
    assert_eq!((&chat.error.unwrap()["code"], chat.done), (&json!("invalid_upstream_response"), false));
}
