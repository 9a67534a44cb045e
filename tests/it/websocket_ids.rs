//! Turns that their clients give an id: none of them is served twice (docs/websocket.md, Ids of turns).

use std::time::Duration;

use codex_pooler::store::records::Outcome;
use serde_json::{Value, json};

use crate::failover::ended;
use crate::native::{RESPONSES, turn as http_turn};
use crate::support::socket::{self, PATH, Socket, create};
use crate::support::upstream::{Act, Upstream, error, good};
use crate::support::{Gateway, eventually};

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::builder().origin(&upstream.origin()).start().await
}

fn native() -> Value {
    let mut turn = http_turn();
    turn["type"] = json!("response.create");
    turn
}

fn named(mut turn: Value, member: &str, id: &str) -> Value {
    turn[member] = json!(id);
    turn
}

fn duplicate() -> (u64, String) {
    (409, "duplicate_turn".into())
}

#[tokio::test]
async fn an_id_serves_one_turn_on_both_surfaces() {
    for (path, turn, member) in [
        (PATH, create("Say hello"), "request_id"),
        (PATH, create("Say hello"), "turn_id"),
        (RESPONSES, native(), "request_id"),
        (RESPONSES, native(), "turn_id"),
    ] {
        let upstream = Upstream::start().await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        socket.succeed(&named(turn.clone(), member, "r-1")).await;
        let refused = socket.turn(&named(turn.clone(), member, "r-1")).await.remove(0);
        assert_eq!(socket::refusal(&refused), duplicate(), "{path} {member}");
        assert_eq!(refused["error"]["param"], "request_id");
        assert_eq!(refused["error"]["type"], "invalid_request_error");
        socket.succeed(&named(turn.clone(), member, "r-2")).await;
        // Nobody asks a second time for a turn without an id.
        socket.succeed(&turn).await;
        socket.succeed(&turn).await;
        let turns = upstream.turns();
        assert_eq!(turns.len(), 4);
        assert!(turns.iter().all(|turn| turn.message.get(member).is_none()), "it stays here");
        let rows = gateway.settled(5).await;
        let settled = ended(&rows[3]);
        assert_eq!((settled.status, settled.error_code.as_deref()), (409, Some("duplicate_turn")));
        assert_eq!((settled.outcome, settled.attempts.len()), (Outcome::Rejected, 0));
    }
}

#[tokio::test]
async fn another_socket_of_the_key_is_refused_while_the_turn_runs_and_another_key_is_not() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        if turn.line == 0 {
            acts.truncate(3);
            acts.push(Act::Wait(Duration::from_secs(60)));
        }
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let turn = named(create("Say hello"), "request_id", "r-1");
    let mut first = Socket::open(&gateway.client).await;
    first.send(&turn).await;
    first.event().await;
    let mut second = Socket::open(&gateway.client).await;
    assert_eq!(second.refuse(&turn).await, duplicate());
    let stranger = gateway.client_with(&gateway.new_key("stranger", None).await);
    Socket::open(&stranger).await.succeed(&turn).await;
    // A client that left got no answer: it may ask again.
    drop(first);
    eventually("the turn is given up", || async { gateway.settled(3).await.len() == 3 }).await;
    second.succeed(&turn).await;
    assert_eq!(second.refuse(&turn).await, duplicate());
}

#[tokio::test]
async fn a_turn_that_failed_may_come_again_under_its_id() {
    let upstream = Upstream::answering(|turn| match turn.n {
        0 => error(400, "invalid_prompt"),
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    for (path, turn) in [(PATH, create("Say hello")), (RESPONSES, native())] {
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        let turn = named(turn, "request_id", path);
        assert_eq!(socket.turn(&turn).await[0]["error"]["code"], "invalid_prompt");
        let mut unknown = turn.clone();
        unknown["previous_response_id"] = json!("resp_unknown");
        assert_eq!(socket.refuse(&unknown).await, (400, "previous_response_not_found".into()));
        socket.succeed(&turn).await;
        assert_eq!(socket.refuse(&turn).await, duplicate());
    }
}

/// Codex CLI sends the id of its turn with every request of it, one after each tool.
#[tokio::test]
async fn the_turn_that_client_metadata_names_may_have_many_requests() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open_at(RESPONSES, &gateway.client, &[]).await;
    let mut turn = native();
    turn["client_metadata"]["turn_id"] = json!("t-1");
    turn["client_metadata"]["x-codex-turn-metadata"] = json!(r#"{"turn_id":"t-1"}"#);
    for _ in 0..3 {
        socket.succeed(&turn).await;
    }
    assert!(upstream.turns().iter().all(|sent| sent.message == turn), "as it came");
}

#[tokio::test]
async fn an_id_that_is_none_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    for (path, turn) in [(PATH, create("Say hello")), (RESPONSES, native())] {
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        for id in [json!(7), json!(""), json!("x".repeat(257))] {
            let mut turn = turn.clone();
            turn["request_id"] = id;
            let refused = socket.turn(&turn).await.remove(0);
            assert_eq!(socket::refusal(&refused), (400, "invalid_request".into()), "{path}");
            assert_eq!(refused["error"]["param"], "request_id");
        }
        socket.succeed(&turn).await;
    }
}
