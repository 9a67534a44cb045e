//! One connection: a request goes out, an answer comes in, and the connection goes back to the pool or is closed.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use pingora_core::protocols::Stream;
use pooler_filter::form::Chunks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::answer::{Answer, Head};
use super::error::NetError;
use super::request;
use super::{Client, Endpoint};
use crate::cork::Gate;

/// Body bytes handed to the connection at once.
const SLICE: usize = 64 * 1024;
/// Bytes that are read before they go on, if they are there already.
const READ: usize = 16 * 1024;
/// Least memory to read to.
const LEAST: usize = 4 * 1024;
/// How long a refusal is waited for after the request could not be written.
const EARLY: Duration = Duration::from_secs(1);
/// How long a peer may take to let a connection be closed in good order.
const PARTING: Duration = Duration::from_secs(1);

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
    stream: Stream,
    answer: Answer,
    head: Option<Head>,
    reused: bool,
    client: Arc<Client>,
    endpoint: Arc<Endpoint>,
    /// Whether the pool may have it: not one that is apart, and not one with half a request on it.
    poolable: bool,
    /// For the next chunk.
    timer: Option<Pin<Box<Sleep>>>,
    /// How the connection ended, which may be how the answer ends.
    ended: Option<Result<(), io::ErrorKind>>,
    /// How the answer broke off.
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
        let (answer, client) = (Answer::new(), Arc::clone(client));
        Self {
            stream,
            answer,
            head: None,
            reused: false,
            client,
            endpoint,
            poolable: true,
            timer: None,
            ended: None,
            broken: None,
        }
    }

    /// Whether it came from the pool: then a break before the first byte of an answer may only mean that it was stale.
    #[must_use]
    pub const fn reused(&self) -> bool {
        self.reused
    }

    /// Writes the request and waits for the head of the answer.
    pub async fn call(&mut self, call: &Call) -> Result<StatusCode, NetError> {
        let idle = self.client.options.idle_timeout;
        let head = request::head(call, &self.endpoint.authority).map_err(NetError::Broken)?;
        // Until all is written, so that it also holds when the caller gives up meanwhile.
        let poolable = mem::replace(&mut self.poolable, false);
        let written = self.write(&head, &call.body).await;
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

    async fn write(&mut self, head: &[u8], body: &Chunks) -> Result<(), NetError> {
        let idle = self.client.options.idle_timeout;
        // A head and a small body leave together.
        let gate = Gate::of(&self.stream);
        gate.iter().for_each(Gate::hold);
        within(idle, self.stream.write_all(head)).await?;
        for piece in body.pieces() {
            for slice in piece.chunks(SLICE) {
                within(idle, self.stream.write_all(slice)).await?;
            }
        }
        gate.iter().for_each(Gate::release);
        within(idle, self.stream.flush()).await
    }

    async fn read_head(&mut self) -> Result<StatusCode, Headless> {
        loop {
            let came = self.answer.head().map_err(|why| Headless { why: why.to_owned(), silent: false })?;
            if let Some(head) = came {
                return Ok(self.head.insert(head).status);
            }
            let silent = self.answer.is_silent();
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) => return Err(Headless { why: "the connection ended".to_owned(), silent }),
                Ok(_) => {}
                // What only looks like an end, such as a fault of TLS, does not count.
                Err(error) => {
                    let silent = silent && error.raw_os_error().is_some();
                    return Err(Headless { why: error.kind().to_string(), silent });
                }
            }
        }
    }

    /// Headers of the answer.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.head.as_ref().map(|head| &head.headers)
    }

    /// A header of the answer as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()?.get(name)?.to_str().ok()
    }

    /// The next bytes of the answer; what is there already is gathered into one chunk. None at its end. May be dropped while it waits
    /// without losing a byte.
    pub async fn chunk(&mut self, deadline: Instant) -> Result<Option<Bytes>, NetError> {
        poll_fn(|cx| match self.poll_chunk(cx) {
            Poll::Ready(next) => Poll::Ready(next.map_err(NetError::Broken)),
            Poll::Pending => {
                ready!(self.poll_late(cx, deadline));
                Poll::Ready(Err(NetError::TimedOut(self.client.options.idle_timeout)))
            }
        })
        .await
    }

    /// Whether it is too late. One timer serves all chunks: it is set anew when it goes off, not whenever something comes.
    fn poll_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, String>> {
        while self.broken.is_none() && !self.answer.is_done() {
            let waits = self.gather(cx);
            match self.answer.body() {
                Ok(body) if !body.is_empty() => return Poll::Ready(Ok(Some(body))),
                Ok(_) if self.answer.is_done() => {}
                Ok(_) if waits => {
                    self.answer.bytes = BytesMut::new();
                    return Poll::Pending;
                }
                Ok(_) => match &self.ended {
                    Some(Ok(())) => self.broken = self.answer.end().err().map(str::to_owned),
                    Some(Err(error)) => self.broken = Some(error.to_string()),
                    None => {}
                },
                Err(fault) => self.broken = Some(fault.to_owned()),
            }
        }
        Poll::Ready(self.broken.clone().map_or(Ok(None), Err))
    }

    /// Reads what is there already; whether there may be more later. An end met by that is told after the bytes before it.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        while self.ended.is_none() && self.answer.bytes.len() < READ && self.answer.wants_more() {
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => self.ended = Some(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.ended = Some(Err(error.kind())),
                Poll::Pending => return true,
            }
        }
        false
    }

    /// Adds to the bytes of the answer. Nothing: the connection has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let bytes = &mut self.answer.bytes;
        if bytes.capacity() - bytes.len() < LEAST {
            bytes.reserve(READ);
        }
        // It takes nothing while it waits.
        let read = pin!(self.stream.read_buf(bytes)).poll(cx);
        if read.is_pending() && self.answer.bytes.is_empty() {
            // Nobody knows for how long: it keeps no memory meanwhile.
            self.answer.bytes = BytesMut::new();
        }
        read
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
        (self.stream, self.answer.bytes.into())
    }

    /// Gives the connection back to the pool, only after the whole answer was read; one that the pool must not have is closed.
    pub async fn release(self) {
        if !self.poolable || self.ended.is_some() || !self.answer.leaves_connection() {
            return self.close().await;
        }
        let Self { client, stream, endpoint, .. } = self;
        client.pool.put(endpoint, stream);
    }

    /// Closes the connection at once, so that the upstream stops working for us.
    pub async fn close(mut self) {
        let _ = timeout(PARTING, self.stream.shutdown()).await;
    }
}

/// A step of writing, which has so much time.
async fn within(limit: Duration, step: impl Future<Output = io::Result<()>>) -> Result<(), NetError> {
    match timeout(limit, step).await {
        Ok(done) => done.map_err(|error| NetError::Broken(error.kind().to_string())),
        Err(_) => Err(NetError::TimedOut(limit)),
    }
}

#[cfg(test)]
mod tests;
