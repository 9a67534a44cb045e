//! The usage routes of Codex CLI by the login of an account in place of a key (docs/native.md, Usage).

use codex_pooler::admin::Command;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, Who};
use codex_pooler::store::records::AccountStatus;
use codex_pooler::store::{Actor, ControlOp};
use pooler_filter::{Secret, Timestamp};
use serde_json::{Value, json};

use crate::native::{RESPONSES, post_with, send, turn};
use crate::support::Gateway;
use crate::support::client::Answer;
use crate::support::gateway::POOL;

const PATHS: [&str; 3] = ["/backend-api/wham/usage", "/wham/usage", "/api/codex/usage"];

/// A login that is imported again, so that the test knows the token that the gateway uses now.
async fn login(gateway: &Gateway, index: usize) -> String {
    let auth_json = gateway.codex.accounts()[index].auth_json();
    let origin = Some(gateway.codex.origin());
    let import = Command::AccountImport {
        auth_json: Secret::new(auth_json.to_string()),
        pool: POOL.into(),
        label: None,
        origin: origin.clone(),
        issuer: origin,
        simulated: true,
    };
    gateway.execute(import).await;
    auth_json["tokens"]["access_token"].as_str().unwrap().to_owned()
}

/// A request with this bearer, for the account of this id.
async fn ask(gateway: &Gateway, (method, path): (&str, &str), bearer: &str, account: &str) -> Answer {
    let nobody = gateway.client_with("");
    let bearer = format!("Bearer {bearer}");
    let headers = [("authorization", bearer.as_str()), ("chatgpt-account-id", account)];
    nobody.send(nobody.request(method, path, &headers, b"")).await
}

async fn usage(gateway: &Gateway, bearer: &str, account: &str) -> Answer {
    ask(gateway, ("GET", PATHS[0]), bearer, account).await
}

fn id(gateway: &Gateway, index: usize) -> String {
    gateway.codex.accounts()[index].id().to_owned()
}

#[tokio::test]
async fn a_login_sees_the_quota_of_its_own_account_on_every_usage_route() {
    let gateway = Gateway::builder().accounts(2).quota().start().await;
    let (tokens, ids) = ([login(&gateway, 0).await, login(&gateway, 1).await], [id(&gateway, 0), id(&gateway, 1)]);
    for (index, percent) in [(0, 40.0), (1, 10.0)] {
        gateway.codex.set_quota(index, percent, 5.0);
    }
    // Which account a key goes to is chance: as many keys as it takes.
    for n in 0..200 {
        if gateway.upstream_counts().iter().all(|count| *count > 0) {
            break;
        }
        let mut turn = turn();
        turn["prompt_cache_key"] = n.to_string().into();
        assert_eq!(post_with(&gateway.client, RESPONSES, &[], turn.to_string().as_bytes()).await.status, 200);
    }
    let rows: usize = gateway.upstream_counts().iter().sum();
    for path in PATHS {
        for (index, percent) in [(0, 40.0), (1, 10.0)] {
            let told = ask(&gateway, ("GET", path), &tokens[index], &ids[index]).await;
            assert_eq!((told.status, told.header("content-type")), (200, Some("application/json")), "{}", told.text());
            let told = told.json();
            assert_eq!(told["rate_limit"]["primary_window"]["used_percent"], json!(percent), "{told}");
            assert_eq!(
                (&told["rate_limit"]["allowed"], told["additional_rate_limits"].is_array()),
                (&json!(true), true)
            );
        }
        // A key stays a key, whatever account is named beside it.
        let by_key = ask(&gateway, ("GET", path), &gateway.client.key, &ids[0]).await;
        assert_eq!(by_key.json(), gateway.client.get(path).await.json());
    }
    // Who has no key leaves no row; six requests had one.
    assert_eq!(gateway.settled(rows + 6).await.len(), rows + 6);
}

