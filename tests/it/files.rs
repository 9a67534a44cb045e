//! Files: uploads and what is known of them afterwards (docs/v1.md, Files and Multipart bodies).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codex_pooler::config::{Admission, Settings};
use codex_pooler::simulator::{Fault, FaultBody, FaultSpec, Recorded, ScriptStep, Who};
use codex_pooler::store::Actor;
use codex_pooler::store::records::{AccountStatus, Outcome};
use pooler_filter::{Clock as _, SystemClock};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::bodies::Wire;
use super::failover::{ended, tried};
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, eventually};

const CREATE: &str = "/backend-api/files";
pub(crate) const BOUNDARY: &str = "xYzZY";

/// Name, name of the file, media type, bytes.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a [u8]);

/// The body of a form.
pub(crate) fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, kind, data) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
        if let Some(filename) = filename {
            body.extend_from_slice(format!("; filename=\"{filename}\"").as_bytes());
        }
        if let Some(kind) = kind {
            body.extend_from_slice(format!("\r\nContent-Type: {kind}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub(crate) fn a_file(name: &str, purpose: &str, data: &[u8]) -> Vec<u8> {
    form(&[("purpose", None, None, purpose.as_bytes()), ("file", Some(name), Some("text/plain"), data)])
}

async fn send(client: &Client, body: &[u8]) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    client.send(client.request("POST", "/v1/files", &[("content-type", &kind)], body)).await
}

pub(crate) async fn upload(client: &Client, name: &str, purpose: &str) -> Value {
    let answer = send(client, &a_file(name, purpose, name.as_bytes())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn delete(client: &Client, path: &str) -> Answer {
    client.send(client.request("DELETE", path, &[], b"")).await
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Status, code and param of a refusal.
fn refusal(answer: &Answer) -> (u16, String, Value) {
    let (status, code) = answer.refusal();
    (status, code, answer.error()["param"].clone())
}

fn calls(gateway: &Gateway, method: &str, prefix: &str) -> Vec<Recorded> {
    let fits = |r: &Recorded| r.method == method && r.path.starts_with(prefix);
    gateway.codex.requests().into_iter().filter(fits).collect()
}

async fn with(change: impl FnOnce(&mut Settings) + 'static) -> Gateway {
    Gateway::builder().accounts(1).settings(change).start().await
}

fn status(status: u16, code: &str) -> Fault {
    Fault::Status { status, body: FaultBody::Json(json!({"error": {"code": code}})), headers: [].into() }
}

/// The next file is made with this address to upload to.
fn upload_to(gateway: &Gateway, url: &str) {
    let made = json!({"file_id": "file_made_up", "upload_url": url}).to_string();
    let steps =
        vec![ScriptStep::Header("content-type".into(), "application/json".into()), ScriptStep::Send(made.into())];
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Script(steps)).on(CREATE).times(1));
}

#[tokio::test]
async fn a_file_is_made_uploaded_and_finished() {
    let gateway = Gateway::start().await;
    let data: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();
    // The file comes before the purpose: the order of fields is free.
    let body = form(&[
        ("file", Some("dir/Notes \u{e4}.txt"), Some("text/x-notes"), &data),
        ("purpose", None, None, b"vision"),
    ]);
    let answer = send(&gateway.client, &body).await;
    let file = answer.json();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{file}");
    let known = ["id", "object", "bytes", "created_at", "filename", "purpose", "status", "expires_at"];
    assert_eq!(members(&file), BTreeSet::from(known));
    let seen = gateway.codex.files();
    assert_eq!(seen.len(), 1);
    assert_eq!((&file["id"], &file["object"]), (&json!(seen[0].id), &json!("file")));
    assert_eq!((&file["bytes"], &file["filename"]), (&json!(300_000), &json!("Notes \u{e4}.txt")));
    assert_eq!((&file["purpose"], &file["status"]), (&json!("vision"), &json!("processed")));
    assert_eq!(file["expires_at"].as_u64().unwrap() - file["created_at"].as_u64().unwrap(), 24 * 60 * 60);
    assert_eq!(seen[0].sha256, Some(hex::encode(Sha256::digest(&data))));
    assert!(seen[0].ready && seen[0].polls > 1, "it was not ready at once");

    let made = calls(&gateway, "POST", CREATE);
    let wanted = json!({"file_name": "Notes \u{e4}.txt", "file_size": 300_000, "use_case": "codex"});
    assert_eq!(made[0].body, Some(wanted));
    assert_eq!(made[0].headers["content-type"], "application/json");
    assert!(made[1..].iter().all(|call| call.account == made[0].account && call.body == Some(json!({}))));
    let put = &calls(&gateway, "PUT", "/")[0];
    let sent: Vec<&str> = put.headers.keys().map(String::as_str).collect();
    assert_eq!(sent, ["content-length", "content-type", "host", "x-ms-blob-type"]);
    assert_eq!(put.headers["content-type"], "text/x-notes");

    let id = file["id"].as_str().unwrap();
    assert_eq!(gateway.client.get(&format!("/v1/files/{id}")).await.json(), file);
    let list = gateway.client.get("/v1/files").await.json();
    assert_eq!(list, json!({"object": "list", "data": [file], "first_id": id, "last_id": id, "has_more": false}));
    let rows = gateway.settled(3).await;
    let row = rows.iter().find(|row| ended(row).attempts.len() == 1).expect("one went upstream");
    assert_eq!((ended(row).outcome, tried(row).as_slice()), (Outcome::Succeeded, &[("served", None, None)][..]));
}

#[tokio::test]
async fn a_form_may_come_in_pieces_and_a_file_may_be_empty_or_nameless() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let body = form(&[("file", None, None, b""), ("purpose", None, None, b"user_data")]);
    let mut wire = Wire::connect(&gateway.client).await;
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\
         content-type: multipart/form-data; boundary=\"{BOUNDARY}\"\r\n\r\n",
        gateway.client.key
    );
    wire.send(head.as_bytes()).await;
    for piece in body.chunks(7) {
        wire.send(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        wire.send(piece).await;
        wire.send(b"\r\n").await;
    }
    wire.send(b"0\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((&answer.json()["filename"], &answer.json()["bytes"]), (&json!("upload"), &json!(0)));
    let put = &calls(&gateway, "PUT", "/")[0];
    assert_eq!(
        (put.headers["content-type"].as_str(), put.headers["content-length"].as_str()),
        ("application/octet-stream", "0")
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_told_and_nothing_is_made() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let good = a_file("a", "batch", b"x");
    let post = |headers: Vec<(&str, &str)>, body: &[u8]| gateway.client.request("POST", "/v1/files", &headers, body);
    let no_file = form(&[("purpose", None, None, b"batch")]);
    let no_purpose = form(&[("file", Some("a"), None, b"x")]);
    let extra = form(&[("file", Some("a"), None, b"x"), ("user", None, None, b"x")]);
    for (request, status, code, param) in [
        (post(vec![("content-type", &kind)], &no_file), 400, "invalid_request", json!("file")),
        (post(vec![("content-type", &kind)], &no_purpose), 400, "invalid_request", json!("purpose")),
        (post(vec![("content-type", &kind)], &a_file("a", "evals", b"x")), 400, "invalid_request", json!("purpose")),
        (post(vec![("content-type", &kind)], &extra), 400, "unsupported_parameter", json!("user")),
        (post(vec![("content-type", &kind)], &good[..good.len() - 5]), 400, "invalid_request", Value::Null),
        (post(vec![("content-type", &kind)], b""), 400, "invalid_request", Value::Null),
        (post(vec![("content-type", "multipart/form-data")], &good), 400, "invalid_request", Value::Null),
        (post(vec![("content-type", "application/json")], b"{}"), 415, "unsupported_media_type", Value::Null),
        (post(vec![], &good), 415, "unsupported_media_type", Value::Null),
        (
            post(vec![("content-type", &kind), ("content-encoding", "gzip")], &good),
            415,
            "unsupported_media_type",
            Value::Null,
        ),
        (
            post(vec![("content-type", &kind), ("content-encoding", "br")], &good),
            415,
            "unsupported_content_encoding",
            Value::Null,
        ),
    ] {
        let answer = gateway.client.send(request).await;
        assert_eq!(refusal(&answer), (status, code.to_owned(), param), "{}", answer.text());
    }
    let compressed =
        gateway.client.send(post(vec![("content-type", &kind), ("content-encoding", "gzip")], &good)).await;
    assert_eq!(compressed.error()["message"], "compressed multipart/form-data request bodies are not supported");
    assert!(calls(&gateway, "POST", CREATE).is_empty());
    assert_eq!(gateway.client.get("/v1/files").await.json()["data"], json!([]));
    assert!(gateway.settled(13).await.iter().skip(1).all(|row| ended(row).outcome == Outcome::Rejected));
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_as_it_comes() {
    const LIMIT: usize = 100_000;
    let gateway = with(|settings| settings.files.max_size = LIMIT).await;
    assert_eq!(send(&gateway.client, &a_file("a", "batch", &vec![7; LIMIT])).await.status, 200);
    let limit = (400, "invalid_request".to_owned(), json!("file_size"));
    let over = send(&gateway.client, &a_file("a", "batch", &vec![7; LIMIT + 1])).await;
    assert_eq!(refusal(&over), limit);
    assert_eq!(over.error()["message"], "file_size exceeds the supported limit");
    // A promise is enough.
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 26214400\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        gateway.client.key
    );
    assert_eq!(refusal(&gateway.client.send(head.into_bytes()).await), limit);
    assert_eq!(gateway.codex.files().len(), 1);
}

#[tokio::test]
async fn a_refused_create_goes_to_the_next_account_and_all_later_steps_to_that_one() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, status(500, "boom")).on(CREATE).times(1));
    upload(&gateway.client, "a", "batch").await;
    let made = calls(&gateway, "POST", CREATE);
    assert_ne!(made[0].account, made[1].account);
    assert!(made[2..].iter().all(|call| call.account == made[1].account));
    let rows = gateway.settled(1).await;
    assert_eq!(tried(&rows[0]), [("refused", Some(500), Some("boom")), ("served", None, None)]);
}

