//! Bodies as they come over the wire: codings, caps, pauses, framing. Row by row of docs/v1.md, Body errors.

use std::io::Write as _;
use std::time::Duration;

use codex_pooler::config::{Limits, Settings};
use codex_pooler::simulator::{Fault, FaultSpec, Who};
use codex_pooler::store::records::Outcome;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::{Answer, Client};
use crate::support::{Gateway, PATIENCE};

const ASK: &[u8] = br#"{"model":"gpt-5.5","input":"Say hello"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

/// A connection on which a test sends what it wants, when it wants.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) async fn connect(client: &Client) -> Self {
        let stream = TcpStream::connect(client.address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream))
    }

    /// On a connection that is there already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.expect("the gateway reads");
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        self.0.get_mut().shutdown().await.expect("an open connection");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a line in time");
        assert!(read.expect("a line") > 0, "the connection was closed");
        line.trim_end().to_owned()
    }

    /// The next head, without its body.
    pub(crate) async fn head(&mut self) -> Answer {
        let status = self.line().await.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line().await.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// The next answer with its body, whose length stands in the head.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").and_then(|v| v.parse().ok()).expect("a length");
        answer.body = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut answer.body)).await.expect("a body in time").expect("the whole body");
        answer
    }

    /// Takes bytes as they come: so many at once, after each pause, until the connection ends.
    pub(crate) async fn sip(&mut self, bytes: usize, pause: Duration) -> usize {
        let (mut taken, mut sip) = (0, vec![0; bytes]);
        // Past the buffer: what it took at once is no slow reading.
        while let Ok(read @ 1..) = self.0.get_mut().read(&mut sip).await {
            taken += read;
            tokio::time::sleep(pause).await;
        }
        taken
    }

    /// Waits until the gateway closes the connection; nothing more may come before.
    pub(crate) async fn assert_closes(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the gateway closes");
        assert!(end.is_err() || rest.is_empty(), "more than one answer: {}", String::from_utf8_lossy(&rest));
    }
}

/// The head of `POST /v1/responses` with these further lines.
pub(crate) fn head(client: &Client, lines: &str) -> Vec<u8> {
    let (address, key) = (client.address, &client.key);
    format!("POST /v1/responses HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n{lines}\r\n\r\n").into()
}

async fn post(client: &Client, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client.send(client.request("POST", "/v1/responses", headers, body)).await
}

pub(crate) async fn post_coded(client: &Client, coding: &str, body: &[u8]) -> Answer {
    post(client, &[JSON, ("content-encoding", coding)], body).await
}

/// The whole error as `(status, code, message)`; its type and its parameter are the same for all bodies.
pub(crate) fn told(answer: &Answer) -> (u16, String, String) {
    let error = answer.error();
    assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &Value::Null), "{error}");
    let text = |key: &str| error[key].as_str().expect("a text").to_owned();
    (answer.status, text("code"), text("message"))
}

