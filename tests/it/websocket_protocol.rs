//! The protocol below the messages, on raw sockets: what a client may do, and how it ends when it does what it must not (RFC 6455;
//! docs/websocket.md, Close codes).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::support::socket::{Heard, Raw, Socket, create, frame, handshake};
use crate::support::upstream::{Act, Upstream, good};
use crate::support::{Client, Gateway, eventually};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

async fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::builder().origin(&upstream.origin()).start().await
}

fn turn() -> Vec<u8> {
    create("Say hello").to_string().into_bytes()
}

fn completed(events: &[Value]) -> bool {
    events.last().is_some_and(|event| event["type"] == "response.completed")
}

#[tokio::test]
async fn a_frame_in_the_segment_of_the_handshake_is_not_lost() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let whole = frame(TEXT, &turn());
    // The whole frame, a part of it, the frame and a half, and two.
    let behind = [whole.clone(), whole[..7].to_vec(), [&whole[..], &whole[..9]].concat(), whole.repeat(2)];
    for (n, early) in behind.into_iter().enumerate() {
        let turns = if n < 2 { 1 } else { 2 };
        let all = whole.repeat(turns);
        let mut bytes = handshake(&gateway.client, &[]);
        bytes.extend_from_slice(&early);
        let mut raw = Raw::open(gateway.client.address, &bytes).await;
        assert_eq!(raw.head().await.0, 101);
        raw.send(&all[early.len()..]).await;
        for _ in 0..turns {
            assert!(completed(&raw.rest().await), "{n}");
        }
    }
}

#[tokio::test]
async fn a_socket_is_opened_on_a_connection_that_served_requests_before() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut bytes = gateway.client.request("GET", "/v1/models", &[], b"");
    bytes.extend(handshake(&gateway.client, &[]));
    bytes.extend(frame(TEXT, &turn()));
    let mut raw = Raw::open(gateway.client.address, &bytes).await;
    let (status, headers) = raw.head().await;
    assert_eq!(status, 200);
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
    raw.stream.read_exact(&mut vec![0; length]).await.unwrap();
    assert_eq!(raw.head().await.0, 101);
    assert!(completed(&raw.rest().await));
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message_also_with_control_frames_in_between() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::upgrade(&gateway.client).await;
    let text = turn();
    let (first, rest) = text.split_at(10);
    let (middle, last) = rest.split_at(1);
    raw.send(&frame(0x01, first)).await;
    raw.send(&frame(PING, b"are you there")).await;
    assert_eq!(raw.frame().await, Some((0x0a, b"are you there".to_vec())), "answered at once");
    raw.send(&frame(0x00, middle)).await;
    raw.send(&frame(PONG, b"unasked")).await;
    raw.send(&frame(0x00, b"")).await;
    raw.send(&frame(0x80, last)).await;
    assert!(completed(&raw.rest().await));
}

#[tokio::test]
async fn frames_may_come_byte_by_byte() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::upgrade(&gateway.client).await;
    for byte in frame(TEXT, &turn()) {
        raw.send(&[byte]).await;
    }
    assert!(completed(&raw.rest().await));
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_socket_with_its_code() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let unmasked = [&[TEXT, 2][..], b"{}"].concat();
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("binary", frame(0x82, b"\x00\x01"), 1003),
        ("unmasked", unmasked, 1002),
        ("reserved bit", frame(0xc1, b"{}"), 1002),
        ("reserved opcode", frame(0x83, b"{}"), 1002),
        ("reserved control opcode", frame(0x8b, b""), 1002),
        ("continuation of nothing", frame(0x80, b"{}"), 1002),
        ("new message within one", [frame(0x01, b"{"), frame(TEXT, b"}")].concat(), 1002),
        ("fragmented ping", frame(0x09, b""), 1002),
        ("ping too long", frame(PING, &[b'x'; 126]), 1002),
        ("not UTF-8", frame(TEXT, b"\"\xff\""), 1007),
        ("not UTF-8 across fragments", [frame(0x01, b"\"\xc3"), frame(0x80, b"\x28\"")].concat(), 1007),
    ];
    for (what, bytes, code) in table {
        let mut raw = Raw::upgrade(&gateway.client).await;
        raw.send(&bytes).await;
        assert_eq!(raw.close_code().await, Some(code), "{what}");
        assert_eq!(raw.frame().await, None, "{what}: and then the end");
    }
    assert!(upstream.handshakes().is_empty());
}

#[tokio::test]
async fn a_message_over_the_cap_ends_the_socket_and_one_below_it_does_not() {
    const CAP: usize = 256 * 1024;
    let upstream = Upstream::start().await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| {
            settings.limits.max_body = CAP;
            settings.limits.max_compressed = CAP;
        })
        .start()
        .await;
    let sized = |len: usize| {
        let empty = create("").to_string().len();
        create("x".repeat(len - empty)).to_string().into_bytes()
    };
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&frame(TEXT, &sized(CAP))).await;
    assert!(completed(&raw.rest().await));
    raw.send(&frame(TEXT, &sized(CAP + 1))).await;
    assert_eq!(raw.close_code().await, Some(1009), "one frame");
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&frame(0x01, &sized(CAP))).await;
    raw.send(&frame(0x80, b"x")).await;
    assert_eq!(raw.close_code().await, Some(1009), "fragments");
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&[TEXT, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).await;
    raw.send(&[0; 4]).await;
    assert_eq!(raw.close_code().await, Some(1009), "a length beyond everything");
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    for (payload, answer) in [(&b"\x03\xe8bye"[..], Some(1000)), (b"\x0f\xa0", Some(4000)), (b"\x03\xed", Some(1002))] {
        let mut raw = Raw::upgrade(&gateway.client).await;
        raw.send(&frame(CLOSE, payload)).await;
        assert_eq!(raw.close_code().await, answer);
        assert_eq!(raw.frame().await, None);
    }
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&frame(CLOSE, b"")).await;
    assert_eq!(raw.frame().await, Some((8, Vec::new())));
}