#[tokio::test]
async fn a_create_that_no_account_takes_is_told_with_the_upstreams_status() {
    let failed = "upstream_file_bridge_failed";
    for (fault, status, code) in [
        (status(400, "no"), 400, failed),
        (status(404, "no"), 502, failed),
        (status(413, "no"), 413, failed),
        (status(429, "slow_down"), 429, failed),
        (status(500, "no"), 500, failed),
        (status(401, "no"), 503, "no_eligible_backend"),
        (status(403, "no"), 503, "no_eligible_backend"),
        (Fault::HangUp { reset: false }, 502, "upstream_request_failed"),
        (Fault::InvalidJson200, 502, "invalid_upstream_response"),
    ] {
        let gateway = Gateway::builder().accounts(1).start().await;
        gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).on(CREATE));
        let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
        assert_eq!(refusal(&answer), (status, code.to_owned(), Value::Null), "{fault:?}");
        if code == failed {
            assert_eq!(answer.error()["message"], "upstream file create failed");
        }
        assert_eq!(gateway.client.get("/v1/files").await.json()["data"], json!([]));
    }
}

#[tokio::test]
async fn an_address_to_upload_to_that_leads_inside_is_refused_and_leaves_no_file() {
    // Nothing is trusted here, not even the storage of the simulator.
    let gateway = with(|settings| settings.files.upload_origins.clear()).await;
    let storage = gateway.codex.upload_origin();
    for url in [
        &storage,
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://10.0.0.1/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://u:p@files.example/x",
        "https://files.example/a b",
        "http://files.example/x",
        "",
    ] {
        upload_to(&gateway, url);
        let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
        let wanted = (502, "upstream_file_bridge_invalid_response".to_owned(), Value::Null);
        assert_eq!(refusal(&answer), wanted, "{url}");
    }
    assert!(calls(&gateway, "PUT", "/").is_empty());
    assert_eq!(gateway.client.get("/v1/files").await.json()["data"], json!([]));
    let rows = gateway.settled(10).await;
    assert!(rows.iter().skip(1).all(|row| tried(row) == [("invalid", None, None)]));
}

