//! One JSON answer out of a stream (docs/v1.md, Collection).

use pooler_filter::{Cut, End, Frame};
use serde_json::{Value, json};

use super::support::{Backend, Host, MADE_ID, NOW, message, response, usage};

fn run(stream: &Backend) -> super::support::Answer {
    Host::collecting().run(stream.wire())
}

#[test]
fn the_last_response_object_is_the_answer_with_all_its_members() {
    let mut last = response("completed");
    last["output"] = json!([message(0, "Hello")]);
    last["usage"] = usage();
    last["end_turn"] = json!(true);
    let stream = Backend::new()
        .begun()
        .message(0, &["Hel", "lo"])
        .event("response.completed", json!({ "response": last }))
        .raw("data: [DONE]\n\n");
    assert_eq!(run(&stream).json(), last);
}

#[test]
fn the_answer_is_filled_and_names_the_model_that_was_asked_for() {
    let host = Host::collecting().asked("metadata", &json!({"a": "b"}));
    let given = json!({"model": "gpt-5.5-2026", "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]});
    let stream = Backend::new().event("response.completed", json!({ "response": given }));
    let answer = host.run(stream.wire()).json();
    let table = [
        ("id", json!(MADE_ID)),
        ("object", json!("response")),
        ("status", json!("completed")),
        ("created_at", json!(NOW)),
        ("completed_at", json!(NOW)),
        ("model", json!("gpt-5.5")),
        ("metadata", json!({"a": "b"})),
        ("store", json!(false)),
        ("usage", Value::Null),
    ];
    for (key, value) in table {
        assert_eq!(answer[key], value, "{key}");
    }
    assert_eq!(answer["output"][0]["role"], "assistant");
    assert_eq!(answer["output"][0]["content"][0]["annotations"], json!([]));
    assert_eq!(answer.as_object().unwrap().len(), 32);
}

#[test]
fn the_old_names_of_a_terminal_are_taken() {
    let done = Backend::new().begun().event("response.done", json!({"response": response("completed")}));
    assert_eq!(run(&done).json(), response("completed"));
    let bare = Backend::new().begun().raw(&format!("data: {}\n\n", response("completed")));
    assert_eq!(run(&bare).json(), response("completed"));
}

#[test]
fn an_empty_output_is_filled_from_the_finished_items_in_order() {
    for output in [json!([]), Value::Null] {
        let stream = Backend::new().begun().message(1, &["b"]).reasoning(0).function_call(2).completed(output);
        let answer = run(&stream).json();
        let ids: Vec<&str> =
            answer["output"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["rs_0", "msg_1", "fc_2"]);
        assert_eq!(answer["output"][1], message(1, "b"));
    }
}

#[test]
fn without_finished_items_the_text_becomes_one_message() {
    let delta = |text: &str| json!({"item_id": "m", "output_index": 0, "content_index": 0, "delta": text});
    let text = "say \"h\u{e9}\u{1f600}\\\"\n";
    let expected = |text: &str| {
        json!([{"type": "message", "id": "message_0", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]}])
    };
    let stream = Backend::new()
        .begun()
        .event("response.output_text.delta", delta("1: "))
        .event("response.output_text.delta", delta(text))
        .event("response.output_text.done", json!({"text": "not this"}))
        .completed(json!([]));
    assert_eq!(run(&stream).json()["output"], expected(&format!("1: {text}")));
    let stream =
        Backend::new().begun().event("response.output_text.done", json!({ "text": text })).completed(json!([]));
    assert_eq!(run(&stream).json()["output"], expected(text));
}

#[test]
fn escapes_that_are_split_between_deltas_join() {
    let wire = Backend::new()
        .begun()
        .raw("data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\ud83d\"}\n\n")
        .raw("data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\ude00!\"}\n\n")
        .completed(json!([]));
    assert_eq!(run(&wire).json()["output"][0]["content"][0]["text"], "\u{1f600}!");
}

#[test]
fn no_text_is_lost_however_many_events_tell_it() {
    let mut stream = Backend::new().begun();
    for number in 0..5_000 {
        stream = stream.event("response.output_text.delta", json!({ "delta": format!("{number} ") }));
    }
    let text: String = (0..5_000).map(|number| format!("{number} ")).collect();
    assert_eq!(run(&stream.completed(json!([]))).json()["output"][0]["content"][0]["text"], text);
}

#[test]
fn events_before_one_without_a_name_are_read_in_their_order() {
    let item = |number: u64| json!({"output_index": number, "item": message(number, "a"), "type": "response.output_item.done"});
    let stream = Backend::new()
        .begun()
        .event("response.output_item.done", item(1))
        .raw(&format!("data: {}\n\n", item(1)))
        .event("response.output_item.done", item(0))
        .raw(": comment\n\ndata: {\n\n")
        .completed(json!([]));
    assert_eq!(run(&stream).json()["output"], json!([message(0, "a"), message(1, "a"), message(1, "a")]));
}

#[test]
fn an_empty_answer_stays_empty() {
    assert_eq!(run(&Backend::new().begun().completed(json!([]))).json()["output"], json!([]));
}

#[test]
fn an_ordinary_incomplete_is_an_answer() {
    for reason in ["max_output_tokens", "content_filter"] {
        let mut incomplete = response("incomplete");
        incomplete["incomplete_details"] = json!({ "reason": reason });
        let stream =
            Backend::new().begun().message(0, &["a"]).event("response.incomplete", json!({ "response": incomplete }));
        let answer = run(&stream).json();
        assert_eq!(
            (&answer["status"], &answer["incomplete_details"]["reason"]),
            (&json!("incomplete"), &json!(reason))
        );
        assert_eq!(answer["output"], json!([message(0, "a")]));
    }
}

#[test]
fn a_terminal_without_a_response_object_ends_the_one_before() {
    let stream = Backend::new().begun().message(0, &["a"]).event("response.completed", json!({}));
    let answer = run(&stream).json();
    assert_eq!((&answer["id"], &answer["status"]), (&json!("resp_1"), &json!("completed")));
    assert_eq!(answer["output"], json!([message(0, "a")]));
}

#[test]
fn failures_become_the_status_of_their_code_without_the_providers_words() {
    let error = |code: &str| json!({"code": code, "message": "SECRET", "param": "SECRET"});
    let failed = |code: &str| ("response.failed", json!({"response": {"id": "resp_1", "error": error(code)}}));
    let incomplete =
        |code: &str| ("response.incomplete", json!({"response": {"incomplete_details": {"reason": code}}}));
    let table = [
        (failed("context_length_exceeded"), 400, "context_length_exceeded"),
        (failed("invalid_prompt"), 400, "invalid_prompt"),
        (failed("misalignment_policy_violation"), 400, "misalignment_policy_violation"),
        (failed("rate_limit_exceeded"), 429, "rate_limit_exceeded"),
        (failed("usage_limit_reached"), 429, "usage_limit_reached"),
        (failed("server_is_overloaded"), 503, "server_is_overloaded"),
        (failed("some_new_code"), 502, "some_new_code"),
        (failed("a b"), 502, "upstream_error"),
        (("error", json!({"error": error("server_error")})), 502, "server_error"),
        (incomplete("context_length_exceeded"), 400, "context_length_exceeded"),
        (incomplete("insufficient_quota"), 429, "insufficient_quota"),
    ];
    for ((kind, members), status, code) in table {
        let answer = run(&Backend::new().begun().message(0, &["a"]).event(kind, members));
        let reject = answer.reject();
        assert_eq!((reject.status().as_u16(), reject.code_str()), (status, code));
        assert!(!String::from_utf8(reject.envelope()).unwrap().contains("SECRET"));
    }
}

#[test]
fn context_overflow_tells_the_window_and_a_lost_file_is_404() {
    let failed = |code: &str| Backend::new().event("response.failed", json!({"response": {"error": {"code": code}}}));
    let message = run(&failed("context_length_exceeded")).reject().message.clone();
    assert!(message.ends_with("maximum context length is 272000 tokens."), "{message}");
    let mut host = Host::collecting();
    host.intent.input_file = true;
    assert_eq!(host.run(failed("not_found").wire()).reject().status(), 404);
}

#[test]
fn a_stream_without_a_response_object_is_502() {
    for stream in ["", ": comment\n\n", "data: nonsense\n\n", "data: {\"type\":\"response.completed\"}\n\n"] {
        let answer = Host::collecting().run(stream);
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (502, "upstream_response_missing"));
    }
}

