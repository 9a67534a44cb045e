//! Line 39: reasoning that comes back, and models that are served as lite.

use codex_pooler::simulator::{Fault, Preset, Recorded, Who};
use serde_json::{Value, json};

use super::{ask, assembled, chat, chat_function, chunks, function, say, told, turns};
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, eventually};

/// Asks for thought; gives what was said and thought, as the items to go on with.
async fn thought(gateway: &Gateway, stream: bool) -> Vec<Value> {
    let body = ask(json!({"reasoning": {"effort": "high", "summary": "auto"}, "stream": stream}));
    let answer = gateway.client.create(body).await;
    let output = match stream {
        false => answer.json()["output"].as_array().unwrap().clone(),
        true => items(&answer),
    };
    assert_eq!((&output[0]["type"], output[0]["encrypted_content"].is_string()), (&json!("reasoning"), true));
    output
}

/// The finished items of a stream.
pub(super) fn items(answer: &Answer) -> Vec<Value> {
    let done = answer.events().into_iter().filter(|event| event.name == "response.output_item.done");
    done.map(|event| event.data["item"].clone()).collect()
}

fn next(mut items: Vec<Value>) -> Value {
    items.insert(0, json!({"role": "user", "content": "think"}));
    items.push(json!({"role": "user", "content": "go on"}));
    ask(json!({ "input": items }))
}

fn kinds(turn: &Recorded) -> Vec<String> {
    let input = turn.body.as_ref().unwrap()["input"].as_array().unwrap().clone();
    input.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect()
}

const WITH: [&str; 4] = ["message", "reasoning", "message", "message"];
const WITHOUT: [&str; 3] = ["message", "message", "message"];

