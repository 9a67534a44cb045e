//! Websockets towards accounts: one line for one client, failover before the commit, refresh, broken lines (docs/websocket.md, Upstream).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codex_pooler::store::records::Outcome;
use serde_json::{Value, json};

use crate::failover::{SERVED, ended, tried};
use crate::support::socket::{self, Socket, create, go_on};
use crate::support::upstream::{Act, Turn, Upstream, error, good};
use crate::support::{Gateway, eventually};

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::builder().origin(&upstream.origin()).start().await
}

fn failed(code: &str) -> Vec<Act> {
    let response = json!({"id": "resp_x", "status": "failed", "error": {"code": code, "message": "PROVIDER WORDS"}});
    vec![
        Act::Event(json!({"type": "response.created", "response": {"id": "resp_x", "status": "in_progress"}})),
        Act::Event(json!({"type": "response.failed", "response": response})),
    ]
}

/// The accounts that turns went to, by their tokens, each named by when it came first.
fn accounts(turns: &[Turn]) -> Vec<usize> {
    let mut known: Vec<&str> = Vec::new();
    let number = |turn: &'_ Turn| turn.token.clone();
    let mut out = Vec::new();
    let tokens: Vec<String> = turns.iter().map(number).collect();
    for token in &tokens {
        let at = known.iter().position(|k| k == token).unwrap_or_else(|| {
            known.push(token);
            known.len() - 1
        });
        out.push(at);
    }
    out
}

#[tokio::test]
async fn a_failure_before_any_output_moves_to_the_next_account() {
    for code in ["server_is_overloaded", "usage_limit_reached", "rate_limit_exceeded", "server_error"] {
        let upstream = Upstream::answering(move |turn| if turn.line == 0 { failed(code) } else { good(turn) }).await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open(&gateway.client).await;
        socket.succeed(&create("Say hello")).await;
        assert_eq!(accounts(&upstream.turns()), [0, 1], "{code}");
        let ledger = gateway.settled(1).await;
        assert_eq!(tried(&ledger[0]), [("refused", None, Some(code)), SERVED]);
        eventually("the first line is closed", || async { upstream.open() == 1 }).await;
        socket.succeed(&create("Again")).await;
        assert_eq!(accounts(&upstream.turns()), [0, 1, 1], "the line stays");
    }
}

