//! Errors on the native surface: for each thing that can go wrong, the answer on which Codex CLI does the right thing
//! (docs/native.md, Errors).

use std::time::{Duration, SystemTime};

use codex_pooler::admin::{Command, PoolChange};
use codex_pooler::simulator::{Fault, FaultBody, Preset, TerminalKind, Who};
use serde_json::{Value, json};

use crate::native::{RESPONSES, post_with, send, turn};
use crate::support::Gateway;
use crate::support::client::Answer;
use crate::support::gateway::POOL;

async fn fails_with(fault: Fault) -> (Gateway, Answer) {
    let gateway = Gateway::builder()
        .settings(|settings| settings.upstream.idle_timeout = Duration::from_millis(250))
        .start()
        .await;
    gateway.codex.fault(Who::All, fault);
    let answer = send(&gateway, &[]).await;
    (gateway, answer)
}

/// S11: an overload without a word on when to come back; the true code in the header and in the ledger.
async fn overload(fault: Fault, reason: &str) {
    let (gateway, answer) = fails_with(fault.clone()).await;
    assert_eq!(answer.refusal(), (503, "server_is_overloaded".into()), "{fault:?}");
    assert_eq!(answer.header("x-codex-pooler-reason"), Some(reason), "{fault:?}");
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (None, None), "{fault:?}");
    assert_eq!(answer.error()["type"], "server_error");
    let rows = gateway.settled(1).await;
    let settled = rows[0].settled.as_ref().unwrap();
    assert_eq!((settled.status, settled.error_code.as_deref()), (503, Some(reason)), "{fault:?}");
}

macro_rules! overloads {
    ($($name:ident: $fault:expr => $reason:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            overload($fault, $reason).await;
        }
    )+};
}

fn status(status: u16, body: FaultBody) -> Fault {
    Fault::Status { status, body, headers: [("x-canary".to_owned(), "canary".to_owned())].into() }
}

fn in_stream(code: &str) -> Fault {
    let message = "their words".to_owned();
    Fault::TerminalInStream { kind: TerminalKind::Failed, code: code.to_owned(), message, after_events: 2 }
}

overloads! {
    a_refused_token_is_an_overload: Fault::Preset(Preset::Unauthorized) => "no_eligible_backend";
    a_deactivated_account_is_an_overload: Fault::Preset(Preset::PaymentRequired) => "no_eligible_backend";
    a_forbidden_account_is_an_overload: Fault::Preset(Preset::Forbidden) => "no_eligible_backend";
    a_blocked_account_is_an_overload: Fault::Preset(Preset::CloudflareBlocked) => "no_eligible_backend";
    an_internal_error_is_an_overload: Fault::Preset(Preset::ServerError) => "server_error";
    a_bare_502_is_an_overload: status(502, FaultBody::Text("bad".into())) => "upstream_error";
    an_unnamed_503_is_an_overload: Fault::Preset(Preset::Unavailable) => "upstream_error";
    an_overload_is_an_overload: Fault::Preset(Preset::ServerIsOverloaded) => "server_is_overloaded";
    an_overload_with_a_wait_loses_the_wait: Fault::Preset(Preset::ServerIsOverloadedRetryAfter) => "server_is_overloaded";
    a_slow_down_is_an_overload: Fault::Preset(Preset::SlowDown) => "slow_down";
    a_connection_that_breaks_is_an_overload: Fault::HangUp { reset: true } => "upstream_request_failed";
    a_silent_upstream_is_an_overload: Fault::SlowFirstByte(Duration::from_secs(5)) => "upstream_request_failed";
    a_stream_that_breaks_off_at_once_is_an_overload: Fault::Cut { after_events: 2 } => "upstream_request_failed";
    json_that_is_none_is_an_overload: Fault::InvalidJson200 => "invalid_upstream_response";
    a_page_with_status_200_is_an_overload: Fault::Html => "invalid_upstream_response";
    an_overload_in_a_stream_is_an_overload: Fault::overloaded_in_stream() => "server_is_overloaded";
    a_server_error_in_a_stream_is_an_overload: in_stream("server_error") => "server_error";
    a_refused_token_in_a_stream_is_an_overload: in_stream("token_expired") => "no_eligible_backend";
}

