//! Refused and ended tokens: one refresh, one retry, and a refresh token that is never sent twice in doubt
//! (docs/decisions.md, R1 and R7; docs/refresh.md).

use std::net::TcpListener;
use std::time::Duration;

use codex_pooler::admin::{AccountRow, Command, Reply};
use codex_pooler::simulator::{Fault, FaultSpec, Preset, Recorded, Tokens, Who};
use codex_pooler::store::records::{Outcome, RequestRecord};
use pooler_filter::Secret;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::failover::{BOTH, Tried, ask, assert_success, ended, tried};
use crate::routing::{ask_in, hello, last_account, sessions_of, with_clock};
use crate::support::client::Answer;
use crate::support::gateway::POOL;
use crate::support::{Gateway, codex, eventually};

const REFUSED: Tried<'static> = ("unauthorized", Some(401), None);
const SERVED: Tried<'static> = ("served", None, None);

fn is_refresh(request: &Recorded) -> bool {
    request.path == "/oauth/token"
}

/// How often the token endpoint was asked.
fn refreshes(gateway: &Gateway) -> usize {
    gateway.codex.requests().iter().filter(|request| is_refresh(request)).count()
}

/// How often an upstream account was asked, refused tokens included.
fn asked(gateway: &Gateway) -> usize {
    gateway.codex.requests().iter().filter(|request| request.path.ends_with("/responses")).count()
}

async fn account(gateway: &Gateway, index: usize) -> AccountRow {
    let label = gateway.codex.accounts()[index].label();
    let replies = gateway.execute(Command::AccountList { pool: None }).await;
    let row = replies.into_iter().find_map(|reply| match reply {
        Reply::Account(row) if row.label == label => Some(row),
        _ => None,
    });
    row.expect("the account is there")
}

async fn last_row(gateway: &Gateway) -> RequestRecord {
    let rows = gateway.ledger().await.len();
    gateway.settled(rows).await.remove(0)
}

fn expire_all(gateway: &Gateway) {
    (0..gateway.codex.accounts().len()).for_each(|account| gateway.codex.expire_access(account));
}

/// Asks with a new key, so that no demotion counts, within a session whose first choice is account 0.
async fn ask_zero(gateway: &Gateway, session: &str) -> Answer {
    let client = gateway.client_with(&gateway.new_key("again", None).await);
    ask_in(&client, session, &hello()).await
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_the_same_account_is_asked_again() {
    for stream in BOTH {
        let gateway = Gateway::start().await;
        expire_all(&gateway);
        assert_success(&ask(&gateway, stream).await, stream);
        let rows = gateway.settled(1).await;
        assert_eq!(tried(&rows[0]), [REFUSED, SERVED]);
        let attempts = &ended(&rows[0]).attempts;
        assert_eq!((attempts[0].account, refreshes(&gateway)), (attempts[1].account, 1));
        assert_eq!(account(&gateway, last_account(&gateway)).await.token_version, 2);
    }
}

#[tokio::test]
async fn each_refresh_sends_the_newest_refresh_token() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for round in 1..=4 {
        gateway.codex.expire_access(0);
        assert_eq!(gateway.client.ask().await.status, 200);
        assert_eq!((refreshes(&gateway), account(&gateway, 0).await.token_version), (round, round as u64 + 1));
    }
}

#[tokio::test]
async fn many_requests_with_a_refused_token_share_one_refresh() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.expire_access(0);
    let asking = (0..20).map(|n| {
        let client = gateway.client.clone();
        tokio::spawn(async move { if n % 2 == 0 { client.ask().await } else { client.stream().await } })
    });
    for answer in asking.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(refreshes(&gateway), 1);
}

#[tokio::test]
async fn a_token_that_has_ended_is_refreshed_before_it_is_sent() {
    let (gateway, clock) = with_clock().await;
    let sim = &gateway.codex.accounts()[0];
    let tokens = Tokens { access_token: sim.access_token(Duration::from_secs(7200)), ..sim.login() };
    import(&gateway, 0, &sim.auth_json_with(&tokens), &gateway.codex.origin()).await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    clock.advance(Duration::from_secs(7201));
    let asking = (0..20).map(|_| {
        let (client, session) = (gateway.client.clone(), session.clone());
        tokio::spawn(async move { ask_in(&client, &session, &hello()).await.status })
    });
    for status in asking.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), 200);
    }
    let counts = gateway.codex.requests().iter().filter(|request| request.status == Some(401)).count();
    assert_eq!((refreshes(&gateway), counts), (1, 0));
}

/// Imports a login of an account once more; its refresh token goes to `issuer`.
async fn import(gateway: &Gateway, index: usize, auth_json: &Value, issuer: &str) {
    let import = Command::AccountImport {
        auth_json: Secret::new(auth_json.to_string()),
        pool: POOL.into(),
        label: Some(gateway.codex.accounts()[index].label().into()),
        origin: Some(gateway.codex.origin()),
        issuer: Some(issuer.to_owned()),
        simulated: true,
    };
    gateway.execute(import).await;
}