#[test]
fn a_stream_that_breaks_off_is_502_whatever_came_before() {
    let begun = Backend::new().begun().message(0, &["a"]);
    for (stream, end) in [
        ("", End::Cut(Cut::Closed)),
        (begun.wire(), End::Cut(Cut::Idle)),
        (begun.wire(), End::Cut(Cut::TooLarge)),
        (begun.wire(), End::Complete),
    ] {
        let answer = Host::collecting().run_split(stream.as_bytes(), &[], end);
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (502, "upstream_request_failed"));
    }
}

#[test]
fn a_cut_after_the_terminal_does_not_matter() {
    let stream = Backend::new().begun().completed(json!([message(0, "a")]));
    assert_eq!(Host::collecting().run_cut(stream.wire()).json()["status"], "completed");
}

#[test]
fn nothing_counts_after_the_terminal() {
    let failed = json!({"response": {"id": "resp_2", "error": {"code": "server_error"}}});
    let stream = Backend::new().begun().completed(json!([message(0, "a")])).event("response.failed", failed).begun();
    let answer = run(&stream).json();
    assert_eq!((&answer["id"], &answer["status"]), (&json!("resp_1"), &json!("completed")));
}

#[test]
fn nothing_is_written_when_the_host_refuses() {
    let stream = Backend::new().begun().completed(json!([]));
    let end = End::Failed(pooler_filter::Reject::internal("why"));
    let answer = Host::collecting().run_split(stream.wire().as_bytes(), &[], end);
    assert!(answer.frames.is_empty() && answer.refused.is_none());
}

