//! HTTP/2 connections: their bounds, their ends, and what streams are over them (docs/operations.md, HTTP/2).

use std::time::Duration;

use bytes::Bytes;
use codex_pooler::config::Settings;
use codex_pooler::simulator::{Ended, Fault, Who};
use codex_pooler::store::records::{Outcome, RequestState};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::failover::ended;
use crate::support::caller::{Caller, Stream};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE,
    PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, block, frame, reset,
};
use crate::support::{Gateway, codex, eventually};

const HOUR: Duration = Duration::from_secs(3600);
/// A deadline that a test waits for.
const SOON: Duration = Duration::from_millis(300);
const JSON: (&str, &str) = ("content-type", "application/json");
/// Setting of the window of each stream.
const INITIAL_WINDOW_SIZE: u16 = 4;

async fn with(change: impl FnOnce(&mut Settings) + 'static) -> Gateway {
    Gateway::builder().accounts(1).settings(change).start().await
}

/// Nothing runs any more, and nobody waits for it.
async fn assert_idle(gateway: &Gateway) {
    eventually("nothing is in flight", || async {
        gateway.metrics().await.lines().any(|line| line == "codex_pooler_in_flight 0")
    })
    .await;
}

/// Every request has one row, and each of them has its end.
async fn assert_cancelled(gateway: &Gateway, rows: usize) {
    for row in gateway.settled(rows).await {
        assert_eq!((row.state(), ended(&row).outcome), (RequestState::Settled, Outcome::Cancelled));
    }
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "the upstream still works for nobody");
    assert_idle(gateway).await;
}

#[tokio::test]
async fn the_bounds_are_told_to_the_client() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let settings = wire.until(&[SETTINGS]).await.unwrap();
    let value = |id: u16| {
        let pair = settings.payload.chunks(6).find(|pair| pair[..2] == id.to_be_bytes())?;
        Some(u32::from_be_bytes(pair[2..].try_into().unwrap()))
    };
    assert_eq!(value(3), Some(100), "streams side by side");
    assert_eq!(value(4), Some(64 * 1024), "window of a stream");
    assert_eq!(value(5), Some(16 * 1024), "largest frame");
    assert_eq!(value(6), Some(32 * 1024), "headers");
    assert_eq!(value(8), None, "no websockets over HTTP/2");
    let window = wire.until(&[WINDOW_UPDATE]).await.unwrap();
    let more = u32::from_be_bytes(window.payload.clone().try_into().unwrap());
    assert_eq!((window.stream, more), (0, 1024 * 1024 - 65_535), "window of the connection");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_the_others_go_on() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 0, pause: HOUR });
    let mut wire = Wire::open(&gateway.client, &[]).await;
    for n in 0..101 {
        let request = wire.ask(2 * n + 1, true);
        wire.send(&request).await;
    }
    let refused = wire.until(&[RST_STREAM, GOAWAY]).await.unwrap();
    assert_eq!((refused.kind, refused.stream, refused.code()), (RST_STREAM, 201, REFUSED_STREAM));
    assert!(gateway.codex.wait_in_flight(100, codex::PATIENCE).await, "the others are served");
    drop(wire);
    assert_cancelled(&gateway, 100).await;
}

