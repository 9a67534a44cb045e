//! What a good stream looks like.

use serde_json::{Value, json};

use super::super::{Fault, Who};
use super::client::{Answer, call_of, get, joined, lite_turn, post, text_of, turn, weather, with};
use super::simulator;

#[tokio::test]
async fn tells_a_text_from_created_to_completed_with_rising_numbers() {
    let simulator = simulator().await;
    let answer = post(&simulator, 0, &turn("hello")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let events = answer.events();
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let mut names = answer.names();
    names.dedup();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    assert!(!text_of(&answer).is_empty());
    assert_eq!(joined(&answer, "response.output_text.delta"), text_of(&answer));
    assert_eq!(answer.response()["status"], "completed");
}

#[tokio::test]
async fn says_the_same_to_the_same_and_other_things_to_others_under_new_ids() {
    let simulator = simulator().await;
    let (one, two) = (post(&simulator, 0, &turn("hello")).await, post(&simulator, 1, &turn("hello")).await);
    assert_eq!(text_of(&one), text_of(&two));
    assert_ne!(one.response()["id"], two.response()["id"]);
    let mut texts = std::collections::BTreeSet::new();
    for n in 0..20 {
        let prompt = format!("question {n}");
        let text = text_of(&post(&simulator, 0, &turn(&prompt)).await);
        assert!(!text.contains(&prompt));
        texts.insert(text);
    }
    assert!(texts.len() > 10, "{texts:?}");
}

#[tokio::test]
async fn counts_usage_that_adds_up_and_grows_with_the_input() {
    let simulator = simulator().await;
    let mut last = 0;
    for words in [1, 100, 1_000] {
        let usage = post(&simulator, 0, &turn(&"word ".repeat(words))).await.response()["usage"].clone();
        let number = |key: &str| usage[key].as_u64().unwrap();
        assert_eq!(number("total_tokens"), number("input_tokens") + number("output_tokens"));
        assert!(number("input_tokens") > last);
        last = number("input_tokens");
    }
}

#[tokio::test]
async fn caches_a_repeated_prefix_on_the_same_account_and_key_only() {
    let simulator = simulator().await;
    let mut body = turn(&"word ".repeat(200));
    body["prompt_cache_key"] = json!("k");
    let cached =
        |answer: &Answer| answer.response()["usage"]["input_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert_eq!(cached(&post(&simulator, 0, &body).await), 0);
    let more = json!({"type": "message", "role": "user", "content": "and now?"});
    body["input"].as_array_mut().unwrap().push(more);
    let warm = post(&simulator, 0, &body).await;
    assert!(cached(&warm) >= 240);
    assert_eq!(cached(&warm) % 16, 0);
    assert!(cached(&warm) <= warm.response()["usage"]["input_tokens"].as_u64().unwrap());
    assert_eq!(cached(&post(&simulator, 1, &body).await), 0);
    body["prompt_cache_key"] = json!("other");
    assert_eq!(cached(&post(&simulator, 0, &body).await), 0);
}

#[tokio::test]
async fn reasons_first_when_effort_is_set_with_a_summary_when_asked_for() {
    let simulator = simulator().await;
    let answer = post(&simulator, 0, &with("reasoning", json!({"effort": "low", "summary": "auto"}))).await;
    let output = answer.response()["output"].clone();
    assert_eq!(output[0]["type"], "reasoning");
    assert!(output[0]["encrypted_content"].as_str().unwrap().len() > 100);
    assert_eq!(output[1]["type"], "message");
    let summary = output[0]["summary"][0]["text"].as_str().unwrap();
    assert_eq!(joined(&answer, "response.reasoning_summary_text.delta"), summary);
    let usage = &answer.response()["usage"];
    let thought = usage["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
    assert!(thought > 0 && thought < usage["output_tokens"].as_u64().unwrap());
    let quiet = post(&simulator, 0, &with("include", json!(["reasoning.encrypted_content"]))).await;
    assert_eq!(quiet.response()["output"][0]["summary"], json!([]));
    let none = post(&simulator, 0, &with("reasoning", json!({"effort": "none"}))).await;
    assert_eq!(none.response()["output"][0]["type"], "message");
}

#[tokio::test]
async fn calls_a_forced_function_and_speaks_once_its_output_is_there() {
    let simulator = simulator().await;
    for choice in [json!("required"), json!({"type": "function", "name": "weather"})] {
        let mut body = with("tools", json!([weather()]));
        body["tool_choice"] = choice;
        let answer = post(&simulator, 0, &body).await;
        let call = call_of(&answer);
        assert_eq!(call["name"], "weather");
        assert_eq!(joined(&answer, "response.function_call_arguments.delta"), call["arguments"]);
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert!(["Rome", "Oslo"].contains(&arguments["city"].as_str().unwrap()));
        assert!((1..=3).contains(&arguments["days"].as_i64().unwrap()));
        let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"});
        body["input"].as_array_mut().unwrap().extend([call, output]);
        assert!(!text_of(&post(&simulator, 0, &body).await).is_empty());
    }
}

#[tokio::test]
async fn calls_on_its_own_only_when_the_user_speaks_of_a_tool() {
    let simulator = simulator().await;
    let ask = |prompt: &str| {
        let mut body = turn(prompt);
        body["tools"] = json!([weather(), {"type": "custom", "name": "shell_text"}]);
        body
    };
    assert!(!text_of(&post(&simulator, 0, &ask("hello toolbox")).await).is_empty());
    assert_eq!(call_of(&post(&simulator, 0, &ask("use a tool")).await)["name"], "weather");
    let custom = post(&simulator, 0, &ask("please run shell_text now")).await;
    assert_eq!(call_of(&custom)["type"], "custom_tool_call");
    assert_eq!(joined(&custom, "response.custom_tool_call_input.delta"), call_of(&custom)["input"]);
    let mut never = ask("use a tool");
    never["tool_choice"] = json!("none");
    assert!(!text_of(&post(&simulator, 0, &never).await).is_empty());
}

/// A request that names two tools, with what was already called and answered since.
fn two_tools(said: &str, done: &[&str]) -> Value {
    let tool =
        |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}});
    let mut body = turn(said);
    body["tools"] = json!([tool("tides"), tool("weather")]);
    let input = body["input"].as_array_mut().unwrap();
    for name in done {
        input.push(json!({"type": "function_call", "call_id": name, "name": name, "arguments": "{}"}));
        input.push(json!({"type": "function_call_output", "call_id": name, "output": "done"}));
    }
    body
}

