//! Answers to a `compaction_trigger` (docs/v1.md, Compaction trigger).

use pooler_filter::{Carrier, Cut, End, Frame, Reject, RejectKind};
use serde_json::{Value, json};

use super::support::{Answer, Backend, Host, MADE_ID, NOW, message, response, usage};
use crate::echo::Form;

const NOT_JSON: &str = "upstream compact response was not valid JSON";
const NO_CONTENT: &str = "upstream compact response did not include encrypted compaction content";
const BAD_STREAM: &str = "upstream compact stream was invalid";

/// The client wants one answer; the backend was asked for a stream or not.
fn whole(streamed: bool) -> Host {
    let host = Host::collecting().form(Form::CompactionTrigger { streamed });
    if streamed { host } else { host.plain_json() }
}

/// The client wants a stream.
fn stream(streamed: bool) -> Host {
    let host = Host::streaming().form(Form::CompactionTrigger { streamed });
    if streamed { host } else { host.plain_json() }
}

fn item() -> Value {
    json!({"type": "compaction", "encrypted_content": "gAAA", "id": "cmp_1"})
}

fn backend_item() -> Value {
    json!({"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAA", "status": "completed"})
}

fn told(item: &Value) -> Backend {
    Backend::new().begun().event("response.output_item.done", json!({"output_index": 0, "item": item}))
}

/// The data of the blocks of a stream.
fn blocks(answer: &Answer) -> Vec<String> {
    let bytes = answer.bytes();
    bytes.split_terminator("\n\n").map(|block| block.rsplit_once("data: ").expect("data").1.to_owned()).collect()
}

fn refuses(answer: &Answer, message: &str) {
    let reject = answer.reject();
    let seen = (reject.status().as_u16(), reject.code_str(), reject.error_type(), reject.message.as_ref());
    assert_eq!(seen, (502, "invalid_compaction_response", "server_error", message));
    assert_eq!(reject.param, None);
}

