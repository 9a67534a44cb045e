//! `GET /v1/usage`: docs/v1.md, Usage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use codex_pooler::simulator::{Fault, TerminalKind, Who};
use codex_pooler::store::records::Usage;
use pooler_filter::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::client::Client;

async fn usage(client: &Client) -> Value {
    let answer = client.get("/v1/usage").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    answer.json()
}

fn totals(usage: &Value) -> (u64, u64, u64) {
    let number = |key: &str| usage[key].as_u64().unwrap_or_else(|| panic!("{key}: {usage}"));
    (number("request_count"), number("total_tokens"), number("cached_input_tokens"))
}

/// What the rows of the ledger say: requests, tokens, cached tokens.
async fn counted(gateway: &Gateway, rows: usize) -> (u64, u64, u64) {
    let mut sums = (0, 0, 0);
    for row in gateway.settled(rows).await {
        let settled = row.settled.unwrap();
        if settled.attempts.is_empty() {
            continue;
        }
        sums.0 += 1;
        if let Usage::Known { total, cached, .. } = settled.usage {
            sums.1 += total;
            sums.2 += cached;
        }
    }
    sums
}

#[tokio::test]
async fn the_answer_has_exactly_these_members() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let nothing = json!({
        "request_count": 0, "total_tokens": 0, "cached_input_tokens": 0, "total_cost_usd": 0.0, "total_cost_status": "unpriced",
        "limits": [], "upstream_limits": [],
    });
    assert_eq!(usage(&gateway.client).await, nothing);
    gateway.client.ask().await;
    gateway.settled(2).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&usage(&gateway.client).await), keys(&nothing));
    assert!(gateway.codex.requests().iter().all(|r| r.path.ends_with("/responses")), "no upstream is asked");
}

#[tokio::test]
async fn the_quota_windows_that_accounts_tell_are_told_by_their_duration() {
    let gateway = Gateway::builder().accounts(1).start().await;
    assert_eq!(gateway.client.ask().await.status, 200);
    let told = usage(&gateway.client).await["upstream_limits"].clone();
    let windows: Vec<&str> = told.as_array().unwrap().iter().filter_map(|l| l["limit_window"].as_str()).collect();
    assert_eq!(windows, ["5h", "7d"], "{told}");
    for limit in told.as_array().unwrap() {
        let members = ["current_value", "limit_type", "limit_window", "max_value", "model_filter", "remaining_value"];
        let all: BTreeSet<&str> = members.into_iter().chain(["reset_at", "source"]).collect();
        assert_eq!(limit.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), all);
        let number = |key: &str| limit[key].as_f64().unwrap();
        assert!((number("current_value") + number("remaining_value") - number("max_value")).abs() < 1e-9, "{limit}");
        assert_eq!((&limit["limit_type"], &limit["source"]), (&json!("percent"), &json!("upstream_usage")));
        assert!(limit["reset_at"].is_u64(), "{limit}");
    }
}

#[tokio::test]
async fn requests_that_reached_an_account_count_and_no_others() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for _ in 0..3 {
        assert_eq!(gateway.client.ask().await.status, 200);
        assert_eq!(gateway.client.stream().await.status, 200);
    }
    // Neither what is answered here nor what is refused here.
    gateway.client.get("/v1/models").await;
    gateway.client.get("/v1/usage").await;
    assert_eq!(gateway.client.create(json!({"model": "none", "input": "x"})).await.status, 400);
    let expected = counted(&gateway, 9).await;
    assert_eq!(expected.0, 6);
    assert!(expected.1 > 6, "{expected:?}");
    assert_eq!(totals(&usage(&gateway.client).await), expected);
    let stranger = gateway.client_with(&gateway.new_key("other", None).await);
    assert_eq!(totals(&usage(&stranger).await), (0, 0, 0), "each key sees its own");
    stranger.ask().await;
    gateway.settled(12).await;
    assert_eq!((totals(&usage(&stranger).await).0, totals(&usage(&gateway.client).await)), (1, expected));
}

#[tokio::test]
async fn unknown_usage_counts_as_a_request_and_adds_no_tokens() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.client.ask().await;
    let known = counted(&gateway, 1).await;
    let terminal = Fault::TerminalInStream {
        kind: TerminalKind::Failed,
        code: "context_length_exceeded".into(),
        message: String::new(),
        after_events: 1,
    };
    gateway.codex.fault(Who::All, terminal);
    assert_eq!(gateway.client.ask().await.status, 400);
    let rows = gateway.settled(2).await;
    assert_eq!(rows[0].settled.as_ref().unwrap().usage, Usage::Unknown);
    assert_eq!(totals(&usage(&gateway.client).await), (2, known.1, known.2));
}

#[tokio::test]
async fn any_parameter_is_refused_by_its_name() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for (query, param) in [("?a=1", "a"), ("?start_time=1&end_time=2&limit=3", "end_time"), ("?%7a", "z")] {
        let answer = gateway.client.get(&format!("/v1/usage{query}")).await;
        assert_eq!(answer.refusal(), (400, "unsupported_parameter".into()), "{query}");
        assert_eq!(answer.error()["param"], param, "{query}");
    }
    assert_eq!(gateway.client.get("/v1/usage?").await.status, 200);
    assert_eq!(gateway.client_with("").get("/v1/usage?a=1").await.status, 401, "the key is looked at first");
}

/// So long from now.
#[derive(Debug)]
struct Later(Duration);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }
}

#[tokio::test]
async fn the_totals_outlive_the_process_and_end_after_28_days() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.client.ask().await;
    let expected = counted(&gateway, 1).await;
    let Gateway { mut running, client, dir, .. } = gateway;
    let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
    for (later, seen) in [(hours(0), expected), (hours(27 * 24), expected), (hours(28 * 24 + 2), (0, 0, 0))] {
        running.drain().await;
        running = Gateway::builder().clock(Arc::new(Later(later))).run(&dir.path().join("data")).await;
        let client = Client { address: running.addresses()[0], key: client.key.clone() };
        assert_eq!(totals(&usage(&client).await), seen, "{later:?}");
    }
}