#[tokio::test]
async fn a_failure_that_no_other_account_would_mend_is_an_error_and_the_line_stays() {
    let upstream = Upstream::answering(|turn| match turn.n {
        0 => failed("context_length_exceeded"),
        1 => error(400, "invalid_prompt"),
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let answer = socket.turn(&create("Say hello")).await;
    assert_eq!(socket::refusal(&answer[0]), (400, "context_length_exceeded".into()));
    assert!(!answer[0].to_string().contains("PROVIDER"), "{answer:?}");
    assert_eq!(socket.refuse(&create("Say hello")).await, (400, "invalid_prompt".into()));
    socket.succeed(&create("Say hello")).await;
    assert_eq!(upstream.handshakes().len(), 1);
    let ledger = gateway.settled(3).await;
    assert_eq!(ended(&ledger[2]).outcome, Outcome::Failed);
}

#[tokio::test]
async fn when_every_account_fails_the_client_sees_the_status_of_http() {
    let upstream = Upstream::answering(|_| failed("usage_limit_reached")).await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let answer = socket.turn(&create("Say hello")).await;
    assert_eq!(socket::refusal(&answer[0]), (429, "quota_exhausted".into()));
    assert_eq!(answer[0]["error"]["type"], "usage_limit_reached");
    assert_eq!(accounts(&upstream.turns()), [0, 1, 2]);
    assert_eq!(socket.refuse(&create("Say hello")).await, (429, "quota_exhausted".into()), "nobody is asked again");
    assert_eq!(upstream.turns().len(), 3);
    let refused = gateway.client.send(socket::handshake(&gateway.client, &[])).await;
    assert_eq!(refused.refusal(), (429, "quota_exhausted".into()));
}

#[tokio::test]
async fn a_handshake_that_refuses_the_token_refreshes_it_once() {
    let refused = AtomicUsize::new(0);
    let upstream = Upstream::with(
        move |_, _| (refused.fetch_add(1, Ordering::Relaxed) == 0).then(|| (401, json!({"detail": "Unauthorized"}))),
        good,
    )
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    let shakes = upstream.handshakes();
    assert_eq!(shakes.len(), 2);
    assert_eq!(shakes[0].headers["chatgpt-account-id"], shakes[1].headers["chatgpt-account-id"]);
    assert_ne!(shakes[0].headers["authorization"], shakes[1].headers["authorization"]);
    let ledger = gateway.settled(1).await;
    assert_eq!(tried(&ledger[0]), [("unauthorized", Some(401), None), SERVED]);
}

#[tokio::test]
async fn a_first_event_that_refuses_the_token_does_so_too() {
    let upstream =
        Upstream::answering(|turn| if turn.line == 0 { failed("invalid_api_key") } else { good(turn) }).await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    let shakes = upstream.handshakes();
    assert_eq!(shakes[0].headers["chatgpt-account-id"], shakes[1].headers["chatgpt-account-id"]);
    assert_ne!(shakes[0].headers["authorization"], shakes[1].headers["authorization"]);
}

#[tokio::test]
async fn a_handshake_that_is_refused_moves_to_the_next_account() {
    for (status, body) in [
        (403, json!({"detail": "no"})),
        (429, json!({"error": {"type": "usage_limit_reached"}})),
        (500, json!({})),
        (426, json!({})),
        (404, json!({"detail": "Not Found"})),
    ] {
        let upstream = Upstream::with(move |line, _| (line == 0).then(|| (status, body.clone())), good).await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open(&gateway.client).await;
        socket.succeed(&create("Say hello")).await;
        let shakes = upstream.handshakes();
        assert_eq!(shakes.len(), 2, "{status}");
        assert_ne!(shakes[0].headers["chatgpt-account-id"], shakes[1].headers["chatgpt-account-id"], "{status}");
    }
}

#[tokio::test]
async fn a_line_that_ends_early_is_opened_once_more_to_the_same_account() {
    for end in [vec![Act::Close], vec![Act::Cut], error(400, "websocket_connection_limit_reached")] {
        let upstream = Upstream::answering(move |turn| if turn.line == 0 { end.clone() } else { good(turn) }).await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open(&gateway.client).await;
        socket.succeed(&create("Say hello")).await;
        assert_eq!(accounts(&upstream.turns()), [0, 0]);
        let ledger = gateway.settled(1).await;
        assert_eq!(tried(&ledger[0]), [SERVED], "that says nothing about the account");
    }
}

#[tokio::test]
async fn an_account_whose_lines_always_end_early_loses_its_turn_to_the_next() {
    let first = parking_lot::Mutex::new(None::<String>);
    let upstream = Upstream::answering(move |turn| {
        let bad = first.lock().get_or_insert_with(|| turn.token.clone()).clone();
        if turn.token == bad { vec![Act::Cut] } else { good(turn) }
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    assert_eq!(accounts(&upstream.turns()), [0, 0, 1]);
    let ledger = gateway.settled(1).await;
    assert_eq!(tried(&ledger[0]), [("cut", None, None), SERVED]);
}

#[tokio::test]
async fn what_a_lost_line_gave_cannot_be_continued_and_all_else_can() {
    for between in [Act::Close, Act::Cut] {
        let act = between.clone();
        let upstream = Upstream::answering(move |turn| {
            let mut acts = good(turn);
            if turn.line == 0 {
                acts.push(act.clone());
            }
            acts
        })
        .await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open(&gateway.client).await;
        let id = socket.succeed(&create("Say hello")).await;
        eventually("the upstream has hung up", || async { upstream.open() == 0 }).await;
        assert_eq!(socket.refuse(&go_on(&id, "Again")).await, (400, "previous_response_not_found".into()));
        socket.succeed(&create("All of it")).await;
        assert_eq!(accounts(&upstream.turns()), [0, 0], "the account has done nothing wrong");
    }
}

#[tokio::test]
async fn a_continued_turn_stays_with_its_account_and_the_client_begins_anew_when_that_cannot_go_on() {
    for end in [
        failed("usage_limit_reached"),
        failed("invalid_api_key"),
        vec![Act::Cut],
        error(400, "websocket_connection_limit_reached"),
        error(400, "previous_response_not_found"),
        failed("previous_response_not_found"),
    ] {
        let upstream =
            Upstream::answering(move |turn| if (turn.line, turn.n) == (0, 1) { end.clone() } else { good(turn) }).await;
        let gateway = gateway(&upstream).await;
        let mut socket = Socket::open(&gateway.client).await;
        let id = socket.succeed(&create("Say hello")).await;
        let answer = socket.turn(&go_on(&id, "Again")).await;
        assert_eq!(socket::refusal(&answer[0]), (400, "previous_response_not_found".into()), "{answer:?}");
        assert_eq!(accounts(&upstream.turns()), [0, 0]);
        socket.succeed(&create("All of it")).await;
    }
}

#[tokio::test]
async fn a_failure_after_output_is_told_in_the_stream() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.pop();
        match turn.line {
            0 => acts.push(Act::Cut),
            1 => acts.push(failed("server_error").pop().unwrap()),
            2 => acts.push(Act::Wait(Duration::from_secs(30))),
            _ => return good(turn),
        }
        acts
    })
    .await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.upstream.idle_timeout = Duration::from_millis(300))
        .start()
        .await;
    for code in ["server_error", "server_error", "stream_idle_timeout"] {
        let mut socket = Socket::open(&gateway.client).await;
        let events = socket.turn(&create("Say hello")).await;
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.failed", "{last}");
        assert_eq!((&last["error"]["code"], &last["error"]), (&json!(code), &last["response"]["error"]));
        assert_eq!(last["response"]["id"], events[0]["response"]["id"]);
        assert!(!last.to_string().contains("PROVIDER"));
        assert_eq!(socket.refuse(&go_on("resp_0_0", "Again")).await.1, "previous_response_not_found");
    }
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    let ledger = gateway.settled(7).await;
    let ends: Vec<(u16, Outcome)> = ledger.iter().rev().map(ended).map(|end| (end.status, end.outcome)).collect();
    assert_eq!(ends[0], (200, Outcome::Failed));
    assert_eq!(ends[1], (400, Outcome::Rejected));
    assert_eq!(tried(&ledger[6])[0].0, "failed_after_commit");
}

