//! Answers in one piece: what is gathered of a stream, what is filled in, and what cannot be (docs/v1.md, Collection).

use codex_pooler::simulator::{Fault, FaultBody, ScriptStep, Who};
use codex_pooler::store::records::{Outcome, Usage};
use serde_json::{Value, json};

use crate::failover::ended;
use crate::support::client::Answer;
use crate::support::{Gateway, codex};

fn response(status: &str) -> Value {
    json!({"id": "resp_up", "object": "response", "created_at": 1_795_000_000, "status": status, "model": "upstream-name"})
}

fn created() -> String {
    codex::event(&json!({"type": "response.created", "response": response("in_progress")}))
}

fn delta(text: &str) -> String {
    codex::event(&json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": text}))
}

fn message(id: &str, text: &str) -> Value {
    let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part]})
}

fn item_done(index: usize, item: &Value) -> String {
    codex::event(&json!({"type": "response.output_item.done", "output_index": index, "item": item}))
}

fn ends_with(kind: &str, status: &str, members: &Value) -> String {
    let mut response = response(status);
    for (key, value) in members.as_object().into_iter().flatten() {
        response[key] = value.clone();
    }
    codex::event(&json!({"type": kind, "response": response}))
}

fn completed(members: &Value) -> String {
    ends_with("response.completed", "completed", members)
}

/// The answer that a client gets when every account sends exactly this stream.
async fn collected(text: String) -> Answer {
    let gateway = Gateway::start().await;
    codex::sse(Who::All, &gateway.codex, text);
    gateway.client.ask().await
}

async fn body(text: String) -> Value {
    let answer = collected(text).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    answer.json()
}

#[tokio::test]
async fn the_last_response_object_is_the_answer_with_all_that_the_upstream_said() {
    let known = json!({"output": [message("msg_1", "hi")], "x_upstream": {"kept": [1, null]}, "temperature": 0.25,
        "service_tier": "priority", "metadata": null, "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}});
    let body = body(created() + &delta("hi") + &completed(&known)).await;
    assert_eq!((&body["id"], &body["status"]), (&json!("resp_up"), &json!("completed")));
    assert_eq!((&body["x_upstream"], &body["temperature"]), (&json!({"kept": [1, null]}), &json!(0.25)));
    assert_eq!((&body["service_tier"], &body["metadata"]), (&json!("priority"), &Value::Null));
    assert_eq!(body["output"][0]["content"][0]["text"], "hi");
    assert_eq!(body["model"], "gpt-5.5", "the model is the one that was asked for");
}

#[tokio::test]
async fn what_the_schema_requires_is_filled_in() {
    let body = body(
        created()
            + &completed(&json!({"output": [message("msg_1", "hi")], "usage": {"input_tokens": 3,
        "output_tokens": 4, "total_tokens": 7}})),
    )
    .await;
    let neutral = json!({"error": null, "incomplete_details": null, "instructions": null, "previous_response_id": null,
        "reasoning": null, "max_output_tokens": null, "max_tool_calls": null, "safety_identifier": null,
        "prompt_cache_key": null, "user": null, "tools": [], "tool_choice": "auto", "parallel_tool_calls": true,
        "truncation": "disabled", "text": {"format": {"type": "text"}}, "temperature": 1.0, "top_p": 1.0,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0, "store": false, "background": false,
        "service_tier": "default", "metadata": {}});
    for (key, value) in neutral.as_object().unwrap() {
        assert_eq!(body.get(key), Some(value), "{key}");
    }
    assert!(body["completed_at"].is_u64());
    assert_eq!(body["usage"]["input_tokens_details"], json!({"cached_tokens": 0, "cache_write_tokens": 0}));
    assert_eq!(body["usage"]["output_tokens_details"], json!({"reasoning_tokens": 0}));
}

#[tokio::test]
async fn a_missing_output_is_filled_from_finished_items() {
    let call = json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"});
    let items = item_done(1, &call) + &item_done(0, &message("msg_1", "hi"));
    for members in [json!({}), json!({"output": []}), json!({"output": null})] {
        let body = body(created() + &delta("x") + &items + &completed(&members)).await;
        let ids: Vec<&str> = body["output"].as_array().unwrap().iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids, ["msg_1", "fc_1"]);
    }
}

#[tokio::test]
async fn a_missing_output_is_filled_from_the_text() {
    let done = codex::event(&json!({"type": "response.output_text.done", "output_index": 0, "text": "a \"b\" \u{e4}"}));
    for text in [delta("a \"b") + &delta("\" \u{e4}"), done.clone(), delta("a \"b\" ") + &delta("\u{e4}") + &done] {
        let body = body(created() + &text + &completed(&json!({}))).await;
        let message = &body["output"][0];
        assert_eq!((message["type"].as_str(), message["role"].as_str()), (Some("message"), Some("assistant")));
        assert_eq!(
            (&message["content"][0]["text"], &message["status"]),
            (&json!("a \"b\" \u{e4}"), &json!("completed"))
        );
        assert!(message["id"].is_string() && message["content"][0]["annotations"].is_array());
    }
}

#[tokio::test]
async fn an_output_that_is_there_is_not_touched() {
    let body = body(
        created() + &item_done(0, &message("msg_x", "x")) + &completed(&json!({"output": [message("msg_1", "hi")]})),
    )
    .await;
    assert_eq!(body["output"], json!([message("msg_1", "hi")]));
}

#[tokio::test]
async fn an_answer_that_ended_at_a_limit_is_a_success() {
    for reason in ["max_output_tokens", "content_filter"] {
        let members = json!({"incomplete_details": {"reason": reason}, "output": [message("msg_1", "hi")]});
        let body = body(created() + &ends_with("response.incomplete", "incomplete", &members)).await;
        assert_eq!((&body["status"], &body["incomplete_details"]["reason"]), (&json!("incomplete"), &json!(reason)));
        assert_eq!(body["completed_at"], Value::Null);
    }
}

#[tokio::test]
async fn the_old_name_of_the_last_event_is_a_success() {
    let done = ends_with("response.done", "completed", &json!({"output": [message("msg_1", "hi")]}));
    assert_eq!(body(created() + &done).await["status"], "completed");
}

#[tokio::test]
async fn an_upstream_that_answers_in_one_piece_is_believed() {
    for stream in [false, true] {
        let gateway = Gateway::start().await;
        let mut whole = response("completed");
        whole["output"] = json!([message("msg_1", "hi")]);
        whole["usage"] = json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7});
        let fault = Fault::Status { status: 200, body: FaultBody::Json(whole), headers: [].into() };
        gateway.codex.fault(Who::All, fault);
        let answer = crate::failover::ask(&gateway, stream).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = if stream { answer.events().last().unwrap().data["response"].clone() } else { answer.json() };
        assert_eq!((&body["id"], &body["model"]), (&json!("resp_up"), &json!("gpt-5.5")));
        assert_eq!(body["output"][0]["content"][0]["text"], "hi");
        let rows = gateway.settled(1).await;
        assert!(matches!(ended(&rows[0]).usage, Usage::Known { input: 3, output: 4, total: 7, .. }));
    }
}

