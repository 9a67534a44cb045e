//! Files: promised, uploaded to the other origin, finished, named in requests.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::super::{Fault, FaultSpec, Preset, Simulator, Who};
use super::client::{Answer, bearer, call, post, read, request, turn};
use super::simulator;

const BLOB: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

async fn create(simulator: &Simulator, account: usize, size: usize) -> (String, String) {
    let order = json!({"file_name": "notes.txt", "file_size": size, "use_case": "codex"});
    let answer = call(simulator, account, "/backend-api/files", &order).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = |key: &str| answer.json()[key].as_str().unwrap().to_owned();
    (text("file_id"), text("upload_url"))
}

async fn uploaded(simulator: &Simulator, account: usize, id: &str) -> Answer {
    call(simulator, account, &format!("/backend-api/files/{id}/uploaded"), &json!({})).await
}

/// Address and path of an upload URL.
fn place<'a>(simulator: &Simulator, url: &'a str) -> (SocketAddr, &'a str) {
    let origin = simulator.upload_origin();
    (origin.strip_prefix("http://").unwrap().parse().unwrap(), url.strip_prefix(&origin).expect("the upload origin"))
}

async fn put(simulator: &Simulator, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (address, path) = place(simulator, url);
    request(address, "PUT", path, headers, body).await
}

/// Name, URL, headers, body, and the status that is due.
type Case<'a> = (&'a str, String, Vec<(&'a str, &'a str)>, &'a [u8], u16);

/// A file that is ready.
async fn ready(simulator: &Simulator, account: usize) -> String {
    let (id, url) = create(simulator, account, 5).await;
    assert_eq!(put(simulator, &url, &[BLOB], b"hello").await.status, 201);
    uploaded(simulator, account, &id).await;
    assert_eq!(uploaded(simulator, account, &id).await.json()["status"], "success");
    id
}

