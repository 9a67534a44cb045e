//! Websockets of public clients: handshake, turns, warm-up, order, ledger (docs/websocket.md).

use std::time::Duration;

use codex_pooler::admin::Command;
use codex_pooler::store::records::{Outcome, RequestRecord, Usage};
use serde_json::{Value, json};

use crate::failover::ended;
use crate::support::socket::{self, Heard, PATH, Raw, Socket, create, go_on, handshake};
use crate::support::upstream::{Act, Upstream, good};
use crate::support::{Client, Gateway, eventually};

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::builder().origin(&upstream.origin()).start().await
}

/// The answer to a handshake that is refused.
async fn refused(client: &Client, headers: &[(&str, &str)]) -> (u16, String) {
    client.send(handshake(client, headers)).await.refusal()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// Status, outcome and code of rows, oldest first.
fn rows(ledger: &[RequestRecord]) -> Vec<(u16, Outcome, Option<&str>)> {
    ledger.iter().rev().map(ended).map(|end| (end.status, end.outcome, end.error_code.as_deref())).collect()
}

#[tokio::test]
async fn a_turn_gives_the_events_of_a_stream_one_message_each() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    assert!(uuid::Uuid::try_parse(socket.header("x-codex-turn-state").unwrap()).is_ok());
    assert!(socket.header("x-request-id").is_some());
    assert_eq!(socket.header("sec-websocket-accept"), Some(socket::ACCEPT));
    for _ in 0..2 {
        let events = socket.turn(&create("Say hello")).await;
        assert_eq!(
            names(&events),
            [
                "response.created",
                "response.output_item.added",
                "response.output_text.delta",
                "response.output_item.done",
                "response.completed"
            ]
        );
        let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4], "they begin anew with each turn");
        assert_eq!(events[4]["response"]["model"], "gpt-5.5");
        assert!(events.iter().all(|event| event.get("stream_id").is_none()));
    }
    assert_eq!(upstream.handshakes().len(), 1, "one upstream socket for one client socket");
    let ledger = gateway.settled(2).await;
    assert_eq!(rows(&ledger), [(200, Outcome::Succeeded, None); 2]);
    for row in &ledger {
        let subject = row.subject().expect("its subject");
        assert_eq!((subject.transport.as_str(), subject.route.as_str()), ("websocket", "GET /v1/responses"));
        assert!(matches!(ended(row).usage, Usage::Known { input: 3, output: 2, .. }));
    }
}

#[tokio::test]
async fn what_goes_upstream_is_the_translated_request_and_our_own_identity() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let headers = [("x-codex-turn-state", " mine "), ("user-agent", "CLIENT"), ("openai-beta", "x"), ("cookie", "c=1")];
    let mut socket = Socket::open_with(&gateway.client, &headers).await;
    assert_eq!(socket.header("x-codex-turn-state"), Some("mine"));
    let mut turn = create("Say hello");
    turn["temperature"] = json!(1);
    turn["generate"] = json!(true);
    turn["stream_id"] = json!("lane");
    turn["store"] = json!(true);
    socket.turn(&turn).await;
    let sent = &upstream.turns()[0].message;
    assert_eq!((&sent["type"], &sent["generate"]), (&json!("response.create"), &json!(true)));
    assert_eq!((&sent["stream"], &sent["store"], &sent["instructions"]), (&json!(true), &json!(false), &json!("")));
    for gone in ["temperature", "stream_id"] {
        assert_eq!(sent.get(gone), None, "{gone}");
    }
    let handshake = &upstream.handshakes()[0];
    assert_eq!(handshake.path, "/backend-api/codex/responses");
    let header = |name: &str| handshake.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("openai-beta"), Some("responses_websockets=2026-02-06"));
    assert!(header("user-agent").unwrap().starts_with("codex-pooler/"));
    assert_eq!(header("originator"), Some("codex-pooler"));
    assert!(header("chatgpt-account-id").is_some() && header("authorization").unwrap().starts_with("Bearer "));
    for absent in ["cookie", "x-codex-turn-state", "sec-websocket-extensions", "content-type", "accept"] {
        assert_eq!(header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn a_handshake_is_refused_as_a_request_would_be() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let client = &gateway.client;
    assert_eq!(client.get(PATH).await.refusal(), (400, "websocket_upgrade_required".into()));
    assert_eq!(refused(client, &[("upgrade", "h2c")]).await, (400, "websocket_upgrade_required".into()));
    let nobody = Client { address: client.address, key: String::new() };
    assert_eq!(refused(&nobody, &[]).await, (401, "api_key_missing".into()));
    assert_eq!(refused(&gateway.client_with("sk-nonsense"), &[]).await, (401, "invalid_api_key".into()));
    for account in gateway.codex.accounts() {
        gateway.execute(Command::AccountPause { account: account.label().into() }).await;
    }
    assert_eq!(refused(client, &[]).await, (503, "no_eligible_backend".into()));
    assert!(upstream.handshakes().is_empty());
}

#[tokio::test]
async fn a_warm_up_is_relayed_and_its_response_can_be_continued() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let mut warm_up = create("You are helpful");
    warm_up["generate"] = json!(false);
    let id = socket.succeed(&warm_up).await;
    let next = socket.succeed(&go_on(&id, "Say hello")).await;
    socket.succeed(&go_on(&id, "Say it again")).await;
    socket.succeed(&go_on(&next, "And again")).await;
    let turns = upstream.turns();
    assert_eq!(turns[0].message["generate"], false);
    assert_eq!((&turns[1].message["previous_response_id"], &turns[1].message["generate"]), (&json!(id), &json!(true)));
    assert!(turns.iter().all(|turn| turn.line == 0));
    gateway.settled(4).await;
}