#[tokio::test]
async fn requests_that_are_reset_at_once_end_the_connection() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    wire.sync().await.unwrap();
    let flood: Vec<u8> =
        (0..500).flat_map(|n| [wire.get(2 * n + 1, "/v1/models"), reset(2 * n + 1)].concat()).collect();
    wire.send(&flood).await;
    assert_eq!(wire.ends().await, ENHANCE_YOUR_CALM);
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn requests_that_are_given_up_one_by_one_end_the_connection_too() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::SlowFirstByte(HOUR));
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let mut asked = 0;
    // Each of them runs before it is reset, else another bound would hold; a few at a time, so that a slow machine does not forget them.
    let told = loop {
        assert!(asked < 5000, "this may go on for ever");
        let streams: Vec<u32> = (asked..asked + 10).map(|n| 2 * n + 1).collect();
        let mut requests: Vec<u8> = streams.iter().flat_map(|stream| wire.ask(*stream, true)).collect();
        requests.extend(frame(PING, 0, 0, b"are here"));
        // The connection may be over already; why stands in what is still to be read.
        let _ = wire.stream.write_all(&requests).await;
        let seen = wire.until(&[PING, GOAWAY]).await.expect("the end is told");
        if seen.kind == GOAWAY {
            break seen.code();
        }
        asked += 10;
        // If the connection has ended meanwhile they never do, and its end is read next.
        let all_run = eventually("they run", || async { gateway.codex.requests().len() >= asked as usize });
        let _ = tokio::time::timeout(Duration::from_secs(2), all_run).await;
        let resets: Vec<u8> = streams.into_iter().flat_map(reset).collect();
        let _ = wire.stream.write_all(&resets).await;
    };
    assert_eq!(told, ENHANCE_YOUR_CALM);
    assert!(asked >= 200, "a client may give up some: {asked}");
    while wire.next().await.is_some() {}
    assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await);
    assert_idle(&gateway).await;
    eventually("every row has its end", || async {
        gateway.ledger().await.iter().all(|row| row.state() == RequestState::Settled)
    })
    .await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused_with_431_and_the_connection_goes_on() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let large = "x".repeat(12_000);
    let head = wire.head("GET", "/v1/models", &[("a", &large), ("b", &large), ("c", &large)]);
    let mut pieces = head.chunks(16_000).peekable();
    let mut bytes = frame(HEADERS, END_STREAM, 1, pieces.next().unwrap());
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        bytes.extend(frame(CONTINUATION, flags, 1, piece));
    }
    wire.send(&bytes).await;
    let answer = wire.until(&[HEADERS, GOAWAY]).await.unwrap();
    assert_eq!((answer.kind, answer.stream), (HEADERS, 1));
    // The status 431 is no entry of the static table: it stands there as text, packed.
    assert!(answer.payload.windows(3).any(|packed| packed == [0x69, 0x90, 0xff]), "{:?}", answer.payload);
    let next = wire.get(3, "/v1/models");
    wire.send(&next).await;
    let answer = loop {
        let next = wire.until(&[HEADERS, GOAWAY]).await.unwrap();
        if next.stream == 3 || next.kind == GOAWAY {
            break next;
        }
    };
    assert_eq!((answer.kind, answer.payload[0]), (HEADERS, 0x88), "200 of the static table");
    assert!(gateway.codex.requests().is_empty());
}

#[tokio::test]
async fn headers_far_beyond_the_bound_end_the_connection() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    // One entry of the table, named again and again: 4,000 bytes for one.
    let value = "v".repeat(3900);
    let mut head = wire.head("GET", "/v1/models", &[]);
    head.push(0x40);
    head.extend_from_slice(&block(&[("bomb", &value)])[1..]);
    head.extend(std::iter::repeat_n(0xbe, 10_000));
    wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
    assert_eq!(wire.ends().await, ENHANCE_YOUR_CALM);
    assert!(gateway.codex.requests().is_empty());
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn headers_without_an_end_end_the_connection() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for piece in [&b""[..], &block(&[("a", "b")])] {
        let mut wire = Wire::open(&gateway.client, &[]).await;
        let head = wire.head("GET", "/v1/models", &[]);
        wire.send(&frame(HEADERS, END_STREAM, 1, &head)).await;
        let flood: Vec<u8> = (0..200).flat_map(|_| frame(CONTINUATION, 0, 1, piece)).collect();
        wire.send(&flood).await;
        assert_eq!(wire.ends().await, ENHANCE_YOUR_CALM);
    }
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn a_client_that_does_not_begin_or_go_on_is_left_at_the_deadline_of_a_head() {
    let gateway = with(|settings| settings.limits.head_timeout = SOON).await;
    let head = Wire::open(&gateway.client, &[]).await.head("GET", "/v1/models", &[]);
    for begun in [
        // A preface without its end, one without settings, one without a request, a head without its end.
        &PREFACE[..20],
        PREFACE,
        &[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat(),
        &[PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, END_STREAM, 1, &head)].concat(),
    ] {
        let (mut wire, since) = (Wire::silent(gateway.client.address).await, Instant::now());
        wire.send(begun).await;
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut rest);
        let _ = tokio::time::timeout(codex::PATIENCE, read).await.expect("the end of the connection");
        assert!(since.elapsed() >= SOON, "{begun:?}");
    }
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn an_idle_connection_is_told_its_end() {
    let gateway = with(|settings| settings.gateway.keep_alive = SOON).await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let request = wire.get(1, "/v1/models");
    wire.send(&request).await;
    // Pings are no use of a connection.
    let pings = async { while wire.sync().await.is_some() {} };
    tokio::time::timeout(codex::PATIENCE, pings).await.expect("the end of the connection");
}