#[test]
fn one_answer_is_a_filled_response_with_the_one_item() {
    let body = json!({"id": "resp_7", "created_at": 5, "model": "gpt-5.5-2026", "output": [message(0, "x"), backend_item()],
        "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}});
    let answer = whole(false).asked("metadata", &json!({"a": "b"})).run_json(&body).json();
    let table = [
        ("id", json!("resp_7")),
        ("object", json!("response")),
        ("status", json!("completed")),
        ("created_at", json!(5)),
        ("completed_at", json!(NOW)),
        ("model", json!("gpt-5.5")),
        ("output", json!([item()])),
        ("metadata", json!({"a": "b"})),
        ("tools", json!([])),
    ];
    for (key, value) in table {
        assert_eq!(answer[key], value, "{key}");
    }
    assert_eq!(answer["usage"]["input_tokens_details"], json!({"cached_tokens": 0, "cache_write_tokens": 0}));
    assert_eq!(answer["usage"]["total_tokens"], 9);
    assert_eq!(answer.as_object().unwrap().len(), 32);
}

#[test]
fn a_stream_of_the_backend_makes_the_same_answer() {
    let mut last = response("completed");
    last["usage"] = usage();
    let streamed = told(&backend_item()).event("response.completed", json!({ "response": last }));
    let answer = whole(true).run(streamed.wire()).json();
    last["output"] = json!([item()]);
    let json = whole(false).run_json(&last).json();
    assert_eq!(answer, json);
    assert_eq!((&answer["id"], &answer["usage"]), (&json!("resp_1"), &usage()));
    let in_terminal = Backend::new().begun().completed(json!([backend_item()]));
    assert_eq!(whole(true).run(in_terminal.wire()).json()["output"], json!([item()]));
}

#[test]
fn a_stream_is_two_events_and_done() {
    let streamed = told(&backend_item()).completed(json!([]));
    let mut body = response("completed");
    body["output"] = json!([backend_item()]);
    body["usage"] = usage();
    for answer in [stream(true).run(streamed.wire()), stream(false).run_json(&body)] {
        let bytes = answer.bytes();
        assert!(bytes.starts_with("event: response.output_item.done\ndata: "), "{bytes}");
        assert!(bytes.ends_with("\n\ndata: [DONE]\n\n"), "{bytes}");
        let blocks = blocks(&answer);
        assert_eq!(blocks.len(), 3);
        let first: Value = serde_json::from_str(&blocks[0]).unwrap();
        assert_eq!(
            first,
            json!({"type": "response.output_item.done", "sequence_number": 0, "output_index": 0, "item": item()})
        );
        let second: Value = serde_json::from_str(&blocks[1]).unwrap();
        assert_eq!((&second["type"], &second["sequence_number"]), (&json!("response.completed"), &json!(1)));
        let told = &second["response"];
        assert_eq!((&told["id"], &told["status"]), (&json!("resp_1"), &json!("completed")));
        assert_eq!((&told["output"], &told["usage"]), (&json!([item()]), &usage()));
        assert_eq!(told.as_object().unwrap().len(), 32);
    }
    assert_eq!(stream(false).head().carrier, Carrier::Sse);
    assert_eq!(stream(false).head().headers["content-type"], "text/event-stream");
}

#[test]
fn a_response_without_id_gets_one() {
    let body = json!({"output": [backend_item()]});
    assert_eq!(whole(false).run_json(&body).json()["id"], MADE_ID);
    let answer = stream(false).run_json(&body);
    assert!(blocks(&answer)[1].contains(r#""id":"resp_compaction""#));
    assert_eq!(whole(false).run_json(&body).json()["usage"], Value::Null);
}

#[test]
fn the_id_of_the_item_stays_as_it_is_there_or_not() {
    let public = |item: Value| whole(false).run_json(&json!({"output": [item]})).json()["output"][0].clone();
    let without = json!({"type": "compaction", "encrypted_content": "e"});
    assert_eq!(public(without.clone()), without);
    let null = json!({"type": "compaction", "encrypted_content": "e", "id": null});
    assert_eq!(public(null.clone()), null);
    assert_eq!(public(json!({"type": "compaction_summary", "encrypted_content": "e"})), without);
}

#[test]
fn the_first_compaction_has_to_be_valid() {
    let second = backend_item();
    let table = [
        json!({"type": "compaction"}),
        json!({"type": "compaction", "encrypted_content": null}),
        json!({"type": "compaction", "encrypted_content": " "}),
        json!({"type": "compaction", "encrypted_content": 5}),
        json!({"type": "compaction", "encrypted_content": "e", "id": 5}),
    ];
    for first in table {
        refuses(&whole(false).run_json(&json!({"output": [first, second]})), NO_CONTENT);
        refuses(&whole(true).run(told(&first).completed(json!([second])).wire()), NO_CONTENT);
    }
}

#[test]
fn a_later_compaction_does_not_count() {
    let later = [json!({"type": "compaction"}), json!({"type": "compaction", "encrypted_content": "other"})];
    for later in later {
        let streamed =
            told(&backend_item()).event("response.output_item.done", json!({"output_index": 1, "item": later}));
        let answer = whole(true).run(streamed.completed(json!([later])).wire());
        assert_eq!(answer.json()["output"], json!([item()]));
        let answer = whole(false).run_json(&json!({"output": [backend_item(), later]}));
        assert_eq!(answer.json()["output"], json!([item()]));
    }
}

#[test]
fn an_answer_without_compaction_is_refused() {
    for body in [json!({}), json!({"id": "resp_1"}), json!({"output": []}), json!({"output": [message(0, "a")]})] {
        refuses(&whole(false).run_json(&body), NO_CONTENT);
    }
    let incomplete = json!({"status": "incomplete", "output": [backend_item()]});
    refuses(&whole(false).run_json(&incomplete), NO_CONTENT);
    refuses(&whole(true).run(Backend::new().begun().completed(json!([])).wire()), NO_CONTENT);
}

#[test]
fn what_is_no_json_object_is_refused() {
    for body in ["no", "[]", ""] {
        refuses(&whole(false).run_frames(vec![Frame::json(body)], End::Complete), NOT_JSON);
    }
    refuses(&whole(false).run_frames(vec![], End::Complete), NOT_JSON);
}

#[test]
fn a_stream_without_its_end_is_refused() {
    let cut = told(&backend_item());
    refuses(&whole(true).run(cut.wire()), BAD_STREAM);
    refuses(&whole(true).run_cut(cut.wire()), BAD_STREAM);
    let reason = json!({"response": {"incomplete_details": {"reason": "max_output_tokens"}}});
    refuses(&whole(true).run(told(&backend_item()).event("response.incomplete", reason).wire()), BAD_STREAM);
}

#[test]
fn a_failure_of_the_backend_keeps_its_code() {
    let error = json!({"error": {"code": "context_length_exceeded", "message": "CANARY"}});
    let failed = Backend::new().begun().event("response.failed", json!({ "response": error }));
    for answer in [whole(true).run(failed.wire()), whole(false).run_json(&error)] {
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (400, "context_length_exceeded"));
        assert!(answer.reject().message.contains("272000"));
    }
}

#[test]
fn a_stream_that_has_begun_tells_its_failure_as_its_only_event() {
    let reject = Reject::new(RejectKind::BadGateway, "upstream_request_failed", "The upstream request failed.");
    let cut = told(&backend_item());
    let table = [
        (stream(true).run_cut(cut.wire()), "invalid_compaction_response", BAD_STREAM),
        (
            stream(true).run_frames(vec![], End::Failed(reject)),
            "upstream_request_failed",
            "The upstream request failed.",
        ),
        (stream(false).run_frames(vec![], End::Cut(Cut::Idle)), "invalid_compaction_response", NOT_JSON),
        (
            stream(true).run(Backend::new().begun().completed(json!([])).wire()),
            "invalid_compaction_response",
            NO_CONTENT,
        ),
    ];
    for (answer, code, message) in table {
        let events = answer.events();
        assert_eq!(answer.types(), ["response.failed"]);
        assert_eq!(events[0]["error"]["code"], code);
        assert_eq!(events[0]["error"]["message"], message);
        assert_eq!(events[0]["error"], events[0]["response"]["error"]);
    }
}