#[tokio::test]
async fn takes_a_file_in_three_steps_and_keeps_only_its_length_and_hash() {
    let simulator = simulator().await;
    assert_ne!(simulator.upload_origin(), simulator.origin());
    let (id, url) = create(&simulator, 0, 5).await;
    assert_eq!(uploaded(&simulator, 0, &id).await.json(), json!({"status": "retry"}));
    assert_eq!(uploaded(&simulator, 0, &id).await.json(), json!({"status": "retry"}), "nothing came yet");
    assert_eq!(put(&simulator, &url, &[BLOB, ("content-type", "text/plain")], b"hello").await.status, 201);
    let done = uploaded(&simulator, 0, &id).await.json();
    assert_eq!((&done["status"], &done["file_name"]), (&json!("success"), &json!("notes.txt")));
    assert_eq!(done["mime_type"], "text/plain");
    assert!(done["download_url"].as_str().unwrap().starts_with(&simulator.upload_origin()));
    let seen = simulator.files().pop().unwrap();
    assert_eq!((seen.id, seen.account, seen.uploaded, seen.polls, seen.ready), (id, 0, Some(5), 3, true));
    assert_eq!(seen.sha256.unwrap(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let puts: Vec<_> = simulator.requests().into_iter().filter(|one| one.method == "PUT").collect();
    assert_eq!((puts.len(), puts[0].query.as_deref(), puts[0].body_bytes), (1, Some("[present]"), 5));
    assert_eq!(put(&simulator, &url, &[BLOB], b"other").await.status, 409);
}

#[tokio::test]
async fn is_not_ready_for_as_many_questions_as_ordered() {
    let simulator = simulator().await;
    let (id, url) = create(&simulator, 0, 0).await;
    put(&simulator, &url, &[BLOB], b"").await;
    simulator.fault(Who::All, Fault::FileRetries(3));
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(uploaded(&simulator, 0, &id).await.json()["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(said, ["retry", "retry", "retry", "success"]);
    let (id, url) = create(&simulator, 1, 1).await;
    put(&simulator, &url, &[BLOB], b"x").await;
    simulator.clear_faults();
    let status = Fault::FileStatus { status: "error".into(), message: Some("virus".into()) };
    simulator.inject(FaultSpec::new(Who::Account(1), status).times(1));
    assert_eq!(uploaded(&simulator, 1, &id).await.json(), json!({"status": "error", "error_message": "virus"}));
    assert_eq!(uploaded(&simulator, 1, &id).await.json()["status"], "success");
}

#[tokio::test]
async fn refuses_uploads_that_are_not_exactly_as_promised() {
    let simulator = simulator().await;
    let (id, url) = create(&simulator, 0, 5).await;
    let other = create(&simulator, 0, 5).await.0;
    let turned: String =
        url.chars().rev().collect::<String>().replacen(|c: char| c != 'x', "x", 1).chars().rev().collect();
    let token = bearer(&simulator.accounts()[0]);
    let cases: [Case<'_>; 11] = [
        ("no blob type", url.clone(), vec![], b"hello", 400),
        ("another blob type", url.clone(), vec![("x-ms-blob-type", "PageBlob")], b"hello", 400),
        ("a bearer", url.clone(), vec![BLOB, ("authorization", &token)], b"hello", 400),
        ("a cookie", url.clone(), vec![BLOB, ("cookie", "a=b")], b"hello", 400),
        ("an account", url.clone(), vec![BLOB, ("chatgpt-account-id", "x")], b"hello", 400),
        ("too short", url.clone(), vec![BLOB], b"hell", 400),
        ("too long", url.clone(), vec![BLOB], b"hello!", 400),
        ("signature of another file", url.replace(&id, &other), vec![BLOB], b"hello", 403),
        ("changed signature", turned, vec![BLOB], b"hello", 403),
        ("no signature", url.split('?').next().unwrap().to_owned(), vec![BLOB], b"hello", 403),
        ("another path", format!("{}/x", simulator.upload_origin()), vec![BLOB], b"hello", 404),
    ];
    for (name, url, headers, body, status) in cases {
        let answer = put(&simulator, &url, &headers, body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let (address, path) = place(&simulator, &url);
    assert_eq!(request(address, "GET", path, &[], b"").await.status, 405);
    let head =
        format!("PUT {path} HTTP/1.1\r\nhost: x\r\nx-ms-blob-type: BlockBlob\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}5\r\nhello\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(read(stream).await.unwrap().status, 411);
    assert_eq!(uploaded(&simulator, 0, &id).await.json(), json!({"status": "retry"}));
    assert_eq!(put(&simulator, &url, &[BLOB], b"hello").await.status, 201);
}

#[tokio::test]
async fn refuses_orders_of_files_that_it_does_not_understand() {
    let simulator = simulator().await;
    let good = json!({"file_name": "a", "file_size": 1, "use_case": "codex"});
    let with = |key: &str, value: Value| {
        let mut order = good.clone();
        order[key] = value;
        order
    };
    let rows = [
        (with("use_case", json!("other")), 400),
        (with("use_case", Value::Null), 400),
        (with("file_size", json!("1")), 400),
        (with("file_size", json!(-1)), 400),
        (with("file_size", json!((512 << 20) + 1)), 413),
        (with("file_size", json!(512 << 20)), 200),
        (with("file_name", json!("")), 400),
        (with("purpose", json!("vision")), 400),
        (json!({"file_name": "a", "file_size": 1}), 400),
    ];
    for (order, status) in rows {
        let answer = call(&simulator, 0, "/backend-api/files", &order).await;
        assert_eq!(answer.status, status, "{order}: {}", answer.text());
    }
    assert_eq!(request(simulator.address(), "POST", "/backend-api/files", &[], b"{}").await.status, 401);
    assert_eq!(request(simulator.address(), "GET", "/backend-api/files/x/uploaded", &[], b"").await.status, 405);
    let (id, _) = create(&simulator, 0, 1).await;
    let path = format!("/backend-api/files/{id}/uploaded");
    assert_eq!(call(&simulator, 0, &path, &json!({"x": 1})).await.status, 400);
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unavailable)).on("/backend-api/files"));
    assert_eq!(call(&simulator, 0, "/backend-api/files", &good).await.status, 503);
    assert_eq!(uploaded(&simulator, 0, &id).await.status, 503);
}

#[tokio::test]
async fn binds_a_file_to_its_account() {
    let simulator = simulator().await;
    let id = ready(&simulator, 0).await;
    assert_eq!(uploaded(&simulator, 1, &id).await.status, 404);
    let parts = [
        json!({"type": "input_file", "file_id": id}),
        json!({"type": "input_image", "file_id": id, "detail": "auto"}),
        json!({"type": "input_image", "image_url": format!("sediment://{id}")}),
    ];
    for part in parts {
        let mut body = turn("hello");
        body["input"][0]["content"].as_array_mut().unwrap().push(part);
        assert_eq!(post(&simulator, 0, &body).await.status, 200, "{body}");
        let foreign = post(&simulator, 1, &body).await;
        assert_eq!((foreign.status, foreign.error_code()), (404, json!("file_not_found")), "{body}");
    }
    let (id, _) = create(&simulator, 0, 1).await;
    let mut body = turn("hello");
    body["input"][0]["content"][0] = json!({"type": "input_file", "file_id": id});
    assert_eq!(post(&simulator, 0, &body).await.status, 404, "not finished");
}

#[tokio::test]
async fn shows_files_and_the_upload_origin_at_the_control_endpoint() {
    let simulator = simulator().await;
    let id = ready(&simulator, 2).await;
    let control: SocketAddr = simulator.control_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let files = request(control, "GET", "/files", &[], b"").await.json();
    assert_eq!((&files["files"][0]["id"], &files["files"][0]["account"]), (&json!(id), &json!("sim-2")));
    let state = request(control, "GET", "/state", &[], b"").await.json();
    assert_eq!(state["upload_origin"], simulator.upload_origin());
}