#[tokio::test]
async fn answers_take_their_part_of_the_memory_that_bodies_share() {
    let large = json!({"id": "resp_up", "status": "completed", "output": [message("msg_1", &"x".repeat(100_000))]});
    let stream = created() + &completed(&large);
    let whole = Fault::Status { status: 200, body: FaultBody::Json(large), headers: [].into() };
    for fault in [Fault::sse(stream), whole] {
        let limits = |memory| {
            move |s: &mut codex_pooler::config::Settings| (s.limits.max_body, s.limits.body_memory) = (8192, memory)
        };
        let gateway = Gateway::builder().settings(limits(8192)).start().await;
        gateway.codex.fault(Who::All, fault.clone());
        assert_eq!(gateway.client.ask().await.refusal(), (503, "server_is_overloaded".into()));
        assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1, "another account would not change that");
        gateway.settled(1).await;
        let gateway = Gateway::builder().settings(limits(64 * 1024)).start().await;
        gateway.codex.fault(Who::All, fault);
        for _ in 0..3 {
            assert_eq!(gateway.client.ask().await.status, 200, "and is given back");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_and_not_asked_for_again() {
    let large = json!({"output": [message("msg_1", &"x".repeat(100_000))]});
    let stream = created() + &completed(&large);
    let deltas = created() + &delta(&"x".repeat(1000)).repeat(100) + &completed(&json!({}));
    let whole = Fault::Status { status: 200, body: FaultBody::Json(large), headers: [].into() };
    for fault in [Fault::sse(stream), Fault::sse(deltas), whole] {
        let gateway = Gateway::builder().settings(|s| s.upstream.max_response = 64 * 1024).start().await;
        gateway.codex.fault(Who::All, fault);
        let answer = gateway.client.ask().await;
        assert_eq!(answer.refusal(), (502, "upstream_response_too_large".into()));
        assert_eq!(
            (answer.error()["type"].as_str(), answer.header("x-should-retry")),
            (Some("server_error"), Some("false"))
        );
        assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1);
        let rows = gateway.settled(1).await;
        let settled = ended(&rows[0]);
        assert_eq!((settled.outcome, settled.attempts[0].result.as_str()), (Outcome::Failed, "invalid"));
    }
}

#[tokio::test]
async fn a_stream_of_any_size_is_not_collected() {
    let gateway = Gateway::builder().settings(|s| s.upstream.max_response = 64 * 1024).start().await;
    let words = "x".repeat(1000);
    codex::sse(Who::All, &gateway.codex, created() + &delta(&words).repeat(200) + &completed(&json!({"output": []})));
    let events = gateway.client.stream().await.events();
    assert_eq!((events.len(), events.last().unwrap().name.as_str()), (202, "response.completed"));
}

#[tokio::test]
async fn a_stream_without_any_response_has_a_code_of_its_own() {
    for text in [delta("hi"), item_done(0, &message("msg_1", "hi"))] {
        let answer = collected(text).await;
        assert_eq!(answer.refusal(), (502, "upstream_response_missing".into()));
        assert_eq!((answer.error()["type"].as_str(), answer.header("x-should-retry")), (Some("server_error"), None));
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_its_last_event_is_no_answer() {
    let answer = collected(created() + &delta("hi")).await;
    assert_eq!(answer.refusal(), (502, "upstream_request_failed".into()));
}

#[tokio::test]
async fn the_rest_of_a_stream_after_its_last_event_does_not_matter() {
    let gateway = Gateway::start().await;
    let text = created() + &completed(&json!({"output": [message("msg_1", "hi")]}));
    let steps = vec![ScriptStep::Send(text.into()), ScriptStep::Cut];
    gateway.codex.fault(Who::All, Fault::Script(steps));
    assert_eq!(gateway.client.ask().await.status, 200);
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1);
}