#[test]
fn plain_json_is_accepted_as_it_is_and_filled() {
    let plain =
        |body: &str| Host::collecting().plain_json().run_frames(vec![Frame::json(body.to_owned())], End::Complete);
    let mut whole = response("completed");
    whole["output"] = json!([message(0, "Hello")]);
    assert_eq!(plain(&whole.to_string()).json(), whole);
    let answer = plain("{\n  \"id\": \"resp_7\",\r\n  \"model\": \"x\"\n}\n").json();
    assert_eq!((&answer["id"], &answer["model"], &answer["tools"]), (&json!("resp_7"), &json!("gpt-5.5"), &json!([])));
    let failed = plain(r#"{"id":"resp_7","status":"failed","error":{"code":"invalid_prompt"}}"#);
    assert_eq!(failed.reject().status(), 400);
    for invalid in ["", "<html>", "[]", "7", "{\"a\":1", "{\"a\":1} x"] {
        let answer = plain(invalid);
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (502, "invalid_upstream_response"));
        assert!(answer.reject().forbids_retry());
    }
}

#[test]
fn more_than_64_mib_are_refused() {
    let wire =
        format!("data: {{\"type\":\"response.reasoning_text.delta\",\"delta\":\"{}\"}}\n\n", "x".repeat(4 << 20));
    let answer = Host::collecting().run(&wire.repeat(17));
    assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (502, "upstream_response_too_large"));
    assert!(answer.reject().forbids_retry());
    let answer = Host::collecting().run(&(wire.repeat(15) + Backend::new().completed(json!([])).wire()));
    assert_eq!(answer.json()["status"], "completed");
}