/// A storage that answers each upload with these bytes, and how often it was asked.
async fn storage(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut read = [0; 4096];
            let _ = stream.read(&mut read).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (origin, asked)
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_file_is_known_as_failed() {
    let (origin, asked) = storage("HTTP/1.1 307 x\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
    let trusted = origin.parse().unwrap();
    let gateway = with(move |settings| settings.files.upload_origins.push(trusted)).await;
    upload_to(&gateway, &format!("{origin}/x"));
    let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
    assert_eq!(refusal(&answer), (502, "upstream_file_upload_failed".to_owned(), Value::Null));
    assert_eq!(answer.error()["message"], "upstream file upload failed");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let list = gateway.client.get("/v1/files").await.json();
    assert_eq!((&list["data"][0]["id"], &list["data"][0]["status"]), (&json!("file_made_up"), &json!("error")));
    assert_eq!(tried(&gateway.settled(2).await[1]), [("refused", None, None)]);
}

#[tokio::test]
async fn a_file_that_the_upstream_does_not_finish_is_known_as_failed() {
    let incomplete = "upstream_file_finalize_incomplete".to_owned();
    let no_link = Fault::FileStatus { status: "success".into(), message: None };
    let failed = Fault::FileStatus { status: "error".into(), message: Some("PROVIDER WORDS".into()) };
    for fault in [no_link, failed, Fault::FileRetries(u32::MAX)] {
        let gateway = with(|settings| settings.files.finalize_timeout = Duration::from_millis(600)).await;
        gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()));
        let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
        assert_eq!(refusal(&answer), (502, incomplete.clone(), Value::Null), "{fault:?}");
        assert!(!answer.text().contains("PROVIDER"));
        assert_eq!(gateway.client.get("/v1/files").await.json()["data"][0]["status"], "error");
    }
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, status(500, "no")).on("/backend-api/files/"));
    let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
    assert_eq!(refusal(&answer), (502, incomplete, Value::Null));
    let asked: BTreeSet<_> = calls(&gateway, "POST", CREATE).into_iter().map(|call| call.account).collect();
    assert_eq!(asked.len(), 1, "no other account knows the file");
}

