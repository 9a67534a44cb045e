//! Models that want the lite form, and the one that does not take it.

use serde_json::{Value, json};

use super::super::Simulator;
use super::client::{Answer, call, call_with, lite_turn, post, turn};
use super::simulator;

const PATH: &str = "/backend-api/codex/responses";
const HEADER: (&str, &str) = ("x-openai-internal-codex-responses-lite", "true");

fn tools() -> Value {
    json!([{"type": "function", "name": "clock", "parameters": {"type": "object"}}])
}

async fn lite(simulator: &Simulator, change: impl FnOnce(&mut Value)) -> Answer {
    let mut body = lite_turn("what says the clock?", &tools());
    change(&mut body);
    call_with(simulator, 0, PATH, &[HEADER], &body).await
}

#[tokio::test]
async fn calls_a_tool_that_travels_in_the_input() {
    let simulator = simulator().await;
    let answer = lite(&simulator, |_| {}).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.response()["output"][0]["name"], "clock");
    let plain = lite(&simulator, |body| drop(body["input"].as_array_mut().unwrap().remove(0))).await;
    assert_eq!(plain.response()["output"][0]["type"], "message", "tools are not required");
}

#[tokio::test]
async fn refuses_every_other_form_for_such_a_model() {
    let simulator = simulator().await;
    let param = |answer: &Answer| answer.json()["error"]["param"].clone();
    type Change = fn(&mut Value);
    let rows: [(&str, Change, &str); 8] = [
        ("tools", |body| body["tools"] = json!([]), "tools"),
        ("no context", |body| drop(body.as_object_mut().unwrap().remove("reasoning")), "reasoning.context"),
        ("other context", |body| body["reasoning"]["context"] = json!("current_turn"), "reasoning.context"),
        ("parallel", |body| body["parallel_tool_calls"] = json!(true), "parallel_tool_calls"),
        (
            "parallel by default",
            |body| drop(body.as_object_mut().unwrap().remove("parallel_tool_calls")),
            "parallel_tool_calls",
        ),
        ("not the first", |body| body["input"].as_array_mut().unwrap().swap(0, 1), "input[1]"),
        ("role", |body| body["input"][0]["role"] = json!("user"), "input[0].role"),
        ("no list", |body| body["input"][0]["tools"] = json!({}), "input[0].tools"),
    ];
    for (name, change, expected) in rows {
        let answer = lite(&simulator, change).await;
        assert_eq!((answer.status, param(&answer)), (400, json!(expected)), "{name}: {}", answer.text());
    }
    let body = lite_turn("hello", &tools());
    for headers in [&[][..], &[(HEADER.0, "false")]] {
        let answer = call_with(&simulator, 0, PATH, headers, &body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("requires Responses Lite"));
    }
}

#[tokio::test]
async fn refuses_the_lite_form_for_the_other_model() {
    let simulator = simulator().await;
    let answer = call_with(&simulator, 0, PATH, &[HEADER], &turn("hello")).await;
    assert!(answer.status == 400 && answer.text().contains("does not support Responses Lite"));
    let mut body = lite_turn("hello", &tools());
    body["model"] = json!("gpt-5.5");
    let answer = call(&simulator, 0, PATH, &body).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("input[0]")));
}

#[tokio::test]
async fn an_account_can_be_without_a_model_of_its_plan() {
    use super::client::get;
    let simulator = simulator().await;
    let slugs = |answer: Answer| {
        let models = answer.json()["models"].as_array().unwrap().clone();
        models.iter().map(|model| model["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = get(&simulator, 0, "/backend-api/codex/models").await;
    let tag = before.header("etag").unwrap().to_owned();
    simulator.withhold_models(0, &["gpt-5.5"]);
    let answer = post(&simulator, 0, &turn("hello")).await;
    assert!(answer.status == 400 && answer.text().contains("not supported when using Codex with a ChatGPT account"));
    let without = get(&simulator, 0, "/backend-api/codex/models").await;
    assert_ne!(without.header("etag"), Some(tag.as_str()));
    assert!(!slugs(without).contains(&"gpt-5.5".to_owned()));
    assert_eq!(post(&simulator, 1, &turn("hello")).await.status, 200);
    simulator.withhold_models(0, &[]);
    assert_eq!(get(&simulator, 0, "/backend-api/codex/models").await.header("etag"), Some(tag.as_str()));
    assert_eq!(post(&simulator, 0, &turn("hello")).await.header("x-models-etag"), Some(tag.as_str()));
}
