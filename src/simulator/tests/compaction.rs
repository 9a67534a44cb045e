//! Compactions, and content that only the account that gave it can read.

use serde_json::{Value, json};

use super::super::{Fault, FaultSpec, Preset, Simulator, Who};
use super::client::{Answer, call, call_with, lite_turn, post, turn, with};
use super::simulator;

const COMPACT: &str = "/backend-api/codex/responses/compact";

fn triggered(prompt: &str) -> Value {
    let mut body = turn(prompt);
    body["input"].as_array_mut().unwrap().push(json!({"type": "compaction_trigger"}));
    body
}

fn order() -> Value {
    let mut body = turn("hello");
    for name in ["store", "stream"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body["instructions"] = json!("Be brief.");
    body
}

/// Whether the account takes a turn that begins with this item.
async fn replay(simulator: &Simulator, account: usize, item: &Value) -> Answer {
    let mut body = turn("and now?");
    body["input"].as_array_mut().unwrap().insert(0, item.clone());
    post(simulator, account, &body).await
}

#[tokio::test]
async fn compacts_to_what_the_user_said_and_one_sealed_item() {
    let simulator = simulator().await;
    let answer = call(&simulator, 0, COMPACT, &order()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("x-codex-turn-state").is_some());
    let body = answer.json();
    assert_eq!(body["object"], "response.compaction");
    assert_eq!(body["output"][0], order()["input"][0]);
    let item = &body["output"][1];
    assert!(item["type"] == "compaction" && item["id"].as_str().unwrap().starts_with("cmp_"));
    assert!(body["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert_eq!(replay(&simulator, 0, item).await.status, 200);
    let foreign = replay(&simulator, 1, item).await;
    assert_eq!((foreign.status, foreign.error_code()), (400, json!("invalid_encrypted_content")));
    assert_eq!(foreign.json()["error"]["param"], "input");
}

#[tokio::test]
async fn a_compaction_has_nothing_that_only_a_turn_has() {
    let simulator = simulator().await;
    for (name, value) in [
        ("stream", json!(false)),
        ("stream", json!(true)),
        ("store", json!(false)),
        ("include", json!([])),
        ("tool_choice", json!("auto")),
        ("client_metadata", json!({})),
        ("previous_response_id", json!("resp_1")),
        ("max_output_tokens", json!(1)),
    ] {
        let mut body = order();
        body[name] = value;
        let answer = call(&simulator, 0, COMPACT, &body).await;
        let expected = json!({"detail": format!("Unsupported parameter: {name}")});
        assert_eq!((answer.status, answer.json()), (400, expected));
    }
    let mut unknown = order();
    unknown["x"] = json!(1);
    let mut empty = order();
    empty["input"] = json!([]);
    let mut twice = order();
    twice["input"].as_array_mut().unwrap().push(json!({"type": "compaction_trigger"}));
    for body in [unknown, empty, twice] {
        assert_eq!(call(&simulator, 0, COMPACT, &body).await.status, 400, "{body}");
    }
    let mut whole = order();
    whole["reasoning"] = json!({"effort": "low"});
    whole["text"] = json!({"verbosity": "low"});
    whole["tools"] = json!([{"type": "web_search"}]);
    whole["parallel_tool_calls"] = json!(true);
    whole["prompt_cache_key"] = json!("k");
    assert_eq!(call(&simulator, 0, COMPACT, &whole).await.status, 200);
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unavailable)).on(COMPACT));
    assert_eq!(call(&simulator, 0, COMPACT, &order()).await.status, 503);
}

#[tokio::test]
async fn a_compaction_of_a_lite_model_has_the_lite_form() {
    let simulator = simulator().await;
    let mut body = lite_turn("hello", &json!([]));
    for name in ["store", "stream"] {
        body.as_object_mut().unwrap().remove(name);
    }
    let header = ("x-openai-internal-codex-responses-lite", "true");
    assert_eq!(call_with(&simulator, 0, COMPACT, &[header], &body).await.status, 200);
    assert_eq!(call(&simulator, 0, COMPACT, &body).await.status, 400);
}