#[tokio::test]
async fn a_token_that_is_refused_on_the_way_is_refreshed_once() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, status(401, "token_expired")).on("/backend-api/files/").times(1));
    upload(&gateway.client, "a", "batch").await;
    assert_eq!(calls(&gateway, "POST", "/oauth/token").len(), 1);
}

#[tokio::test]
async fn an_account_without_quota_still_takes_files() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let limit = Fault::UsageLimit { resets_in: Duration::from_secs(3600) };
    gateway.codex.inject(FaultSpec::new(Who::All, limit).times(1));
    assert_eq!(gateway.client.ask().await.refusal(), (429, "quota_exhausted".into()));
    assert_eq!(gateway.client.ask().await.refusal(), (429, "quota_exhausted".into()));
    upload(&gateway.client, "a", "batch").await;
}

#[tokio::test]
async fn an_account_whose_login_is_being_refreshed_takes_no_files() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let stores = gateway.running.state().stores();
    let account = stores.control.load().await.unwrap().accounts[0].id;
    let version = stores.tokens.read(account).await.unwrap().version;
    let actor = Actor::new("test", SystemClock.now());
    stores.tokens.set_state(account, version, AccountStatus::Refreshing, &actor).await.unwrap();
    gateway.running.reload().await;
    assert_eq!(gateway.client.ask().await.status, 200);
    let answer = send(&gateway.client, &a_file("a", "batch", b"x")).await;
    assert_eq!(refusal(&answer), (503, "no_eligible_backend".to_owned(), Value::Null));
}

