//! Which check wins, and what is refused without anything else happening: docs/v1.md, Order of checks and Unsupported endpoints.

use codex_pooler::proxy::route::{Handler, ROUTES, Row};

use crate::support::Gateway;
use crate::support::client::{Answer, Client};

const UNSUPPORTED: &str = r#"{"error":{"message":"Unsupported OpenAI /v1 endpoint","type":"invalid_request_error","code":"unsupported_endpoint","param":null}}"#;

/// What every answer has, whatever it says.
fn assert_framed(answer: &Answer, what: &str) {
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{what}: no x-request-id"));
    assert!(!id.is_empty(), "{what}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
}

/// A request without anything but its method and path.
async fn bare(client: &Client, method: &str, path: &str) -> Answer {
    client.send(client.request(method, path, &[], b"")).await
}

fn assert_unsupported(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (404, UNSUPPORTED), "{what}");
    assert_framed(answer, what);
}

/// The rows of the table that are not served.
fn refused_rows() -> impl Iterator<Item = &'static Row> {
    ROUTES.iter().filter(|row| row.handler == Handler::Refuse)
}

/// The path with its last letter percent-encoded.
fn encoded(path: &str) -> String {
    let (head, last) = path.split_at(path.len() - 1);
    format!("{head}%{:02x}", last.as_bytes()[0])
}

/// Nothing but one request that was served stands in the ledger, and nothing else reached the upstream.
async fn assert_left_no_trace(gateway: &Gateway) {
    assert_eq!(gateway.client.ask().await.status, 200);
    gateway.settled(1).await;
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1);
}

