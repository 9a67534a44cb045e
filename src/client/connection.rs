//! One connection: a request goes out, an answer comes in, and the connection goes back to the pool or is closed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use tokio::time::{Instant, timeout, timeout_at};

use super::Client;

/// Body bytes handed to the connection at once.
const SLICE: usize = 64 * 1024;
/// How much is gathered into one chunk when it is there already.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE_READS: usize = 64;

/// What went wrong below HTTP.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No address could be reached; no byte was sent.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, String),
    /// The request could not be written, or no answer came back.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("nothing came within {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than its cap.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// One request as it goes on the wire.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path and query below the origin.
    pub path: String,
    /// All headers but `host` and `content-length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A connection with at most one request on it.
pub struct Connection {
    session: HttpSession,
    peer: HttpPeer,
    reused: bool,
    client: Arc<Client>,
    authority: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("authority", &self.authority)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) const fn new(
        session: HttpSession,
        peer: HttpPeer,
        reused: bool,
        client: Arc<Client>,
        authority: String,
    ) -> Self {
        Self { session, peer, reused, client, authority }
    }

    /// Whether it came from the pool: then a break before the first byte of an answer may only mean that it was stale.
    #[must_use]
    pub const fn reused(&self) -> bool {
        self.reused
    }

    /// Writes the request and waits for the head of the answer.
    pub async fn call(&mut self, call: &Call) -> Result<StatusCode, NetError> {
        let idle = self.client.options.idle_timeout;
        self.session.set_write_timeout(Some(idle));
        self.session.set_read_timeout(None);
        let head = self.request_head(call)?;
        let written = self.write(head, call.body.clone()).await;
        // An upstream may refuse before it has read everything: then its answer is there although writing failed.
        let patience = if written.is_ok() { idle } else { Duration::from_secs(1) };
        match timeout(patience, self.read_head()).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(written.err().unwrap_or(error)),
            Err(_) => Err(written.err().unwrap_or(NetError::TimedOut(idle))),
        }
    }

    fn request_head(&self, call: &Call) -> Result<RequestHeader, NetError> {
        let bad = |e: Box<pingora_error::Error>| NetError::Broken(e.to_string());
        let mut head = RequestHeader::build(call.method.clone(), call.path.as_bytes(), Some(call.headers.len() + 2))
            .map_err(bad)?;
        for (name, value) in &call.headers {
            head.append_header(name.clone(), value.clone()).map_err(bad)?;
        }
        head.insert_header(header::HOST, self.authority.as_str()).map_err(bad)?;
        if !call.body.is_empty() || call.method == Method::POST {
            head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(call.body.len())).map_err(bad)?;
        }
        Ok(head)
    }

    async fn write(&mut self, head: RequestHeader, mut body: Bytes) -> Result<(), NetError> {
        let broken = |e: Box<pingora_error::Error>| NetError::Broken(e.to_string());
        self.session.write_request_header(Box::new(head)).await.map_err(broken)?;
        while !body.is_empty() {
            let slice = body.split_to(body.len().min(SLICE));
            self.session.write_request_body(slice, body.is_empty()).await.map_err(broken)?;
        }
        self.session.finish_request_body().await.map_err(broken)
    }

    async fn read_head(&mut self) -> Result<StatusCode, NetError> {
        loop {
            self.session.read_response_header().await.map_err(|e| NetError::Broken(e.to_string()))?;
            match self.session.response_header().map(|head| head.status) {
                Some(status) if status.is_informational() => {}
                Some(status) => return Ok(status),
                None => return Err(NetError::Broken("no head".to_owned())),
            }
        }
    }

    /// Headers of the answer.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.session.response_header().map(|head| &head.headers)
    }

    /// A header of the answer as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()?.get(name)?.to_str().ok()
    }

    /// The next bytes of the answer; what is there already is gathered into one chunk. None at its end. May be dropped while it waits
    /// without losing a byte.
    pub async fn chunk(&mut self, deadline: Instant) -> Result<Option<Bytes>, NetError> {
        let idle = self.client.options.idle_timeout;
        let read =
            timeout_at(deadline, self.session.read_response_body()).await.map_err(|_| NetError::TimedOut(idle))?;
        let Some(first) = read.map_err(|e| NetError::Broken(e.to_string()))? else { return Ok(None) };
        Ok(Some(self.gather(first)))
    }

    /// A failure met while gathering is met again by the next read, after these bytes went on.
    fn gather(&mut self, first: Bytes) -> Bytes {
        let mut all: Option<BytesMut> = None;
        for _ in 0..COALESCE_READS {
            if self.session.response_done() || all.as_ref().map_or(first.len(), BytesMut::len) >= COALESCE_BYTES {
                break;
            }
            let ready = tokio::task::unconstrained(self.session.read_response_body()).now_or_never();
            let Some(Ok(Some(more))) = ready else { break };
            all.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&more);
        }
        all.map_or(first, BytesMut::freeze)
    }

    /// When the next byte must have come.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        Instant::now() + self.client.options.idle_timeout
    }

    /// The whole body, up to a cap.
    pub async fn read_all(&mut self, cap: usize) -> Result<Bytes, NetError> {
        let mut body = BytesMut::new();
        loop {
            let deadline = self.next_deadline();
            let Some(chunk) = self.chunk(deadline).await? else { return Ok(body.freeze()) };
            if body.len() + chunk.len() > cap {
                return Err(NetError::TooLarge(cap));
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// Gives the connection back to the pool; only after the whole answer was read.
    pub async fn release(self) {
        self.client.connector.release_http_session(self.session, &self.peer, Some(self.client.options.pool_idle)).await;
    }

    /// Closes the connection at once, so that the upstream stops working for us.
    pub async fn close(mut self) {
        self.session.shutdown().await;
    }
}
