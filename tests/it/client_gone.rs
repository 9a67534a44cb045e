//! Clients that leave: the upstream is left at once, the ledger says so, and no account is blamed.

use std::time::Duration;

use codex_pooler::simulator::{Ended, Fault, FaultSpec, Preset, ScriptStep, Who};
use codex_pooler::store::records::{Outcome, Usage};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::failover::{assert_success, ended};
use crate::routing::{ask_in, hello, last_account, sessions_of};
use crate::support::{Gateway, codex, eventually};

const HOUR: Duration = Duration::from_secs(3600);

fn request(gateway: &Gateway, stream: bool, session: &str) -> Vec<u8> {
    let body = json!({"model": "gpt-5.5", "input": "Say hello", "stream": stream}).to_string();
    let headers = [("content-type", "application/json"), ("x-session-id", session)];
    gateway.client.request("POST", "/v1/responses", &headers, body.as_bytes())
}

/// A client that has asked and reads nothing.
async fn asked(gateway: &Gateway, stream: bool, session: &str) -> TcpStream {
    let mut connection = TcpStream::connect(gateway.client.address).await.unwrap();
    connection.write_all(&request(gateway, stream, session)).await.unwrap();
    connection
}

/// The upstream was left, the row says that the client left after it had this status, and nothing runs any more.
async fn assert_cancelled(gateway: &Gateway, status: u16, results: &[&str]) {
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "the upstream still works for nobody");
    let requests = gateway.codex.requests();
    let last = requests.iter().rfind(|r| r.path.ends_with("/responses")).unwrap();
    assert_eq!(last.ended, Some(Ended::ClientGone));
    let rows = gateway.settled(1).await;
    let settled = ended(&rows[0]);
    assert_eq!((settled.outcome, settled.status, settled.usage), (Outcome::Cancelled, status, Usage::Unknown));
    let seen: Vec<&str> = settled.attempts.iter().map(|attempt| attempt.result.as_str()).collect();
    assert_eq!(seen, results);
    eventually("nothing is in flight", || async {
        gateway.metrics().await.lines().any(|line| line == "codex_pooler_in_flight 0")
    })
    .await;
}

/// The client leaves while every account does this, before it has got anything.
async fn leaves_during(fault: Fault, stream: bool) {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, fault);
    let client = asked(&gateway, stream, "s").await;
    assert!(gateway.codex.wait_in_flight(1, codex::PATIENCE).await);
    drop(client);
    assert_cancelled(&gateway, 499, &["cancelled"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_ends_the_upstream_request() {
    for stream in [false, true] {
        leaves_during(Fault::SlowFirstByte(HOUR), stream).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_events_are_held_ends_the_upstream_request() {
    for after_events in [0, 1] {
        leaves_during(Fault::Stall { after_events, pause: HOUR }, true).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_collected_ends_the_upstream_request() {
    leaves_during(Fault::Stall { after_events: 6, pause: HOUR }, false).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_stream_ends_the_upstream_request() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: HOUR });
    let mut live = gateway.client.open_stream().await;
    assert_eq!(live.event().await.unwrap().name, "response.created");
    drop(live);
    assert_cancelled(&gateway, 200, &["cancelled"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_events_flow_ends_the_upstream_request() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Events(100_000));
    gateway.codex.fault(Who::All, Fault::Pace(Duration::from_millis(5)));
    let mut live = gateway.client.open_stream().await;
    for _ in 0..10 {
        live.event().await.unwrap();
    }
    drop(live);
    assert_cancelled(&gateway, 200, &["cancelled"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_after_a_silent_commit_ends_the_upstream_request() {
    let gateway = Gateway::builder().settings(|s| s.commit.silent = Duration::from_millis(20)).start().await;
    gateway.codex.fault(Who::All, Fault::SlowFirstByte(HOUR));
    let mut live = gateway.client.open_stream().await;
    assert_eq!(live.block().await.unwrap(), ": keepalive");
    drop(live);
    assert_cancelled(&gateway, 200, &["cancelled"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_second_try_leaves_both_in_the_ledger() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::ServerError)).times(1));
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 0, pause: HOUR });
    let client = asked(&gateway, true, "s").await;
    let second = |n: usize| {
        move |r: &[codex_pooler::simulator::Recorded]| r.iter().filter(|r| r.status == Some(200)).count() == n
    };
    assert!(gateway.codex.wait_for(second(1), codex::PATIENCE).await);
    drop(client);
    assert_cancelled(&gateway, 499, &["refused", "cancelled"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_blames_no_account() {
    let gateway = Gateway::builder().quota().start().await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    let fault = gateway.codex.fault(Who::All, Fault::Stall { after_events: 0, pause: HOUR });
    let client = asked(&gateway, true, session).await;
    assert!(gateway.codex.wait_in_flight(1, codex::PATIENCE).await);
    drop(client);
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await);
    gateway.codex.clear_fault(fault);
    assert_eq!(ask_in(&gateway.client, session, &hello()).await.status, 200);
    assert_eq!(last_account(&gateway), 0);
}

#[tokio::test]
async fn one_client_that_leaves_disturbs_no_other() {
    let gateway = Gateway::start().await;
    let script = vec![ScriptStep::Hang];
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Script(script)).times(3));
    let clients =
        [asked(&gateway, true, "a").await, asked(&gateway, true, "b").await, asked(&gateway, false, "c").await];
    assert!(gateway.codex.wait_in_flight(3, codex::PATIENCE).await);
    assert_success(&gateway.client.stream().await, true);
    drop(clients);
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await);
    let rows = gateway.settled(4).await;
    let cancelled = rows.iter().filter(|row| ended(row).outcome == Outcome::Cancelled).count();
    assert_eq!(cancelled, 3);
}

#[tokio::test]
async fn a_request_that_comes_early_is_not_a_client_that_left() {
    let gateway = Gateway::start().await;
    let both = [request(&gateway, true, "a"), request(&gateway, false, "b")].concat();
    let mut live = gateway.client.open(both).await;
    assert_success(&live.rest().await, true);
    let second = live.again(Vec::new()).await.rest().await;
    assert_success(&second, false);
    let rows = gateway.settled(2).await;
    assert!(rows.iter().all(|row| ended(row).outcome == Outcome::Succeeded));
}
