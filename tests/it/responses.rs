//! The main job: create and stream, and what the ledger says of it.

use codex_pooler::store::records::{Outcome, Usage};
use serde_json::json;

use crate::support::Gateway;

#[tokio::test]
async fn a_request_is_answered_in_one_piece_and_counted() {
    let gateway = Gateway::start().await;
    let answer = gateway.client.ask().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!((body["object"].as_str(), body["status"].as_str()), (Some("response"), Some("completed")));
    let rows = gateway.settled(1).await;
    let settled = rows[0].settled.as_ref().unwrap();
    assert_eq!(rows[0].request_id.to_string(), answer.header("x-request-id").unwrap());
    assert_eq!((settled.status, settled.outcome, settled.attempts.len()), (200, Outcome::Succeeded, 1));
    let Usage::Known { input, output, total, .. } = settled.usage else { panic!("usage is known") };
    assert_eq!(
        (Some(input), Some(output), total),
        (body["usage"]["input_tokens"].as_u64(), body["usage"]["output_tokens"].as_u64(), input + output)
    );
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_upstream_in_order() {
    let gateway = Gateway::start().await;
    let answer = gateway.client.stream().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    let events = answer.events();
    let names: Vec<&str> = events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("response.created", "response.completed"));
    let deltas: String = events
        .iter()
        .filter(|e| e.name == "response.output_text.delta")
        .filter_map(|e| e.data["delta"].as_str())
        .collect();
    let done = events.iter().find(|e| e.name == "response.output_text.done").unwrap();
    assert_eq!(done.data["text"], deltas);
    let numbers: Vec<u64> = events.iter().filter_map(|e| e.data["sequence_number"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers.len() == events.len());
    assert!(!answer.text().contains("[DONE]"));
}

#[tokio::test]
async fn the_upstream_sees_its_own_dialect_and_nothing_of_the_client() {
    let gateway = Gateway::start().await;
    let body = json!({
        "model": "gpt-5.5", "input": "hi", "store": true, "stream": false, "metadata": {"a": "b"},
        "stream_options": {"include_usage": true}, "temperature": 0.5, "user": "u"
    });
    let headers =
        [("content-type", "application/json"), ("cookie", "c=1"), ("x-forwarded-for", "1.2.3.4"), ("x-openai-x", "y")];
    let client = &gateway.client;
    let answer = client.send(client.request("POST", "/v1/responses", &headers, body.to_string().as_bytes())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["metadata"], json!({"a": "b"}));
    let seen = gateway.codex.requests();
    let seen = seen.iter().find(|r| r.path.ends_with("/responses")).unwrap();
    let sent = seen.body.as_ref().unwrap();
    assert_eq!((&sent["store"], &sent["stream"], &sent["instructions"]), (&json!(false), &json!(true), &json!("")));
    assert_eq!(sent["include"], json!(["reasoning.encrypted_content"]));
    for gone in ["metadata", "stream_options", "temperature", "user"] {
        assert!(sent.get(gone).is_none(), "{gone} reached the upstream");
    }
    for gone in ["cookie", "x-forwarded-for", "x-openai-x"] {
        assert!(!seen.headers.iter().any(|(name, _)| name == gone), "{gone} reached the upstream");
    }
}
