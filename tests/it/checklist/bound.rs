//! Line 36 and what else belongs to one account: compactions and files.

use codex_pooler::admin::Command;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, Recorded, Who};
use serde_json::{Value, json};

use super::answers::assert_whole;
use super::{ask, bytes, chat, function, keys, one, refused, say, status, told, turns};
use crate::failover::tried;
use crate::files::upload;
use crate::support::Gateway;
use crate::support::client::Answer;

const COMPACT: &str = "/v1/responses/compact";
const UPSTREAM: &str = "/backend-api/codex/responses/compact";

fn compactions(gateway: &Gateway) -> Vec<Recorded> {
    gateway.codex.requests().into_iter().filter(|request| request.path == UPSTREAM).collect()
}

fn conversation() -> Vec<Value> {
    vec![
        json!({"role": "user", "content": "first question"}),
        json!({"role": "assistant", "content": "an answer"}),
        json!({"role": "user", "content": "second question"}),
    ]
}

fn triggered() -> Vec<Value> {
    let mut input = conversation();
    input.push(json!({"type": "compaction_trigger"}));
    input
}

#[tokio::test]
async fn line_36_a_compact_request_is_checked_projected_and_its_answer_filled() {
    let gateway = one().await;
    let members = json!({"input": conversation(), "tools": [function("look")], "reasoning": {"effort": "ultra"}, "stream": true,
        "store": true, "include": ["reasoning.encrypted_content"], "metadata": {"a": "b"}, "tool_choice": "auto",
        "client_metadata": {"a": "b"}, "prompt_cache_key": "k", "text": {"verbosity": "low"}, "service_tier": "fast",
        "parallel_tool_calls": true, "temperature": 0.1, "instructions": "short"});
    let answer = gateway.client.post(COMPACT, &ask(members)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    let resource = answer.json();
    assert_eq!(resource["object"], "response.compaction");
    assert!(
        resource["id"].is_string() && resource["created_at"].is_u64() && resource["usage"]["total_tokens"].is_u64()
    );
    assert!(resource["usage"]["output_tokens_details"]["reasoning_tokens"].is_u64());
    let [sent] = &compactions(&gateway)[..] else { panic!("one request") };
    let body = sent.body.as_ref().unwrap();
    let members = [
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "service_tier",
        "text",
        "tools",
    ];
    assert_eq!(
        (keys(body), &body["reasoning"]["effort"], &body["service_tier"]),
        (members.to_vec(), &json!("max"), &json!("priority"))
    );
    assert_eq!(sent.headers["accept"], "application/json");
    assert_eq!(answer.header("x-codex-turn-state"), None);

    let bad = gateway.client.post(COMPACT, &ask(json!({"nonsense": 1}))).await;
    assert_eq!(told(&bad), refused(400, "unsupported_parameter", "nonsense"));
    let bare = r#"{"output":[{"type":"compaction","encrypted_content":"x"}]}"#;
    gateway.codex.inject(FaultSpec::new(Who::All, bytes("application/json", bare)).on(UPSTREAM));
    let filled = gateway.client.post(COMPACT, &ask(json!({}))).await.json();
    assert!(filled["id"].as_str().is_some_and(|id| id.starts_with("resp_")), "{filled}");
    assert_eq!((&filled["object"], &filled["usage"]["total_tokens"]), (&json!("response.compaction"), &json!(0)));
}

#[tokio::test]
async fn line_36_no_other_account_is_asked_to_compact_but_a_refused_token_is_refreshed() {
    for (path, fault_path) in [(COMPACT, UPSTREAM), ("/v1/responses", "/backend-api/codex/responses")] {
        let gateway = Gateway::start().await;
        let body = ask(json!({ "input": if path == COMPACT { conversation() } else { triggered() } }));
        for (fault, code) in [
            (status(500, "boom"), 500),
            (status(429, "slow_down"), 429),
            (Fault::HangUp { reset: true }, 502),
            (Fault::Preset(Preset::ModelNotFound), 400),
            (Fault::Preset(Preset::Forbidden), 503),
        ] {
            gateway.codex.clear_faults();
            gateway.codex.forget_requests();
            gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).on(fault_path));
            let answer = gateway.client.post(path, &body).await;
            let seen = gateway.codex.requests();
            assert_eq!(answer.status, code, "{fault:?} {}", answer.text());
            assert!(seen.iter().all(|request| request.account == seen[0].account), "{fault:?}");
        }
        gateway.codex.clear_faults();
        gateway.codex.forget_requests();
        (0..3).for_each(|account| gateway.codex.expire_access(account));
        assert_eq!(gateway.client.post(path, &body).await.status, 200);
        let seen = gateway.codex.requests();
        let paths: Vec<&str> = seen.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, [fault_path, "/oauth/token", fault_path]);
        let of = |at: usize| seen[at].headers["chatgpt-account-id"].as_str();
        assert_eq!(of(0), of(2));
        let rows = gateway.settled(6).await;
        let unauthorized = ("unauthorized", Some(401), None);
        assert_eq!(tried(&rows[0]), [unauthorized, ("served", None, None)]);
    }
}

