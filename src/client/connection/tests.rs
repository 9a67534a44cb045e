use std::net::SocketAddr;

use futures_util::FutureExt as _;
use http::{HeaderValue, Method, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::client::{ClientOptions, Endpoint};
use crate::config::Origin;

const MINUTE: Duration = Duration::from_secs(60);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn client(idle_timeout: Duration) -> Arc<Client> {
    let options =
        ClientOptions { connect_timeout: MINUTE, idle_timeout, pool_idle: MINUTE, pool_size: 8, resolve_ttl: MINUTE };
    Client::new(options)
}

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    (listener, Endpoint::from(&format!("http://{address}").parse::<Origin>().unwrap()))
}

fn call(body: Bytes) -> Call {
    Call { method: Method::POST, path: "/x".into(), headers: HeaderMap::new(), body: body.into() }
}

fn small() -> Call {
    call(Bytes::from_static(b"{}"))
}

/// Reads one small request and answers with these bytes.
async fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n{}") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
    }
    stream.write_all(bytes).await.unwrap();
}

/// Answers the requests of one connection so, and closes it.
fn serve(listener: TcpListener, answers: Vec<&'static [u8]>) -> JoinHandle<TcpListener> {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for bytes in answers {
            answer(&mut stream, bytes).await;
        }
        listener
    })
}

/// A connection that served a request and came back from the pool.
async fn reused(client: &Arc<Client>, endpoint: &Endpoint) -> Connection {
    let mut first = client.connect(endpoint).await.unwrap();
    assert_eq!(first.call(&small()).await.unwrap(), StatusCode::OK);
    assert_eq!(first.read_all(100).await.unwrap(), "ok");
    first.release().await;
    let again = client.connect(endpoint).await.unwrap();
    assert!(again.reused());
    again
}

#[tokio::test]
async fn only_a_pooled_connection_that_ends_without_a_byte_is_stale() {
    let (listener, endpoint) = listen().await;
    let served = serve(listener, vec![OK, b""]);
    let error = reused(&client(MINUTE), &endpoint).await.call(&small()).await.unwrap_err();
    assert!(matches!(error, NetError::Stale), "{error}");
    let served = serve(served.await.unwrap(), vec![b""]);
    let error = client(MINUTE).connect(&endpoint).await.unwrap().call(&small()).await.unwrap_err();
    assert!(matches!(error, NetError::Broken(_)), "{error}");
    served.await.unwrap();
}

#[tokio::test]
async fn a_head_that_breaks_off_or_is_none_is_no_stale_connection() {
    let heads: [&[u8]; 4] =
        [b"H", b"HTTP/1.1 200 OK\r\nx-canary: CANARY\r\n", b"CANARY \x01\r\n\r\n", b"HTTP/1.1 103 Early\r\n\r\n"];
    for head in heads {
        let (listener, endpoint) = listen().await;
        let served = serve(listener, vec![OK, head]);
        let error = reused(&client(MINUTE), &endpoint).await.call(&small()).await.unwrap_err();
        assert!(matches!(&error, NetError::Broken(why) if !why.contains("CANARY")), "{error}");
        served.await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_that_is_met_while_gathering_is_told() {
    let bodies: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n",
    ];
    for body in bodies.repeat(10) {
        let (listener, endpoint) = listen().await;
        let served = serve(listener, vec![body]);
        let mut connection = client(MINUTE).connect(&endpoint).await.unwrap();
        connection.call(&small()).await.unwrap();
        served.await.unwrap();
        // The end of the connection is seen by the runtime before the body is asked for.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let deadline = connection.next_deadline();
        assert_eq!(connection.chunk(deadline).await.unwrap().unwrap(), "part");
        for _ in 0..2 {
            assert!(matches!(connection.chunk(deadline).await, Err(NetError::Broken(_))));
        }
    }
}

#[tokio::test]
async fn a_connection_with_half_a_request_on_it_is_not_used_again() {
    let (listener, endpoint) = listen().await;
    let client = client(Duration::from_millis(300));
    let mut connection = client.connect(&endpoint).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    // More than any buffer of the system takes, and nobody reads.
    let status = connection.call(&call(vec![b' '; 64 << 20].into())).await.unwrap();
    assert_eq!((status, connection.read_all(0).await.unwrap().len()), (StatusCode::PAYLOAD_TOO_LARGE, 0));
    connection.release().await;
    assert!(!client.connect(&endpoint).await.unwrap().reused());
}

#[tokio::test]
async fn a_request_that_nobody_takes_has_timed_out() {
    let (listener, endpoint) = listen().await;
    let mut connection = client(Duration::from_millis(300)).connect(&endpoint).await.unwrap();
    let (_stream, _) = listener.accept().await.unwrap();
    let error = connection.call(&call(vec![b' '; 64 << 20].into())).await.unwrap_err();
    assert!(matches!(error, NetError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn a_connection_apart_is_not_of_the_pool_and_does_not_go_there() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(&mut stream, OK).await;
            open.push(stream);
        }
        (listener, open)
    });
    let client = client(MINUTE);
    let mut first = client.connect(&endpoint).await.unwrap();
    first.call(&small()).await.unwrap();
    assert_eq!(first.read_all(100).await.unwrap(), "ok");
    first.release().await;
    let mut apart = client.connect_apart(&endpoint).await.unwrap();
    assert!(!apart.reused());
    apart.call(&small()).await.unwrap();
    assert_eq!(apart.read_all(100).await.unwrap(), "ok");
    apart.release().await;
    let _open = server.await.unwrap();
    let kept = std::iter::from_fn(|| client.pool.take(&endpoint));
    assert_eq!(kept.count(), 1);
}