#[tokio::test]
async fn files_belong_to_the_key_that_made_them() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let file = upload(&gateway.client, "a", "batch").await;
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    let other = gateway.client_with(&gateway.new_key("other", None).await);
    let missing = (404, "file_not_found".to_owned(), json!("file_id"));
    for (client, path) in [(&other, path.as_str()), (&gateway.client, "/v1/files/file_unknown")] {
        let content = format!("{path}/content");
        for answer in [client.get(path).await, client.get(&content).await, delete(client, path).await] {
            assert_eq!(refusal(&answer), missing, "{path}");
            assert_eq!(answer.error()["message"], "file was not found");
        }
    }
    let list = other.get("/v1/files").await.json();
    assert_eq!(list, json!({"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": false}));
    for answer in [gateway.client.get(&format!("{path}/content")).await, delete(&gateway.client, &path).await] {
        assert_eq!(refusal(&answer), (404, "unsupported_endpoint".to_owned(), Value::Null));
    }
    assert_eq!(gateway.client.get(&path).await.json(), file, "nothing was deleted");
}

#[tokio::test]
async fn the_list_has_pages_an_order_and_a_purpose() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut ids = Vec::new();
    for (name, purpose) in [("a", "batch"), ("b", "vision"), ("c", "batch")] {
        ids.push(upload(&gateway.client, name, purpose).await["id"].as_str().unwrap().to_owned());
    }
    let [a, b, c] = [&ids[0], &ids[1], &ids[2]];
    for (query, wanted, more) in [
        (String::new(), vec![c, b, a], false),
        ("?limit=2".into(), vec![c, b], true),
        (format!("?limit=2&after={b}"), vec![a], false),
        ("?order=asc&limit=1".into(), vec![a], true),
        ("?purpose=batch".into(), vec![c, a], false),
    ] {
        let list = gateway.client.get(&format!("/v1/files{query}")).await.json();
        let listed: Vec<&str> = list["data"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
        assert_eq!(listed, wanted, "{query}");
        let ends = (&list["first_id"], &list["last_id"], &list["has_more"]);
        assert_eq!(ends, (&json!(wanted[0]), &json!(wanted.last()), &json!(more)), "{query}");
    }
    for (query, code, param) in [
        ("limit=0", "invalid_request", "limit"),
        ("order=new", "invalid_request", "order"),
        ("after=file_unknown", "invalid_request", "after"),
        ("before=x", "unsupported_parameter", "before"),
    ] {
        let answer = gateway.client.get(&format!("/v1/files?{query}")).await;
        assert_eq!(refusal(&answer), (400, code.to_owned(), json!(param)), "{query}");
    }
}

#[tokio::test]
async fn a_file_is_gone_when_its_time_is_over_and_survives_a_restart_before() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let file = upload(&gateway.client, "a", "batch").await;
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    let Gateway { running, client, dir, codex } = gateway;
    running.drain().await;
    let running = Gateway::builder().run(&dir.path().join("data")).await;
    let again = Client { address: running.addresses()[0], key: client.key };
    assert_eq!(again.get(&path).await.json(), file);
    drop(codex);

    let gateway = with(|settings| settings.files.ttl = Duration::ZERO).await;
    let file = upload(&gateway.client, "a", "batch").await;
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(gateway.client.get(&path).await.refusal(), (404, "file_not_found".into()));
    assert_eq!(gateway.client.get("/v1/files").await.json()["data"], json!([]));
}

