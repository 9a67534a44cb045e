//! Which account serves whom: rendezvous, sessions, prompt caches, demotion, quota, and what operators change
//! (docs/routing.md, Ordering).

use std::sync::Arc;
use std::time::Duration;

use codex_pooler::admin::Command;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, TerminalKind, Who};
use codex_pooler::store::records::Outcome;
use pooler_filter::testing::FakeClock;
use pooler_filter::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::failover::{ended, terminal};
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, codex};

/// Asks within a session.
pub(crate) async fn ask_in(client: &Client, session: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("x-session-id", session)];
    client.send(client.request("POST", "/v1/responses", &headers, body.to_string().as_bytes())).await
}

pub(crate) fn hello() -> Value {
    json!({"model": "gpt-5.5", "input": "Say hello"})
}

/// The account that got the last request, by index.
pub(crate) fn last_account(gateway: &Gateway) -> usize {
    let requests = gateway.codex.requests();
    let last = requests.iter().rfind(|r| r.path.ends_with("/responses")).expect("somebody was asked");
    let accounts = gateway.codex.accounts();
    accounts.iter().position(|account| last.account.as_deref() == Some(account.label())).expect("an account of ours")
}

/// So many sessions whose first choice is this account. They are found with a key of their own, so that nothing is remembered of them for
/// other keys.
pub(crate) async fn sessions_of(gateway: &Gateway, account: usize, count: usize) -> Vec<String> {
    let scout = gateway.client_with(&gateway.new_key("scout", None).await);
    let mut found = Vec::new();
    for n in 0..1000 {
        let session = format!("session-{n}");
        assert_eq!(ask_in(&scout, &session, &hello()).await.status, 200);
        if last_account(gateway) == account {
            found.push(session);
        }
        if found.len() == count {
            return found;
        }
    }
    panic!("the account is nobody's first choice: is its quota known?")
}

/// Asks within a session and tells who was asked last.
async fn served_by(gateway: &Gateway, client: &Client, session: &str) -> usize {
    let answer = ask_in(client, session, &hello()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    last_account(gateway)
}

/// Waits until everything that follows an answer was done: a client may have its answer a moment before.
async fn all_settled(gateway: &Gateway) {
    let rows = gateway.ledger().await.len();
    gateway.settled(rows).await;
}

/// A gateway whose time is set by hand, from the real time on.
pub(crate) async fn with_clock() -> (Gateway, Arc<FakeClock>) {
    let clock = FakeClock::at(SystemClock.now());
    let gateway = Gateway::builder().quota().clock(clock.clone()).start().await;
    (gateway, clock)
}

/// The next request to this account fails.
fn fail_once(gateway: &Gateway, account: usize) {
    gateway.codex.inject(FaultSpec::new(Who::Account(account), Fault::Preset(Preset::ServerError)).times(1));
}

fn label(gateway: &Gateway, account: usize) -> String {
    gateway.codex.accounts()[account].label().to_owned()
}

#[tokio::test]
async fn requests_spread_over_all_accounts() {
    let gateway = Gateway::builder().quota().start().await;
    for _ in 0..60 {
        assert_eq!(gateway.client.ask().await.status, 200);
    }
    let counts = gateway.upstream_counts();
    assert!(counts.iter().all(|count| *count > 0) && counts.iter().sum::<usize>() == 60, "{counts:?}");
}

#[tokio::test]
async fn a_session_stays_with_its_account_under_every_name_of_its_header() {
    let gateway = Gateway::builder().quota().start().await;
    let names = [
        "x-codex-window-id",
        "x-codex-session-id",
        "session-id",
        "x-session-id",
        "x-session-affinity",
        "session_id",
        "x-codex-conversation-id",
    ];
    let mut firsts = Vec::new();
    for (n, name) in names.iter().cycle().take(28).enumerate() {
        let session = format!("s{n}");
        let headers = [("content-type", "application/json"), (*name, session.as_str())];
        let request = gateway.client.request("POST", "/v1/responses", &headers, hello().to_string().as_bytes());
        assert_eq!(gateway.client.send(request.clone()).await.status, 200);
        firsts.push(last_account(&gateway));
        assert_eq!(gateway.client.send(request).await.status, 200);
        assert_eq!(firsts.last(), Some(&last_account(&gateway)), "{name}");
    }
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, [0, 1, 2]);
}

#[tokio::test]
async fn a_session_stays_with_the_account_that_served_it_not_with_its_first_choice() {
    let (gateway, clock) = with_clock().await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    fail_once(&gateway, 0);
    let served = served_by(&gateway, &gateway.client, session).await;
    assert_ne!(served, 0);
    all_settled(&gateway).await;
    clock.advance(Duration::from_secs(61));
    assert_eq!(served_by(&gateway, &gateway.client, session).await, served);
    let other_key = gateway.client_with(&gateway.new_key("other", None).await);
    assert_eq!(served_by(&gateway, &other_key, session).await, 0, "one key's session is not another's");
}

fn cached(answer: &Answer) -> u64 {
    answer.json()["usage"]["input_tokens_details"]["cached_tokens"].as_u64().expect("a count")
}

