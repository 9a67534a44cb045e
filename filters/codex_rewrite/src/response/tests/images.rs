//! Images out of a response (docs/v1.md, Images).

use serde_json::{Value, json};

use super::support::{Answer, Backend, Host, NOW, response};
use crate::response::images;
use pooler_filter::{Carrier, Delivery, End, Frame};

fn run(stream: &Backend) -> Answer {
    Host::of(images).run(stream.wire())
}

fn item(id: &str, result: &str) -> Value {
    json!({"id": id, "type": "image_generation_call", "status": "completed", "result": result})
}

fn done(backend: Backend, item: &Value) -> Backend {
    backend.event("response.output_item.done", json!({"output_index": 0, "item": item}))
}

fn failed(error: &Value) -> Backend {
    let item = json!({"id": "ig_1", "type": "image_generation_call", "status": "failed", "error": error});
    done(Backend::new().begun(), &item).completed(json!([]))
}

#[test]
fn an_image_comes_with_its_settings_and_its_usage() {
    let image = json!({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgo=",
        "revised_prompt": "a \"cat\"", "size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png",
        "action": "generate"});
    let usage = json!({"input_tokens": 9, "output_tokens": 272, "total_tokens": 281,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 9}});
    let mut last = response("completed");
    last["output"] = json!([image]);
    last["tool_usage"] = json!({"image_gen": usage, "web_search": {"num_requests": 0}});
    let stream = done(Backend::new().begun(), &image).event("response.completed", json!({ "response": last }));
    assert_eq!(
        run(&stream).json(),
        json!({"created": 1_794_000_000, "data": [{"b64_json": "iVBORw0KGgo=", "revised_prompt": "a \"cat\""}],
            "background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024", "usage": usage})
    );
    let head = Host::of(images).head();
    assert_eq!((head.carrier, head.delivery), (Carrier::Json, Delivery::Whole));
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["content-type"], "application/json");
}

#[test]
fn every_image_of_events_and_output_is_there_once() {
    let streamed = done(done(Backend::new().begun(), &item("ig_1", "AA==")), &item("ig_2", "BB=="));
    let stream = streamed.completed(json!([item("ig_2", "BB=="), item("ig_3", "CC==")]));
    let data = json!([{"b64_json": "AA=="}, {"b64_json": "BB=="}, {"b64_json": "CC=="}]);
    assert_eq!(run(&stream).json()["data"], data);
}

#[test]
fn an_image_without_id_is_told_by_its_event_or_by_the_output() {
    let mut nameless = item("", "AA==");
    nameless.as_object_mut().unwrap().remove("id");
    let both = done(Backend::new().begun(), &nameless).completed(json!([nameless]));
    assert_eq!(run(&both).json()["data"], json!([{"b64_json": "AA=="}]));
    let output = Backend::new().begun().completed(json!([nameless]));
    assert_eq!(run(&output).json()["data"], json!([{"b64_json": "AA=="}]));
}

#[test]
fn a_plain_json_answer_is_read_as_well() {
    let body = json!({"id": "resp_1", "status": "completed", "output": [item("ig_1", "AA==")]});
    let answer = Host::of(images).plain_json().run_json(&body).json();
    assert_eq!(answer, json!({"created": NOW, "data": [{"b64_json": "AA=="}]}));
}

#[test]
fn an_image_counts_although_the_response_ended_at_a_limit() {
    let stream = done(Backend::new().begun(), &item("ig_1", "AA=="))
        .event("response.incomplete", json!({"response": {"incomplete_details": {"reason": "max_output_tokens"}}}));
    assert_eq!(run(&stream).json()["data"][0]["b64_json"], "AA==");
}

#[test]
fn a_base64_text_passes_as_it_is_written() {
    let stream = Backend::new().begun().raw(
        "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"image_generation_call\",\"result\":\"a\\/b\"}}\n\n",
    );
    assert!(run(&stream.completed(json!([]))).bytes().contains(r#""b64_json":"a\/b""#));
}

#[test]
fn a_response_without_image_is_a_failure() {
    let without = [
        Backend::new().begun().message(0, &["no"]).completed(json!([])),
        done(Backend::new().begun(), &item("ig_1", "")).completed(json!([])),
        done(Backend::new().begun(), &json!({"type": "image_generation_call", "result": null})).completed(json!([])),
        Backend::new().begun().event("response.completed", json!({})),
    ];
    for stream in without {
        let answer = run(&stream);
        let reject = answer.reject();
        let seen = (reject.status().as_u16(), reject.code_str(), reject.error_type(), reject.message.as_ref());
        assert_eq!(seen, (502, "image_generation_failed", "server_error", "The upstream request failed."));
        assert!(!reject.forbids_retry());
    }
}

#[test]
fn an_image_that_failed_tells_its_code_and_our_sentence() {
    let policy = "The request was refused by the provider's content policy.";
    let unknown = "The upstream request failed.";
    let table = [
        (
            json!({"type": "invalid_request_error", "code": "content_policy_violation", "message": "CANARY"}),
            400,
            "content_policy_violation",
            policy,
        ),
        (
            json!({"type": "image_generation_user_error", "code": "moderation_blocked", "message": "CANARY"}),
            502,
            "moderation_blocked",
            unknown,
        ),
        (json!({"type": "invalid_request_error", "message": "CANARY"}), 400, "image_generation_failed", unknown),
        (json!({"code": "not a code!"}), 502, "image_generation_failed", unknown),
        (Value::Null, 502, "image_generation_failed", unknown),
    ];
    for (error, status, code, message) in table {
        let answer = run(&failed(&error));
        let reject = answer.reject();
        let seen = (reject.status().as_u16(), reject.code_str(), reject.message.as_ref(), reject.param.as_deref());
        assert_eq!(seen, (status, code, message, None), "{error}");
    }
}

#[test]
fn an_image_that_was_made_counts_beside_one_that_failed() {
    let broken = json!({"id": "ig_1", "type": "image_generation_call", "status": "failed", "error": {"code": "x"}});
    let stream = done(Backend::new().begun(), &broken).completed(json!([broken, item("ig_2", "AA==")]));
    assert_eq!(run(&stream).json()["data"], json!([{"b64_json": "AA=="}]));
}

#[test]
fn a_failed_response_is_an_http_status() {
    let failed = json!({"response": {"error": {"code": "content_policy_violation", "message": "CANARY"}}});
    let answer = run(&Backend::new().begun().event("response.failed", failed));
    assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (400, "content_policy_violation"));
}

#[test]
fn a_stream_without_end_is_a_failure() {
    let stream = done(Backend::new().begun(), &item("ig_1", "AA=="));
    for answer in [run(&stream), Host::of(images).run_cut(stream.wire())] {
        assert_eq!((answer.reject().status().as_u16(), answer.reject().code_str()), (502, "upstream_request_failed"));
    }
}

#[test]
fn an_answer_over_the_cap_is_refused() {
    let big = Frame::event("response.output_item.done", vec![b' '; (64 << 20) + 1]);
    let answer = Host::of(images).run_frames(vec![big], End::Complete);
    assert_eq!(answer.reject().code_str(), "upstream_response_too_large");
}
