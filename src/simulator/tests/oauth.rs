//! Tokens: rotation, replay, revocation, restart.

use serde_json::{Value, json};

use super::super::accounts::CLIENT_ID;
use super::super::{Fault, Simulator, SimulatorConfig, Who};
use super::client::{Answer, post, read, request, send, turn};
use super::simulator;

fn body(token: &str) -> Vec<u8> {
    json!({"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_reason": "proactive_expiry",
           "refresh_token": token})
    .to_string()
    .into_bytes()
}

async fn refresh(simulator: &Simulator, token: &str) -> Answer {
    request(simulator.address(), "POST", "/oauth/token", &[("content-type", "application/json")], &body(token)).await
}

fn next(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

async fn with_token(simulator: &Simulator, account: usize, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let id = simulator.accounts()[account].id();
    let headers = [("authorization", bearer.as_str()), ("chatgpt-account-id", id)];
    request(simulator.address(), "GET", "/backend-api/codex/models", &headers, b"").await.status
}

#[tokio::test]
async fn rotates_and_gives_a_token_that_works_and_lasts() {
    let simulator = simulator().await;
    let login = simulator.accounts()[0].login();
    let answer = refresh(&simulator, &login.refresh_token).await;
    assert_ne!(next(&answer), login.refresh_token);
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_ne!(access, login.access_token);
    assert_eq!(with_token(&simulator, 0, &access).await, 200);
    assert!(answer.json()["expires_in"].as_u64().unwrap() > 86_400);
    assert_eq!(simulator.requests()[0].account.as_deref(), Some("sim-0"));
}

#[tokio::test]
async fn takes_a_form_as_well() {
    let simulator = simulator().await;
    let token = simulator.accounts()[0].login().refresh_token;
    let form = format!("grant_type=refresh%5ftoken&client_id={CLIENT_ID}&refresh_token={token}&scope=a+b");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let answer = request(simulator.address(), "POST", "/oauth/token", &headers, form.as_bytes()).await;
    assert_ne!(next(&answer), token);
}

#[tokio::test]
async fn calls_a_replay_reused_and_ends_the_login_when_told_to() {
    let simulator = simulator().await;
    for (revoke, after, code) in [(true, 401, json!("refresh_token_invalidated")), (false, 200, Value::Null)] {
        simulator.revoke_on_replay(revoke);
        let first = simulator.accounts()[0].login().refresh_token;
        let second = next(&refresh(&simulator, &first).await);
        let replay = refresh(&simulator, &first).await;
        assert_eq!((replay.status, replay.error_code()), (401, json!("refresh_token_reused")));
        let current = refresh(&simulator, &second).await;
        assert_eq!((current.status, current.error_code()), (after, code));
    }
}

#[tokio::test]
async fn honours_the_tokens_of_an_earlier_run_on_the_same_seed_and_no_other() {
    let first = simulator().await;
    let login = first.accounts()[1].login();
    let token = next(&refresh(&first, &login.refresh_token).await);
    first.stop().await;
    let second = simulator().await;
    assert_eq!(with_token(&second, 1, &login.access_token).await, 200);
    let after = next(&refresh(&second, &token).await);
    assert_eq!(refresh(&second, &login.refresh_token).await.error_code(), "refresh_token_reused");
    let other = Simulator::start(SimulatorConfig { seed: [8; 32], ..SimulatorConfig::default() }).await.unwrap();
    assert_eq!(with_token(&other, 1, &login.access_token).await, 401);
    assert_eq!(refresh(&other, &after).await.error_code(), "invalid_refresh_token");
}

#[tokio::test]
async fn expiry_lets_refresh_work_and_revocation_does_not() {
    let simulator = simulator().await;
    let login = simulator.accounts()[0].login();
    simulator.expire_access(0);
    assert_eq!(with_token(&simulator, 0, &login.access_token).await, 401);
    let answer = refresh(&simulator, &login.refresh_token).await;
    let (token, access) = (next(&answer), answer.json()["access_token"].as_str().unwrap().to_owned());
    assert_eq!(with_token(&simulator, 0, &access).await, 200);
    simulator.revoke(0);
    assert_eq!(with_token(&simulator, 0, &access).await, 401);
    assert_eq!(refresh(&simulator, &token).await.error_code(), "refresh_token_invalidated");
    assert_eq!(post(&simulator, 0, &turn("a new login works")).await.status, 200);
}

#[tokio::test]
async fn loses_the_token_only_when_the_answer_is_cut() {
    let simulator = simulator().await;
    let token = simulator.accounts()[0].login().refresh_token;
    simulator.fault(Who::Account(0), Fault::RefreshFails { code: "token_expired".to_owned() });
    assert_eq!(refresh(&simulator, &token).await.error_code(), "token_expired");
    simulator.clear_faults();
    simulator.fault(Who::Account(0), Fault::RefreshFails { code: "invalid_grant".to_owned() });
    assert_eq!(refresh(&simulator, &token).await.json(), json!({"error": "invalid_grant"}));
    simulator.clear_faults();
    simulator.fault(Who::Account(0), Fault::Refresh500);
    assert_eq!(refresh(&simulator, &token).await.status, 500);
    simulator.clear_faults();
    simulator.fault(Who::Account(0), Fault::RefreshCut);
    let headers = [("content-type", "application/json")];
    let cut = read(send(simulator.address(), "POST", "/oauth/token", &headers, &body(&token)).await).await;
    assert!(cut.is_none());
    simulator.clear_faults();
    assert_eq!(refresh(&simulator, &token).await.error_code(), "refresh_token_reused");
}

#[tokio::test]
async fn refuses_other_clients_grants_and_garbage() {
    let simulator = simulator().await;
    let token = simulator.accounts()[0].login().refresh_token;
    for (key, value, code) in
        [("client_id", "other", json!("invalid_client")), ("grant_type", "password", json!("unsupported_grant_type"))]
    {
        let mut fields: Value = serde_json::from_slice(&body(&token)).unwrap();
        fields[key] = json!(value);
        let headers = [("content-type", "application/json")];
        let bytes = fields.to_string();
        let answer = request(simulator.address(), "POST", "/oauth/token", &headers, bytes.as_bytes()).await;
        assert_eq!((answer.status, answer.json()["error"].clone()), (400, code));
    }
    for garbage in ["", "rt_", "rt_AAAA", "x"] {
        assert_eq!(refresh(&simulator, garbage).await.error_code(), "invalid_refresh_token", "{garbage}");
    }
}

#[tokio::test]
async fn writes_the_auth_json_of_codex_with_the_claims_of_a_login() {
    use base64::Engine;
    let simulator = simulator().await;
    let account = &simulator.accounts()[0];
    let file = account.auth_json();
    assert_eq!(file["auth_mode"], "chatgpt");
    assert_eq!(file["tokens"]["account_id"], account.id());
    assert!(file["last_refresh"].as_str().unwrap().ends_with('Z'));
    let access = file["tokens"]["access_token"].as_str().unwrap();
    let payload = access.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&bytes).unwrap();
    let auth = &claims["https://api.openai.com/auth"];
    assert_eq!((&auth["chatgpt_account_id"], &auth["chatgpt_plan_type"]), (&json!(account.id()), &json!("pro")));
    assert_eq!(claims["https://api.openai.com/profile"]["email"], account.email());
    assert_eq!(next(&refresh(&simulator, file["tokens"]["refresh_token"].as_str().unwrap()).await).len(), 57);
}