#[tokio::test]
async fn only_what_was_given_on_this_socket_can_be_continued() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut first = Socket::open(&gateway.client).await;
    let id = first.succeed(&create("Say hello")).await;
    let mut second = Socket::open(&gateway.client).await;
    let answer = second.turn(&go_on(&id, "Again")).await;
    assert_eq!(socket::refusal(&answer[0]), (400, "previous_response_not_found".into()));
    assert_eq!(answer[0]["error"]["message"], "Previous response was not found. Retrying the full request.");
    second.succeed(&create("All of it again")).await;
    assert_eq!(second.refuse(&go_on("resp_nobody", "Again")).await.1, "previous_response_not_found");
    assert_eq!(upstream.turns().len(), 2);
    first.succeed(&go_on(&id, "Again")).await;
}

#[tokio::test]
async fn refused_messages_are_told_in_their_turn_and_the_socket_goes_on() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let table = [
        ("{", "websocket message must be valid JSON", None),
        ("[1]", "websocket message must be a JSON object", None),
        (r#"{"type":"response.cancel"}"#, "", Some("type")),
        (r#"{"model":"gpt-5.5","input":"x"}"#, "", Some("type")),
        (r#"{"type":"response.processed"}"#, "response.processed requires response_id", Some("response_id")),
        (r#"{"type":"response.create","stream_id":"a b"}"#, "", Some("stream_id")),
        (r#"{"type":"response.create","input":"x"}"#, "", Some("model")),
    ];
    for (text, message, param) in table {
        socket.text(text).await;
        let event = socket.event().await;
        assert_eq!(socket::refusal(&event), (400, "invalid_request".into()), "{text}");
        assert_eq!(event["error"]["param"].as_str(), param, "{text}");
        assert!(message.is_empty() || event["error"]["message"] == message, "{event}");
        assert_eq!(event.get("stream_id"), None);
    }
    let unknown = socket.turn(&json!({"type": "response.create", "model": "gpt-5.5", "input": "x", "foo": 1})).await;
    assert_eq!(socket::refusal(&unknown[0]), (400, "unsupported_parameter".into()));
    socket.succeed(&create("Say hello")).await;
    let ledger = gateway.settled(9).await;
    assert_eq!(rows(&ledger)[0], (400, Outcome::Rejected, Some("invalid_request")));
    assert_eq!(upstream.turns().len(), 1);
}

#[tokio::test]
async fn the_name_of_a_stream_stands_on_each_of_its_events() {
    let upstream = Upstream::answering(|turn| {
        if turn.n == 2 { crate::support::upstream::error(400, "invalid_prompt") } else { good(turn) }
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    for (name, turn) in [("a", create("1")), ("B.2-_", create("2")), ("c", create("3")), ("d", json!({"type": "x"}))] {
        let mut turn = turn;
        turn["stream_id"] = json!(name);
        let events = socket.turn(&turn).await;
        assert!(events.iter().all(|event| event["stream_id"] == name), "{events:?}");
    }
}

#[tokio::test]
async fn turns_run_one_by_one_and_sixteen_wait() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        if turn.n == 0 {
            acts.insert(0, Act::Wait(Duration::from_millis(300)));
        }
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::upgrade(&gateway.client).await;
    let mut bytes = Vec::new();
    for n in 0..20 {
        let mut turn = create(n.to_string());
        turn["stream_id"] = json!(format!("s{n}"));
        bytes.extend(socket::frame(0x81, turn.to_string().as_bytes()));
    }
    raw.send(&bytes).await;
    let mut heard = Vec::new();
    for _ in 0..20 {
        let events = raw.rest().await;
        let last = events.last().unwrap();
        assert!(events.iter().all(|event| event["stream_id"] == last["stream_id"]), "turns do not mix: {events:?}");
        heard.push((last["stream_id"].as_str().unwrap().to_owned(), last["status"].as_u64()));
    }
    let expected: Vec<(String, Option<u64>)> =
        (17..20).map(|n| (format!("s{n}"), Some(429))).chain((0..17).map(|n| (format!("s{n}"), None))).collect();
    assert_eq!(heard, expected);
    let inputs: Vec<String> = upstream.turns().iter().map(|turn| turn.message["input"].to_string()).collect();
    assert!((0..17).all(|n| inputs[n].contains(&format!("\"{n}\""))), "{inputs:?}");
    gateway.settled(17).await;
}

#[tokio::test]
async fn a_processed_message_is_passed_on_and_only_its_failure_is_answered() {
    let upstream =
        Upstream::answering(|turn| if turn.message["type"] == "response.processed" { vec![] } else { good(turn) })
            .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let processed = json!({"type": "response.processed", "response_id": "resp_1"});
    assert_eq!(socket.refuse(&processed).await, (502, "upstream_websocket_forward_failed".into()));
    socket.succeed(&create("Say hello")).await;
    socket.send(&processed).await;
    socket.succeed(&create("Again")).await;
    assert_eq!(upstream.turns()[1].message, processed);
    gateway.settled(2).await;
}

#[tokio::test]
async fn a_key_that_is_switched_off_ends_the_socket_after_the_turn_that_runs() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(3, Act::Wait(Duration::from_millis(300)));
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let key = gateway.new_key("other", None).await;
    let mut socket = Socket::open(&gateway.client_with(&key)).await;
    socket.send(&create("Say hello")).await;
    assert_eq!(socket.event().await["type"], "response.created");
    socket.send(&create("Waits")).await;
    gateway.execute(Command::KeyRevoke { key: "other".into() }).await;
    assert_eq!(socket.rest().await.last().unwrap()["type"], "response.completed");
    assert_eq!(socket.hear().await, Heard::Closed(1008, "api key is no longer active".into()));
    assert_eq!(upstream.turns().len(), 1, "what waited is dropped");
    gateway.settled(1).await;
}

#[tokio::test]
async fn an_idle_socket_is_closed_and_its_line_with_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.websocket.idle_timeout = Duration::from_millis(200))
        .start()
        .await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    assert_eq!(socket.hear().await, Heard::Closed(1002, String::new()));
    eventually("the upstream's end is closed too", || async { upstream.open() == 0 }).await;
}

#[tokio::test]
async fn a_socket_that_is_too_old_refuses_the_next_turn_and_closes() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.websocket.lifetime = Some(Duration::from_millis(1)))
        .start()
        .await;
    let mut socket = Socket::open(&gateway.client).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(socket.refuse(&create("Say hello")).await, (400, "websocket_connection_limit_reached".into()));
    assert_eq!(socket.hear().await, Heard::Closed(1000, String::new()));
    gateway.settled(1).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_turn_upstream_and_in_the_ledger() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(4, Act::Wait(Duration::from_secs(60)));
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.send(&create("Say hello")).await;
    assert_eq!(socket.event().await["type"], "response.created");
    drop(socket);
    let ledger = gateway.settled(1).await;
    assert_eq!(rows(&ledger), [(200, Outcome::Cancelled, None)]);
    let result: Vec<&str> = ended(&ledger[0]).attempts.iter().map(|attempt| attempt.result.as_str()).collect();
    assert_eq!(result, ["cancelled"]);
    eventually("no socket is open", || async { gateway.metrics().await.contains("codex_pooler_websockets 0") }).await;
}

