//! One connection: a request goes out, an answer comes in, and the connection goes back to the pool or is closed.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_error::{Error, RetryType};
use pingora_http::RequestHeader;
use pooler_filter::form::Chunks;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{NetError, told};
use super::framing::{self, End};
use super::{Client, Endpoint};
use crate::cork::Gate;

/// Body bytes handed to the connection at once.
const SLICE: usize = 64 * 1024;
/// How much is gathered into one chunk when it is there already.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE_READS: usize = 64;
/// How long a refusal is waited for after the request could not be written.
const EARLY: Duration = Duration::from_secs(1);
/// How long a peer may take to let a connection be closed in good order.
const PARTING: Duration = Duration::from_secs(1);
/// Most interim answers before the one that counts.
const MOST_INFORMED: usize = 16;
/// How Pingora says that a connection ended before the first byte of an answer; its type says no more than that it ended.
const NO_BYTE: &str = "while reading response headers, bytes already read: 0";

/// One request as it goes on the wire.
#[derive(Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path and query below the origin.
    pub path: String,
    /// All headers but `host` and `content-length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Chunks,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.keys().collect();
        f.debug_struct("Call")
            .field("method", &self.method)
            // A query may be a signature.
            .field("path", &self.path.split('?').next())
            .field("headers", &names)
            .field("body", &self.body.len())
            .finish()
    }
}

/// A connection with at most one request on it.
pub struct Connection {
    session: HttpSession,
    reused: bool,
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
    /// Whether the pool may have it: not one that is apart, and not one with half a request on it.
    poolable: bool,
    /// How the answer broke off. Pingora tells that only once, and after that an end in good order.
    broken: Option<String>,
}

/// Why no head of an answer came.
struct Headless {
    why: String,
    /// Not a byte came before the connection ended.
    silent: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("authority", &self.endpoint.authority)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn reused_from(client: &Arc<Client>, endpoint: Arc<Endpoint>, stream: Stream) -> Self {
        Self { reused: true, ..Self::new(client, endpoint, stream) }
    }

    pub(super) fn for_the_pool(client: &Arc<Client>, to: &Endpoint, stream: Stream) -> Self {
        Self::new(client, Arc::new(to.clone()), stream)
    }

    pub(super) fn apart(client: &Arc<Client>, to: &Endpoint, stream: Stream) -> Self {
        Self { poolable: false, ..Self::for_the_pool(client, to, stream) }
    }

    fn new(client: &Arc<Client>, endpoint: Arc<Endpoint>, stream: Stream) -> Self {
        let (session, client) = (HttpSession::new(stream), Arc::clone(client));
        Self { session, reused: false, client, endpoint, poolable: true, broken: None }
    }

    /// Whether it came from the pool: then a break before the first byte of an answer may only mean that it was stale.
    #[must_use]
    pub const fn reused(&self) -> bool {
        self.reused
    }

    /// Writes the request and waits for the head of the answer.
    pub async fn call(&mut self, call: &Call) -> Result<StatusCode, NetError> {
        let idle = self.client.options.idle_timeout;
        // Deadlines are ours: Pingora's keep a thread that wakes up a hundred times a second.
        self.session.write_timeout = None;
        self.session.read_timeout = None;
        let head = self.request_head(call)?;
        // Until all is written, so that it also holds when the caller gives up meanwhile.
        let poolable = mem::replace(&mut self.poolable, false);
        let written = self.write(head, &call.body).await;
        self.poolable = poolable && written.is_ok();
        // An upstream may refuse before it has read everything: then its answer is there although writing failed.
        let patience = if written.is_ok() { idle } else { EARLY };
        match (timeout(patience, self.read_head()).await, written) {
            (Ok(Ok(status)), _) => Ok(status),
            (_, Err(error @ NetError::TimedOut(_))) => Err(error),
            (Ok(Err(Headless { silent: true, .. })), _) if self.reused => Err(NetError::Stale),
            (_, Err(error)) => Err(error),
            (Ok(Err(Headless { why, .. })), Ok(())) => Err(NetError::Broken(why)),
            (Err(_), Ok(())) => Err(NetError::TimedOut(idle)),
        }
    }

    fn request_head(&self, call: &Call) -> Result<RequestHeader, NetError> {
        let bad = |e: http::Error| NetError::Broken(e.to_string());
        let request = Request::builder().method(call.method.clone()).uri(call.path.as_str()).body(()).map_err(bad)?;
        let (mut head, ()) = request.into_parts();
        head.headers = call.headers.clone();
        let host = HeaderValue::try_from(self.endpoint.authority.as_str()).map_err(|e| bad(e.into()))?;
        head.headers.insert(header::HOST, host);
        if !call.body.is_empty() || matches!(call.method, Method::POST | Method::PUT) {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        }
        Ok(head.into())
    }