#[tokio::test]
async fn a_token_that_is_refused_after_its_refresh_too_moves_on() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unauthorized)).times(2));
    assert_eq!(gateway.client.ask().await.status, 200);
    assert_eq!((tried(&gateway.settled(1).await[0]), refreshes(&gateway)), (vec![REFUSED, REFUSED, SERVED], 1));
}

#[tokio::test]
async fn a_token_that_is_refused_after_its_refresh_is_not_refreshed_again_at_once() {
    let gateway = Gateway::builder().quota().start().await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    gateway.codex.fault(Who::Account(0), Fault::Preset(Preset::Unauthorized));
    for _ in 0..3 {
        assert_eq!(ask_zero(&gateway, session).await.status, 200);
    }
    assert_eq!((refreshes(&gateway), account(&gateway, 0).await.status.as_str()), (1, "active"));
}

#[tokio::test]
async fn many_requests_share_a_refresh_that_fails_too() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Refresh500);
    gateway.codex.expire_access(0);
    let asking = (0..20).map(|_| {
        let client = gateway.client.clone();
        tokio::spawn(async move { client.ask().await.refusal() })
    });
    for refusal in asking.collect::<Vec<_>>() {
        assert_eq!(refusal.await.unwrap(), (503, "no_eligible_backend".into()));
    }
    assert_eq!(refreshes(&gateway), 1);
}

#[tokio::test]
async fn what_comes_after_a_refresh_is_judged_like_any_other_answer() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unauthorized)).times(1));
    gateway.codex.fault(Who::All, Fault::Preset(Preset::ContextLengthExceeded));
    assert_eq!(gateway.client.ask().await.refusal(), (400, "context_length_exceeded".into()));
    let overflow = ("refused", Some(400), Some("context_length_exceeded"));
    assert_eq!(tried(&gateway.settled(1).await[0]), [REFUSED, overflow]);
}

/// Waits until the gateway itself has noticed that account 0 does not serve any more: it asks somebody else at once.
async fn left_alone(gateway: &Gateway, session: &str) {
    eventually("account 0 is left alone", || async {
        let before = asked(gateway);
        assert_eq!(ask_zero(gateway, session).await.status, 200);
        asked(gateway) == before + 1
    })
    .await;
}

#[tokio::test]
async fn a_login_that_is_over_is_left_alone_and_the_next_account_serves() {
    for code in ["refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "invalid_grant"] {
        let gateway = Gateway::builder().quota().start().await;
        let session = &sessions_of(&gateway, 0, 1).await[0];
        gateway.codex.fault(Who::Account(0), Fault::RefreshFails { code: code.into() });
        gateway.codex.expire_access(0);
        assert_eq!(ask_zero(&gateway, session).await.status, 200);
        assert_eq!((tried(&last_row(&gateway).await), refreshes(&gateway)), (vec![REFUSED, SERVED], 1), "{code}");
        assert_eq!(account(&gateway, 0).await.status, "reauth_required", "{code}");
        left_alone(&gateway, session).await;
        let before = asked(&gateway);
        for _ in 0..3 {
            assert_eq!(ask_zero(&gateway, session).await.status, 200);
        }
        assert_eq!((asked(&gateway), refreshes(&gateway)), (before + 3, 1), "{code}");
    }
}

#[tokio::test]
async fn a_new_login_brings_the_account_back() {
    let gateway = Gateway::builder().quota().start().await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    gateway.codex.revoke(0);
    assert_eq!(ask_zero(&gateway, session).await.status, 200);
    assert_ne!(last_account(&gateway), 0);
    eventually("the login is known to be over", || async { account(&gateway, 0).await.status == "reauth_required" })
        .await;
    import(&gateway, 0, &gateway.codex.accounts()[0].auth_json(), &gateway.codex.origin()).await;
    assert_eq!(ask_zero(&gateway, session).await.status, 200);
    assert_eq!((last_account(&gateway), account(&gateway, 0).await.status.as_str()), (0, "active"));
}

/// So long after a refresh with an unclear end the old token may be sent again: twice the timeout of a refresh, and half a minute.
const LAST_RESORT: Duration = Duration::from_secs(70);