#[test]
fn the_debug_form_of_a_call_tells_no_content() {
    let mut call = call(Bytes::from_static(b"CANARY"));
    call.headers.insert(header::AUTHORIZATION, HeaderValue::from_static("CANARY"));
    let text = format!("{call:?}");
    assert!(text.contains("authorization") && !text.contains("CANARY"), "{text}");
}

#[tokio::test]
async fn whoever_waits_for_bytes_keeps_no_memory_for_them_and_loses_none() {
    let (listener, endpoint) = listen().await;
    let mut connection = client(MINUTE).connect(&endpoint).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r").await.unwrap();
    connection.call(&small()).await.unwrap();
    let deadline = connection.next_deadline();
    assert_eq!(connection.chunk(deadline).await.unwrap().unwrap(), "one");
    for (piece, wanted) in [("\ntwo", "two"), ("\r\n5\r\nth", "th"), ("ree\r\n0\r\n", "ree")] {
        assert!(connection.chunk(deadline).now_or_never().is_none());
        assert_eq!(connection.answer.bytes.capacity(), 0);
        stream.write_all(piece.as_bytes()).await.unwrap();
        assert_eq!(connection.chunk(deadline).await.unwrap().unwrap(), wanted);
    }
    assert!(connection.chunk(deadline).now_or_never().is_none());
    stream.write_all(b"\r\n").await.unwrap();
    assert_eq!(connection.chunk(deadline).await.unwrap(), None);
    connection.release().await;
}

#[tokio::test]
async fn whoever_waits_for_a_head_keeps_no_memory_for_it() {
    let (listener, endpoint) = listen().await;
    let mut connection = client(MINUTE).connect(&endpoint).await.unwrap();
    let (_stream, _) = listener.accept().await.unwrap();
    assert!(connection.call(&small()).now_or_never().is_none());
    assert_eq!(connection.answer.bytes.capacity(), 0);
}

#[tokio::test]
async fn a_pooled_connection_that_is_reset_without_a_byte_is_stale_too() {
    let (listener, endpoint) = listen().await;
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, OK).await;
        answer(&mut stream, b"").await;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let error = reused(&client(MINUTE), &endpoint).await.call(&small()).await.unwrap_err();
    assert!(matches!(error, NetError::Stale), "{error}");
    served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_timer_serves_every_chunk_and_each_has_its_own_deadline() {
    let (listener, endpoint) = listen().await;
    let mut connection = client(Duration::from_secs(10)).connect(&endpoint).await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na").await.unwrap();
    connection.call(&small()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(connection.chunk(connection.next_deadline()).await.unwrap().unwrap(), "a");
    // A shorter one holds, and so does a later one after it.
    for seconds in [5, 3, 10] {
        let (now, deadline) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
        assert!(matches!(connection.chunk(deadline).await, Err(NetError::TimedOut(_))));
        assert!((seconds..seconds + 1).contains(&now.elapsed().as_secs()), "{:?}", now.elapsed());
    }
    // Not the one of somebody who gave up meanwhile, either.
    assert!(connection.chunk(Instant::now() + MINUTE).now_or_never().is_none());
    let now = Instant::now();
    assert!(matches!(connection.chunk(now + Duration::from_secs(2)).await, Err(NetError::TimedOut(_))));
    assert_eq!(now.elapsed().as_secs(), 2);
    // One that moves on is set anew only when it goes off.
    stream.write_all(b"b").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(connection.chunk(deadline).await.unwrap().unwrap(), "b");
    assert_eq!(begun.elapsed().as_secs(), 20);
}
