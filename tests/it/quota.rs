//! Quota evidence: what accounts tell of their quota decides who is asked (docs/routing.md, Quota evidence and Quota classes).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codex_pooler::admin::QuotaRow;
use codex_pooler::simulator::{Fault, FaultBody, FaultSpec, ScriptStep, Who};
use pooler_filter::testing::FakeClock;
use pooler_filter::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::failover::{ask, assert_success};
use crate::native::{RESPONSES, send, turn};
use crate::routing::last_account;
use crate::support::client::Answer;
use crate::support::codex::event;
use crate::support::socket::{Socket, create};
use crate::support::upstream::{Act, Turn, Upstream, good};
use crate::support::{Gateway, eventually};

/// A gateway with so many accounts whose time is set by hand.
async fn with_clock(accounts: usize) -> (Gateway, Arc<FakeClock>) {
    let clock = FakeClock::at(SystemClock.now());
    let gateway = Gateway::builder().accounts(accounts).clock(clock.clone()).start().await;
    (gateway, clock)
}

/// The headers of an account that has used so much of its hours, which end so soon.
fn hours(used: u32, ends_in: u64) -> Fault {
    let reset = SystemClock.now().as_secs() + ends_in;
    Fault::ExtraHeaders(BTreeMap::from([
        ("x-codex-primary-used-percent".to_owned(), used.to_string()),
        ("x-codex-primary-reset-at".to_owned(), reset.to_string()),
    ]))
}

/// Puts these headers on the next answer of the account.
fn tells_once(gateway: &Gateway, who: Who, fault: Fault) {
    gateway.codex.inject(FaultSpec::new(who, fault).times(1));
}

fn limits(used: u32) -> Value {
    let reset = SystemClock.now().as_secs() + 600;
    json!({"type": "codex.rate_limits", "plan_type": "pro", "rate_limits": {"allowed": true, "limit_reached": false,
        "primary": {"used_percent": used, "window_minutes": 300, "reset_at": reset},
        "secondary": {"used_percent": 5, "window_minutes": 10080, "reset_at": reset + 60_000}}})
}

/// The events of a good answer.
fn answer() -> Vec<Value> {
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "hello", "annotations": []}]});
    let response = |status: &str, output: Value| json!({"id": "resp_1", "object": "response", "status": status, "output": output, "model": "gpt-5.5"});
    vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": []}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", json!([item]))}),
    ]
}

/// A good answer that says nothing of quota: the account keeps its place among those of which nothing is known.
pub(crate) fn tells_no_quota() -> Fault {
    Fault::sse(answer().iter().map(event).collect::<String>())
}

/// An answer that tells this at that place among its events, each event in a piece of its own, and nothing in its headers.
fn stream_with(told: Value, place: usize) -> Fault {
    let mut events = answer();
    events.insert(place, told);
    let head = [ScriptStep::Status(200), ScriptStep::Header("content-type".to_owned(), "text/event-stream".to_owned())];
    Fault::Script(head.into_iter().chain(events.iter().map(|data| ScriptStep::Send(event(data).into()))).collect())
}

/// The only account that is out, by index.
async fn exhausted(gateway: &Gateway) -> Vec<usize> {
    let quota = gateway.quota().await;
    quota.iter().enumerate().filter(|(_, quota)| quota.class == "exhausted").map(|(at, _)| at).collect()
}

#[tokio::test]
async fn an_account_that_tells_it_is_full_with_a_good_answer_is_not_asked_again() {
    for stream in [false, true] {
        let gateway = Gateway::builder().accounts(2).start().await;
        tells_once(&gateway, Who::All, hours(100, 600));
        assert_success(&ask(&gateway, stream).await, stream);
        let full = last_account(&gateway);
        assert_eq!(exhausted(&gateway).await, [full]);
        for _ in 0..10 {
            assert_success(&ask(&gateway, stream).await, stream);
        }
        assert_eq!((gateway.upstream_counts()[full], gateway.upstream_counts()[1 - full]), (1, 10));
        let rows = gateway.settled(11).await;
        assert!(rows.iter().all(|row| row.settled.as_ref().unwrap().attempts.len() == 1), "nobody was tried in vain");
    }
}