#[tokio::test]
async fn provider_frames_that_are_no_events_are_left_out() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(2, Act::Text("nonsense".into()));
        acts.insert(3, Act::Text("[1]".into()));
        acts.insert(4, Act::Binary);
        acts.insert(5, Act::Event(json!({"type": "response.metadata", "headers": {}})));
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    let events = socket.turn(&create("Say hello")).await;
    assert_eq!(events.len(), 5, "{events:?}");
}

#[tokio::test]
async fn an_error_without_a_type_ends_the_turn() {
    let upstream = Upstream::answering(|turn| match turn.n {
        0 => vec![Act::Event(json!({"detail": "PROVIDER WORDS"}))],
        1 => {
            let mut acts = good(turn);
            acts.insert(3, Act::Event(json!({"detail": "PROVIDER WORDS"})));
            acts
        }
        _ => good(turn),
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    assert_eq!(socket.refuse(&create("Say hello")).await, (502, "upstream_terminal_failure".into()));
    let events = socket.turn(&create("Say hello")).await;
    let last: &Value = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["error"]["code"]),
        (&json!("response.failed"), &json!("upstream_terminal_failure"))
    );
}

#[tokio::test]
async fn both_ends_are_pinged_and_a_dead_upstream_is_found_out() {
    let upstream = Upstream::answering(|turn| {
        // It does not read while it waits, so it answers no ping.
        if turn.line == 0 { vec![Act::Wait(Duration::from_secs(30))] } else { good(turn) }
    })
    .await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.websocket.ping = Some(Duration::from_millis(100)))
        .start()
        .await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("Say hello")).await;
    assert_eq!(upstream.handshakes().len(), 2);
    assert!(!socket.is_silent(Duration::from_secs(5)).await, "the client is pinged");
    eventually("the line is pinged between turns", || async { upstream.pings() >= 2 }).await;
    assert_eq!(upstream.open(), 2 - 1 + usize::from(upstream.open() == 2), "the second line lives");
    socket.succeed(&create("Again")).await;
    assert_eq!(upstream.handshakes().len(), 2);
}