#[tokio::test]
async fn an_idle_connection_ends_with_no_error() {
    let gateway = with(|settings| settings.gateway.keep_alive = SOON).await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let request = wire.get(1, "/v1/models");
    wire.send(&request).await;
    assert_eq!(wire.ends().await, 0);
}

#[tokio::test]
async fn a_connection_with_a_silent_stream_is_not_idle() {
    let gateway = with(|settings| {
        settings.gateway.keep_alive = SOON;
        settings.sse.keep_alive = None;
    })
    .await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: 4 * SOON });
    let stream = Stream::of(Caller::h2c(&gateway).await.open_stream().await).await;
    assert_eq!(stream.rest().await.events().last().unwrap().name, "response.completed");
}

#[tokio::test]
async fn a_reader_without_room_is_left_at_the_write_deadline_and_its_neighbours_go_on() {
    for streams in [true, false] {
        let gateway = with(|settings| settings.gateway.write_timeout = SOON).await;
        let mut wire = Wire::open(&gateway.client, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let since = Instant::now();
        let request = wire.ask(1, streams);
        wire.send(&request).await;
        let head = wire.until(&[HEADERS, RST_STREAM, GOAWAY]).await.unwrap();
        assert_eq!((head.kind, head.stream), (HEADERS, 1));
        let end = wire.until(&[DATA, RST_STREAM, GOAWAY]).await.unwrap();
        assert_eq!((end.kind, end.stream), (RST_STREAM, 1), "stream: {streams}");
        assert!(since.elapsed() >= SOON);
        assert_cancelled(&gateway, 1).await;
        // One with room.
        let request = wire.get(3, "/v1/models");
        let room = frame(WINDOW_UPDATE, 0, 3, &100_000_u32.to_be_bytes());
        wire.send(&[request, room].concat()).await;
        let answer = wire.until(&[DATA, RST_STREAM, GOAWAY]).await.unwrap();
        assert_eq!((answer.kind, answer.stream), (DATA, 3));
    }
}

#[tokio::test]
async fn a_reader_with_all_the_room_that_reads_nothing_is_left_at_the_write_deadline() {
    let gateway = with(|settings| {
        settings.gateway.write_timeout = SOON;
        settings.gateway.keep_alive = SOON;
    })
    .await;
    let delta = codex::event(&serde_json::json!({"type": "response.output_text.delta", "delta": "x".repeat(16_000)}));
    codex::sse(Who::All, &gateway.codex, delta.repeat(1000));
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    wire.stream = socket.connect(gateway.client.address).await.unwrap();
    let settings = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let room = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &settings), &room, &wire.ask(1, true)].concat();
    wire.send(&bytes).await;
    assert_cancelled(&gateway, 1).await;
    // Then it is idle, and its end comes although it does not read.
    let closed = async { while wire.stream.write_all(&frame(PING, 0, 0, b"are here")).await.is_ok() {} };
    tokio::time::timeout(codex::PATIENCE, closed).await.expect("the end of the connection");
}

