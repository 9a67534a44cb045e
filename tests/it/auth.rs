//! Who is let in, on both surfaces: docs/v1.md, Authentication, and docs/decisions.md, E10.

use codex_pooler::admin::{Command, PoolChange};
use codex_pooler::store::records::{KeyRecord, KeyStatus, PoolStatus};
use codex_pooler::store::{Actor, ControlOp};
use pooler_filter::Timestamp;
use serde_json::json;

use super::bodies::Wire;
use crate::support::Gateway;
use crate::support::client::{Answer, Client};
use crate::support::gateway::POOL;

/// A served, an unsupported and an unknown route of `/v1`, and two native ones.
const V1: [(&str, &str); 4] =
    [("GET", "/v1/models"), ("POST", "/v1/responses"), ("POST", "/v1/embeddings"), ("GET", "/v1/no/such/thing")];
const NATIVE: [(&str, &str); 2] = [("POST", "/backend-api/codex/responses"), ("GET", "/backend-api/wham/usage")];

fn everywhere() -> impl Iterator<Item = (&'static str, &'static str)> {
    V1.into_iter().chain(NATIVE)
}

/// A request with exactly this credential, and a body that nobody may look at.
async fn ask(client: &Client, (method, path): (&str, &str), credential: Option<&str>) -> Answer {
    let nobody = Client { address: client.address, key: String::new() };
    let credential: Vec<(&str, &str)> = credential.map(|value| ("authorization", value)).into_iter().collect();
    nobody.send(nobody.request(method, path, &credential, b"{broken")).await
}

fn assert_refused(answer: &Answer, status: u16, code: &str, message: &str, what: &str) {
    assert_eq!(answer.refusal(), (status, code.to_owned()), "{what}");
    let error = answer.error();
    assert_eq!((&error["message"], &error["type"]), (&json!(message), &json!("invalid_request_error")), "{what}");
    assert!(error["param"].is_null(), "{what}");
    assert!(answer.header("x-request-id").is_some(), "{what}");
    let challenges: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str()).collect();
    assert_eq!(challenges, if status == 401 { vec!["Bearer"] } else { vec![] }, "{what}");
}

/// What both surfaces say to the client's own key.
async fn assert_both(gateway: &Gateway, status: u16, v1: (&str, &str), native: (&str, &str)) {
    let credential = format!("Bearer {}", gateway.client.key);
    for (routes, (code, message)) in [(&V1[..], v1), (&NATIVE[..], native)] {
        for route in routes {
            let answer = ask(&gateway.client, *route, Some(&credential)).await;
            assert_refused(&answer, status, code, message, route.1);
        }
    }
    assert!(gateway.ledger().await.is_empty(), "who is not let in leaves no row");
}

/// Changes the only key in the store, past the commands.
async fn edit_key(gateway: &Gateway, change: impl FnOnce(&mut KeyRecord)) {
    let control = &gateway.running.state().stores().control;
    let mut key = control.load().await.expect("the store answers").keys.remove(0);
    change(&mut key);
    let actor = Actor::new("test", Timestamp::from_secs(1));
    control.apply(ControlOp::PutKey(key).into(), &actor).await.expect("nobody else changes it");
    gateway.running.reload().await;
}

async fn set_pool(gateway: &Gateway, change: PoolChange) {
    gateway.execute(Command::PoolSet { pool: POOL.into(), change }).await;
}

#[tokio::test]
async fn without_a_bearer_credential_a_key_is_missing() {
    let gateway = Gateway::start().await;
    let key = gateway.client.key.clone();
    let (bare, basic) = (key.clone(), format!("Basic {key}"));
    for credential in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some(&bare), Some(&basic)] {
        for route in everywhere() {
            let answer = ask(&gateway.client, route, credential).await;
            assert_refused(&answer, 401, "api_key_missing", "api key is required", route.1);
        }
    }
    assert!(gateway.ledger().await.is_empty());
}

#[tokio::test]
async fn whatever_is_not_a_valid_key_is_refused_in_the_same_words() {
    let gateway = Gateway::start().await;
    let key = gateway.client.key.clone();
    let (id, secret) = key.split_at("sk-cxp-".len() + 12);
    let upper = key.to_uppercase();
    for wrong in [
        "x",
        "\"\"",
        "null",
        id,
        &format!("{id}-"),
        &format!("{id}-{}", "A".repeat(43)),
        &format!("sk-cxp-000000000000{secret}"),
        &key[..key.len() - 1],
        &format!("{key}A"),
        &format!("{key} {key}"),
        &format!("{key},"),
        &upper,
        &key.replace("sk-cxp", "mcp-cxp"),
        &gateway.codex.accounts()[0].login().access_token,
        "k\u{e9}y",
        &"x".repeat(4000),
    ] {
        for route in everywhere() {
            let answer = ask(&gateway.client, route, Some(&format!("Bearer {wrong}"))).await;
            assert_refused(&answer, 401, "invalid_api_key", "api key is not valid", &format!("{wrong} {}", route.1));
        }
    }
    assert!(gateway.ledger().await.is_empty());
}

