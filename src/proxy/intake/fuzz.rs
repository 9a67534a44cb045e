//! Heads of clients that may send anything: what is taken for a request, and what every later step makes of it.

use http::{HeaderMap, Version};
use pingora_core::protocols::http::ServerSession;
use pooler_filter::Reject;
use pooler_filter::testing::pieces;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::{Builder, Runtime};

use super::{
    Arrival, BytesMut, Duration, Gathered, Limits, Opening, RequestHead, Stream, check_accept, gather, read_head,
};
use crate::proxy::{Segments, body, route, websocket};

/// More than any head that is read.
const PIPE: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("timers need nothing");
}

/// A byte that says how the head comes, then its bytes.
///
/// # Panics
/// When a property does not hold.
pub(in crate::proxy) fn head(input: &[u8]) {
    let Some((seed, bytes)) = input.split_first() else { return };
    let (whole, in_pieces) =
        RUNTIME.with(|runtime| runtime.block_on(async { (read(0, bytes).await, read(*seed, bytes).await) }));
    match (whole, in_pieces) {
        (Some((opening, version)), Some((again, _))) => {
            assert_eq!(shown(&opening), shown(&again), "the head depends on how it came");
            understood(&opening.head, version);
            assert!(!opening.head.headers.contains_key(http::header::AUTHORIZATION));
        }
        (None, None) => {}
        (whole, in_pieces) => panic!("taken as a whole: {}, in pieces: {}", whole.is_some(), in_pieces.is_some()),
    }
}

async fn read(seed: u8, bytes: &[u8]) -> Option<(Opening, Version)> {
    let (near, mut far) = tokio::io::duplex(PIPE);
    let mut stream: Stream = Box::new(near);
    let sending = async {
        for piece in pieces(seed, bytes) {
            // A client that was refused reads nothing more.
            if far.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        drop(far);
    };
    let (mut early, limits) = (BytesMut::new(), Limits::default());
    let (gathered, ()) = tokio::join!(gather(&mut stream, &mut early, &limits, None), sending);
    let mut session = ServerSession::new_http1(stream);
    let refusal = match gathered {
        Gathered::Head(_) => {
            session.set_pipelined_prefix(early);
            match read_head(&mut session, PATIENCE).await {
                Arrival::Request => return Some((Opening::of(&session), session.req_header().version)),
                Arrival::Nothing => return None,
                Arrival::Refused(reject) => reject,
            }
        }
        Gathered::Nothing => return None,
        Gathered::Refused(reject) => reject,
    };
    refused(&refusal);
    None
}

/// Names and values in their order.
type Headers = Vec<(String, Vec<u8>)>;

/// What tells two heads apart.
fn shown(opening: &Opening) -> (String, Headers, Option<String>) {
    let head = &opening.head;
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let credential = opening.credential.as_ref().map(|secret| secret.expose().to_owned());
    (format!("{} {}?{}", head.method, head.path, head.query), headers.collect(), credential)
}

/// Every check that reads a head before the body.
fn understood(head: &RequestHead, version: Version) {
    for (name, value) in &head.headers {
        let text = value.as_bytes();
        assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name} could hold another header");
    }
    path(&head.path);
    if let Err(reject) = route::find(&head.method, &head.path) {
        refused(&reject);
    }
    for checked in [check_accept(head), body::fuzz::media(&head.headers)] {
        checked.as_ref().err().into_iter().for_each(refused);
    }
    match websocket::fuzz::accept(head, version) {
        Ok(headers) => assert!(headers.contains_key(http::header::SEC_WEBSOCKET_ACCEPT)),
        Err(reject) => refused(&reject),
    }
}

/// A path is decoded as a whole or not at all, and no segment can be taken for two or for none.
fn path(path: &str) {
    let Ok(segments) = Segments::decode(path) else { return };
    let plain = path.strip_prefix('/').unwrap_or(path);
    assert_eq!(segments.as_slice().len(), plain.split('/').count());
    for (segment, written) in segments.as_slice().iter().zip(plain.split('/')) {
        assert!(!segment.contains(['/', '\\', '\0']) && segment != "." && segment != "..", "{path:?}");
        assert_eq!(segment.len(), written.len() - 2 * written.matches('%').count(), "{path:?}");
    }
}

/// The fault is the client's, and it can be told.
pub(in crate::proxy) fn refused(reject: &Reject) {
    assert!(reject.status().is_client_error(), "{reject}");
    assert!(serde_json::from_slice::<serde_json::Value>(&reject.envelope()).is_ok_and(|told| told.is_object()));
    let _: &HeaderMap = &reject.headers;
}
