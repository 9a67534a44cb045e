//! Peers that are slow, byte by byte, or stop without saying so: each has an end that the gateway sets, and holds nothing afterwards.

use std::time::{Duration, Instant};

use codex_pooler::config::{Admission, Settings};
use codex_pooler::simulator::{Fault, FaultBody, FaultSpec, Who};
use codex_pooler::store::records::Outcome;
use serde_json::json;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::bodies::{Wire, gzip, head, told};
use crate::failover::{ended, tried};
use crate::files::{BOUNDARY, a_file, upload};
use crate::smuggling::origin::events;
use crate::support::socket::{create, frame, handshake};
use crate::support::upstream::{Act, Upstream, good};
use crate::support::{Gateway, PATIENCE, codex, eventually};

/// What the gateway allows in these tests.
const SPAN: Duration = Duration::from_millis(800);
/// A pause within that: no deadline for one piece alone would ever be met.
const PAUSE: Duration = Duration::from_millis(40);

async fn gateway(change: impl FnOnce(&mut Settings) + 'static) -> Gateway {
    let both = move |settings: &mut Settings| {
        (settings.limits.head_timeout, settings.limits.body_idle_timeout) = (SPAN, SPAN);
        settings.gateway.write_timeout = SPAN;
        change(settings);
    };
    Gateway::builder().accounts(1).settings(both).start().await
}

