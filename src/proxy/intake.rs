//! A session becomes an exchange: the head is gathered under a deadline, checked, parsed, and the credential is taken out of it.

mod head;

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, Method, header};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_error::ErrorType;
use pooler_filter::{Connection, Exchange, Reject, RejectKind, RequestHead, RequestId, Secret, Timestamp};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

pub(crate) use self::head::Marks;
use self::head::{Fault, Most, Scan, skip_empty_lines};
use crate::config::Limits;

/// Bytes that are read at once: most heads are shorter, and an idle connection holds no more.
const READ: usize = 4096;

/// What came over a connection.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A request.
    Request,
    /// Nothing: the client closed, or was silent for too long between two requests.
    Nothing,
    /// Something that is no request.
    Refused(Reject),
}

/// What came where the head of a request is expected.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// A whole head, perhaps with bytes behind it.
    Head(Marks),
    /// Nothing: the client closed, or was silent for too long between two requests.
    Nothing,
    /// Something that is no head, or must not be taken for one.
    Refused(Reject),
}

/// Reads until `early` begins with a whole head that has passed the check. `idle`: how long the first byte may take after another request;
/// none: this is the first one, and its head has one time for all.
pub(crate) async fn gather(
    stream: &mut Stream,
    early: &mut BytesMut,
    limits: &Limits,
    idle: Option<Duration>,
) -> Gathered {
    if let Some(idle) = idle {
        let begins = async {
            loop {
                skip_empty_lines(early);
                let begun = !matches!(&early[..], [] | b"\r");
                if begun || !more(stream, early).await {
                    return begun;
                }
            }
        };
        if !timeout(idle, begins).await.unwrap_or_default() {
            return Gathered::Nothing;
        }
    }
    let mut scan = Scan::new(Most { bytes: limits.max_head, fields: limits.max_header_fields });
    let gathering = async {
        loop {
            match scan.feed(early) {
                Ok(Some(marks)) => return Gathered::Head(marks),
                Ok(None) if more(stream, early).await => {}
                Ok(None) => return Gathered::Nothing,
                Err(fault) => return Gathered::Refused(fault.into()),
            }
        }
    };
    timeout(limits.head_timeout, gathering).await.unwrap_or_else(|_| Gathered::Refused(late()))
}

/// Reads more bytes; false at the end of the connection.
async fn more(stream: &mut Stream, early: &mut BytesMut) -> bool {
    if early.capacity() == early.len() {
        early.reserve(READ);
    }
    matches!(stream.read_buf(early).await, Ok(1..))
}

/// The head of a request did not come in time.
pub(crate) fn late() -> Reject {
    Reject::new(RejectKind::Timeout, "request_timeout", "request head was not received in time")
}

/// The refusal of a head with too many lines, for one that no [`gather`] has counted.
pub(crate) fn too_many_fields(session: &ServerSession, limits: &Limits) -> Option<Reject> {
    (session.req_header().headers.len() > limits.max_header_fields).then(|| Fault::TooLarge.into())
}

/// Parses the head of a request, waiting no longer than `limit` for it.
pub(crate) async fn read_head(session: &mut ServerSession, limit: Duration) -> Arrival {
    match timeout(limit, session.read_request()).await {
        Ok(Ok(true)) => Arrival::Request,
        Ok(Ok(false)) => Arrival::Nothing,
        Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
            // Its own text quotes the head.
            Arrival::Refused(Reject::invalid("request head is invalid").because(error.etype().as_str().to_owned()))
        }
        Ok(Err(_)) => Arrival::Nothing,
        Err(_) => Arrival::Refused(late()),
    }
}

/// What a client has said before its body: enough for an exchange, or for each turn on a websocket.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    head: RequestHead,
    credential: Option<Secret>,
    client: Option<IpAddr>,
}

impl Opening {
    /// The head of the request that was read, with the credential taken out of it.
    pub(crate) fn of(session: &ServerSession) -> Self {
        let given = session.req_header();
        let mut headers = HeaderMap::with_capacity(given.headers.len());
        for (name, value) in &given.headers {
            headers.append(name.clone(), value.clone());
        }
        let credential =
            headers.remove(header::AUTHORIZATION).map(|value| Secret::new(String::from_utf8_lossy(value.as_bytes())));
        let head = RequestHead {
            method: given.method.clone(),
            path: given.uri.path().to_owned(),
            query: given.uri.query().unwrap_or_default().to_owned(),
            headers,
        };
        let client = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        Self { head, credential, client }
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.head.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.head.path
    }

    /// An exchange with an id of its own.
    pub(crate) fn exchange(self, received_at: Timestamp) -> Exchange {
        let Self { head, credential, client } = self;
        Exchange::new(RequestId::generate(), head, Connection { client, received_at }, credential)
    }
}

/// Whether the client takes one of our media types (docs/v1.md, Body errors).
pub(crate) fn check_accept(head: &RequestHead) -> Result<(), Reject> {
    let mut given = head.headers.get_all(header::ACCEPT).iter().peekable();
    if given.peek().is_none() {
        return Ok(());
    }
    let takes = |range: &str| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let kind = parts.next().unwrap_or_default();
        let refused = parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        !refused
            && matches!(kind.as_str(), "*/*" | "application/*" | "application/json" | "text/*" | "text/event-stream")
    };
    if given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(takes) {
        return Ok(());
    }
    let message = "this route answers with application/json or text/event-stream";
    Err(Reject::new(RejectKind::NotAcceptable, "not_acceptable", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        let head = RequestHead { method: http::Method::GET, path: "/".into(), query: String::new(), headers };
        check_accept(&head).is_ok()
    }

    #[test]
    fn a_client_that_takes_neither_json_nor_events_is_refused() {
        for ok in [
            &[][..],
            &["*/*"],
            &["text/html, application/json;q=0.5"],
            &["text/event-stream"],
            &["TEXT/*"],
            &["a/b", "application/*"],
        ] {
            assert!(accepts(ok), "{ok:?}");
        }
        for refused in [&["text/html"][..], &["image/*, text/plain"], &["application/json;q=0"], &[""]] {
            assert!(!accepts(refused), "{refused:?}");
        }
    }
}