#[tokio::test]
async fn a_trigger_at_the_end_compacts_in_a_stream_or_in_one_document() {
    let simulator = simulator().await;
    let streamed = post(&simulator, 0, &triggered("hello")).await;
    let names = ["response.created", "response.in_progress", "response.output_item.added", "response.output_item.done"];
    assert_eq!(streamed.names(), [&names[..], &["response.completed"]].concat());
    let item = streamed.response()["output"][0].clone();
    assert_eq!((streamed.response()["output"].as_array().unwrap().len(), &item["type"]), (1, &json!("compaction")));

    let mut body = triggered("hello");
    body.as_object_mut().unwrap().remove("stream");
    let buffered = post(&simulator, 0, &body).await;
    assert_eq!(buffered.header("content-type"), Some("application/json"));
    let document = buffered.json();
    assert_eq!((&document["object"], &document["status"]), (&json!("response"), &json!("completed")));
    assert!(document["usage"]["total_tokens"].as_u64().unwrap() > 0);
    for item in [&item, &document["output"][0]] {
        assert_eq!(replay(&simulator, 0, item).await.status, 200);
        assert_eq!(replay(&simulator, 1, item).await.error_code(), "invalid_encrypted_content");
    }
    let alone = with("input", json!([{"type": "compaction_trigger"}]));
    assert_eq!(post(&simulator, 0, &alone).await.status, 200);
}

#[tokio::test]
async fn a_trigger_elsewhere_is_refused_and_so_is_a_turn_without_a_stream() {
    let simulator = simulator().await;
    let mut first = triggered("hello");
    first["input"].as_array_mut().unwrap().swap(0, 1);
    let mut twice = triggered("hello");
    twice["input"].as_array_mut().unwrap().push(json!({"type": "compaction_trigger"}));
    for body in [first, twice] {
        let answer = post(&simulator, 0, &body).await;
        assert!(answer.status == 400 && answer.text().contains("final input item"), "{}", answer.text());
    }
    let mut quiet = turn("hello");
    quiet.as_object_mut().unwrap().remove("stream");
    assert_eq!(post(&simulator, 0, &quiet).await.json(), json!({"detail": "Stream must be set to true"}));
    let mut stored = triggered("hello");
    stored.as_object_mut().unwrap().remove("store");
    assert_eq!(post(&simulator, 0, &stored).await.json(), json!({"detail": "Store must be set to false"}));
}

#[tokio::test]
async fn reasoning_is_no_compaction_and_a_compaction_no_reasoning() {
    let simulator = simulator().await;
    let thought =
        post(&simulator, 0, &with("reasoning", json!({"effort": "low"}))).await.response()["output"][0].clone();
    let compacted = post(&simulator, 0, &triggered("hello")).await.response()["output"][0].clone();
    let mut swapped = [thought.clone(), compacted.clone()];
    swapped[0]["encrypted_content"] = compacted["encrypted_content"].clone();
    swapped[1]["encrypted_content"] = thought["encrypted_content"].clone();
    for (item, status) in [(&thought, 200), (&compacted, 200), (&swapped[0], 400), (&swapped[1], 400)] {
        assert_eq!(replay(&simulator, 0, item).await.status, status, "{}", item["type"]);
    }
}

#[tokio::test]
async fn the_issuing_account_refuses_its_own_content_once_it_is_expired() {
    let simulator = simulator().await;
    let item = post(&simulator, 0, &with("reasoning", json!({"effort": "low"}))).await.response()["output"][0].clone();
    let id = simulator.inject(FaultSpec::new(Who::Account(0), Fault::EncryptedContentExpired).times(1));
    assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 200, "nothing sealed in it");
    assert_eq!(simulator.fault_hits(id), 0);
    let refused = replay(&simulator, 0, &item).await;
    assert_eq!((refused.status, refused.error_code()), (400, json!("invalid_encrypted_content")));
    assert!(refused.text().contains(item["id"].as_str().unwrap()));
    assert_eq!(replay(&simulator, 0, &item).await.status, 200, "once only");
}