/// Sends the bytes one by one with pauses, until they are over or the gateway has hung up.
async fn dribble(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends `first` at once and `rest` slowly, and reads the answer meanwhile: it must be a 408, and soon.
async fn assert_told_in_time(gateway: &Gateway, first: &[u8], rest: &[u8], code: &str) {
    let since = Instant::now();
    let stream = TcpStream::connect(gateway.client.address).await.unwrap().into_std().unwrap();
    let other = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let (mut writing, mut wire) = (TcpStream::from_std(stream).unwrap(), Wire::over(other));
    writing.write_all(first).await.unwrap();
    let answer = tokio::select! {
        answer = wire.answer() => answer,
        () = async { dribble(&mut writing, rest).await; std::future::pending().await } => unreachable!(),
    };
    assert_eq!((answer.status, told(&answer).1.as_str()), (408, code), "{}", String::from_utf8_lossy(first));
    assert!(since.elapsed() < 5 * SPAN, "{:?}", since.elapsed());
    wire.assert_closes().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_one_time_for_all() {
    let gateway = gateway(|_| ()).await;
    let request = gateway.client.request("GET", "/v1/models", &[("x-long", &"y".repeat(1000))], b"");
    assert_told_in_time(&gateway, b"", &request, "request_timeout").await;
    assert_told_in_time(&gateway, &request[..100], &request[100..], "request_timeout").await;
    // Behind another request the time begins with the first byte.
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&gateway.client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(wire.answer().await.status, 404);
    tokio::time::sleep(SPAN + PAUSE).await;
    wire.send(&gateway.client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(wire.answer().await.status, 404);
    drop(wire);
    gateway.released().await;
    assert!(gateway.ledger().await.is_empty());
}

#[tokio::test]
async fn empty_lines_do_not_keep_a_connection_open() {
    let change = |settings: &mut Settings| settings.gateway.keep_alive = SPAN;
    let gateway = gateway(change).await;
    let mut stream = TcpStream::connect(gateway.client.address).await.unwrap();
    stream.write_all(&gateway.client.request("GET", "/nowhere", &[], b"")).await.unwrap();
    let since = Instant::now();
    let idle = async {
        loop {
            if stream.write_all(b"\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.expect("the gateway hangs up");
    assert!(since.elapsed() < 8 * SPAN, "{:?}", since.elapsed());
    gateway.released().await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_ends_about_when_silence_would() {
    let gateway = gateway(|_| ()).await;
    for (lines, begun, code) in [
        ("content-length: 5000", &b""[..], "request_timeout"),
        ("content-length: 5000", b"{\"model\":\"gpt-5.5\",", "request_timeout"),
        ("transfer-encoding: chunked", b"", "request_timeout"),
        ("transfer-encoding: chunked", b"1000\r\n", "request_timeout"),
        ("transfer-encoding: chunked", b"2\r\n{}\r\n0\r\n", "request_timeout"),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 5000", b"", "request_timeout"),
    ] {
        let first = [head(&gateway.client, lines), begun.to_vec()].concat();
        let rest = if begun.is_empty() && lines.contains("chunked") {
            [&b"1;"[..], &[b'y'; 1000]].concat()
        } else {
            vec![b'y'; 1000]
        };
        assert_told_in_time(&gateway, &first, &rest, code).await;
    }
    gateway.released().await;
    let rows = gateway.settled(6).await;
    assert!(rows.iter().all(|row| ended(row).status == 408 && ended(row).attempts.is_empty()));
    // Without a rate each byte is enough.
    let patient = self::gateway(|settings| settings.limits.body_min_rate = 0).await;
    let body = br#"{"model":"gpt-5.5","input":"Say hello"}"#;
    let request = patient.client.request("POST", "/v1/responses", &[("content-type", "application/json")], body);
    let mut stream = TcpStream::connect(patient.client.address).await.unwrap();
    let (fast, slow) = request.split_at(request.len() - 20);
    stream.write_all(fast).await.unwrap();
    dribble(&mut stream, slow).await;
    assert_eq!(Wire::over(stream).answer().await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_is_slow_as_any_other() {
    let gateway = gateway(|_| ()).await;
    let packed = gzip(br#"{"model":"gpt-5.5","input":"Say hello"}"#);
    let lines = format!("content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}", packed.len());
    assert_told_in_time(&gateway, &head(&gateway.client, &lines), &packed, "request_timeout").await;
    gateway.released().await;
}

#[tokio::test]
async fn slow_forms_do_not_keep_a_class_full() {
    let change = |settings: &mut Settings| {
        settings.limits.admission.files = Admission { running: 2, queued: 2, wait: PATIENCE };
    };
    let gateway = gateway(change).await;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let form = a_file("a", "batch", &[b'y'; 2000]);
    let request = gateway.client.request("POST", "/v1/files", &[("content-type", &kind)], &form);
    let body = request.len() - form.len();
    let slow = || assert_told_in_time(&gateway, &request[..body + 100], &request[body + 100..], "request_timeout");
    let served = async {
        let full = || async {
            crate::support::gateway::gauge(
                &gateway.metrics().await,
                "codex_pooler_admission{class=\"files\",state=\"running\"}",
            ) == 2
        };
        eventually("the class is full", full).await;
        upload(&gateway.client, "b", "batch").await;
    };
    tokio::join!(slow(), slow(), served);
    gateway.released().await;
    gateway.settled(3).await;
}

#[tokio::test]
async fn a_storage_that_takes_a_file_slowly_has_one_time_for_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let trusted = origin.parse().unwrap();
    let gateway = gateway(move |settings| {
        (settings.files.upload_timeout, settings.limits.body_idle_timeout) = (SPAN, PATIENCE);
        settings.files.upload_origins.push(trusted);
    })
    .await;
    let made = json!({"file_id": "file_slow", "upload_url": format!("{origin}/x")});
    let made = Fault::Status { status: 200, body: FaultBody::Json(made), headers: [].into() };
    gateway.codex.inject(FaultSpec::new(Who::All, made).on("/backend-api/files"));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let form = a_file("a", "batch", &vec![b'y'; 20 << 20]);
    let request = gateway.client.request("POST", "/v1/files", &[("content-type", &kind)], &form);
    let since = Instant::now();
    let storage = async {
        let (stream, _) = listener.accept().await.unwrap();
        SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        Wire::over(stream).sip(1, PAUSE).await
    };
    let answer = tokio::select! {
        answer = gateway.client.send(request) => answer,
        _ = storage => panic!("it still has bytes to take"),
    };
    assert_eq!(answer.refusal(), (502, "upstream_file_upload_failed".into()));
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
    gateway.released().await;
    assert_eq!(tried(&gateway.settled(1).await[0]), [("timed_out", None, None)]);
}

/// A connection whose buffer takes next to nothing.
async fn narrow(gateway: &Gateway) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(gateway.client.address).await.unwrap()
}

#[tokio::test]
async fn a_client_that_reads_a_byte_at_a_time_or_nothing_is_given_up() {
    for (stream, reads) in [(true, true), (true, false), (false, true), (false, false)] {
        let gateway = gateway(|settings| settings.gateway.write_min_rate = 64 << 10).await;
        // More than any buffer on the way takes, also when it is collected.
        codex::sse(Who::All, &gateway.codex, events(&"y".repeat(7 << 20)));
        let body = json!({"model": "gpt-5.5", "input": "Say much", "stream": stream}).to_string();
        let mut wire = Wire::over(narrow(&gateway).await);
        wire.send(&gateway.client.request("POST", "/v1/responses", &[], body.as_bytes())).await;
        let since = Instant::now();
        let settled = gateway.settled(1);
        let rows = if reads {
            tokio::select! { rows = settled => rows, _ = wire.sip(1, PAUSE / 4) => gateway.settled(1).await }
        } else {
            settled.await
        };
        assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
        assert_eq!((ended(&rows[0]).outcome, ended(&rows[0]).status), (Outcome::Cancelled, 200), "{stream} {reads}");
        assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "the upstream still works for nobody");
        gateway.released().await;
        drop(wire);
    }
}

#[tokio::test]
async fn a_websocket_that_is_read_a_byte_at_a_time_is_given_up() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        let big = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": "x".repeat(1 << 20)});
        for _ in 0..32 {
            acts.insert(3, Act::Event(big.clone()));
        }
        acts
    })
    .await;
    let change = |settings: &mut Settings| {
        (settings.gateway.write_timeout, settings.gateway.write_min_rate) = (SPAN, 64 << 10);
    };
    let gateway = Gateway::builder().origin(&upstream.origin()).settings(change).start().await;
    let mut wire = Wire::over(narrow(&gateway).await);
    wire.send(&handshake(&gateway.client, &[])).await;
    assert_eq!(wire.head().await.status, 101);
    wire.send(&frame(0x81, create("Say much").to_string().as_bytes())).await;
    let rows =
        tokio::select! { rows = gateway.settled(1) => rows, _ = wire.sip(1, PAUSE / 4) => gateway.settled(1).await };
    assert_eq!(ended(&rows[0]).outcome, Outcome::Cancelled);
    gateway.released().await;
    eventually("the line is closed", || async { upstream.open() == 0 }).await;
}