/// A refresh of account 0 with an unclear end: the next account serves, and the refresh token is not sent again at once.
async fn unclear(fault: Fault) -> (Gateway, std::sync::Arc<pooler_filter::testing::FakeClock>, String) {
    let (gateway, clock) = with_clock().await;
    let session = sessions_of(&gateway, 0, 1).await.remove(0);
    let fault = gateway.codex.fault(Who::Account(0), fault);
    gateway.codex.expire_access(0);
    assert_eq!(ask_zero(&gateway, &session).await.status, 200);
    assert_eq!((tried(&last_row(&gateway).await), refreshes(&gateway)), (vec![REFUSED, SERVED], 1));
    gateway.codex.clear_fault(fault);
    for wait in [Duration::ZERO, LAST_RESORT - Duration::from_secs(5)] {
        clock.advance(wait);
        assert_eq!(ask_zero(&gateway, &session).await.status, 200);
        assert_ne!(last_account(&gateway), 0);
    }
    assert_eq!(refreshes(&gateway), 1, "the refresh token may have been used up");
    assert_eq!(account(&gateway, 0).await.status, "active");
    (gateway, clock, session)
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_asked_again_only_when_nothing_is_left_to_lose() {
    let (gateway, clock, session) = unclear(Fault::Refresh500).await;
    clock.advance(LAST_RESORT);
    assert_eq!(ask_zero(&gateway, &session).await.status, 200);
    assert_eq!((refreshes(&gateway), last_account(&gateway)), (2, 0));
}

#[tokio::test]
async fn a_refresh_token_that_was_used_up_unseen_needs_a_new_login() {
    let (gateway, clock, session) = unclear(Fault::RefreshCut).await;
    clock.advance(LAST_RESORT);
    assert_eq!(ask_zero(&gateway, &session).await.status, 200);
    assert_eq!(refreshes(&gateway), 2);
    assert_eq!(account(&gateway, 0).await.status, "reauth_required");
}

#[tokio::test]
async fn a_token_endpoint_that_cannot_be_reached_costs_nothing() {
    let gateway = Gateway::builder().accounts(2).quota().start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    gateway.execute(Command::AccountRemove { account: gateway.codex.accounts()[0].label().into() }).await;
    import(&gateway, 0, &gateway.codex.accounts()[0].auth_json(), &format!("http://{nobody}")).await;
    let session = &sessions_of(&gateway, 0, 1).await[0];
    gateway.codex.expire_access(0);
    for _ in 0..2 {
        assert_eq!(ask_zero(&gateway, session).await.status, 200);
        assert_eq!(tried(&last_row(&gateway).await), [REFUSED, SERVED]);
    }
    assert_eq!((account(&gateway, 0).await.status.as_str(), refreshes(&gateway)), ("active", 0));
}

#[tokio::test]
async fn a_refresh_goes_on_when_its_client_leaves() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.expire_access(0);
    let slow = Fault::SlowFirstByte(Duration::from_millis(1500));
    gateway.codex.inject(FaultSpec::new(Who::All, slow).on("/oauth/token"));
    let mut client = TcpStream::connect(gateway.client.address).await.unwrap();
    let headers = [("content-type", "application/json")];
    let request = gateway.client.request("POST", "/v1/responses", &headers, hello().to_string().as_bytes());
    client.write_all(&request).await.unwrap();
    assert!(gateway.codex.wait_for(|all| all.iter().any(is_refresh), codex::PATIENCE).await);
    drop(client);
    assert_eq!(ended(&gateway.settled(1).await[0]).outcome, Outcome::Cancelled);
    eventually("the new token is stored", || async { account(&gateway, 0).await.token_version == 2 }).await;
    assert_eq!(gateway.client.ask().await.status, 200);
    assert_eq!((refreshes(&gateway), asked(&gateway)), (1, 2));
}

#[tokio::test]
async fn a_new_token_is_used_after_a_restart() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.expire_access(0);
    assert_eq!(gateway.client.ask().await.status, 200);
    let Gateway { running, codex, mut client, dir } = gateway;
    running.drain().await;
    codex.forget_requests();
    let running = Gateway::builder().run(&dir.path().join("data")).await;
    client.address = running.addresses()[0];
    assert_eq!(client.ask().await.status, 200);
    let statuses: Vec<Option<u16>> = codex.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(200)], "one request, no refresh, no refusal");
    codex.expire_access(0);
    assert_eq!(client.ask().await.status, 200, "the new refresh token is there too");
}

#[tokio::test]
async fn when_no_login_is_left_the_client_is_not_to_blame() {
    for stream in BOTH {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, Fault::RefreshFails { code: "refresh_token_expired".into() });
        expire_all(&gateway);
        let answer = ask(&gateway, stream).await;
        assert_eq!(answer.refusal(), (503, "no_eligible_backend".into()));
        assert_eq!((answer.header("www-authenticate"), answer.header("x-should-retry")), (None, None));
        assert_eq!(tried(&gateway.settled(1).await[0]), [REFUSED; 3]);
        eventually("no account is asked any more", || async {
            let before = asked(&gateway);
            assert_eq!(ask(&gateway, stream).await.refusal(), (503, "no_eligible_backend".into()));
            asked(&gateway) == before
        })
        .await;
        assert_eq!(refreshes(&gateway), 3);
    }
}
