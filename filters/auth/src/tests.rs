//! The table of docs/v1.md, Authentication, row by row and surface by surface.

use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use pooler_filter::testing::{ExchangeBuilder, FakePorts, START, chain_of, key_facts};
use pooler_filter::{Operation, PoolFacts, Reached};

use super::*;

const BEARER: &str = "Bearer sk-cxp-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const KEY: &str = BEARER.split_at(7).1;
const V1: Route =
    Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };
const NATIVE: Route =
    Route { name: "POST /native", operation: Operation::Responses, surface: Surface::Native, images: false };
const OTHER: Route = Route { name: "other", operation: Operation::Unsupported, surface: Surface::Other, images: false };

/// What comes of a request with this credential while [`KEY`] is this key.
async fn ask(key: KeyFacts, credential: Option<&str>, route: Route) -> (Result<Flow, Reject>, Exchange) {
    let ports = FakePorts::new();
    ports.keys.lock().insert(KEY.into(), Arc::new(key));
    let builder = ExchangeBuilder::responses().route(route);
    let mut cx = credential.map_or_else(|| builder.clone(), |value| builder.clone().credential(value)).build();
    let chain = chain_of::<Auth>("", &ports.ports()).unwrap();
    let flow = chain.request_headers(&mut cx, &mut Reached::default()).await;
    (flow, cx)
}

async fn refused(key: KeyFacts, credential: Option<&str>, route: Route) -> Reject {
    let (flow, cx) = ask(key, credential, route).await;
    assert!(cx.get::<Principal>().is_none(), "a refused request has no principal");
    flow.unwrap_err()
}

fn assert_401(reject: &Reject, code: &str, message: &str) {
    assert_eq!((reject.status().as_u16(), reject.code_str(), &*reject.message), (401, code, message));
    assert_eq!(reject.headers.get(WWW_AUTHENTICATE).unwrap(), "Bearer");
    assert_eq!((reject.error_type(), &reject.param), ("invalid_request_error", &None));
}

fn with_status(status: KeyStatus) -> KeyFacts {
    KeyFacts { status, ..key_facts() }
}

fn of_inactive_pool(key: KeyFacts) -> KeyFacts {
    let pool = Arc::new(PoolFacts { active: false, ..(*key.pool).clone() });
    KeyFacts { pool, ..key }
}

#[tokio::test]
async fn a_valid_key_becomes_the_principal_on_both_surfaces() {
    for route in [V1, NATIVE] {
        let (flow, cx) = ask(key_facts(), Some(BEARER), route).await;
        assert!(matches!(flow, Ok(Flow::Continue)));
        assert_eq!(cx.get::<Principal>().unwrap().0.id, key_facts().id);
    }
}

#[tokio::test]
async fn the_scheme_is_matched_without_regard_to_case() {
    for scheme in ["bearer", "BEARER", "  BeArEr  "] {
        let (flow, _) = ask(key_facts(), Some(&format!("{scheme} {KEY} ")), V1).await;
        assert!(flow.is_ok(), "{scheme:?}");
    }
}

#[tokio::test]
async fn no_credential_or_another_scheme_is_a_missing_key() {
    for credential in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some(KEY)] {
        for route in [V1, NATIVE] {
            assert_401(&refused(key_facts(), credential, route).await, "api_key_missing", "api key is required");
        }
    }
}

#[tokio::test]
async fn malformed_unknown_wrong_and_foreign_tokens_read_the_same() {
    let wrong_secret = format!("Bearer {}B", &KEY[..KEY.len() - 1]);
    let cut_off = format!("Bearer {}", &KEY[..40]);
    let two = format!("Bearer {KEY} {KEY}");
    let foreign = "Bearer mcp-cxp-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let unknown = "Bearer sk-cxp-ffffffffffff-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let upper = format!("Bearer {}", KEY.to_uppercase());
    for credential in [&wrong_secret, &cut_off, &two, foreign, unknown, &upper, "Bearer x", "Bearer \"\"", "Bearer -"] {
        for route in [V1, NATIVE] {
            let reject = refused(key_facts(), Some(credential), route).await;
            assert_401(&reject, "invalid_api_key", "api key is not valid");
            assert!(!format!("{reject} {reject:?}").contains("0123456789ab"), "a refusal never repeats the credential");
        }
    }
}

#[tokio::test]
async fn v1_says_disabled_for_a_revoked_and_for_a_paused_key() {
    for status in [KeyStatus::Revoked, KeyStatus::Paused] {
        assert_401(&refused(with_status(status), Some(BEARER), V1).await, "api_key_disabled", "api key is disabled");
    }
}

#[tokio::test]
async fn native_tells_revoked_from_paused() {
    let revoked = refused(with_status(KeyStatus::Revoked), Some(BEARER), NATIVE).await;
    assert_401(&revoked, "api_key_revoked", "api key is revoked");
    let paused = refused(with_status(KeyStatus::Paused), Some(BEARER), NATIVE).await;
    assert_401(&paused, "api_key_paused", "api key is paused");
}

#[tokio::test]
async fn a_key_ends_at_its_last_moment_and_not_before() {
    for route in [V1, NATIVE] {
        let ends_now = KeyFacts { expires_at: Some(START), ..key_facts() };
        assert_401(&refused(ends_now, Some(BEARER), route).await, "api_key_expired", "api key is expired");
        let ends_later = KeyFacts { expires_at: Some(START.plus(Duration::from_millis(1))), ..key_facts() };
        assert!(ask(ends_later, Some(BEARER), route).await.0.is_ok());
    }
}

#[tokio::test]
async fn a_switched_off_key_that_is_also_over_is_told_as_switched_off() {
    let key = KeyFacts { expires_at: Some(START), ..with_status(KeyStatus::Paused) };
    assert_401(&refused(key, Some(BEARER), NATIVE).await, "api_key_paused", "api key is paused");
}