#[tokio::test]
async fn a_prompt_cache_key_keeps_the_account_so_that_its_cache_is_used() {
    let gateway = Gateway::builder().quota().start().await;
    let mut used = [0; 3];
    for n in 0..24 {
        let text = format!("{n} {}", "a long beginning ".repeat(40));
        let turn = |more: &str| {
            let input = json!([{"role": "user", "content": text}, {"role": "user", "content": more}]);
            json!({"model": "gpt-5.5", "prompt_cache_key": format!("k{n}"), "input": input})
        };
        let first = gateway.client.create(turn("one")).await;
        let account = last_account(&gateway);
        let second = gateway.client.create(turn("two")).await;
        assert_eq!((first.status, cached(&first), second.status), (200, 0, 200), "{}", first.text());
        assert_eq!(last_account(&gateway), account);
        assert!(cached(&second) >= 100, "{}", second.text());
        used[account] += 1;
    }
    assert!(used.iter().all(|count| *count > 0), "{used:?}");
}

#[tokio::test]
async fn an_account_that_failed_comes_last_for_that_key_for_a_minute() {
    let (gateway, clock) = with_clock().await;
    let sessions = sessions_of(&gateway, 0, 4).await;
    let other_key = gateway.client_with(&gateway.new_key("other", None).await);
    fail_once(&gateway, 0);
    assert_ne!(served_by(&gateway, &gateway.client, &sessions[0]).await, 0);
    let before = gateway.upstream_counts()[0];
    assert_ne!(served_by(&gateway, &gateway.client, &sessions[1]).await, 0);
    clock.advance(Duration::from_secs(59));
    assert_ne!(served_by(&gateway, &gateway.client, &sessions[2]).await, 0);
    assert_eq!(gateway.upstream_counts()[0], before, "it was not even asked");
    assert_eq!(served_by(&gateway, &other_key, &sessions[1]).await, 0, "another key is not concerned");
    clock.advance(Duration::from_secs(1));
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[3]).await, 0);
}

#[tokio::test]
async fn an_account_that_failed_is_still_asked_when_nobody_else_answers() {
    let (gateway, _) = with_clock().await;
    let sessions = sessions_of(&gateway, 0, 3).await;
    fail_once(&gateway, 0);
    assert_ne!(served_by(&gateway, &gateway.client, &sessions[0]).await, 0);
    [1, 2].into_iter().for_each(|account| fail_once(&gateway, account));
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[1]).await, 0);
    all_settled(&gateway).await;
    // Its success ended its demotion, while the other two have one now.
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[2]).await, 0);
}

#[tokio::test]
async fn an_account_without_quota_is_not_asked_until_its_reset() {
    let (gateway, clock) = with_clock().await;
    let sessions = sessions_of(&gateway, 0, 3).await;
    let limit = Fault::UsageLimit { resets_in: Duration::from_secs(600) };
    gateway.codex.inject(FaultSpec::new(Who::Account(0), limit).times(1));
    assert_ne!(served_by(&gateway, &gateway.client, &sessions[0]).await, 0);
    let before = gateway.upstream_counts()[0];
    [1, 2].into_iter().for_each(|account| fail_once(&gateway, account));
    assert_eq!(gateway.client.ask().await.refusal(), (500, "server_error".into()));
    clock.advance(Duration::from_secs(590));
    let other_key = gateway.client_with(&gateway.new_key("other", None).await);
    assert_ne!(served_by(&gateway, &other_key, &sessions[1]).await, 0, "the quota is that of all keys");
    assert_eq!(gateway.upstream_counts()[0], before);
    clock.advance(Duration::from_secs(15));
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[2]).await, 0);
}

/// Account 0 fails so after a client got the beginning of its answer; whether it comes first afterwards, and a minute later.
async fn after_commit(code: &str) -> (bool, bool) {
    let (gateway, clock) = with_clock().await;
    let sessions = sessions_of(&gateway, 0, 3).await;
    gateway.codex.inject(FaultSpec::new(Who::Account(0), terminal(TerminalKind::Failed, code, 5)).times(1));
    let mut body = hello();
    body["stream"] = json!(true);
    let failed = ask_in(&gateway.client, &sessions[0], &body).await;
    assert_eq!(failed.events().last().map(|event| event.name.clone()).as_deref(), Some("response.failed"));
    all_settled(&gateway).await;
    let first = served_by(&gateway, &gateway.client, &sessions[1]).await == 0;
    let other_key = gateway.client_with(&gateway.new_key("other", None).await);
    let for_others = served_by(&gateway, &other_key, &sessions[2]).await == 0;
    clock.advance(Duration::from_secs(60));
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[2]).await, 0);
    (first, for_others)
}

#[tokio::test]
async fn a_failure_after_the_commit_counts_like_one_before_it() {
    assert_eq!(after_commit("server_is_overloaded").await, (false, true), "demoted for one key");
    assert_eq!(after_commit("usage_limit_reached").await, (false, false), "without quota for all");
    assert_eq!(after_commit("context_length_exceeded").await, (true, true), "the request is to blame");
    assert_eq!(after_commit("misalignment_policy_violation").await, (true, true), "the request is to blame");
}