#[tokio::test]
async fn what_is_no_login_of_the_named_account_is_told_apart() {
    let gateway = Gateway::builder().accounts(2).start().await;
    let (token, mine, other) = (login(&gateway, 0).await, id(&gateway, 0), id(&gateway, 1));
    let refused = async |bearer: &str, account: &str| -> (u16, String, Value) {
        let answer = usage(&gateway, bearer, account).await;
        let challenge = answer.header("www-authenticate").is_some();
        assert_eq!(challenge, answer.status == 401);
        assert!(!answer.text().contains(&token), "nothing of a credential is repeated");
        let (status, code) = answer.refusal();
        (status, code, answer.error()["param"].clone())
    };
    let expected = |status: u16, code: &str| (status, code.to_owned(), Value::Null);
    assert_eq!(refused(&token, &mine).await, expected(404, "no_upstream_usage"));
    for account in [&other, "no-such-account"] {
        assert_eq!(refused(&token, account).await, expected(404, "invalid_chatgpt_account"));
        assert_eq!(refused("jwt.of.nobody", account).await, expected(401, "invalid_authorization"));
    }
    for wrong in [&token[1..], &token[..token.len() - 1], &format!("{token}x")] {
        assert_eq!(refused(wrong, &mine).await, expected(401, "invalid_authorization"));
    }
    for nobody in ["", " "] {
        assert_eq!(refused(&token, nobody).await, expected(401, "invalid_api_key"));
    }
    let bare = gateway.client_with("");
    let answer = bare.send(bare.request("GET", PATHS[0], &[("chatgpt-account-id", &mine)], b"")).await;
    assert_eq!(answer.refusal(), (401, "api_key_missing".into()));
    gateway.execute(Command::AccountPause { account: gateway.codex.accounts()[0].label().into() }).await;
    assert_eq!(refused(&token, &mine).await, expected(404, "invalid_chatgpt_account"));
    gateway.execute(Command::AccountRemove { account: gateway.codex.accounts()[0].label().into() }).await;
    assert_eq!(refused(&token, &mine).await, expected(401, "invalid_authorization"));
    assert!(gateway.ledger().await.is_empty());
}

#[tokio::test]
async fn a_token_that_was_replaced_by_a_refresh_is_none_any_more() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let (token, mine) = (login(&gateway, 0).await, id(&gateway, 0));
    assert_eq!(send(&gateway, &[]).await.status, 200);
    assert_eq!(usage(&gateway, &token, &mine).await.status, 200);
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unauthorized)).times(1));
    assert_eq!(send(&gateway, &[]).await.status, 200, "after a refresh");
    assert_eq!(usage(&gateway, &token, &mine).await.refusal(), (401, "invalid_authorization".into()));
}

#[tokio::test]
async fn a_login_that_is_over_is_out_of_service() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let (token, mine) = (login(&gateway, 0).await, id(&gateway, 0));
    assert_eq!(send(&gateway, &[]).await.status, 200);
    let control = &gateway.running.state().stores().control;
    let mut account = control.load().await.unwrap().accounts.remove(0);
    account.status = AccountStatus::ReauthRequired;
    let actor = Actor::new("test", Timestamp::from_secs(1));
    control.apply(ControlOp::PutAccount(account).into(), &actor).await.unwrap();
    gateway.running.reload().await;
    assert_eq!(usage(&gateway, &token, &mine).await.refusal(), (404, "invalid_chatgpt_account".into()));
}

#[tokio::test]
async fn a_login_opens_no_other_route() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let (token, mine) = (login(&gateway, 0).await, id(&gateway, 0));
    assert_eq!(send(&gateway, &[]).await.status, 200);
    for route in [
        ("GET", "/v1/usage"),
        ("GET", "/v1/models"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/responses"),
        ("GET", "/backend-api/codex/models"),
        ("POST", "/backend-api/codex/responses"),
        ("GET", "/backend-api/codex/responses"),
        ("POST", "/backend-api/codex/responses/compact"),
        ("POST", "/backend-api/files"),
        ("POST", "/backend-api/transcribe"),
    ] {
        let answer = ask(&gateway, route, &token, &mine).await;
        assert_eq!(answer.refusal(), (401, "invalid_api_key".into()), "{route:?}");
    }
    let posted = ask(&gateway, ("POST", PATHS[0]), &token, &mine).await;
    assert_eq!(posted.refusal(), (405, "method_not_allowed".into()));
}