#[tokio::test]
async fn the_scheme_has_no_case() {
    let gateway = Gateway::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        let credential = format!("{scheme} {}", gateway.client.key);
        assert_eq!(ask(&gateway.client, ("GET", "/v1/models"), Some(&credential)).await.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_disabled_on_v1_and_revoked_elsewhere() {
    let gateway = Gateway::start().await;
    gateway.execute(Command::KeyRevoke { key: "test".into() }).await;
    assert_both(&gateway, 401, ("api_key_disabled", "api key is disabled"), ("api_key_revoked", "api key is revoked"))
        .await;
}

#[tokio::test]
async fn a_paused_key_is_disabled_on_v1_and_paused_elsewhere() {
    let gateway = Gateway::start().await;
    edit_key(&gateway, |key| key.status = KeyStatus::Paused).await;
    assert_both(&gateway, 401, ("api_key_disabled", "api key is disabled"), ("api_key_paused", "api key is paused"))
        .await;
    edit_key(&gateway, |key| key.status = KeyStatus::Active).await;
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn an_expired_key_is_expired_everywhere() {
    let gateway = Gateway::start().await;
    edit_key(&gateway, |key| key.expires_at = Some(Timestamp::from_secs(1))).await;
    let expired = ("api_key_expired", "api key is expired");
    assert_both(&gateway, 401, expired, expired).await;
    edit_key(&gateway, |key| key.status = KeyStatus::Revoked).await;
    let answer = ask(&gateway.client, NATIVE[0], Some(&format!("Bearer {}", gateway.client.key))).await;
    assert_eq!(answer.refusal().1, "api_key_revoked", "what never changes is told first");
}

#[tokio::test]
async fn a_key_that_ends_later_is_let_in() {
    let gateway = Gateway::start().await;
    let far = Timestamp::from_secs(u64::from(u32::MAX));
    edit_key(&gateway, |key| key.expires_at = Some(far)).await;
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn a_pool_that_is_not_active_is_forbidden_everywhere() {
    for status in [PoolStatus::Disabled, PoolStatus::Archived] {
        let gateway = Gateway::start().await;
        set_pool(&gateway, PoolChange { status: Some(status), ..PoolChange::default() }).await;
        let disabled = ("pool_disabled", "pool is not active");
        assert_both(&gateway, 403, disabled, disabled).await;
        let stranger = ask(&gateway.client, V1[0], Some("Bearer x")).await;
        assert_eq!(stranger.refusal().1, "invalid_api_key", "only a valid key learns of its pool");
    }
}

#[tokio::test]
async fn v1_switched_off_is_forbidden_there_also_where_nothing_is_served() {
    let gateway = Gateway::start().await;
    let credential = format!("Bearer {}", gateway.client.key);
    set_pool(&gateway, PoolChange { v1_compatibility: Some(false), ..PoolChange::default() }).await;
    let message = "OpenAI /v1 compatibility is disabled for this pool";
    for route in V1.into_iter().chain([("GET", "/v1/responses"), ("PUT", "/v1/models"), ("GET", "/v1/realtime")]) {
        let answer = ask(&gateway.client, route, Some(&credential)).await;
        assert_refused(&answer, 403, "v1_compatibility_disabled", message, route.1);
        assert_eq!(ask(&gateway.client, route, None).await.status, 401, "authentication comes first");
    }
    assert!(gateway.ledger().await.is_empty());
    for route in NATIVE {
        let answer = ask(&gateway.client, route, Some(&credential)).await;
        let closed = matches!(answer.status, 401 | 403) || answer.text().contains("v1_compatibility_disabled");
        assert!(!closed, "the gate is one of /v1 alone: {}", answer.text());
    }
    set_pool(&gateway, PoolChange { v1_compatibility: Some(true), ..PoolChange::default() }).await;
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_also_on_a_connection_that_is_open() {
    let gateway = Gateway::start().await;
    let other = gateway.client_with(&gateway.new_key("other", None).await);
    let get = gateway.client.request("GET", "/v1/models", &[], b"");
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&get).await;
    assert_eq!(wire.answer().await.status, 200);
    gateway.execute(Command::KeyRevoke { key: "test".into() }).await;
    wire.send(&get).await;
    assert_refused(&wire.answer().await, 401, "api_key_disabled", "api key is disabled", "the same connection");
    assert_eq!(other.get("/v1/models").await.status, 200, "other keys are not touched");
}

#[tokio::test]
async fn an_answer_that_runs_is_finished_when_its_key_is_revoked() {
    let gateway = Gateway::start().await;
    let mut live = gateway.client.open_stream().await;
    assert_eq!(live.event().await.unwrap().name, "response.created");
    gateway.execute(Command::KeyRevoke { key: "test".into() }).await;
    assert_eq!(live.rest().await.events().last().unwrap().name, "response.completed");
    assert_eq!(gateway.client.ask().await.status, 401);
}

#[tokio::test]
async fn a_new_key_opens_its_pool_at_once() {
    let gateway = Gateway::start().await;
    for n in 0..3 {
        let client = gateway.client_with(&gateway.new_key(&format!("key-{n}"), None).await);
        assert_eq!(client.ask().await.status, 200);
    }
}