#[tokio::test]
async fn a_pool_that_is_known_to_be_out_of_quota_asks_nobody_and_says_when_it_is_back() {
    let (gateway, clock) = with_clock(2).await;
    for (account, ends_in) in [(0, 700), (1, 600)] {
        gateway.codex.fault(Who::Account(account), hours(100, ends_in));
    }
    assert_success(&ask(&gateway, false).await, false);
    assert_success(&ask(&gateway, true).await, true);
    assert_eq!(gateway.upstream_counts(), [1, 1]);
    let near = |error: &Value| error["resets_in_seconds"].as_u64().unwrap().abs_diff(600) <= 3;
    for stream in [false, true] {
        let refused = ask(&gateway, stream).await;
        assert_eq!(refused.refusal(), (429, "quota_exhausted".into()));
        assert!(near(&refused.error()) && refused.header("retry-after").is_some(), "{}", refused.text());
        assert_eq!(refused.header("x-should-retry"), Some("false"));
    }
    let native = send(&gateway, &[]).await;
    assert_eq!((native.status, native.header("retry-after")), (429, None), "S5: a long wait");
    assert!(native.error()["type"] == "usage_limit_reached" && near(&native.error()), "{}", native.text());
    let handshake = gateway.client.send(crate::support::socket::handshake(&gateway.client, &[])).await;
    assert_eq!(handshake.refusal(), (429, "quota_exhausted".into()));
    assert_eq!(gateway.upstream_counts(), [1, 1], "nobody was asked");
    // Shortly before the reset the client is told to wait.
    clock.advance(Duration::from_secs(570));
    let native = send(&gateway, &[]).await;
    assert_eq!((native.status, native.error()["type"].as_str()), (429, Some("rate_limit_error")));
    assert!(native.header("retry-after").unwrap().parse::<u64>().unwrap() <= 33);
    // The first window has begun anew.
    gateway.codex.clear_faults();
    clock.advance(Duration::from_secs(32));
    assert_success(&ask(&gateway, false).await, false);
    assert_eq!(gateway.upstream_counts(), [1, 2], "the other one is still out");
}