#[tokio::test]
async fn a_refusal_of_the_request_blames_no_account() {
    for preset in [Preset::BadRequest, Preset::ContextLengthExceeded, Preset::NotFound] {
        let gateway = Gateway::builder().quota().start().await;
        let session = &sessions_of(&gateway, 0, 1).await[0];
        gateway.codex.inject(FaultSpec::new(Who::Account(0), Fault::Preset(preset)).times(1));
        assert_ne!(ask_in(&gateway.client, session, &hello()).await.status, 200);
        assert_eq!(served_by(&gateway, &gateway.client, session).await, 0, "{preset:?}");
    }
}

#[tokio::test]
async fn a_paused_account_is_left_out_at_once_and_comes_back_at_once() {
    let gateway = Gateway::builder().quota().start().await;
    let sessions = sessions_of(&gateway, 0, 3).await;
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[0]).await, 0);
    gateway.execute(Command::AccountPause { account: label(&gateway, 0) }).await;
    for session in &sessions[..2] {
        assert_ne!(served_by(&gateway, &gateway.client, session).await, 0);
    }
    gateway.execute(Command::AccountResume { account: label(&gateway, 0) }).await;
    assert_eq!(served_by(&gateway, &gateway.client, &sessions[2]).await, 0);
}

#[tokio::test]
async fn a_removed_account_is_left_out_at_once_and_only_its_sessions_move() {
    let gateway = Gateway::builder().quota().start().await;
    let sessions: Vec<String> = (0..24).map(|n| format!("s{n}")).collect();
    let mut before = Vec::new();
    for session in &sessions {
        before.push(served_by(&gateway, &gateway.client, session).await);
    }
    gateway.execute(Command::AccountRemove { account: label(&gateway, 1) }).await;
    // A key without a memory: the order alone tells.
    let other_key = gateway.client_with(&gateway.new_key("other", None).await);
    for (session, before) in sessions.iter().zip(before) {
        let now = served_by(&gateway, &other_key, session).await;
        assert!(now != 1 && (now == before || before == 1), "{before} became {now}");
    }
}

#[tokio::test]
async fn a_pool_without_an_account_that_serves_asks_nobody() {
    let gateway = Gateway::builder().quota().start().await;
    for account in 0..3 {
        gateway.execute(Command::AccountPause { account: label(&gateway, account) }).await;
    }
    for stream in [false, true] {
        let answer = crate::failover::ask(&gateway, stream).await;
        assert_eq!(answer.refusal(), (503, "no_eligible_backend".into()));
        assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (None, None));
        let error = answer.error();
        assert_eq!((&error["type"], &error["param"]), (&json!("server_error"), &Value::Null));
    }
    assert_eq!(gateway.upstream_counts(), [0, 0, 0]);
    let rows = gateway.settled(2).await;
    assert!(rows.iter().all(|row| ended(row).outcome == Outcome::Rejected));
}

/// The first turn of a tool loop, and the second that hands in its output by the id of the first.
async fn call_and_output(gateway: &Gateway, session: &str) -> (Value, Value) {
    let tool = json!({"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}});
    let ask = json!({"model": "gpt-5.5", "input": "Add", "tools": [tool], "tool_choice": "required"});
    let first = ask_in(&gateway.client, session, &ask).await.json();
    let call = first["output"].as_array().unwrap().iter().find(|item| item["type"] == "function_call").unwrap();
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "4"});
    let next = json!({"model": "gpt-5.5", "input": [output], "previous_response_id": first["id"]});
    (first, next)
}

#[tokio::test]
async fn a_tool_loop_by_previous_response_goes_on_within_its_session() {
    let gateway = Gateway::builder().quota().start().await;
    for session in ["a", "b", "c", "d", "e", "f"] {
        let (first, next) = call_and_output(&gateway, session).await;
        let answer = ask_in(&gateway.client, session, &next).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["previous_response_id"], &body["status"]), (&first["id"], &json!("completed")));
        assert!(body["output"].as_array().unwrap().iter().any(|item| item["type"] == "message"));
    }
}

#[tokio::test]
async fn a_previous_response_of_an_account_that_is_gone_is_lost() {
    let gateway = Gateway::builder().quota().start().await;
    let (_, next) = call_and_output(&gateway, "a").await;
    gateway.execute(Command::AccountPause { account: label(&gateway, last_account(&gateway)) }).await;
    for stream in [false, true] {
        let mut next = next.clone();
        next["stream"] = json!(stream);
        let answer = ask_in(&gateway.client, "a", &next).await;
        assert_eq!(answer.refusal(), (503, "pinned_continuation_unavailable".into()));
        assert_eq!(answer.error()["recovery_kind"], "restart_with_full_context");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    let rows = gateway.settled(3).await;
    assert_eq!(rows.iter().filter(|row| ended(row).attempts.is_empty()).count(), 2);
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await);
}