#[tokio::test]
async fn a_reader_that_takes_its_answer_byte_by_byte_gets_it() {
    let gateway = with(|settings| settings.gateway.write_timeout = codex::PATIENCE).await;
    let mut wire = Wire::open(&gateway.client, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let request = wire.get(1, "/v1/usage");
    wire.send(&request).await;
    let mut got = Vec::new();
    loop {
        wire.send(&frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
        let data = wire.until(&[DATA, RST_STREAM, GOAWAY]).await.unwrap();
        assert_eq!(data.kind, DATA);
        assert!(data.payload.len() <= 1);
        got.extend(data.payload);
        if data.flags & END_STREAM != 0 {
            break;
        }
    }
    assert!(serde_json::from_slice::<serde_json::Value>(&got).unwrap()["request_count"].is_u64());
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_refused_before_it_has_come() {
    let gateway = with(|settings| {
        settings.limits.max_body = 100_000;
        settings.limits.max_compressed = 50_000;
    })
    .await;
    let caller = Caller::h2c(&gateway).await;
    let (answer, _sending) = caller.begin_upload("/v1/responses", &[JSON, ("content-length", "100001")]).await;
    assert_eq!(Stream::of(answer).await.rest().await.refusal(), (413, "request_too_large".into()));
    // Without a promise it is refused on its way.
    let (answer, mut sending) = caller.begin_upload("/v1/responses", &[JSON]).await;
    tokio::spawn(async move {
        loop {
            sending.reserve_capacity(16_000);
            let Some(Ok(room)) = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await else { return };
            if sending.send_data(Bytes::from(vec![b'x'; room]), false).is_err() {
                return;
            }
        }
    });
    assert_eq!(Stream::of(answer).await.rest().await.refusal(), (413, "request_too_large".into()));
    let good = br#"{"model":"gpt-5.5","input":"Say hello"}"#;
    assert_eq!(caller.send("POST", "/v1/responses", &[JSON], good).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_answered_with_408() {
    let gateway = with(|settings| settings.limits.body_idle_timeout = SOON).await;
    let caller = Caller::h2c(&gateway).await;
    for begun in ["", "{\"model\""] {
        let (answer, mut sending) = caller.begin_upload("/v1/responses", &[JSON]).await;
        sending.send_data(Bytes::from(begun), false).unwrap();
        assert_eq!(Stream::of(answer).await.rest().await.refusal(), (408, "request_timeout".into()));
    }
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn requests_that_share_a_connection_need_a_place_each() {
    let gateway = with(|settings| {
        let stream = &mut settings.limits.admission.stream;
        (stream.running, stream.queued) = (1, 0);
    })
    .await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: HOUR });
    let caller = Caller::h2c(&gateway).await;
    let first = Stream::of(caller.open_stream().await).await;
    assert_eq!(first.status, 200);
    assert_eq!(caller.ask(true).await.refusal(), (503, "server_is_overloaded".into()));
    drop(first);
    gateway.codex.clear_faults();
    eventually("the place is free again", || async { caller.ask(true).await.status == 200 }).await;
}

#[tokio::test]
async fn a_body_of_another_length_than_promised_is_no_request() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for (promised, sent) in [("2", "{\"model\":\"gpt-5.5\",\"input\":\"x\"}"), ("500", "{}")] {
        let mut wire = Wire::open(&gateway.client, &[]).await;
        let head = wire.head("POST", "/v1/responses", &[JSON, ("content-length", promised)]);
        let request = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, sent.as_bytes())].concat();
        wire.send(&request).await;
        let end = wire.until(&[RST_STREAM, GOAWAY]).await.unwrap();
        assert_eq!((end.kind, end.code()), (RST_STREAM, PROTOCOL_ERROR), "{promised}");
    }
    assert!(gateway.codex.requests().is_empty(), "nothing of it went on");
    assert_idle(&gateway).await;
}

#[tokio::test]
async fn heads_that_break_the_protocol_are_no_requests_and_too_many_of_them_end_the_connection() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let mut stream = 1;
    for more in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("keep-alive", "1"),
        (":protocol", "websocket"),
        ("content-length", "x"),
        ("content-length", "1, 2"),
    ] {
        let head = wire.head("POST", "/v1/responses", &[more]);
        wire.send(&frame(HEADERS, END_HEADERS, stream, &head)).await;
        let end = wire.until(&[RST_STREAM, HEADERS, GOAWAY]).await.unwrap();
        assert_eq!((end.kind, end.stream, end.code()), (RST_STREAM, stream, PROTOCOL_ERROR), "{more:?}");
        stream += 2;
    }
    // Two authorities that differ are answered with 400.
    let head = wire.head("GET", "/v1/models", &[("host", "elsewhere.example")]);
    wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).await;
    let end = wire.until(&[RST_STREAM, HEADERS, GOAWAY]).await.unwrap();
    assert_eq!((end.kind, end.payload[0]), (HEADERS, 0x8c), "400 of the static table");
    let flood = (0..40).flat_map(|n| frame(HEADERS, END_HEADERS | END_STREAM, stream + 2 + 2 * n, &head));
    wire.send(&flood.collect::<Vec<u8>>()).await;
    assert_eq!(wire.ends().await, ENHANCE_YOUR_CALM);
    assert!(gateway.codex.requests().is_empty());
}

#[tokio::test]
async fn connect_opens_nothing() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let head = block(&[(":method", "CONNECT"), (":authority", "127.0.0.1:22")]);
    wire.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    let answer = wire.until(&[HEADERS, RST_STREAM, GOAWAY]).await.unwrap();
    assert!(answer.kind == RST_STREAM || (answer.kind == HEADERS && answer.payload[0] != 0x88), "{answer:?}");
    let next = wire.get(3, "/v1/models");
    wire.send(&next).await;
    let answer = loop {
        let next = wire.until(&[HEADERS, GOAWAY]).await.unwrap();
        if next.stream == 3 || next.kind == GOAWAY {
            break next;
        }
    };
    assert_eq!(answer.kind, HEADERS);
}