#[tokio::test]
async fn evidence_that_grew_old_keeps_nobody_out() {
    let (gateway, clock) = with_clock(1).await;
    tells_once(&gateway, Who::All, hours(100, 7200));
    assert_eq!(gateway.client.ask().await.status, 200);
    clock.advance(Duration::from_secs(890));
    assert_eq!(gateway.client.ask().await.refusal().0, 429);
    clock.advance(Duration::from_secs(10));
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn an_account_of_which_more_is_known_comes_first() {
    let (gateway, clock) = with_clock(3).await;
    for _ in 0..8 {
        assert_eq!(gateway.client.ask().await.status, 200);
    }
    let first = last_account(&gateway);
    let counts = gateway.upstream_counts();
    assert_eq!((counts[first], counts.iter().sum::<usize>()), (8, 8), "the only one that has told something");
    // Later on nothing is known of any.
    clock.advance(Duration::from_secs(15 * 60));
    let classes: Vec<String> = gateway.quota().await.into_iter().map(|quota| quota.class).collect();
    assert_eq!(classes, ["unknown"; 3]);
}

/// An account tells by such an answer that it is full; the other one is asked from then on.
async fn tells_by_event(told: Value, place: usize, stream: bool) {
    let gateway = Gateway::builder().accounts(2).start().await;
    tells_once(&gateway, Who::All, stream_with(told.clone(), place));
    assert_success(&ask(&gateway, stream).await, stream);
    let full = last_account(&gateway);
    assert_eq!(exhausted(&gateway).await, [full], "{told} at {place}");
    for _ in 0..3 {
        assert_success(&ask(&gateway, stream).await, stream);
    }
    assert_eq!(gateway.upstream_counts()[full], 1, "{told} at {place}");
}

#[tokio::test]
async fn events_of_a_stream_are_evidence_before_and_after_the_commit() {
    for (place, stream) in [(0, true), (1, true), (2, true), (3, true), (0, false), (3, false)] {
        tells_by_event(limits(100), place, stream).await;
    }
    let headers = json!({"x-codex-primary-used-percent": "100", "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": (SystemClock.now().as_secs() + 600).to_string()});
    tells_by_event(json!({"type": "response.metadata", "headers": headers}), 2, true).await;
}

#[tokio::test]
async fn events_of_a_native_stream_are_evidence_and_stay_here() {
    for place in [0, 3] {
        let gateway = Gateway::builder().accounts(2).start().await;
        tells_once(&gateway, Who::All, stream_with(limits(100), place));
        let answer = send(&gateway, &[]).await;
        assert!(answer.status == 200 && !answer.text().contains("rate_limits"), "{}", answer.text());
        let full = last_account(&gateway);
        assert_eq!(send(&gateway, &[]).await.status, 200);
        assert_eq!(gateway.upstream_counts()[full], 1);
    }
}

#[tokio::test]
async fn an_answer_that_fails_tells_its_evidence_too() {
    let gateway = Gateway::builder().accounts(2).start().await;
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed",
        "error": {"code": "server_error", "message": "theirs"}}});
    let steps = vec![ScriptStep::Send((event(&limits(100)) + &event(&failed)).into())];
    tells_once(&gateway, Who::All, Fault::Script(steps));
    assert_success(&ask(&gateway, true).await, true);
    assert_eq!(exhausted(&gateway).await, [1 - last_account(&gateway)]);
}

#[tokio::test]
async fn a_refusal_that_names_its_window_is_evidence() {
    let gateway = Gateway::builder().accounts(2).start().await;
    let reset = SystemClock.now().as_secs() + 600;
    let error =
        json!({"error": {"type": "usage_limit_reached", "message": "no", "resets_at": reset, "window_minutes": 10080}});
    let fault = Fault::Status { status: 429, body: FaultBody::Json(error), headers: BTreeMap::new() };
    tells_once(&gateway, Who::All, fault);
    assert_success(&ask(&gateway, false).await, false);
    let full = 1 - last_account(&gateway);
    let quota: QuotaRow = gateway.quota().await.swap_remove(full);
    assert_eq!((quota.class.as_str(), quota.secondary_used_percent), ("exhausted", Some(100)));
}

#[tokio::test]
async fn a_refusal_does_not_keep_an_account_out_longer_than_it_said() {
    let (gateway, clock) = with_clock(1).await;
    tells_once(&gateway, Who::All, Fault::UsageLimit { resets_in: Duration::from_secs(120) });
    for wait in [0, 100] {
        clock.advance(Duration::from_secs(wait));
        assert_eq!(gateway.client.ask().await.refusal(), (429, "quota_exhausted".into()));
    }
    assert_eq!(gateway.upstream_counts(), [1]);
    clock.advance(Duration::from_secs(23));
    assert_eq!(gateway.client.ask().await.status, 200);
}

/// Two accounts behind one websocket backend; each turn is answered so.
async fn over_websockets(answers: impl Fn(&Turn) -> Vec<Act> + Send + Sync + 'static) -> (Upstream, Gateway) {
    let upstream = Upstream::answering(answers).await;
    let gateway = Gateway::builder().accounts(2).origin(&upstream.origin()).start().await;
    (upstream, gateway)
}