#[tokio::test]
async fn all_about_files_runs_in_a_bulkhead_of_its_own() {
    // One may wait, so that a look at the list cannot turn the upload away.
    let one = Admission { running: 1, queued: 1, wait: Duration::from_millis(300) };
    let gateway = with(move |settings| settings.limits.admission.files = one).await;
    let mut wire = Wire::connect(&gateway.client).await;
    let body = a_file("a", "batch", b"x");
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = gateway.client.request("POST", "/v1/files", &[("content-type", &kind)], &body);
    let (first, last) = request.split_at(request.len() - 10);
    wire.send(first).await;
    let arrived = || async { gateway.metrics().await.lines().any(|line| line == "codex_pooler_in_flight 1") };
    eventually("the upload is being served", arrived).await;
    let overloaded = || async { gateway.client.get("/v1/files").await.status == 503 };
    eventually("the upload has its place", overloaded).await;
    for answer in [gateway.client.get("/v1/files").await, send(&gateway.client, &body).await] {
        assert_eq!(answer.refusal(), (503, "server_is_overloaded".into()));
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(gateway.client.ask().await.status, 200, "others are served");
    wire.send(last).await;
    assert_eq!(wire.answer().await.status, 200);
}

#[tokio::test]
async fn a_file_whose_client_leaves_is_never_listed() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::FileRetries(u32::MAX)));
    let mut wire = Wire::connect(&gateway.client).await;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let body = a_file("a", "batch", b"x");
    wire.send(&gateway.client.request("POST", "/v1/files", &[("content-type", &kind)], &body)).await;
    let asked = || async { gateway.codex.files().first().is_some_and(|file| file.polls > 0) };
    eventually("the upstream was asked how far it is", asked).await;
    drop(wire);
    let rows = gateway.settled(1).await;
    assert_eq!(ended(&rows[0]).outcome, Outcome::Cancelled);
    let id = gateway.codex.files()[0].id.clone();
    assert_eq!(gateway.client.get("/v1/files").await.json()["data"], json!([]));
    assert_eq!(gateway.client.get(&format!("/v1/files/{id}")).await.refusal(), (404, "file_not_found".into()));
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_and_the_storage_at_every_step() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let trusted = origin.parse().unwrap();
    let gateway = with(move |settings| {
        settings.limits.admission.files = Admission { running: 1, queued: 1, wait: Duration::from_secs(60) };
        settings.files.upload_origins.push(trusted);
    })
    .await;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let request =
        gateway.client.request("POST", "/v1/files", &[("content-type", &kind)], &a_file("a", "batch", &[7; 100_000]));

    // In the middle of its body.
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&request[..request.len() - 10]).await;
    drop(wire);
    gateway.settled(1).await;

    // While the upstream makes the file.
    let hang = vec![ScriptStep::Header("content-type".into(), "application/json".into()), ScriptStep::Hang];
    let hang = FaultSpec::new(Who::All, Fault::Script(hang)).on(CREATE);
    let hang = gateway.codex.inject(hang);
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&request).await;
    eventually("the upstream is asked", || async { gateway.codex.fault_hits(hang) == 1 }).await;
    drop(wire);
    gateway.settled(2).await;
    gateway.codex.clear_faults();

    // While its bytes are uploaded.
    upload_to(&gateway, &format!("{origin}/x"));
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&request).await;
    let (mut storage, _) = listener.accept().await.unwrap();
    let mut seen = vec![0; 7];
    storage.read_exact(&mut seen).await.unwrap();
    drop(wire);
    let _ = storage.read_to_end(&mut seen).await;
    assert!(seen.starts_with(b"PUT /x "));
    let rows = gateway.settled(3).await;
    let outcomes: Vec<_> = rows.iter().map(|row| (ended(row).outcome, tried(row))).collect();
    let left = (Outcome::Cancelled, vec![("cancelled", None, None)]);
    assert_eq!(outcomes, [left.clone(), left, (Outcome::Rejected, vec![])]);
    upload(&gateway.client, "a", "batch").await;
}