/// What the upstream says about the request passes: status, body and media type, and nothing else.
#[tokio::test]
async fn a_refusal_of_the_request_is_passed_on_byte_for_byte() {
    let json = |text: &str| FaultBody::Json(serde_json::from_str::<Value>(text).unwrap());
    for (fault, status) in [
        (Fault::Preset(Preset::BadRequest), 400),
        (Fault::Preset(Preset::ContextLengthExceeded), 400),
        (Fault::Preset(Preset::ModelNotFound), 400),
        (Fault::Preset(Preset::NotFound), 404),
        (Fault::Preset(Preset::Conflict), 409),
        (Fault::Preset(Preset::TooLarge), 413),
        (self::status(400, FaultBody::Text("no JSON at all".into())), 400),
        (self::status(422, FaultBody::Text("x".repeat(200_000))), 422),
        (self::status(403, json(r#"{"error":{"code":"misalignment_policy_violation","message":"m"}}"#)), 403),
        (self::status(404, json(r#"{"error":{"type":"invalid_request_error","param":"model","message":"m"}}"#)), 404),
    ] {
        let (gateway, answer) = fails_with(fault.clone()).await;
        let theirs = direct(&gateway).await;
        assert_eq!((answer.status, answer.body == theirs.body), (status, true), "{fault:?}: {}", answer.text());
        assert_eq!(answer.header("content-type"), theirs.header("content-type"), "{fault:?}");
        assert_eq!((answer.header("x-canary"), answer.header("retry-after")), (None, None), "{fault:?}");
        assert_eq!(answer.header("x-codex-pooler-reason"), None, "{fault:?}");
    }
}

/// What the simulator itself answers to the same request.
async fn direct(gateway: &Gateway) -> Answer {
    let account = &gateway.codex.accounts()[0];
    let token = account.auth_json()["tokens"]["access_token"].as_str().unwrap().to_owned();
    let client = crate::support::Client { address: gateway.codex.address(), key: String::new() };
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("chatgpt-account-id", account.id())];
    post_with(&client, RESPONSES, &headers, turn().to_string().as_bytes()).await
}

/// S5 for every way to run out.
#[tokio::test]
async fn a_short_wait_is_told_as_one_and_a_long_one_ends_the_turn() {
    let limited = |seconds: u64| Fault::UsageLimit { resets_in: Duration::from_secs(seconds) };
    for (fault, long, resets) in [
        (limited(3600), true, true),
        (limited(30), false, true),
        (Fault::Preset(Preset::UsageLimitReached), true, true),
        (Fault::Preset(Preset::RateLimited), true, false),
        (Fault::Preset(Preset::RateLimitedRetryAfter), false, false),
        (Fault::Preset(Preset::UsageNotIncluded), true, false),
        (in_stream("usage_limit_reached"), true, false),
    ] {
        let (_gateway, answer) = fails_with(fault.clone()).await;
        assert_eq!(answer.status, 429, "{fault:?}: {}", answer.text());
        let body = answer.json();
        let error = &body["error"];
        if long {
            assert_eq!(
                (&error["type"], answer.header("retry-after")),
                (&json!("usage_limit_reached"), None),
                "{fault:?}"
            );
            assert_eq!(
                (answer.header("x-should-retry"), error["resets_at"].is_u64()),
                (Some("false"), resets),
                "{fault:?}"
            );
        } else {
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert_eq!((&error["type"], wait <= 60 && wait > 0), (&json!("rate_limit_error"), true), "{fault:?}");
            assert_eq!(answer.header("x-should-retry"), None);
        }
    }
}

#[tokio::test]
async fn a_pool_that_is_used_up_says_when_it_is_back_at_once() {
    let gateway = Gateway::start().await;
    for index in 0..3 {
        gateway.codex.set_quota(index, 100.0, 5.0);
    }
    assert_eq!(send(&gateway, &[]).await.status, 429);
    gateway.codex.forget_requests();
    let answer = send(&gateway, &[]).await;
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status, &error["type"]), (429, &json!("usage_limit_reached")));
    assert_eq!((&error["code"], answer.header("retry-after")), (&json!("quota_exhausted"), None));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(error["resets_at"].as_u64().unwrap() > now + 60);
    assert!(gateway.codex.requests().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn refusals_of_ours_keep_status_message_and_param() {
    let gateway = Gateway::start().await;
    for (body, code, param, message) in [
        (json!({"model": "gpt-5.5", "input": "hi"}), "invalid_request", json!("input"), "input must be an array"),
        (
            json!({"model": "nope", "input": []}),
            "invalid_model",
            json!("model"),
            "model is not available for this pool",
        ),
    ] {
        let error = gateway.client.post(RESPONSES, &body).await.error();
        assert_eq!((&error["code"], &error["param"], &error["message"]), (&json!(code), &param, &json!(message)));
    }
    let array = post_with(&gateway.client, RESPONSES, &[], b"[]").await;
    assert_eq!((array.status, &array.error()["message"]), (400, &json!("request body must be a JSON object")));
    let change = PoolChange { images: Some(false), ..PoolChange::default() };
    gateway.execute(Command::PoolSet { pool: POOL.into(), change }).await;
    for path in ["/backend-api/codex/images/generations", "/backend-api/codex/images/edits"] {
        assert_eq!(gateway.client.post(path, &json!([])).await.refusal(), (403, "image_generation_disabled".into()));
    }
    let stranger = gateway.client_with("sk-cxp-0123456789ab-0000000000000000000000000000000000000000000");
    assert_eq!(stranger.post(RESPONSES, &json!({})).await.refusal(), (401, "invalid_api_key".into()));
}

#[tokio::test]
async fn no_account_at_all_is_an_overload_and_a_lost_conversation_says_how_to_begin_anew() {
    let gateway = Gateway::start().await;
    let first = send(&gateway, &[]).await;
    let id = first.events()[0].data["response"]["id"].clone();
    for account in gateway.codex.accounts() {
        let account = account.label().to_owned();
        gateway.execute(Command::AccountPause { account }).await;
    }
    let answer = send(&gateway, &[]).await;
    assert_eq!(answer.refusal(), (503, "server_is_overloaded".into()));
    assert_eq!(answer.header("x-codex-pooler-reason"), Some("no_eligible_backend"));
    let mut next = turn();
    next["previous_response_id"] = id;
    next["input"] = json!([{"type": "function_call_output", "call_id": "call_1", "output": "x"}]);
    let lost = post_with(&gateway.client, RESPONSES, &[], next.to_string().as_bytes()).await;
    let error = lost.json()["error"].clone();
    assert_eq!((lost.status, &error["code"]), (503, &json!("pinned_continuation_unavailable")));
    assert_eq!(lost.header("x-codex-recovery-kind"), Some("restart_with_full_context"));
    assert_eq!((&error["retryable"], lost.header("retry-after")), (&json!(false), None));
}
