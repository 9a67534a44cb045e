//! Turns against the simulated backend, which is as strict about them as the real one (docs/simulator.md, Websocket).

use std::time::Duration;

use codex_pooler::simulator::{Fault, Preset, Who};
use serde_json::{Value, json};

use crate::failover::terminal;
use crate::support::socket::{self, PATH, Socket, create, go_on};
use crate::support::{Gateway, eventually};

fn turn(model: &str, input: impl Into<Value>) -> Value {
    let mut turn = create(input);
    turn["model"] = model.into();
    turn
}

/// What a client sends back of an answer, and what comes next.
fn output(events: &[Value]) -> Vec<Value> {
    events.last().unwrap()["response"]["output"].as_array().unwrap().clone()
}

#[tokio::test]
async fn turns_of_both_kinds_of_models_go_on_after_a_warm_up() {
    for model in ["gpt-5.5", "gpt-6-sol"] {
        let gateway = Gateway::builder().catalog().start().await;
        let path = format!("/v1/models/{model}");
        eventually("the model is known", || async { gateway.client.get(&path).await.status == 200 }).await;
        let mut socket = Socket::open(&gateway.client).await;
        let mut warm_up = turn(model, "You are helpful");
        warm_up["generate"] = json!(false);
        warm_up["instructions"] = json!("Be brief");
        let mut id = socket.succeed(&warm_up).await;
        for _ in 0..3 {
            let mut next = go_on(&id, "Say hello");
            next["model"] = model.into();
            id = socket.succeed(&next).await;
        }
        let sockets = gateway.codex.sockets();
        assert_eq!(sockets.len(), 1, "{model}");
        assert_eq!((sockets[0].turns, sockets[0].warm_ups, sockets[0].refused), (3, 1, 0), "{model}");
    }
}

#[tokio::test]
async fn a_tool_loop_sends_only_what_is_new() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.client).await;
    let tool = json!({"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}});
    let mut first = create("Use the tool weather");
    first["tools"] = json!([tool]);
    first["tool_choice"] = json!("required");
    let events = socket.turn(&first).await;
    let call = output(&events).into_iter().find(|item| item["type"] == "function_call").expect("a call");
    let id = events.last().unwrap()["response"]["id"].as_str().unwrap().to_owned();
    let mut second =
        go_on(&id, json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]));
    second["tools"] = json!([tool]);
    let events = socket.turn(&second).await;
    assert_eq!(events.last().unwrap()["type"], "response.completed", "{events:?}");
}

#[tokio::test]
async fn a_compaction_is_two_messages() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.client).await;
    let input = json!([{"role": "user", "content": "A long story"}, {"type": "compaction_trigger"}]);
    let events = socket.turn(&create(input)).await;
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["response.output_item.done", "response.completed"], "{events:?}");
    assert_eq!(events[0]["item"]["type"], "compaction");
    assert!(socket.is_silent(Duration::from_millis(100)).await, "no [DONE]");
    let item = events[0]["item"].clone();
    socket.succeed(&create(json!([item, {"role": "user", "content": "Go on"}]))).await;
    gateway.settled(2).await;
}

#[tokio::test]
async fn a_compaction_of_a_lite_model_has_its_form() {
    for path in [PATH, crate::native::RESPONSES] {
        let gateway = Gateway::builder().catalog().start().await;
        eventually("the models are known", || async {
            gateway.client.get("/backend-api/codex/models").await.status == 200
        })
        .await;
        let marker = "ws_request_header_x_openai_internal_codex_responses_lite";
        let native = path != PATH;
        let turn = |items: Value| {
            let mut turn = create(items);
            turn["model"] = json!("gpt-6-sol");
            if native {
                turn["reasoning"] = json!({"context": "all_turns"});
                turn["parallel_tool_calls"] = json!(false);
                (turn["store"], turn["stream"]) = (json!(false), json!(true));
                turn["client_metadata"] = json!({marker: "true"});
            }
            turn
        };
        let words =
            json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A long story"}]});
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        let id = socket.succeed(&turn(json!([words.clone()]))).await;
        let mut compact = turn(json!([words, {"type": "compaction_trigger"}]));
        compact["previous_response_id"] = json!(id);
        let events = socket.turn(&compact).await;
        assert_eq!(events.last().unwrap()["type"], "response.completed", "{path} {events:?}");
        assert_eq!(events[0]["item"]["type"], "compaction", "{path}");
        let sent = gateway.codex.requests().into_iter().filter_map(|request| request.body).next_back().unwrap();
        assert_eq!(sent["client_metadata"], json!({marker: "true"}), "{path}");
    }
}

#[tokio::test]
async fn faults_before_output_move_on_as_over_http() {
    for fault in [
        Fault::Preset(Preset::UsageLimitReached),
        Fault::Preset(Preset::ServerIsOverloaded),
        Fault::Preset(Preset::Forbidden),
        terminal(codex_pooler::simulator::TerminalKind::Failed, "server_is_overloaded", 1),
    ] {
        let gateway = Gateway::start().await;
        gateway.codex.inject(codex_pooler::simulator::FaultSpec::new(Who::All, fault.clone()).times(1));
        let mut socket = Socket::open(&gateway.client).await;
        socket.succeed(&create("Say hello")).await;
        assert_eq!(gateway.codex.sockets().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_that_ended_is_refreshed() {
    let gateway = Gateway::start().await;
    for account in 0..3 {
        gateway.codex.expire_access(account);
    }
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    let rows = gateway.settled(1).await;
    assert_eq!(crate::failover::tried(&rows[0])[0].0, "unauthorized");
}

#[tokio::test]
async fn the_limit_of_the_backend_ends_what_can_be_continued_and_nothing_else() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.client).await;
    let id = socket.succeed(&create("Say hello")).await;
    gateway.codex.set_socket_lifetime(Duration::from_millis(1));
    eventually("the backend has closed its end", || async {
        gateway.codex.sockets().iter().all(|socket| socket.closed.is_some())
    })
    .await;
    gateway.codex.set_socket_lifetime(Duration::from_secs(60));
    assert_eq!(socket.refuse(&go_on(&id, "Again")).await, (400, "previous_response_not_found".into()));
    socket.succeed(&create("All of it")).await;
}

#[tokio::test]
async fn a_message_that_the_backend_finds_too_large_is_the_clients_fault() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.send(&create("x".repeat(17 << 20))).await;
    assert_eq!(socket::refusal(&socket.event().await), (413, "request_too_large".into()));
    socket.succeed(&create("Say hello")).await;
    let rows = gateway.settled(2).await;
    assert_eq!(crate::failover::ended(&rows[1]).attempts.len(), 1, "no other account was asked");
}