#[tokio::test]
async fn a_client_that_only_shuts_its_side_is_gone() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        acts.insert(3, Act::Wait(Duration::from_secs(60)));
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&frame(TEXT, &turn())).await;
    assert_eq!(raw.frame().await.unwrap().0, 1);
    tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await.unwrap();
    while raw.frame().await.is_some() {}
    gateway.settled(1).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_and_its_turn_cancelled() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        let big = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": "x".repeat(1 << 20)});
        for _ in 0..64 {
            acts.insert(3, Act::Event(big.clone()));
        }
        acts
    })
    .await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| settings.gateway.write_timeout = Duration::from_millis(300))
        .start()
        .await;
    let mut raw = Raw::upgrade(&gateway.client).await;
    raw.send(&frame(TEXT, &turn())).await;
    let rows = gateway.settled(1).await;
    assert_eq!(crate::failover::tried(&rows[0])[0].0, "cancelled");
    eventually("the line is closed", || async { upstream.open() == 0 }).await;
}

#[tokio::test]
async fn a_client_may_send_while_it_is_sent_to() {
    let upstream = Upstream::answering(|turn| {
        let mut acts = good(turn);
        let big = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": "x".repeat(1 << 20)});
        for _ in 0..16 {
            acts.insert(3, Act::Event(big.clone()));
        }
        acts
    })
    .await;
    let gateway = gateway(&upstream).await;
    let mut socket = Socket::open(&gateway.client).await;
    socket.send(&create("Say hello")).await;
    // It writes megabytes before it reads the first of sixteen: neither side may wait for the other.
    for _ in 0..4 {
        socket.send(&create("x".repeat(1 << 20))).await;
    }
    for _ in 0..5 {
        assert_eq!(socket.rest().await.len(), 21);
    }
}

/// Opens a socket, has turns on it, and ends it in one of the ways in which clients do. True when every turn was answered.
async fn churn(client: Client, n: usize) -> bool {
    let mut answered = true;
    for round in 0..2 {
        let mut socket = Socket::open(&client).await;
        for _ in 0..2 {
            answered &= completed(&socket.turn(&create("Say hello")).await);
        }
        match (n + round) % 3 {
            0 => socket.message(Message::Close(None)).await,
            1 => drop(socket),
            _ => {
                socket.message(Message::binary(vec![0])).await;
                answered &= matches!(socket.hear().await, Heard::Closed(1003, _));
            }
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_sockets_with_churn_lose_nothing() {
    const SOCKETS: usize = 500;
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream).await;
    let since = std::time::Instant::now();
    let clients: Vec<_> = (0..SOCKETS).map(|n| tokio::spawn(churn(gateway.client.clone(), n))).collect();
    for client in clients {
        assert!(client.await.unwrap());
    }
    eprintln!("{SOCKETS} sockets in parallel, each twice, 2 turns each: {:?}", since.elapsed());
    assert_eq!(upstream.turns().len(), SOCKETS * 4);
    eventually("no socket is left", || async {
        upstream.open() == 0 && gateway.metrics().await.contains("codex_pooler_websockets 0")
    })
    .await;
    let metrics = gateway.metrics().await;
    let counted = r#"codex_pooler_requests_total{outcome="succeeded",route="GET /v1/responses",status="200"} 2000"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn messages_that_arrive_share_the_memory_of_all_bodies() {
    const BODY: usize = 512 * 1024;
    let upstream = Upstream::start().await;
    let gateway = Gateway::builder()
        .origin(&upstream.origin())
        .settings(|settings| {
            settings.limits.max_body = BODY;
            settings.limits.max_compressed = BODY;
            settings.limits.body_memory = BODY;
            settings.limits.body_memory_wait = Duration::from_millis(200);
        })
        .start()
        .await;
    let text = create("x".repeat(400 * 1024)).to_string().into_bytes();
    let large = frame(TEXT, &text);
    // Most of a message holds most of the memory; the answer to the ping says that it was read.
    let mut slow = Raw::upgrade(&gateway.client).await;
    let (most, rest) = text.split_at(300 * 1024);
    slow.send(&frame(0x01, most)).await;
    slow.send(&frame(PING, b"")).await;
    assert_eq!(slow.frame().await, Some((0x0a, Vec::new())));
    let mut second = Raw::upgrade(&gateway.client).await;
    second.send(&large).await;
    assert_eq!(second.close_code().await, Some(1013));
    let mut small = Socket::open(&gateway.client).await;
    small.succeed(&create("Say hello")).await;
    slow.send(&frame(0x80, rest)).await;
    assert!(completed(&slow.rest().await), "what was taken before is kept");
    let mut third = Raw::upgrade(&gateway.client).await;
    third.send(&large).await;
    assert!(completed(&third.rest().await), "and comes back");
}