#[tokio::test]
async fn every_route_that_is_not_served_says_so_in_the_same_words_and_leaves_no_row() {
    let gateway = Gateway::start().await;
    assert!(refused_rows().count() > 8);
    for row in refused_rows() {
        let path = row.path.replace(":id", "abc_123");
        for path in [encoded(&path), path] {
            assert_unsupported(&bare(&gateway.client, row.method, &path).await, row.name);
        }
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn a_route_that_is_not_served_asks_for_a_key_first() {
    let gateway = Gateway::start().await;
    let stranger = gateway.client_with("");
    for row in refused_rows() {
        let path = row.path.replace(":id", "abc_123");
        for path in [encoded(&path), path] {
            let answer = bare(&stranger, row.method, &path).await;
            assert_eq!(answer.refusal(), (401, "api_key_missing".into()), "{}", row.name);
            assert_framed(&answer, row.name);
        }
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_under_v1_are_unsupported_and_never_405() {
    let gateway = Gateway::start().await;
    for (method, path) in [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v1/realtime"),
        ("POST", "/v1/realtime/sessions"),
        ("POST", "/v1/no/such/thing?x=1"),
        ("GET", "/%761/x"),
        ("PUT", "/v1/responses"),
        ("PATCH", "/v1/responses"),
        ("OPTIONS", "/v1/responses"),
        ("POST", "/v1/responses/"),
        ("DELETE", "/v1/models"),
        ("POST", "/v1/models"),
        ("TRACE", "/v1/chat/completions"),
        ("BREW", "/v1/embeddings"),
    ] {
        let what = format!("{method} {path}");
        let answer = bare(&gateway.client, method, path).await;
        assert_unsupported(&answer, &what);
        assert_eq!(answer.header("allow"), None, "{what}");
        assert_eq!(bare(&gateway.client_with(""), method, path).await.status, 401, "{what}");
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn an_unsupported_endpoint_is_refused_whatever_its_body_is() {
    let gateway = Gateway::start().await;
    let client = &gateway.client;
    let zstd: &[(&str, &str)] = &[("content-type", "application/json"), ("content-encoding", "zstd")];
    for (headers, body) in [
        (&[("content-type", "application/json")][..], &b"{\"broken"[..]),
        (zstd, b"\x28\xb5\x2f\xfdgarbage"),
        (&[("content-encoding", "br, gzip")], b"x"),
        (&[("content-type", "multipart/form-data")], b"--"),
        (&[("accept", "image/png")], b"{}"),
    ] {
        for path in ["/v1/embeddings", "/v1/fine_tuning/jobs", "/v1/nothing", "/v1/realtime/sessions"] {
            let answer = client.send(client.request("POST", path, headers, body)).await;
            assert_unsupported(&answer, &format!("{path} {headers:?}"));
        }
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn an_unsupported_endpoint_does_not_wait_for_a_body_that_was_announced() {
    let gateway = Gateway::start().await;
    for (path, key, expected) in
        [("/v1/embeddings", gateway.client.key.as_str(), 404), ("/v1/responses", "", 401), ("/nowhere", "", 404)]
    {
        for size in
            ["content-length: 99999999999", "transfer-encoding: chunked", "content-length: 5\r\nexpect: 100-continue"]
        {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n{size}\r\n\r\n");
            let answer = gateway.client.send(head.into_bytes()).await;
            assert_eq!(answer.status, expected, "{path} {size}");
            assert_framed(&answer, path);
        }
    }
}

#[tokio::test]
async fn an_unsafe_path_is_refused_before_the_key_is_looked_at() {
    let gateway = Gateway::start().await;
    for path in [
        "/v1/a%2Fb",
        "/v1/a%5cb",
        "/v1/a\\b",
        "/v1/%00",
        "/v1/responses/%2e%2e",
        "/v1/../v1/responses",
        "/v1/%zz",
        "/v1/%ff",
        "/backend-api%2fcodex/responses",
    ] {
        for key in ["", "sk-cxp-nonsense", &gateway.client.key] {
            let answer = bare(&gateway.client_with(key), "POST", path).await;
            assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{path}");
            let error = answer.error();
            assert_eq!((&error["message"], error["param"].is_null()), (&"request path is invalid".into(), true));
            assert_framed(&answer, path);
        }
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn elsewhere_an_unknown_path_is_not_found_without_a_key() {
    let gateway = Gateway::start().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v2/responses"),
        ("GET", "/metrics"),
        ("POST", "/responses"),
        ("GET", "//v1/models"),
        ("POST", "/backend-api/unknown"),
        ("GET", "/backend-api/codex/agent-identities/jwks"),
        ("GET", "/backend-api/wham/agent-identities/jwks"),
        ("POST", "/api/codex/rate-limit-reset-credits/consume"),
        ("POST", "/wham/rate-limit-reset-credits/consume"),
        ("POST", "/backend-api/wham/rate-limit-reset-credits/consume"),
        ("POST", "/backend-api/codex/thread/goal/get"),
        ("POST", "/backend-api/codex/thread/goal/set"),
        ("POST", "/backend-api/codex/thread/goal/clear"),
        ("POST", "/backend-api/codex/analytics-events/events"),
        ("POST", "/backend-api/codex/memories/trace_summarize"),
        ("POST", "/backend-api/codex/alpha/search"),
        ("POST", "/backend-api/codex/realtime/calls"),
        ("POST", "/backend-api/codex/safety/arc"),
    ] {
        for key in ["", "wrong", &gateway.client.key] {
            let answer = bare(&gateway.client_with(key), method, path).await;
            assert_eq!(answer.refusal(), (404, "not_found".into()), "{method} {path}");
            assert_framed(&answer, path);
        }
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn elsewhere_a_wrong_method_says_which_are_allowed_without_a_key() {
    let gateway = Gateway::start().await;
    for (method, path, allow) in [
        ("DELETE", "/backend-api/codex/responses", "POST, GET"),
        ("PUT", "/backend-api/codex/responses/compact", "POST"),
        ("POST", "/backend-api/codex/models", "GET"),
        ("GET", "/backend-api/files", "POST"),
        ("OPTIONS", "/backend-api/files/abc/uploaded", "POST"),
        ("POST", "/wham/usage", "GET"),
        ("PATCH", "/backend-api/wham/usag%65", "GET"),
    ] {
        let answer = bare(&gateway.client_with(""), method, path).await;
        assert_eq!(answer.refusal(), (405, "method_not_allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.error()["type"], "invalid_request_error");
        assert_framed(&answer, path);
    }
    assert_left_no_trace(&gateway).await;
}

#[tokio::test]
async fn errors_are_json_whatever_the_client_accepts() {
    let gateway = Gateway::start().await;
    for accept in ["text/html", "application/binary", "image/*", "*/*;q=0", ""] {
        for (path, key, status) in [
            ("/v1/files/abc/content", gateway.client.key.as_str(), 404),
            ("/v1/files/abc/content", "", 401),
            ("/nowhere", "", 404),
            ("/wham/%00", "", 400),
        ] {
            let client = gateway.client_with(key);
            let answer = client.send(client.request("GET", path, &[("accept", accept)], b"")).await;
            assert_eq!(answer.status, status, "{accept} {path}");
            answer.error();
            assert_framed(&answer, path);
        }
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own_and_never_one_that_a_client_chose() {
    let gateway = Gateway::start().await;
    let client = &gateway.client;
    let body = br#"{"model":"gpt-5.5","input":"hi","stream":true}"#;
    let mut seen = std::collections::HashSet::new();
    for (method, path, body, status) in [
        ("GET", "/v1/models", &b""[..], 200),
        ("POST", "/v1/responses", body, 200),
        ("POST", "/v1/responses", b"{}", 400),
        ("POST", "/v1/responses", b"", 400),
        ("GET", "/v1/responses", b"", 400),
        ("GET", "/v1/embeddings", b"", 404),
        ("GET", "/nowhere", b"", 404),
        ("PUT", "/wham/usage", b"", 405),
    ] {
        let answer = client.send(client.request(method, path, &[("x-request-id", "mine")], body)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_ne!(id, "mine");
        assert!(seen.insert(id), "the same id twice");
    }
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body_and_the_connection_goes_on() {
    let gateway = Gateway::start().await;
    let client = &gateway.client;
    let get = client.request("GET", "/v1/models", &[], b"");
    for (path, status) in [("/v1/models", 404), ("/wham/usage", 405)] {
        let mut requests = client.request("HEAD", path, &[], b"");
        requests.extend_from_slice(&get);
        let mut wire = super::bodies::Wire::connect(client).await;
        wire.send(&requests).await;
        assert_eq!(wire.head().await.status, status, "{path}");
        assert_eq!(wire.answer().await.json()["object"], "list", "{path}");
    }
}