#[tokio::test]
async fn events_of_a_websocket_are_evidence_and_stay_here() {
    for (native, place) in [(false, 0), (false, 3), (true, 0), (true, 3)] {
        let (upstream, gateway) = over_websockets(move |turn| {
            let mut acts = good(turn);
            if turn.line == 0 {
                acts.insert(place, Act::Event(limits(100)));
            }
            acts
        })
        .await;
        let mut turn = if native { turn() } else { create("hello") };
        turn["type"] = json!("response.create");
        let path = if native { RESPONSES } else { crate::support::socket::PATH };
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        let events = socket.turn(&turn).await;
        assert_eq!(events.last().unwrap()["type"], "response.completed", "{events:?}");
        assert!(events.iter().all(|event| event["type"] != "codex.rate_limits"), "{events:?}");
        eventually("the event was heard", || async { exhausted(&gateway).await.len() == 1 }).await;
        // The same websocket goes to the other account now.
        socket.succeed(&turn).await;
        let tokens: Vec<String> = upstream.turns().into_iter().map(|turn| turn.token).collect();
        assert!(tokens.len() == 2 && tokens[0] != tokens[1], "{native} {place}");
    }
}

#[tokio::test]
async fn a_turn_on_an_open_websocket_is_refused_when_nobody_has_quota_left() {
    for native in [false, true] {
        let upstream = Upstream::answering(|turn| [vec![Act::Event(limits(100))], good(turn)].concat()).await;
        let gateway = Gateway::builder().accounts(1).origin(&upstream.origin()).start().await;
        let mut turn = if native { turn() } else { create("hello") };
        turn["type"] = json!("response.create");
        let path = if native { RESPONSES } else { crate::support::socket::PATH };
        let mut socket = Socket::open_at(path, &gateway.client, &[]).await;
        socket.succeed(&turn).await;
        socket.send(&turn).await;
        let refused = socket.event().await;
        assert_eq!(crate::support::socket::refusal(&refused), (429, "quota_exhausted".into()), "{refused}");
        assert_eq!(refused["error"]["type"], "usage_limit_reached");
        assert!(refused["error"]["resets_in_seconds"].as_u64().unwrap().abs_diff(600) <= 3, "{refused}");
        assert_eq!(upstream.turns().len(), 1, "nobody was asked");
    }
}

#[tokio::test]
async fn the_handshake_of_a_websocket_is_evidence() {
    let gateway = Gateway::builder().accounts(2).start().await;
    let mut headers = BTreeMap::from([("x-codex-primary-window-minutes".to_owned(), "300".to_owned())]);
    if let Fault::ExtraHeaders(told) = hours(100, 600) {
        headers.extend(told);
    }
    let handshake = Fault::Handshake(Box::new(Fault::ExtraHeaders(headers)));
    gateway.codex.inject(FaultSpec::new(Who::All, handshake).times(1));
    let mut socket = Socket::open(&gateway.client).await;
    socket.succeed(&create("hello")).await;
    assert_eq!(exhausted(&gateway).await.len(), 1);
}

#[tokio::test]
async fn accounts_that_do_not_serve_are_asked_for_their_quota() {
    let gateway = Gateway::builder()
        .settings(|settings| {
            (settings.quota.sync, settings.quota.interval) = (true, Duration::from_millis(20));
        })
        .start()
        .await;
    eventually("all have told", || async { gateway.quota().await.iter().all(|quota| quota.class == "precise") }).await;
    gateway.codex.set_quota(1, 5.0, 100.0);
    eventually("it is known to be full", || async { exhausted(&gateway).await == [1] }).await;
    for stream in [false, true, false, true, false, true] {
        assert_success(&ask(&gateway, stream).await, stream);
    }
    assert_eq!(gateway.upstream_counts()[1], 0);
    let quota = gateway.quota().await.swap_remove(1);
    assert_eq!((quota.reason.as_str(), quota.primary_used_percent), ("weekly_exhausted", Some(5)));
    assert!(quota.resets_at.is_some() && quota.heard_at.is_some(), "{quota:?}");
    let asked: Answer = gateway.client.get("/backend-api/wham/usage").await;
    assert_eq!(asked.json()["rate_limit"]["allowed"], true, "the best account is told of");
    assert!(gateway.metrics().await.contains("codex_pooler_quota_syncs_total{result=\"ok\"}"));
}