fn called(answer: &Answer) -> Vec<String> {
    let response = answer.response();
    let items = response["output"].as_array().unwrap();
    items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn calls_all_that_the_user_names_one_by_one_or_in_parallel() {
    let simulator = simulator().await;
    for (said, done, calls) in [
        ("the weather and the tides", &[][..], &["tides"][..]),
        ("the weather and the tides", &["tides"], &["weather"]),
        ("the weather and the tides", &["tides", "weather"], &[]),
        ("the weather and the tides in parallel", &[], &["tides", "weather"]),
        ("the weather and the tides in parallel", &["tides", "weather"], &[]),
    ] {
        let answer = post(&simulator, 0, &two_tools(said, done)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(called(&answer), calls, "{said} after {done:?}");
    }
    let mut body = two_tools("the weather and the tides in parallel", &[]);
    body["parallel_tool_calls"] = json!(false);
    assert_eq!(called(&post(&simulator, 0, &body).await), ["tides"]);
}

#[tokio::test]
async fn names_the_namespace_of_a_tool_that_travels_in_the_input() {
    let simulator = simulator().await;
    let tools = json!([
        {"type": "namespace", "name": "functions", "description": "d", "tools": [weather()]}, {"name": "clock"}]);
    let body = lite_turn("use the tool", &tools);
    let call = call_of(&post(&simulator, 0, &body).await);
    assert_eq!((&call["name"], &call["namespace"]), (&json!("weather"), &json!("functions")));
}

#[tokio::test]
async fn answers_a_schema_with_an_object_of_it() {
    let simulator = simulator().await;
    let format = json!({"type": "json_schema", "name": "n", "strict": true, "schema": weather()["parameters"]});
    let text = text_of(&post(&simulator, 0, &with("text", json!({"format": format}))).await);
    let object: Value = serde_json::from_str(&text).unwrap();
    assert!(object["days"].is_i64() && object["city"].is_string());
    let free = text_of(&post(&simulator, 0, &with("text", json!({"format": {"type": "json_object"}}))).await);
    assert!(serde_json::from_str::<Value>(&free).unwrap().is_object());
}

#[tokio::test]
async fn makes_as_many_deltas_as_asked_for() {
    let simulator = simulator().await;
    for count in [1, 7, 500] {
        simulator.clear_faults();
        simulator.fault(Who::All, Fault::Events(count));
        let answer = post(&simulator, 0, &turn("hello")).await;
        let deltas = answer.names().iter().filter(|name| *name == "response.output_text.delta").count();
        assert_eq!(deltas, count);
        assert_eq!(joined(&answer, "response.output_text.delta"), text_of(&answer));
    }
}

#[tokio::test]
async fn shows_quota_in_headers_and_usage_and_refuses_when_it_is_spent() {
    let simulator = simulator().await;
    let answer = post(&simulator, 0, &turn("hello")).await;
    let percent: f64 = answer.header("x-codex-primary-used-percent").unwrap().parse().unwrap();
    assert!(percent.is_finite() && percent < 100.0);
    assert_eq!(answer.header("x-codex-secondary-window-minutes"), Some("10080"));
    assert_eq!(answer.header("openai-model"), Some("gpt-5.5"));
    simulator.set_quota(0, 100.0, 12.5);
    let usage = get(&simulator, 0, "/backend-api/wham/usage").await.json();
    assert_eq!(usage["account_id"], simulator.accounts()[0].id());
    assert_eq!(usage["rate_limit"]["limit_reached"], true);
    assert_eq!(usage["rate_limit"]["secondary_window"]["used_percent"], 12.5);
    let refused = post(&simulator, 0, &turn("hello")).await;
    assert_eq!((refused.status, refused.json()["error"]["type"].clone()), (429, json!("usage_limit_reached")));
    assert!(refused.json()["error"]["resets_at"].as_u64().is_some());
    assert_eq!(post(&simulator, 1, &turn("hello")).await.status, 200);
}

#[tokio::test]
async fn lists_models_by_plan_under_the_tag_that_responses_carry() {
    let simulator = simulator().await;
    let slugs = |answer: &Answer| -> Vec<String> {
        let models = answer.json()["models"].as_array().unwrap().clone();
        models.iter().map(|model| model["slug"].as_str().unwrap().to_owned()).collect()
    };
    let (pro, plus) = (
        get(&simulator, 0, "/backend-api/codex/models?client_version=0.169.0").await,
        get(&simulator, 1, "/backend-api/codex/models").await,
    );
    assert!(slugs(&pro).contains(&"gpt-6-astra".to_owned()) && slugs(&plus).contains(&"gpt-5.5".to_owned()));
    assert!(!slugs(&plus).contains(&"gpt-6-astra".to_owned()));
    assert_ne!(pro.header("etag"), plus.header("etag"));
    assert_eq!(post(&simulator, 0, &turn("hello")).await.header("x-models-etag"), pro.header("etag"));
}
