//! Lines 1 to 6 and 37: what happens before a request is looked into.

use std::time::Duration;

use codex_pooler::admin::{Command, PoolChange};
use codex_pooler::store::records::{KeyStatus, PoolStatus};
use pooler_filter::Timestamp;
use serde_json::json;

use super::{ask, last_sent, one, refused, told};
use crate::auth::{edit_key, set_pool};
use crate::bodies::{Wire, deflate, gzip, post_coded, zstd};
use crate::limits::{admission, assert_overloaded, hang_once};
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, PATIENCE};

const UNSUPPORTED: &str = r#"{"error":{"message":"Unsupported OpenAI /v1 endpoint","type":"invalid_request_error","code":"unsupported_endpoint","param":null}}"#;
/// Known, unsupported, unknown.
const PATHS: [&str; 3] = ["/v1/responses", "/v1/embeddings", "/v1/nowhere"];

/// A body that nobody can read, of a coding that nobody has.
async fn garbage(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("content-encoding", "zstd"), ("content-type", "application/json")];
    all.extend_from_slice(headers);
    client.send(client.request("POST", path, &all, b"\x00{{not json")).await
}

#[tokio::test]
async fn line_01_a_key_is_asked_for_before_anything_of_a_body_is_looked_at() {
    let gateway = one().await;
    let wrong = gateway.client.key[..gateway.client.key.len() - 1].to_owned() + "!";
    let id = &gateway.client.key[..19];
    let secret = format!("Bearer {id}-{}", "A".repeat(43));
    for path in PATHS {
        for (header, code, message) in [
            (None, "api_key_missing", "api key is required"),
            (Some("Basic eDp5".to_owned()), "api_key_missing", "api key is required"),
            (Some(secret.clone()), "invalid_api_key", "api key is not valid"),
            (Some(format!("Bearer {wrong}")), "invalid_api_key", "api key is not valid"),
        ] {
            let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
            let answer = garbage(&gateway.client_with(""), path, &headers).await;
            assert_eq!(told(&answer), refused(401, code, ""), "{path} {header:?}");
            assert_eq!(answer.error()["message"], message);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert!(gateway.ledger().await.is_empty() && gateway.codex.requests().is_empty());
}

#[tokio::test]
async fn line_02_a_key_that_is_over_says_so_in_the_words_of_the_surface() {
    let gateway = one().await;
    let asked = async |path: &str| told(&gateway.client.post(path, &json!({})).await);
    let native = "/backend-api/codex/responses";
    edit_key(&gateway, |key| key.status = KeyStatus::Paused).await;
    assert_eq!(asked("/v1/responses").await, refused(401, "api_key_disabled", ""));
    assert_eq!(asked(native).await, refused(401, "api_key_paused", ""));
    edit_key(&gateway, |key| {
        key.status = KeyStatus::Active;
        key.expires_at = Some(Timestamp::from_secs(1));
    })
    .await;
    assert_eq!(asked("/v1/responses").await, refused(401, "api_key_expired", ""));
    assert_eq!(asked(native).await, refused(401, "api_key_expired", ""));
    gateway.execute(Command::KeyRevoke { key: "test".into() }).await;
    assert_eq!(asked("/v1/responses").await, refused(401, "api_key_disabled", ""));
    assert_eq!(asked(native).await, refused(401, "api_key_revoked", ""));
}

#[tokio::test]
async fn line_03_a_closed_gate_is_told_even_where_nothing_is_served() {
    let gateway = one().await;
    set_pool(&gateway, PoolChange { v1_compatibility: Some(false), ..PoolChange::default() }).await;
    for path in PATHS {
        let answer = garbage(&gateway.client, path, &[]).await;
        assert_eq!(told(&answer), refused(403, "v1_compatibility_disabled", ""), "{path}");
    }
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    let answer = gateway.client.send(gateway.client.request("GET", "/v1/responses", &upgrade, b"")).await;
    assert_eq!(told(&answer), refused(403, "v1_compatibility_disabled", ""));
    set_pool(&gateway, PoolChange { status: Some(PoolStatus::Disabled), ..PoolChange::default() }).await;
    assert_eq!(told(&gateway.client.get("/v1/models").await), refused(403, "pool_disabled", ""));
}

#[tokio::test]
async fn line_04_what_is_not_served_is_404_in_the_same_words_and_leaves_no_row() {
    let gateway = one().await;
    for (method, path) in [
        ("POST", "/v1/images/variations"),
        ("POST", "/v1/content_provenance_checks"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/embedding%73"),
        ("POST", "/v1/batches"),
        ("POST", "/v1/moderations"),
        ("POST", "/v1/fine_tuning/jobs"),
        ("POST", "/v1/fine%5ftuning/jobs"),
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/nowhere"),
        ("PUT", "/v1/responses"),
        ("DELETE", "/v1/models"),
        ("GET", "/v1/chat/completions"),
        ("GET", "/v1/realtime"),
        ("POST", "/v1/realtime/sessions"),
    ] {
        let answer = gateway.client.send(gateway.client.request(method, path, &[("accept", "text/html")], b"")).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, UNSUPPORTED), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(gateway.client.ask().await.status, 200);
    assert_eq!(gateway.settled(1).await.len(), 1);
}

#[tokio::test]
async fn line_05_a_body_that_nobody_can_read_changes_nothing_there() {
    let gateway = one().await;
    for path in PATHS.into_iter().skip(1) {
        assert_eq!(garbage(&gateway.client, path, &[]).await.text(), UNSUPPORTED);
        let answer = gateway.client.send(gateway.client.request("POST", path, &[], b"{{not json")).await;
        assert_eq!(answer.text(), UNSUPPORTED);
    }
}

#[tokio::test]
async fn line_06_bodies_are_decoded_and_bad_ones_are_told_apart() {
    let gateway = Gateway::builder().accounts(1).settings(|settings| settings.limits.max_body = 2 << 20).start().await;
    let client = &gateway.client;
    let words = "compressed words ".repeat(20);
    let body = ask(json!({"input": words})).to_string().into_bytes();
    for (coding, packed) in [("gzip", gzip(&body)), ("deflate", deflate(&body)), ("zstd", zstd(&body))] {
        assert_eq!(post_coded(client, coding, &packed).await.status, 200, "{coding}");
        assert_eq!(last_sent(&gateway)["input"][0]["content"][0]["text"], words.as_str());
        let cut = post_coded(client, coding, &packed[..packed.len() / 2]).await;
        assert_eq!(told(&cut), refused(400, "invalid_request", ""), "{coding}");
    }
    assert_eq!(told(&post_coded(client, "br", &body).await), refused(415, "unsupported_content_encoding", ""));
    let bomb = gzip(&vec![b' '; 1 << 20]);
    assert_eq!(told(&post_coded(client, "gzip", &bomb).await), refused(413, "decompression_ratio_exceeded", ""));
    let form = [("content-type", "multipart/form-data; boundary=x"), ("content-encoding", "gzip")];
    for path in ["/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/v1/responses"] {
        let answer = client.send(client.request("POST", path, &form, &gzip(b"--x--"))).await;
        assert_eq!(told(&answer), refused(415, "unsupported_media_type", ""), "{path}");
    }
    for path in ["/v1/responses", "/v1/chat/completions", "/v1/images/generations", "/v1/responses/compact"] {
        let answer = client.send(client.request("POST", path, &[], b"{\"model\":")).await;
        assert_eq!(told(&answer), refused(400, "invalid_request", ""), "{path}");
        let large = client.send(client.request("POST", path, &[], &vec![b' '; (2 << 20) + 1])).await;
        assert_eq!(told(&large), refused(413, "request_too_large", ""), "{path}");
    }
}

#[tokio::test]
async fn line_37_a_full_class_is_503_with_a_time_to_come_back_and_leaves_no_row() {
    let gateway = Gateway::builder()
        .accounts(1)
        .settings(|settings| {
            let none = admission(1, 0, Duration::ZERO);
            let classes = &mut settings.limits.admission;
            (classes.http, classes.stream, classes.compact) = (none.clone(), none.clone(), none.clone());
            (classes.files, classes.audio) = (none.clone(), none);
        })
        .start()
        .await;
    let compaction = json!([{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]);
    let chat = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "hi"}]});
    // Each of them occupies its class and refuses the next of the same class; none of them another class.
    let mut running = Vec::new();
    for (occupies, overflow) in [
        (("/v1/responses", ask(json!({}))), ("/v1/chat/completions", chat.clone())),
        (("/v1/responses", ask(json!({"stream": true}))), ("/v1/responses", ask(json!({"stream": true})))),
        (("/v1/responses", ask(json!({"input": compaction}))), ("/v1/responses/compact", ask(json!({})))),
    ] {
        hang_once(&gateway.codex);
        let mut wire = Wire::connect(&gateway.client).await;
        let (path, body) = occupies;
        wire.send(&gateway.client.request("POST", path, &[], body.to_string().as_bytes())).await;
        running.push(wire);
        assert!(gateway.codex.wait_in_flight(running.len(), PATIENCE).await, "{path} {body} is let in");
        assert_overloaded(&gateway.client.post(overflow.0, &overflow.1).await);
    }
    drop(running);
    let rows = gateway.settled(3).await;
    assert!(
        rows.iter()
            .all(|row| row.settled.as_ref().is_some_and(|s| s.error_code.as_deref() != Some("server_is_overloaded")))
    );
}
