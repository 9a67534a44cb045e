//! One completion (docs/v1.md, Chat completions, Answer).

use pooler_filter::{Cut, End, Frame};
use serde_json::{Value, json};

use super::support::{
    Backend, MADE_ID, NOW, collecting, completion, custom, function, message, response, until_refused, usage,
};

#[test]
fn a_text_becomes_a_completion_with_every_key() {
    let stream = Backend::new().begun().message(0, &["Hel", "lo"]).completed(json!([message(0, "Hello")]));
    let head = collecting().head();
    assert_eq!((head.status.as_u16(), &head.headers["content-type"]), (200, &"application/json".parse().unwrap()));
    let expected = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_794_000_000, "model": "gpt-5.5",
        "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello", "refusal": null, "annotations": []}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 1}},
        "service_tier": "default"});
    assert_eq!(completion(&stream), expected);
}

#[test]
fn what_the_backend_did_not_tell_is_made_up_or_left_out() {
    let answer = completion(&Backend::new().event("response.completed", json!({"response": {"model": "x"}})));
    let message = json!({"role": "assistant", "content": "", "refusal": null, "annotations": []});
    let expected = json!({"id": MADE_ID, "object": "chat.completion", "created": NOW, "model": "gpt-5.5",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}]});
    assert_eq!(answer, expected);
}

#[test]
fn calls_alone_have_null_content_and_dense_indexes() {
    let reasoning = json!({"id": "rs_0", "type": "reasoning", "summary": []});
    let search = json!({"id": "ws_2", "type": "web_search_call"});
    let output = json!([reasoning, function(1, "completed", "{\"a\":1}"), search, custom(3, "x\ny")]);
    let answer = completion(&Backend::new().begun().completed(output));
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    let calls = json!([
        {"index": 0, "id": "call_1x", "type": "function", "function": {"name": "tool_1", "arguments": "{\"a\":1}"}},
        {"index": 1, "id": "call_3x", "type": "custom", "custom": {"name": "tool_3", "input": "x\ny"}}]);
    assert_eq!(message["tool_calls"], calls);
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn text_beside_calls_stays() {
    let output = json!([message(0, "Let me look."), function(1, "completed", "{}")]);
    let answer = completion(&Backend::new().begun().completed(output));
    assert_eq!(answer["choices"][0]["message"]["content"], "Let me look.");
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_refusal_stands_in_its_own_member() {
    let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "I \"can't\""}]});
    let message = &completion(&Backend::new().begun().completed(json!([refusal])))["choices"][0]["message"];
    assert_eq!((&message["refusal"], &message["content"]), (&json!("I \"can't\""), &Value::Null));
}

#[test]
fn texts_are_joined_and_citations_count_on() {
    let cite = |start: u64, title: Value| {
        let (end, url) = (start + 2, "https://a.example/");
        json!({"type": "url_citation", "start_index": start, "end_index": end, "url": url, "title": title})
    };
    let part =
        |text: &str, annotations: Value| json!({"type": "output_text", "text": text, "annotations": annotations});
    let broken = json!({"type": "url_citation", "url": "https://b.example/"});
    let output = json!([
        {"type": "message", "content": [part("ä😀\n", json!([cite(0, json!("A \"a\""))])), part("bc", json!([]))]},
        {"type": "message", "content": [part("de", json!([cite(0, Value::Null), {"type": "file_citation"}, broken]))]}]);
    let message = &completion(&Backend::new().begun().completed(output))["choices"][0]["message"];
    assert_eq!(message["content"], "ä😀\nbcde");
    let cited = |start: u64, title: &str| {
        json!({"type": "url_citation", "url_citation": {"start_index": start, "end_index": start + 2,
            "title": title, "url": "https://a.example/"}})
    };
    assert_eq!(message["annotations"], json!([cited(0, "A \"a\""), cited(5, "")]));
}

#[test]
fn an_output_that_was_left_out_is_gathered_from_the_events() {
    let items = Backend::new().begun().message(1, &["b"]).reasoning(0).function_call(2).completed(json!([]));
    let message = &completion(&items)["choices"][0]["message"];
    assert_eq!((&message["content"], &message["tool_calls"][0]["id"]), (&json!("b"), &json!("call_1")));
    let texts = Backend::new()
        .begun()
        .event("response.output_text.delta", json!({"delta": "a\"\\"}))
        .event("response.output_text.delta", json!({"delta": "\u{e9}"}))
        .completed(Value::Null);
    assert_eq!(completion(&texts)["choices"][0]["message"]["content"], "a\"\\\u{e9}");
}

#[test]
fn an_incomplete_answer_tells_why() {
    for (reason, expected) in [("max_output_tokens", "length"), ("content_filter", "content_filter")] {
        let mut object = response("incomplete");
        object["incomplete_details"] = json!({ "reason": reason });
        object["output"] = json!([message(0, "ha"), function(1, "incomplete", "{\"a")]);
        let answer = completion(&Backend::new().begun().event("response.incomplete", json!({ "response": object })));
        assert_eq!(answer["choices"][0]["finish_reason"], expected);
        assert_eq!(answer["choices"][0]["message"]["content"], "ha");
    }
}

#[test]
fn plain_json_of_the_backend_is_taken() {
    let mut whole = response("completed");
    whole["output"] = json!([message(0, "Hello")]);
    whole["usage"] = usage();
    let frames = vec![Frame::json(whole.to_string())];
    let answer = collecting().plain_json().run_frames(frames, End::Complete).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
    assert_eq!(answer["usage"]["total_tokens"], 17);
}

#[test]
fn every_failure_is_a_refusal() {
    let failed = |code: &str| json!({"response": {"error": {"code": code, "message": "SECRET"}}});
    let begun = || Backend::new().begun().message(0, &["a"]);
    let table = [
        (begun().event("response.failed", failed("invalid_prompt")), 400, "invalid_prompt"),
        (begun().event("response.failed", failed("context_length_exceeded")), 400, "context_length_exceeded"),
        (begun().event("response.failed", failed("rate_limit_exceeded")), 429, "rate_limit_exceeded"),
        (begun().event("error", json!({"code": "odd code", "message": "SECRET"})), 502, "upstream_error"),
        (Backend::new(), 502, "upstream_response_missing"),
        (begun(), 502, "upstream_request_failed"),
    ];
    for (stream, status, code) in table {
        let answer = collecting().run(stream.wire());
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (status, code));
        assert!(!String::from_utf8(answer.reject().envelope()).unwrap().contains("SECRET"));
    }
    let cut = collecting().run_split(begun().wire().as_bytes(), &[], End::Cut(Cut::Idle));
    assert_eq!(cut.reject().code_str(), "upstream_request_failed");
    let (pushed, refused) = until_refused(&collecting().plain_json(), vec![Frame::json("<html>")]);
    assert_eq!((pushed, refused.unwrap().code_str()), (0, "invalid_upstream_response"));
}