#[tokio::test]
async fn a_valid_key_of_an_inactive_pool_is_forbidden_and_not_asked_to_authenticate() {
    for route in [V1, NATIVE] {
        let reject = refused(of_inactive_pool(key_facts()), Some(BEARER), route).await;
        let told = (reject.status().as_u16(), reject.code_str(), &*reject.message);
        assert_eq!(told, (403, "pool_disabled", "pool is not active"));
        assert_eq!(reject.headers.get(WWW_AUTHENTICATE), None);
        assert_eq!(reject.error_type(), "invalid_request_error");
    }
}

#[tokio::test]
async fn the_faults_of_a_key_come_before_those_of_its_pool() {
    let revoked = of_inactive_pool(with_status(KeyStatus::Revoked));
    assert_401(&refused(revoked, Some(BEARER), NATIVE).await, "api_key_revoked", "api key is revoked");
    let expired = of_inactive_pool(KeyFacts { expires_at: Some(START), ..key_facts() });
    assert_401(&refused(expired, Some(BEARER), V1).await, "api_key_expired", "api key is expired");
    let unknown = refused(of_inactive_pool(key_facts()), Some("Bearer x"), V1).await;
    assert_401(&unknown, "invalid_api_key", "api key is not valid");
}

#[tokio::test]
async fn outside_the_two_surfaces_no_key_is_asked_for_and_none_is_taken() {
    let (flow, mut cx) = ask(key_facts(), Some(BEARER), OTHER).await;
    assert!(flow.is_ok());
    assert!(cx.get::<Principal>().is_none());
    assert!(cx.take_credential().is_some(), "the credential is still where it was");
}

#[tokio::test]
async fn the_credential_is_gone_once_it_was_looked_at() {
    for credential in [Some(BEARER), Some("Bearer x"), Some("Basic x")] {
        let (_, mut cx) = ask(key_facts(), credential, V1).await;
        assert!(cx.take_credential().is_none());
    }
}

#[test]
fn it_has_no_configuration() {
    assert!(chain_of::<Auth>("optional = true", &FakePorts::new().ports()).is_err());
}

const USAGE: Route =
    Route { name: "GET /wham/usage", operation: Operation::Usage, surface: Surface::Native, images: false };

/// What comes of a request with these headers, while two logins are known, of one of which nothing was heard.
async fn by_login(route: Route, credential: &str, account: Option<&str>) -> (Result<Flow, Reject>, Exchange) {
    let ports = FakePorts::new();
    ports.keys.lock().insert(KEY.into(), Arc::new(key_facts()));
    ports.logins.lock().insert("jwt.a.a".into(), ("acc-a".into(), Some("{}".into())));
    ports.logins.lock().insert("jwt.b.b".into(), ("acc-b".into(), None));
    let builder = ExchangeBuilder::responses().route(route).credential(credential);
    let mut cx = account.map_or_else(|| builder.clone(), |id| builder.clone().header("chatgpt-account-id", id)).build();
    let flow = chain_of::<Auth>("", &ports.ports()).unwrap().request_headers(&mut cx, &mut Reached::default()).await;
    (flow, cx)
}

#[tokio::test]
async fn a_login_of_an_account_gets_its_usage_and_is_no_principal() {
    for account in ["acc-a", " acc-a "] {
        let (flow, cx) = by_login(USAGE, "Bearer jwt.a.a", Some(account)).await;
        assert!(matches!(flow, Ok(Flow::Reply(reply)) if reply.body == "{}"), "answered here, and by nobody behind");
        assert!(cx.get::<Principal>().is_none());
    }
}

#[tokio::test]
async fn a_key_stays_a_key_whatever_account_is_named() {
    let (flow, cx) = by_login(USAGE, BEARER, Some("acc-a")).await;
    assert!(matches!(flow, Ok(Flow::Continue)));
    assert!(cx.get::<Principal>().is_some());
}

#[tokio::test]
async fn a_login_that_is_unknown_or_of_another_account_or_never_heard_of_says_so() {
    for (token, account, expected) in [
        ("Bearer jwt.c.c", "acc-a", (401, "invalid_authorization")),
        ("Bearer jwt.a.a", "acc-b", (404, "invalid_chatgpt_account")),
        ("Bearer jwt.a.a", "acc-c", (404, "invalid_chatgpt_account")),
        ("Bearer jwt.b.b", "acc-b", (404, "no_upstream_usage")),
        ("Basic jwt.a.a", "acc-a", (401, "api_key_missing")),
    ] {
        let reject = by_login(USAGE, token, Some(account)).await.0.unwrap_err();
        assert_eq!((reject.status().as_u16(), reject.code_str()), expected, "{token} {account}");
        assert_eq!(reject.headers.get(WWW_AUTHENTICATE).is_some(), expected.0 == 401, "{token} {account}");
        assert_eq!((reject.error_type(), &reject.param), ("invalid_request_error", &None));
        assert!(!format!("{reject} {reject:?}").contains("jwt"), "a refusal never repeats the credential");
    }
}

#[tokio::test]
async fn a_login_is_good_for_nothing_else() {
    let v1_usage = Route { surface: Surface::V1, ..USAGE };
    for (route, account) in
        [(V1, Some("acc-a")), (NATIVE, Some("acc-a")), (v1_usage, Some("acc-a")), (USAGE, None), (USAGE, Some(" "))]
    {
        let (flow, cx) = by_login(route, "Bearer jwt.a.a", account).await;
        assert_401(&flow.unwrap_err(), "invalid_api_key", "api key is not valid");
        assert!(cx.get::<Principal>().is_none(), "{route:?}");
    }
}