#[tokio::test]
async fn turns_wait_for_a_place_in_a_bulkhead_of_their_own() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(3, Act::Wait(Duration::from_millis(500)));
        acts
    })
    .await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .toml("[limits.admission.websocket]\nrunning = 1\nqueued = 0\n")
        .start()
        .await;
    let mut first = Socket::open(&gateway.client).await;
    let mut second = Socket::open(&gateway.client).await;
    first.send(&create("Say hello")).await;
    assert_eq!(first.event().await["type"], "response.created");
    let refused = second.turn(&create("Say hello")).await;
    assert_eq!(socket::refusal(&refused[0]), (503, "server_is_overloaded".into()));
    assert_eq!(refused[0]["error"]["message"], "gateway route class is temporarily overloaded");
    first.rest().await;
    second.succeed(&create("Say hello")).await;
    gateway.settled(2).await;
}

#[tokio::test]
async fn at_shutdown_the_turn_that_runs_is_served_and_idle_sockets_are_told() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(3, Act::Wait(Duration::from_millis(300)));
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut busy = Socket::open(&gateway.client).await;
    let mut idle = Socket::open(&gateway.client).await;
    busy.send(&create("Say hello")).await;
    assert_eq!(busy.event().await["type"], "response.created");
    let Gateway { running, dir, codex, .. } = gateway;
    let clients = async {
        assert_eq!(idle.hear().await, Heard::Closed(1001, "owner draining".into()));
        assert_eq!(busy.rest().await.last().unwrap()["type"], "response.completed");
        assert_eq!(busy.hear().await, Heard::Closed(1001, "owner draining".into()));
    };
    tokio::join!(running.drain(), clients);
    drop((dir, codex));
}