#[tokio::test]
async fn a_stream_that_its_client_resets_ends_upstream_and_is_settled_once() {
    for after_events in [0, 6] {
        let gateway = Gateway::builder().accounts(1).start().await;
        gateway.codex.fault(Who::All, Fault::Stall { after_events, pause: HOUR });
        let mut wire = Wire::open(&gateway.client, &[]).await;
        let request = wire.ask(1, true);
        wire.send(&request).await;
        if after_events > 0 {
            let data = wire.until(&[DATA, RST_STREAM, GOAWAY]).await.unwrap();
            assert_eq!(data.kind, DATA);
        } else {
            assert!(gateway.codex.wait_in_flight(1, codex::PATIENCE).await);
        }
        wire.send(&reset(1)).await;
        assert_cancelled(&gateway, 1).await;
        let requests = gateway.codex.requests();
        assert_eq!(requests.last().unwrap().ended, Some(Ended::ClientGone));
        // The connection and what else runs on it are not touched.
        wire.sync().await.expect("the connection goes on");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_ends_all_its_requests() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: HOUR });
    let mut wire = Wire::open(&gateway.client, &[]).await;
    for n in 0..5 {
        let request = wire.ask(2 * n + 1, n % 2 == 0);
        wire.send(&request).await;
    }
    assert!(gateway.codex.wait_in_flight(5, codex::PATIENCE).await);
    drop(wire);
    assert_cancelled(&gateway, 5).await;
}

#[tokio::test]
async fn a_silent_stream_gets_comments() {
    let gateway = with(|settings| settings.sse.keep_alive = Some(Duration::from_millis(30))).await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: Duration::from_millis(400) });
    let answer = Stream::of(Caller::h2c(&gateway).await.open_stream().await).await.rest().await;
    let comments = answer.text().split("\n\n").filter(|block| block.starts_with(':')).count();
    assert!(comments >= 3, "{}", answer.text());
    assert_eq!(answer.events().last().unwrap().name, "response.completed");
}

#[tokio::test]
async fn an_upstream_that_breaks_in_mid_stream_is_told_within_the_stream() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Cut { after_events: 6 });
    let answer = Stream::of(Caller::h2c(&gateway).await.open_stream().await).await.rest().await;
    assert_eq!(answer.events().last().unwrap().name, "response.failed", "{}", answer.text());
}

#[tokio::test]
async fn a_stream_survives_the_signal_to_stop_and_then_its_connection_ends() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: 3 * SOON });
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let idle = Wire::open(&gateway.client, &[]).await;
    let request = wire.ask(1, true);
    wire.send(&request).await;
    let first = wire.until(&[DATA, RST_STREAM, GOAWAY]).await.unwrap();
    assert_eq!(first.kind, DATA);
    let since = Instant::now();
    let (running, _codex, _dir) = (gateway.running, gateway.codex, gateway.dir);
    let drained = tokio::spawn(running.drain());
    let (mut body, mut told, mut complete) = (first.payload, false, false);
    while let Some(next) = wire.next().await {
        match next.kind {
            GOAWAY => told = true,
            PING if next.flags & ACK == 0 => wire.send(&frame(PING, ACK, 0, &next.payload)).await,
            DATA => {
                body.extend(next.payload);
                complete |= next.flags & END_STREAM != 0;
            }
            _ => {}
        }
    }
    assert!(told && complete, "the client is told, and gets everything");
    assert!(String::from_utf8(body).unwrap().contains("event: response.completed"));
    tokio::time::timeout(codex::PATIENCE, drained).await.expect("it ends").unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "the idle connection keeps nobody: {:?}", since.elapsed());
    drop(idle);
}

#[tokio::test]
async fn http_2_without_tls_can_be_switched_off() {
    let gateway = with(|settings| settings.gateway.h2c = false).await;
    let mut wire = Wire::open(&gateway.client, &[]).await;
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut rest);
    let _ = tokio::time::timeout(codex::PATIENCE, read).await.expect("the end of the connection");
    assert!(!rest.starts_with(&[0, 0]), "no frames: {rest:?}");
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn the_shortest_requests_of_http_1_are_not_taken_for_a_preface() {
    let gateway = Gateway::builder().accounts(1).start().await;
    for request in
        ["GET / HTTP/1.0\r\n\r\n", "P / HTTP/1.0\r\n\r\n", "PRI / HTTP/1.0\r\n\r\n", "PUT / HTTP/1.0\r\n\r\n"]
    {
        let answer = gateway.client.send(request.into()).await;
        assert!(matches!(answer.status, 404 | 400), "{request:?}: {}", answer.text());
    }
}