#[tokio::test]
async fn line_39_reasoning_goes_back_to_the_account_that_issued_it() {
    let gateway = Gateway::start().await;
    for stream in [false, true, false, true] {
        gateway.codex.forget_requests();
        let items = thought(&gateway, stream).await;
        let issuer = turns(&gateway)[0].account.clone();
        let answer = gateway.client.create(next(items.clone())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let turn = turns(&gateway).pop().unwrap();
        assert_eq!((turn.account.clone(), kinds(&turn)), (issuer, WITH.map(str::to_owned).to_vec()));
        let seen = &turn.body.as_ref().unwrap()["input"][1];
        assert_eq!(
            (&seen["encrypted_content"], &seen["summary"]),
            (&items[0]["encrypted_content"], &items[0]["summary"])
        );
    }
}

#[tokio::test]
async fn line_39_on_another_account_reasoning_is_absent_and_all_else_the_same() {
    let gateway = Gateway::start().await;
    for stream in [false, true] {
        gateway.codex.clear_faults();
        gateway.codex.forget_requests();
        let items = thought(&gateway, false).await;
        let issuer = turns(&gateway)[0].account.clone().unwrap();
        let at = gateway.codex.accounts().iter().position(|account| account.label() == issuer).unwrap();
        gateway.codex.fault(Who::Account(at), Fault::Preset(Preset::ServerError));
        let answer = gateway.client.create(super::with(next(items), json!({"stream": stream}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [_, first, second] = &turns(&gateway)[..] else { panic!("{}", turns(&gateway).len()) };
        assert_eq!((first.account.as_deref(), kinds(first)), (Some(issuer.as_str()), WITH.map(str::to_owned).to_vec()));
        assert_ne!(second.account, first.account);
        let mut left = first.body.clone().unwrap();
        left["input"].as_array_mut().unwrap().remove(1);
        assert_eq!(second.body, Some(left));
    }
}

#[tokio::test]
async fn line_39_a_refusal_of_reasoning_is_tried_once_more_on_the_same_account_without_it() {
    let gateway = Gateway::start().await;
    for stream in [false, true] {
        gateway.codex.clear_faults();
        gateway.codex.forget_requests();
        let items = thought(&gateway, stream).await;
        gateway.codex.fault(Who::All, Fault::EncryptedContentExpired);
        let answer = gateway.client.create(super::with(next(items), json!({"stream": stream}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [asked, first, second] = &turns(&gateway)[..] else { panic!("three requests") };
        assert_eq!((&first.account, &second.account), (&asked.account, &asked.account));
        assert_eq!((first.status, kinds(first)), (Some(400), WITH.map(str::to_owned).to_vec()));
        assert_eq!((second.status, kinds(second)), (Some(200), WITHOUT.map(str::to_owned).to_vec()));
    }
}

#[tokio::test]
async fn line_39_reasoning_without_its_content_is_dropped_and_that_of_nobody_too() {
    let gateway = Gateway::start().await;
    let items = thought(&gateway, false).await;
    for (name, content) in [("absent", None), ("null", Some(Value::Null)), ("nobody's", Some(json!("gAAAAnobodys")))] {
        let mut items = items.clone();
        let thought = items[0].as_object_mut().unwrap();
        match content {
            Some(content) => thought["encrypted_content"] = content,
            None => drop(thought.remove("encrypted_content")),
        }
        assert_eq!(gateway.client.create(next(items)).await.status, 200, "{name}");
        assert_eq!(kinds(&turns(&gateway).pop().unwrap()), WITHOUT, "{name}");
    }
    // Another key's thought is nobody's.
    let other = gateway.client_with(&gateway.new_key("other", None).await);
    assert_eq!(other.create(next(items)).await.status, 200);
    assert_eq!(kinds(&turns(&gateway).pop().unwrap()), WITHOUT);
}

/// A chain of thought over several tool calls, each turn with everything before.
#[tokio::test]
async fn line_39_a_loop_of_tool_calls_keeps_its_chain_of_thought_on_one_account() {
    let gateway = Gateway::start().await;
    let tools = json!([function("one"), function("two"), function("three")]);
    let mut input = vec![json!({"role": "user", "content": "call one, then two, then three"})];
    for turn in 0..4 {
        let body =
            ask(json!({"input": input, "tools": tools, "reasoning": {"effort": "high"}, "stream": turn % 2 == 1}));
        let answer = gateway.client.create(body).await;
        let output = if turn % 2 == 1 { items(&answer) } else { answer.json()["output"].as_array().unwrap().clone() };
        let seen = turns(&gateway).pop().unwrap();
        assert_eq!(kinds(&seen).iter().filter(|kind| *kind == "reasoning").count(), turn, "{}", answer.text());
        for item in output {
            input.push(item.clone());
            if item["type"] == "function_call" {
                input.push(json!({"type": "function_call_output", "call_id": item["call_id"], "output": "done"}));
            }
        }
    }
    assert_eq!(input.last().unwrap()["type"], "message", "{input:?}");
    let accounts: std::collections::HashSet<_> = turns(&gateway).into_iter().map(|turn| turn.account).collect();
    assert_eq!(accounts.len(), 1);
}

/// A gateway that knows which models are lite, and two of them.
async fn with_lite_models() -> (Gateway, [&'static str; 2]) {
    let gateway = Gateway::builder().catalog().start().await;
    let known = async |client: &Client| client.get("/v1/models/gpt-6-sol").await.status == 200;
    eventually("the accounts have told their models", || known(&gateway.client)).await;
    (gateway, ["gpt-6-sol", "gpt-5.6-sol"])
}

fn assert_lite(turn: &Recorded, tools: &Value, instructions: &str) {
    let body = turn.body.as_ref().unwrap();
    assert_eq!(turn.headers.get("x-openai-internal-codex-responses-lite").map(String::as_str), Some("true"));
    assert_eq!(body["input"][0], json!({"type": "additional_tools", "role": "developer", "tools": tools}));
    let told =
        json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": instructions}]});
    assert_eq!(body["input"][1], told);
    assert_eq!((body.get("tools"), body.get("instructions")), (None, None), "{body}");
    assert_eq!((&body["parallel_tool_calls"], &body["reasoning"]["context"]), (&json!(false), &json!("all_turns")));
}

#[tokio::test]
async fn lite_models_are_served_on_every_route_with_tools_and_over_two_turns() {
    let (gateway, models) = with_lite_models().await;
    for (model, stream) in models.into_iter().flat_map(|model| [(model, false), (model, true)]) {
        let tools = json!([function("look")]);
        let members = json!({"model": model, "stream": stream, "tools": tools, "tool_choice": "required",
            "instructions": "be brief", "parallel_tool_calls": true, "reasoning": {"effort": "high", "context": "auto"}});
        let mut input = vec![json!({"role": "user", "content": "look"})];
        let body = super::with(members, json!({"input": input}));
        let answer = gateway.client.create(body.clone()).await;
        assert_eq!(answer.status, 200, "{model} {}", answer.text());
        assert_lite(&turns(&gateway).pop().unwrap(), &tools, "be brief");
        let output = if stream { items(&answer) } else { answer.json()["output"].as_array().unwrap().clone() };
        let kinds: Vec<&str> = output.iter().filter_map(|item| item["type"].as_str()).collect();
        assert_eq!(kinds, ["reasoning", "function_call"]);
        input.extend(output.clone());
        input.push(json!({"type": "function_call_output", "call_id": output[1]["call_id"], "output": "seen"}));
        let next = super::with(body, json!({"input": input, "tool_choice": "auto"}));
        let answer = gateway.client.create(next).await;
        assert_eq!(answer.status, 200, "{model} {}", answer.text());
        let seen = turns(&gateway).pop().unwrap();
        assert_lite(&seen, &tools, "be brief");
        assert_eq!(seen.body.unwrap()["input"][3], output[0], "the thought came back");
        let response = if stream { answer.events().pop().unwrap().data["response"].clone() } else { answer.json() };
        assert_eq!((&response["status"], &response["model"]), (&json!("completed"), &json!(model)));
    }
}

#[tokio::test]
async fn lite_models_are_served_as_chats_and_compacted() {
    let (gateway, [model, _]) = with_lite_models().await;
    for stream in [false, true] {
        let mut messages =
            vec![json!({"role": "system", "content": "be brief"}), json!({"role": "user", "content": "look"})];
        let body = json!({"model": model, "messages": messages, "tools": [chat_function("look")], "tool_choice": "required", "stream": stream});
        let answer = chat(&gateway.client, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_lite(&turns(&gateway).pop().unwrap(), &json!([function("look")]), "be brief");
        let said = if stream { assembled(&chunks(&answer).0) } else { answer.json()["choices"][0]["message"].clone() };
        let id = said["tool_calls"][0]["id"].clone();
        messages.extend([said, json!({"role": "tool", "tool_call_id": id, "content": "seen"})]);
        let next = super::with(body, json!({"messages": messages, "tool_choice": "auto"}));
        let answer = chat(&gateway.client, &next).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let forced = json!({"type": "function", "function": {"name": "look"}});
    let body = json!({"model": model, "tools": [chat_function("look")], "tool_choice": forced});
    let answer = chat(&gateway.client, &super::with(say(json!({})), body)).await;
    assert_eq!(told(&answer), super::refused(400, "unsupported_parameter", "tool_choice"));
    let body = ask(json!({"model": model, "tools": [function("look")], "instructions": "be brief"}));
    let compact = gateway.client.post("/v1/responses/compact", &body).await;
    assert_eq!(compact.status, 200, "{}", compact.text());
    let sent = gateway.codex.requests().into_iter().rfind(|r| r.path.ends_with("/compact")).unwrap();
    assert_lite(&sent, &json!([function("look")]), "be brief");
    let mut input = compact.json()["output"].as_array().unwrap().clone();
    input.push(json!({"role": "user", "content": "go on"}));
    let answer = gateway.client.create(super::with(body, json!({"input": input}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