#[tokio::test]
async fn line_36_a_trigger_is_answered_as_json_and_as_a_stream_whichever_the_backend_sends() {
    let gateway = one().await;
    let v2 = json!({"x-codex-turn-metadata": r#"{"compaction":{"implementation":"responses_compaction_v2"}}"#});
    for (metadata, upstream) in [(json!({}), "application/json"), (v2, "text/event-stream")] {
        let members = json!({"input": triggered(), "client_metadata": metadata, "metadata": {"a": "b"}, "top_p": 0.5});
        let answer = gateway.client.create(ask(members.clone())).await;
        let response = answer.json();
        assert_eq!((answer.status, &response["status"]), (200, &json!("completed")), "{response}");
        assert_whole(&response);
        assert_eq!((&response["model"], &response["metadata"]), (&json!("gpt-5.5"), &json!({"a": "b"})));
        assert_eq!(response["output"].as_array().unwrap().len(), 1);
        assert_eq!(keys(&response["output"][0]), ["encrypted_content", "id", "type"]);
        let sent = turns(&gateway).pop().unwrap();
        assert_eq!(sent.headers["accept"], upstream);
        let body = sent.body.unwrap();
        let streamed = body.get("stream").and_then(Value::as_bool).unwrap_or_default();
        assert_eq!((&body["store"], streamed), (&json!(false), upstream == "text/event-stream"));
        assert_eq!(body["input"].as_array().unwrap().last().unwrap(), &json!({"type": "compaction_trigger"}));

        let answer = gateway.client.create(ask(super::with(members, json!({"stream": true})))).await;
        assert_eq!(super::names(&answer), ["response.output_item.done", "response.completed"]);
        assert!(answer.text().ends_with("\n\ndata: [DONE]\n\n"), "{}", answer.text());
        let events = answer.events();
        assert_whole(&events[1].data["response"]);
        assert_eq!(events[1].data["response"]["output"], json!([events[0].data["item"]]));
    }
    for input in [
        json!([{"type": "compaction_trigger"}]),
        json!([{"type": "compaction_trigger"}, {"role": "user", "content": "hi"}]),
        json!([{"role": "user", "content": " "}, {"type": "compaction_trigger"}]),
    ] {
        super::create_is_refused(&gateway, json!({ "input": input }), "invalid_request", "input").await;
    }
    for (fault, message) in [
        (bytes("application/json", "[]"), "upstream compact response was not valid JSON"),
        (bytes("text/html", "<p>"), "upstream compact response was not valid JSON"),
        (
            bytes("application/json", r#"{"id":"resp_1","output":[]}"#),
            "upstream compact response did not include encrypted compaction content",
        ),
    ] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, fault);
        let answer = gateway.client.create(ask(json!({ "input": triggered() }))).await;
        assert_eq!(told(&answer), refused(502, "invalid_compaction_response", ""));
        assert_eq!(answer.error()["message"], message);
    }
}

/// A compaction in each way to get one, with the account that issued it.
async fn compacted(gateway: &Gateway, way: usize) -> (Vec<Value>, String) {
    let answer = match way {
        0 => gateway.client.post(COMPACT, &ask(json!({ "input": conversation() }))).await,
        1 => gateway.client.create(ask(json!({ "input": triggered() }))).await,
        _ => gateway.client.create(ask(json!({"input": triggered(), "stream": true}))).await,
    };
    assert_eq!(answer.status, 200, "{}", answer.text());
    let items =
        if way < 2 { answer.json()["output"].as_array().unwrap().clone() } else { super::thoughts::items(&answer) };
    (items, gateway.codex.requests().pop().unwrap().account.unwrap())
}

fn next(mut items: Vec<Value>) -> Value {
    items.push(json!({"role": "user", "content": "go on"}));
    ask(json!({ "input": items }))
}

#[tokio::test]
async fn a_compaction_is_continued_by_the_account_that_made_it() {
    let gateway = Gateway::start().await;
    for way in [0, 1, 2, 0, 1, 2] {
        let (items, account) = compacted(&gateway, way).await;
        let answer = gateway.client.create(next(items)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = turns(&gateway).pop().unwrap();
        assert_eq!(seen.account.as_deref(), Some(account.as_str()));
        assert!(seen.body.unwrap()["input"].as_array().unwrap().iter().any(|item| item["type"] == "compaction"));
    }
}

async fn used(gateway: &Gateway, answer: &Answer, file: &Value) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let turn = turns(gateway).pop().unwrap();
    let content = &turn.body.unwrap()["input"][0]["content"];
    assert!(content.as_array().unwrap().iter().any(|part| part["file_id"] == file["id"]), "{content}");
    turn.account.unwrap()
}

#[tokio::test]
async fn an_uploaded_file_is_used_by_responses_and_chats_on_its_account_alone() {
    let gateway = Gateway::start().await;
    let mut owners = Vec::new();
    while owners.len() < 2 {
        let file = upload(&gateway.client, "a.pdf", "user_data").await;
        let made = |r: &&Recorded| r.path == "/backend-api/files";
        let owner = gateway.codex.requests().iter().rfind(made).and_then(|r| r.account.clone()).unwrap();
        if owners.iter().any(|(_, other)| *other == owner) {
            continue;
        }
        for kind in ["input_file", "input_image"] {
            let input = json!([{"role": "user", "content": [{"type": kind, "file_id": file["id"]}]}]);
            for stream in [false, true] {
                let answer = gateway.client.create(ask(json!({"input": input, "stream": stream}))).await;
                assert_eq!(used(&gateway, &answer, &file).await, owner, "{kind}");
            }
        }
        let messages = json!([{"role": "user", "content": [{"type": "text", "text": "read"}, {"type": "file", "file": {"file_id": file["id"]}}]}]);
        let answer = chat(&gateway.client, &say(json!({ "messages": messages }))).await;
        assert_eq!(used(&gateway, &answer, &file).await, owner);
        owners.push((file, owner));
    }
    let [(a, owner), (b, _)] = &owners[..] else { unreachable!() };
    gateway.codex.forget_requests();
    let file = |file: &Value| json!({"type": "input_file", "file_id": file["id"]});
    let both = ask(json!({"input": [{"role": "user", "content": [file(a), file(b)]}]}));
    let conflict = gateway.client.create(both).await;
    assert_eq!(told(&conflict), refused(409, "file_assignment_conflict", "file_id"));
    assert_eq!(conflict.header("x-should-retry"), Some("false"));
    let one = ask(json!({"input": [{"role": "user", "content": [file(a)]}]}));
    let other = gateway.client_with(&gateway.new_key("other", None).await);
    assert_eq!(told(&other.create(one.clone()).await), refused(404, "file_not_found", "file_id"));
    assert!(turns(&gateway).is_empty());
    // Its account cannot serve: nobody else is asked.
    gateway.execute(Command::AccountPause { account: owner.clone() }).await;
    let lost = gateway.client.create(one).await;
    assert_eq!(told(&lost), refused(409, "file_assignment_conflict", "file_id"));
    assert_eq!(lost.header("x-should-retry"), Some("false"));
    assert!(turns(&gateway).is_empty());
}
