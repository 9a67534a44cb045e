//! What an overloaded gateway does: docs/v1.md, Admission, and docs/decisions.md, E6 and R11.

use std::time::Duration;

use codex_pooler::config::Admission;
use codex_pooler::simulator::{Fault, FaultSpec, Simulator, Who};
use serde_json::json;
use tokio::task::JoinSet;

use super::bodies::Wire;
use crate::support::client::Answer;
use crate::support::{Gateway, PATIENCE, eventually};

const BRIEF: Duration = Duration::from_millis(100);

async fn with_admission(http: Admission, stream: Admission) -> Gateway {
    let change = move |settings: &mut codex_pooler::config::Settings| {
        settings.limits.admission.http = http;
        settings.limits.admission.stream = stream;
    };
    Gateway::builder().accounts(1).settings(change).start().await
}

pub(crate) fn admission(running: usize, queued: usize, wait: Duration) -> Admission {
    Admission { running, queued, wait }
}

/// The next request gets no answer until its client leaves.
pub(crate) fn hang_once(codex: &Simulator) {
    codex.inject(FaultSpec::new(Who::All, Fault::SlowFirstByte(Duration::from_secs(60))).times(1));
}

/// A request that hangs at the upstream until the connection is dropped.
async fn occupy(gateway: &Gateway, stream: bool) -> Wire {
    hang_once(&gateway.codex);
    let body = json!({"model": "gpt-5.5", "input": "hi", "stream": stream}).to_string();
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&gateway.client.request("POST", "/v1/responses", &[], body.as_bytes())).await;
    assert!(gateway.codex.wait_in_flight(1, PATIENCE).await);
    wire
}

/// Waits until nothing is being served: an answer reaches its client a moment before its place is free.
async fn idle(gateway: &Gateway) {
    let served = || async { gateway.metrics().await.lines().any(|line| line == "codex_pooler_in_flight 0") };
    eventually("nothing is in flight", served).await;
}

pub(crate) fn assert_overloaded(answer: &Answer) {
    assert_eq!(answer.refusal(), (503, "server_is_overloaded".into()));
    let error = answer.error();
    assert_eq!((&error["type"], error["param"].is_null()), (&json!("server_error"), true));
    assert_eq!(error["message"], "gateway route class is temporarily overloaded");
    let wait: u64 = answer.header("retry-after").and_then(|v| v.parse().ok()).expect("whole seconds");
    assert!((1..=60).contains(&wait));
    assert_eq!(answer.header("x-should-retry"), None, "a client may try again");
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_full_class_without_a_queue_refuses_at_once_and_counts_nothing() {
    let gateway = with_admission(admission(1, 0, PATIENCE), admission(1, 0, PATIENCE)).await;
    for (let_in, stream) in [(1, false), (2, true)] {
        let running = occupy(&gateway, stream).await;
        for _ in 0..3 {
            let answer = if stream { gateway.client.stream().await } else { gateway.client.ask().await };
            assert_overloaded(&answer);
        }
        drop(running);
        // Only what was let in has a row.
        gateway.settled(let_in).await;
    }
}

#[tokio::test]
async fn classes_do_not_take_each_others_places() {
    let gateway = with_admission(admission(1, 0, PATIENCE), admission(1, 0, PATIENCE)).await;
    let running = occupy(&gateway, false).await;
    assert_eq!(gateway.client.stream().await.status, 200);
    assert_eq!(gateway.client.get("/v1/models").await.status, 200, "what is answered here needs no place");
    assert_overloaded(&gateway.client.ask().await);
    drop(running);
    idle(&gateway).await;
    let _running = occupy(&gateway, true).await;
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn a_request_waits_for_a_place_and_is_served_when_one_is_free() {
    let gateway = with_admission(admission(1, 1, PATIENCE), admission(1, 1, PATIENCE)).await;
    let running = occupy(&gateway, false).await;
    // Of two more, one finds the only place in the queue and the other finds none.
    let mut two = JoinSet::new();
    for client in [gateway.client.clone(), gateway.client.clone()] {
        two.spawn(async move { client.ask().await });
    }
    assert_overloaded(&two.join_next().await.unwrap().unwrap());
    drop(running);
    assert_eq!(two.join_next().await.unwrap().unwrap().status, 200);
    gateway.settled(2).await;
}

#[tokio::test]
async fn a_request_that_waits_in_vain_is_refused_and_counts_nothing() {
    let gateway = with_admission(admission(1, 8, BRIEF), admission(1, 8, BRIEF)).await;
    let running = occupy(&gateway, false).await;
    assert_overloaded(&gateway.client.ask().await);
    drop(running);
    gateway.settled(1).await;
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let gateway = with_admission(admission(1, 0, PATIENCE), admission(1, 0, PATIENCE)).await;
    for _ in 0..3 {
        drop(occupy(&gateway, false).await);
        idle(&gateway).await;
        assert_eq!(gateway.client.ask().await.status, 200);
        idle(&gateway).await;
    }
}

/// A gateway in whose memory one body of 8 KiB fits.
async fn with_little_memory(wait: Duration) -> Gateway {
    let change = move |settings: &mut codex_pooler::config::Settings| {
        let limits = &mut settings.limits;
        (limits.max_body, limits.body_memory, limits.body_memory_wait) = (8192, 8192, wait);
    };
    Gateway::builder().accounts(1).settings(change).start().await
}

/// A request that has announced a body and sent nothing of it. Its room is taken once the go-ahead came and a little later.
async fn announce(gateway: &Gateway) -> Wire {
    let (address, key) = (gateway.client.address, &gateway.client.key);
    let lines = "content-length: 8192\r\nexpect: 100-continue";
    let head =
        format!("POST /v1/responses HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{lines}\r\n\r\n");
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(head.as_bytes()).await;
    assert_eq!(wire.head().await.status, 100);
    wire
}

#[tokio::test]
async fn bodies_that_do_not_fit_into_memory_together_are_refused_and_count_nothing() {
    let gateway = with_little_memory(BRIEF).await;
    let waiting = announce(&gateway).await;
    let mut served = 0;
    loop {
        let answer = gateway.client.ask().await;
        if answer.status == 503 {
            assert_overloaded(&answer);
            break;
        }
        served += 1;
    }
    drop(waiting);
    // The one that left has a row: it was let in, and its body never came.
    eventually("there is room again", || async { gateway.client.ask().await.status == 200 }).await;
    gateway.settled(served + 2).await;
}

#[tokio::test]
async fn a_request_waits_for_room_in_memory() {
    let gateway = with_little_memory(PATIENCE).await;
    let mut first = announce(&gateway).await;
    let client = gateway.client.clone();
    let second = tokio::spawn(async move { client.ask().await });
    let mut body = json!({"model": "gpt-5.5", "input": "hi"}).to_string();
    body += &" ".repeat(8192 - body.len());
    first.send(body.as_bytes()).await;
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.await.unwrap().status, 200);
    gateway.settled(2).await;
}