    async fn write(&mut self, head: RequestHeader, body: &Chunks) -> Result<(), NetError> {
        let idle = self.client.options.idle_timeout;
        // A head and a small body leave together.
        let gate = Gate::of(self.session.stream());
        gate.iter().for_each(Gate::hold);
        within(idle, self.session.write_request_header(Box::new(head))).await?;
        for piece in body.pieces() {
            for slice in piece.chunks(SLICE) {
                within(idle, self.session.write_body(slice)).await?;
            }
        }
        gate.iter().for_each(Gate::release);
        within(idle, self.session.finish_body()).await
    }

    async fn read_head(&mut self) -> Result<StatusCode, Headless> {
        let mut informed = 0;
        loop {
            let read = self.session.read_response().await;
            read.map_err(|e| Headless { why: told(&e), silent: informed == 0 && is_silent(&e) })?;
            match self.session.get_status() {
                Some(StatusCode::SWITCHING_PROTOCOLS) => return Ok(StatusCode::SWITCHING_PROTOCOLS),
                Some(status) if status.is_informational() && informed < MOST_INFORMED => informed += 1,
                Some(status) if status.is_informational() => {
                    return Err(Headless { why: "too many interim answers".to_owned(), silent: false });
                }
                Some(status) => {
                    return match framing::judge(&self.session.get_headers_raw_bytes()) {
                        End::Folded => Err(Headless { why: "a folded header".to_owned(), silent: false }),
                        // The connection is not used again.
                        End::Doubtful => {
                            self.poolable = false;
                            Ok(status)
                        }
                        End::Clear => Ok(status),
                    };
                }
                None => return Err(Headless { why: "no head".to_owned(), silent: false }),
            }
        }
    }

    /// Headers of the answer.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.session.resp_header().map(|head| &head.headers)
    }

    /// A header of the answer as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()?.get(name)?.to_str().ok()
    }

    /// The next bytes of the answer; what is there already is gathered into one chunk. None at its end. May be dropped while it waits
    /// without losing a byte.
    pub async fn chunk(&mut self, deadline: Instant) -> Result<Option<Bytes>, NetError> {
        if let Some(why) = &self.broken {
            return Err(NetError::Broken(why.clone()));
        }
        let idle = self.client.options.idle_timeout;
        let read = timeout_at(deadline, self.session.read_body_ref()).await.map_err(|_| NetError::TimedOut(idle))?;
        let mut all = match read {
            Ok(Some(first)) => BytesMut::from(first),
            Ok(None) => return Ok(None),
            Err(error) => return Err(NetError::Broken(self.broken.insert(told(&error)).clone())),
        };
        self.gather(&mut all);
        Ok(Some(all.freeze()))
    }

    /// Adds what is there already. A failure met by that is told by the next read, after these bytes went on.
    fn gather(&mut self, all: &mut BytesMut) {
        for _ in 0..COALESCE_READS {
            if self.session.is_body_done() || all.len() >= COALESCE_BYTES {
                break;
            }
            match tokio::task::unconstrained(self.session.read_body_ref()).now_or_never() {
                Some(Ok(Some(more))) => {
                    if all.capacity() - all.len() < more.len() {
                        // Where there is a second piece there are many.
                        all.reserve(COALESCE_BYTES / 2 + more.len());
                    }
                    all.extend_from_slice(more);
                }
                Some(Err(error)) => {
                    self.broken = Some(told(&error));
                    break;
                }
                Some(Ok(None)) | None => break,
            }
        }
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

    /// The bare connection after the peer has switched protocols, with the bytes that came behind its answer.
    #[must_use]
    pub fn into_stream(self) -> (Stream, Vec<u8>) {
        let mut session = self.session;
        // What was read together with the head comes with the first read; a read that would have to wait has taken nothing.
        let early = match tokio::task::unconstrained(session.read_body_bytes()).now_or_never() {
            Some(Ok(Some(bytes))) => bytes.into(),
            Some(Ok(None) | Err(_)) | None => Vec::new(),
        };
        (session.into_inner(), early)
    }

    /// Gives the connection back to the pool, only after the whole answer was read; one that the pool must not have is closed.
    pub async fn release(self) {
        if !self.poolable || self.broken.is_some() {
            return self.close().await;
        }
        let Self { client, mut session, endpoint, .. } = self;
        session.respect_keepalive();
        // It is closed when the answer says so. Whoever takes longer for that is left.
        if let Ok(Some(stream)) = timeout(PARTING, session.reuse()).await {
            client.pool.put(endpoint, stream);
        }
    }

    /// Closes the connection at once, so that the upstream stops working for us.
    pub async fn close(mut self) {
        let _ = timeout(PARTING, self.session.shutdown()).await;
    }
}

/// A step of writing, which has so much time.
async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, Box<Error>>>) -> Result<(), NetError> {
    match timeout(limit, step).await {
        Ok(done) => done.map(drop).map_err(|error| NetError::broken(&error)),
        Err(_) => Err(NetError::TimedOut(limit)),
    }
}

/// Whether a connection ended before a byte of an answer came. What only looks like an end, such as a fault of TLS, does not count.
fn is_silent(error: &Error) -> bool {
    error.retry == RetryType::ReusedOnly && error.context.as_ref().is_some_and(|context| context.as_str() == NO_BYTE)
}

#[cfg(test)]
mod tests;