fn assert_told(answer: &Answer, status: u16, code: &str, message: &str, what: &str) {
    assert_eq!(told(answer), (status, code.to_owned(), message.to_owned()), "{what}");
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

fn zstd_with_window(bytes: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    encoder.window_log(log).expect("a valid window");
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

/// A request whose prompt is so long that its body has this many bytes.
fn ask_of(length: usize) -> Vec<u8> {
    let body = |prompt: &str| format!(r#"{{"model":"gpt-5.5","input":"{prompt}"}}"#);
    body(&"x".repeat(length - body("").len())).into_bytes()
}

/// The same with a prompt that cannot be compressed well.
fn noisy_ask(words: u64) -> Vec<u8> {
    let noise = |n: u64| format!("{:016x}", n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
    let prompt: String = (0..words).map(noise).collect();
    json!({"model": "gpt-5.5", "input": prompt}).to_string().into_bytes()
}

/// A body in chunks of the HTTP framing.
pub(crate) fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

async fn limited(change: impl Fn(&mut Limits) + 'static) -> Gateway {
    Gateway::builder().accounts(1).settings(move |settings| change(&mut settings.limits)).start().await
}

#[tokio::test]
async fn a_compressed_request_reaches_the_upstream_as_what_it_was() {
    let gateway = limited(|_| ()).await;
    for (coding, body) in [
        ("gzip", gzip(ASK)),
        ("deflate", deflate(ASK)),
        ("zstd", zstd(ASK)),
        ("  GZip ", gzip(ASK)),
        ("identity", ASK.to_vec()),
        (" Identity", ASK.to_vec()),
        ("gzip", [gzip(&ASK[..9]), gzip(&ASK[9..])].concat()),
        ("zstd", zstd_with_window(ASK, 23)),
    ] {
        gateway.codex.forget_requests();
        let answer = post_coded(&gateway.client, coding, &body).await;
        assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
        let seen = &gateway.codex.requests()[0];
        let sent = seen.body.as_ref().expect("bodies are kept");
        assert_eq!(sent["input"][0]["content"][0]["text"], "Say hello", "{coding}");
        assert!(!seen.headers.contains_key("content-encoding"), "{coding}");
    }
}

#[tokio::test]
async fn any_json_media_type_may_be_compressed_and_no_other() {
    let gateway = limited(|_| ()).await;
    let of = |kind: &'static str| [("content-type", kind), ("content-encoding", "gzip")];
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"] {
        assert_eq!(post(&gateway.client, &of(kind), &gzip(ASK)).await.status, 200, "{kind}");
    }
    for kind in ["multipart/form-data", "text/plain", "application/octet-stream", "application/jsonl"] {
        let message = format!("compressed {kind} request bodies are not supported");
        let answer = post(&gateway.client, &of(kind), &gzip(ASK)).await;
        assert_told(&answer, 415, "unsupported_media_type", &message, kind);
    }
    let unnamed = post(&gateway.client, &[("content-encoding", "gzip")], &gzip(ASK)).await;
    assert_eq!(unnamed.refusal(), (415, "unsupported_media_type".into()));
}

#[tokio::test]
async fn an_unknown_coding_and_two_codings_are_refused() {
    let gateway = limited(|_| ()).await;
    let twice = [JSON, ("content-encoding", "gzip"), ("content-encoding", "identity")];
    for headers in [
        &[JSON, ("content-encoding", "br")][..],
        &[JSON, ("content-encoding", "compress")],
        &[JSON, ("content-encoding", "x-gzip2")],
        &[JSON, ("content-encoding", "gzip, gzip")],
        &[JSON, ("content-encoding", "gzip,identity")],
        &[("content-type", "text/plain"), ("content-encoding", "br")],
        &twice,
    ] {
        let answer = post(&gateway.client, headers, &gzip(ASK)).await;
        let code = "unsupported_content_encoding";
        assert_told(&answer, 415, code, "content encoding is not supported", &format!("{headers:?}"));
    }
}

#[tokio::test]
async fn a_corrupt_or_truncated_stream_is_refused() {
    let gateway = limited(|_| ()).await;
    let mut checks: Vec<(&str, Vec<u8>)> =
        vec![("gzip", ASK.to_vec()), ("deflate", ASK.to_vec()), ("zstd", ASK.to_vec())];
    checks.push(("gzip", [gzip(ASK), b"trailing".to_vec()].concat()));
    for (coding, whole) in [("gzip", gzip(ASK)), ("deflate", deflate(ASK)), ("zstd", zstd_with_window(ASK, 20))] {
        for cut in [1, 2, 4, whole.len() / 2, whole.len() - 1] {
            checks.push((coding, whole[..whole.len() - cut].to_vec()));
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x55;
        // What zstd makes without a checksum is not always recognised as damaged.
        checks.extend((coding != "zstd").then_some((coding, flipped)));
    }
    for (n, (coding, body)) in checks.iter().enumerate() {
        let answer = post_coded(&gateway.client, coding, body).await;
        let what = format!("{n}: {coding}, {} bytes", body.len());
        assert_told(&answer, 400, "invalid_request", "compressed request body is invalid", &what);
    }
}

#[tokio::test]
async fn what_a_compressed_body_holds_must_be_a_json_object() {
    let gateway = limited(|_| ()).await;
    for (text, message) in [
        (&b"{\"a\":"[..], "request body must be JSON"),
        (b"not json", "request body must be JSON"),
        (b"", "request body must be JSON"),
        (b"\xff\xfe", "request body must be JSON"),
        (b"[1]", "request body must be a JSON object"),
        (b"\"text\"", "request body must be a JSON object"),
        (b"null", "request body must be a JSON object"),
    ] {
        for (coding, body) in [("gzip", gzip(text)), ("deflate", deflate(text)), ("zstd", zstd(text))] {
            let answer = post_coded(&gateway.client, coding, &body).await;
            assert_told(&answer, 400, "invalid_request", message, &format!("{coding} {text:?}"));
        }
    }
}

#[tokio::test]
async fn a_plain_body_must_be_a_json_object() {
    let gateway = limited(|_| ()).await;
    for (body, message) in [
        (&b""[..], "request body must be valid JSON"),
        (b"{\"model\":", "request body must be valid JSON"),
        (b"{'model':'gpt-5.5'}", "request body must be valid JSON"),
        (b"{\"model\":\"gpt-5.5\",}", "request body must be valid JSON"),
        (b"{} {}", "request body must be valid JSON"),
        (b"{\"model\":\"\xff\"}", "request body must be valid JSON"),
        (b"{\"model\":NaN}", "request body must be valid JSON"),
        (b"--boundary\r\n", "request body must be valid JSON"),
        (b"[]", "request body must be an object"),
        (b" \"text\" ", "request body must be an object"),
        (b"7", "request body must be an object"),
        (b"null", "request body must be an object"),
    ] {
        for coding in [&[JSON][..], &[JSON, ("content-encoding", "identity")]] {
            let answer = post(&gateway.client, coding, body).await;
            assert_told(&answer, 400, "invalid_request", message, &String::from_utf8_lossy(body));
        }
    }
}

#[tokio::test]
async fn a_body_may_be_nested_128_deep_and_have_4096_keys() {
    let gateway = limited(|_| ()).await;
    let nested = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth - 2), "}".repeat(depth - 2));
        format!(r#"{{"model":"gpt-5.5","input":"hi","metadata":{{"a":{open}1{close}}}}}"#)
    };
    let keys = |count: usize| {
        let more: String = (1..count).map(|n| format!(",\"k{n}\":{n}")).collect();
        format!(r#"{{"model":"gpt-5.5"{more}}}"#)
    };
    let refused = |answer: &Answer| answer.refusal() == (400, "invalid_request".into());
    assert_eq!(post(&gateway.client, &[JSON], nested(128).as_bytes()).await.status, 200);
    assert!(refused(&post(&gateway.client, &[JSON], nested(129).as_bytes()).await));
    assert!(refused(&post(&gateway.client, &[JSON], "[".repeat(100_000).as_bytes()).await));
    // With so many keys only the unknown ones are at fault.
    assert_eq!(post(&gateway.client, &[JSON], keys(4096).as_bytes()).await.refusal().1, "unsupported_parameter");
    assert!(refused(&post(&gateway.client, &[JSON], keys(4097).as_bytes()).await));
    assert!(refused(&post_coded(&gateway.client, "gzip", &gzip(nested(129).as_bytes())).await));
    assert!(refused(&post_coded(&gateway.client, "zstd", &zstd(keys(4097).as_bytes())).await));
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused() {
    let gateway = limited(|_| ()).await;
    for body in
        [r#"{"model":"gpt-5.5","input":"a","model":"gpt-5.5"}"#, r#"{"model":"gpt-5.5","input":"a","inp\u0075t":"b"}"#]
    {
        let answer = post(&gateway.client, &[JSON], body.as_bytes()).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{body}");
    }
    assert!(gateway.codex.requests().iter().all(|seen| !seen.path.ends_with("/responses")));
}

#[tokio::test]
async fn a_plain_body_may_be_as_long_as_the_cap_and_no_longer() {
    const CAP: usize = 16 * 1024;
    let gateway = limited(|limits| limits.max_body = CAP).await;
    let client = &gateway.client;
    assert_eq!(post(client, &[JSON], &ask_of(CAP)).await.status, 200);
    let too_long = ask_of(CAP + 1);
    let refused = |answer: &Answer, what| {
        assert_told(answer, 413, "request_too_large", "request body is too large", what);
    };
    refused(&post(client, &[JSON], &too_long).await, "announced");
    refused(&client.send(head(client, "content-length: 99999999999")).await, "only announced");
    for (body, status) in [(&ask_of(CAP), 200), (&too_long, 413)] {
        let mut request = head(client, "transfer-encoding: chunked");
        request.extend(chunked(&body.chunks(1000).collect::<Vec<_>>()));
        assert_eq!(client.send(request).await.status, status, "in chunks");
    }
}

#[tokio::test]
async fn the_caps_of_a_compressed_body_are_told_apart() {
    let noisy = noisy_ask(2000);
    let (packed, length) = (gzip(&noisy).len(), noisy.len());
    for (max_compressed, max_body, expected) in [
        (packed + 1, length, None),
        (packed, length, Some(("compressed_request_too_large", "compressed request body is too large"))),
        (packed + 1, length - 1, Some(("decompressed_request_too_large", "decompressed request body is too large"))),
    ] {
        let gateway = limited(move |l| (l.max_compressed, l.max_body) = (max_compressed, max_body)).await;
        let client = &gateway.client;
        let mut in_chunks =
            head(client, "content-type: application/json\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked");
        in_chunks.extend(chunked(&gzip(&noisy).chunks(700).collect::<Vec<_>>()));
        for answer in [post_coded(client, "gzip", &gzip(&noisy)).await, client.send(in_chunks).await] {
            match expected {
                Some((code, message)) => assert_told(&answer, 413, code, message, code),
                None => assert_eq!(answer.status, 200, "{}", answer.text()),
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_refused_by_its_ratio() {
    let gateway = limited(|limits| limits.max_ratio = 20).await;
    let bomb = ask_of(4 << 20);
    for (coding, body) in [("gzip", gzip(&bomb)), ("deflate", deflate(&bomb)), ("zstd", zstd(&bomb))] {
        assert!(bomb.len() / body.len() > 200, "{coding} is no bomb");
        let answer = post_coded(&gateway.client, coding, &body).await;
        let message = "request body compression ratio is too large";
        assert_told(&answer, 413, "decompression_ratio_exceeded", message, coding);
    }
    let modest = noisy_ask(2000);
    assert_eq!(post_coded(&gateway.client, "gzip", &gzip(&modest)).await.status, 200);
}

#[tokio::test]
async fn a_zstd_window_over_8_mib_is_refused() {
    let gateway = limited(|_| ()).await;
    let answer = post_coded(&gateway.client, "zstd", &zstd_with_window(ASK, 24)).await;
    assert_eq!(answer.refusal(), (413, "decompressed_request_too_large".into()));
}

#[tokio::test]
async fn a_client_that_takes_neither_json_nor_events_is_refused() {
    let gateway = limited(|_| ()).await;
    for (accept, status) in [
        ("text/html", 406),
        ("image/png, application/json;q=0", 406),
        ("application/json", 200),
        ("text/event-stream", 200),
        ("text/html, */*;q=0.1", 200),
        ("application/*", 200),
    ] {
        let answer = post(&gateway.client, &[JSON, ("accept", accept)], ASK).await;
        assert_eq!(answer.status, status, "{accept}: {}", answer.text());
        if status == 406 {
            assert_eq!(answer.refusal(), (406, "not_acceptable".into()));
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_answered_with_408() {
    let gateway = limited(|limits| limits.head_timeout = Duration::from_millis(150)).await;
    for begun in ["", "POST /v1/resp", "POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthoriz"] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(begun.as_bytes()).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, told(&answer).1.as_str()), (408, "request_timeout"), "{begun:?}");
        assert!(answer.header("x-request-id").is_some(), "{begun:?}");
        wire.assert_closes().await;
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_after_another_request_is_answered_with_408() {
    let gateway = limited(|limits| limits.head_timeout = Duration::from_secs(1)).await;
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&gateway.client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(wire.answer().await.status, 404);
    wire.send(b"GET /nowh").await;
    assert_eq!(wire.answer().await.refusal(), (408, "request_timeout".into()));
    wire.assert_closes().await;
}

#[tokio::test]
async fn a_connection_that_idles_after_its_request_is_closed_without_an_answer() {
    let change = |settings: &mut Settings| settings.gateway.keep_alive = Duration::from_secs(1);
    let gateway = Gateway::builder().accounts(1).settings(change).start().await;
    let mut wire = Wire::connect(&gateway.client).await;
    wire.send(&gateway.client.request("GET", "/nowhere", &[], b"")).await;
    assert_eq!(wire.answer().await.status, 404);
    wire.assert_closes().await;
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_answered_with_408() {
    let gateway = limited(|limits| limits.body_idle_timeout = Duration::from_millis(150)).await;
    for (lines, begun) in [
        ("content-length: 100", ""),
        ("content-length: 100", "{\"model\""),
        ("transfer-encoding: chunked", ""),
        ("transfer-encoding: chunked", "3\r\n{\"m\r\n"),
        ("content-length: 100\r\nexpect: 100-continue", ""),
    ] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(&[head(&gateway.client, lines), begun.into()].concat()).await;
        if lines.contains("expect") {
            assert_eq!(wire.head().await.status, 100);
        }
        let answer = wire.answer().await;
        assert_eq!((answer.status, told(&answer).1.as_str()), (408, "request_timeout"), "{lines} {begun}");
        wire.assert_closes().await;
    }
    let rows = gateway.settled(5).await;
    assert!(rows.iter().all(|row| row.settled.as_ref().is_some_and(|s| s.status == 408)));
}

#[tokio::test]
async fn a_compressed_body_has_a_time_of_its_own() {
    let gateway = limited(|limits| limits.body_time = Duration::from_millis(150)).await;
    let coded = "content-type: application/json\r\ncontent-encoding: gzip";
    for lines in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(&head(&gateway.client, &format!("{coded}\r\n{lines}"))).await;
        let answer = wire.answer().await;
        assert_told(&answer, 408, "request_decompression_timeout", "request body decompression timed out", lines);
        wire.assert_closes().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_to_who_still_listens() {
    let gateway = limited(|_| ()).await;
    for (lines, body) in [
        ("content-length: 1000", ASK),
        ("transfer-encoding: chunked", b"5\r\n{\"mod\r\n"),
        ("transfer-encoding: chunked", b"nonsense\r\n{}\r\n0\r\n\r\n"),
    ] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(&[head(&gateway.client, lines), body.to_vec()].concat()).await;
        wire.finish().await;
        let answer = wire.answer().await;
        assert_told(&answer, 400, "invalid_request", "request body could not be read", lines);
        wire.assert_closes().await;
    }
}

#[tokio::test]
async fn a_client_that_expects_a_go_ahead_gets_it_before_it_sends() {
    let gateway = limited(|_| ()).await;
    for length in [format!("content-length: {}", ASK.len()), "transfer-encoding: chunked".to_owned()] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(&head(&gateway.client, &format!("expect: 100-continue\r\n{length}"))).await;
        assert_eq!(wire.head().await.status, 100, "{length}");
        wire.send(&if length.starts_with('c') { ASK.to_vec() } else { chunked(&[ASK]) }).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("completed")), "{length}");
    }
}

#[tokio::test]
async fn a_client_that_expects_a_go_ahead_is_refused_without_one() {
    let gateway = limited(|limits| limits.max_body = 1000).await;
    let stranger = gateway.client_with("");
    for (client, length, more, status) in [
        (&stranger, 10, "", 401),
        (&gateway.client, 1001, "", 413),
        (&gateway.client, 10, "\r\ncontent-encoding: br", 415),
        (&gateway.client, 10, "\r\naccept: text/html", 406),
    ] {
        let mut wire = Wire::connect(client).await;
        wire.send(&head(client, &format!("expect: 100-continue\r\ncontent-length: {length}{more}"))).await;
        assert_eq!(wire.head().await.status, status, "{more}");
    }
}

#[tokio::test]
async fn a_body_may_come_in_any_pieces() {
    let gateway = limited(|_| ()).await;
    let client = &gateway.client;
    let bytes: Vec<&[u8]> = ASK.chunks(1).collect();
    let coded = "content-type: application/json\r\ncontent-encoding: zstd\r\ntransfer-encoding: chunked";
    let packed = zstd(ASK);
    for request in [
        client.request("POST", "/v1/responses", &[JSON], ASK),
        [head(client, "transfer-encoding: chunked"), chunked(&bytes)].concat(),
        [head(client, "transfer-encoding: chunked"), chunked(&[&ASK[..7], &ASK[7..]])].concat(),
        [head(client, coded), chunked(&[&packed[..3], &packed[3..]])].concat(),
    ] {
        let mut wire = Wire::connect(client).await;
        for byte in request {
            wire.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(wire.answer().await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other_also_after_refusals() {
    let gateway = limited(|_| ()).await;
    let client = &gateway.client;
    let stranger = gateway.client_with("sk-cxp-000000000000-wrong");
    let mut wire = Wire::connect(client).await;
    for (who, path, body, status) in [
        (client, "/v1/responses", ASK, 200),
        (client, "/v1/responses", b"{broken", 400),
        (client, "/v1/responses", b"{\"model\":\"none\"}", 400),
        (client, "/v1/responses", ASK, 200),
        (&stranger, "/v1/models", b"", 404),
        (client, "/v1/embeddings", b"", 404),
        (client, "/nowhere", b"", 404),
        (client, "/v1/responses", ASK, 200),
    ] {
        if who.key.ends_with("wrong") {
            wire.send(&who.request("GET", path, &[], b"")).await;
            assert_eq!(wire.answer().await.status, 401);
            continue;
        }
        wire.send(&who.request("POST", path, &[JSON], body)).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("keep-alive")), "{path}");
    }
    gateway.settled(5).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_never_becomes_the_next_request() {
    let gateway = limited(|_| ()).await;
    let client = &gateway.client;
    let hidden = client.request("GET", "/v1/models", &[], b"");
    for (path, key, status) in
        [("/v1/embeddings", client.key.as_str(), 404), ("/v1/responses", "", 401), ("/nowhere", "", 404)]
    {
        let refused = gateway.client_with(key).request("POST", path, &[], &hidden);
        let mut wire = Wire::connect(client).await;
        wire.send(&refused).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, status, "{path}");
        if answer.header("connection") != Some("close") {
            wire.send(&client.request("POST", "/v1/responses", &[JSON], ASK)).await;
            assert_eq!(wire.answer().await.json()["object"], "response", "{path}");
            wire.finish().await;
        }
        wire.assert_closes().await;
    }
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_refused_body_gets_to_read_the_refusal() {
    let gateway = limited(|limits| limits.max_body = 1000).await;
    let body = ask_of(24 << 20);
    for client in [&gateway.client, &gateway.client_with("")] {
        let answer = post(client, &[JSON], &body).await;
        assert_eq!(answer.status, if client.key.is_empty() { 401 } else { 413 });
        answer.error();
    }
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_order() {
    let gateway = limited(|_| ()).await;
    let client = &gateway.client;
    let late = Fault::SlowFirstByte(Duration::from_millis(100));
    gateway.codex.inject(FaultSpec::new(Who::All, late).times(1));
    let mut wire = Wire::connect(client).await;
    let ask = client.request("POST", "/v1/responses", &[JSON], ASK);
    let broken = client.request("POST", "/v1/responses", &[JSON], b"{broken");
    wire.send(&[ask.clone(), client.request("GET", "/v1/models", &[], b""), broken, ask].concat()).await;
    for (status, object) in
        [(200, json!("response")), (200, json!("list")), (400, Value::Null), (200, json!("response"))]
    {
        let answer = wire.answer().await;
        assert_eq!((answer.status, &answer.json()["object"]), (status, &object));
    }
    gateway.settled(4).await;
}

#[tokio::test]
async fn bytes_past_the_announced_length_are_not_part_of_the_body() {
    let gateway = limited(|_| ()).await;
    let client = &gateway.client;
    let mut wire = Wire::connect(client).await;
    let lines = format!("content-length: {}", ASK.len());
    wire.send(&[head(client, &lines), ASK.to_vec(), b" and more\r\n\r\n".to_vec()].concat()).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(wire.answer().await.refusal(), (400, "invalid_request".into()));
    wire.assert_closes().await;
    let mut short = Wire::connect(client).await;
    short.send(&[head(client, "content-length: 12"), ASK.to_vec()].concat()).await;
    assert_told(&short.answer().await, 400, "invalid_request", "request body must be valid JSON", "cut");
}

#[tokio::test]
async fn a_length_that_is_none_or_two_is_refused() {
    let gateway = limited(|_| ()).await;
    for lines in [
        "content-length: x",
        "content-length: -1",
        "content-length: 39, 40",
        "content-length: 39\r\ncontent-length: 40",
        "content-length: 99999999999999999999999",
        "transfer-encoding: gzip",
    ] {
        let mut wire = Wire::connect(&gateway.client).await;
        wire.send(&[head(&gateway.client, lines), ASK.to_vec()].concat()).await;
        let answer = wire.answer().await;
        assert!((400..500).contains(&answer.status), "{lines}: {}", answer.status);
        wire.assert_closes().await;
    }
    assert_eq!(gateway.upstream_counts(), [0]);
}

#[tokio::test]
async fn a_refused_body_leaves_one_rejected_row_with_its_code() {
    let gateway = limited(|limits| limits.max_body = 1000).await;
    let client = &gateway.client;
    let mut expected = Vec::new();
    for (headers, body) in [
        (&[JSON][..], &b"{broken"[..]),
        (&[JSON], &ask_of(1001)),
        (&[JSON, ("content-encoding", "br")], ASK),
        (&[JSON, ("accept", "text/html")], ASK),
        (&[JSON, ("content-encoding", "gzip")], b"garbage"),
    ] {
        let answer = post(client, headers, body).await;
        let (status, code) = answer.refusal();
        expected.insert(0, (answer.header("x-request-id").unwrap().to_owned(), status, Outcome::Rejected, Some(code)));
        gateway.settled(expected.len()).await;
    }
    let rows = gateway.ledger().await.into_iter().map(|row| {
        let settled = row.settled.unwrap();
        assert!(settled.attempts.is_empty());
        (row.request_id.to_string(), settled.status, settled.outcome, settled.error_code)
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
