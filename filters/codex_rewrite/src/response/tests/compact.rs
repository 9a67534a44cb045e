//! Compacted conversations (docs/v1.md, Compact).

use pooler_filter::{Carrier, Delivery, End, Frame};
use serde_json::{Value, json};

use super::support::{Answer, Host, MADE_ID, NOW, message, usage};
use crate::response::compact;

fn run(body: &Value) -> Answer {
    Host::of(compact).plain_json().run_json(body)
}

fn compaction() -> Value {
    json!({"id": "cmp_1", "type": "compaction", "encrypted_content": "gAAA"})
}

#[test]
fn a_whole_answer_passes_byte_for_byte() {
    let body = json!({"id": "resp_1", "object": "response.compaction", "created_at": 5, "usage": usage(),
        "output": [message(0, "a"), compaction()], "more": {"a": [1]}});
    assert_eq!(run(&body).bytes(), body.to_string());
    let head = Host::of(compact).head();
    assert_eq!((head.carrier, head.delivery), (Carrier::Json, Delivery::Whole));
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["content-type"], "application/json");
}

#[test]
fn what_is_missing_or_null_gets_its_neutral_value() {
    let zeros = json!({"input_tokens": 0, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0});
    let filled = json!({"id": MADE_ID, "object": "response.compaction", "created_at": NOW, "usage": zeros, "output": [compaction()]});
    let null = json!({"id": null, "object": null, "created_at": null, "usage": null, "output": [compaction()]});
    for body in [json!({"output": [compaction()]}), null] {
        assert_eq!(run(&body).json(), filled);
    }
}

#[test]
fn a_usage_gets_its_details_and_keeps_its_counts() {
    let body = json!({"output": [], "usage": {"input_tokens": 7, "output_tokens": 2}});
    assert_eq!(
        run(&body).json()["usage"],
        json!({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 9})
    );
}

#[test]
fn items_are_filled_and_the_model_is_the_one_that_was_asked_for() {
    let bare = json!({"type": "message", "content": [{"type": "output_text", "text": "a"}]});
    let answer =
        run(&json!({"model": "gpt-5.5-2026", "output": [bare, {"type": "compaction", "encrypted_content": "e"}]}))
            .json();
    assert_eq!(answer["model"], "gpt-5.5");
    assert_eq!(
        answer["output"],
        json!([{"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}],
            "id": "message_0", "status": "completed", "role": "assistant"},
            {"type": "compaction", "encrypted_content": "e", "id": "compaction_1"}])
    );
}

#[test]
fn an_answer_without_output_is_refused() {
    let event = Frame::event("response.completed", "{}");
    let table = [
        vec![Frame::json("[]")],
        vec![Frame::json("no")],
        vec![Frame::json("{}")],
        vec![Frame::json(r#"{"output":"x"}"#)],
        vec![event],
        vec![],
    ];
    for frames in table {
        let answer = Host::of(compact).plain_json().run_frames(frames, End::Complete);
        let reject = answer.reject();
        assert_eq!((reject.status().as_u16(), reject.code_str()), (502, "invalid_upstream_response"));
    }
}
