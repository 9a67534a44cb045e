//! A connection of a client gives sessions, each session is one exchange.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pooler_filter::{Reject, RequestId};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::Gateway;
use super::downstream::{Downstream, Gone};
use super::intake::{self, Arrival, Gathered, Opening};
use super::pace::Pace;

/// How long the rest of a refused body is read, so that the client gets to see the refusal.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the last bytes of a connection may take, both ways.
const CLOSING: Duration = Duration::from_secs(1);
/// Room for the first bytes of the next request: as much as its parser would take.
const FIRST_READ: usize = 4096;
/// To Pingora: the connection is kept, and nobody but us watches for how long.
const KEPT: Option<u64> = Some(0);

impl Gateway {
    /// A connection of HTTP/1.1, from its first byte to its last: one request after the other.
    pub(crate) async fn connection(&self, mut stream: Stream, shutdown: &ShutdownWatch) {
        let _open = self.metrics.connection();
        let (limits, gateway) = (&self.settings.limits, &self.settings.gateway);
        let mut stopping = shutdown.clone();
        let (mut early, mut idle) = (BytesMut::with_capacity(FIRST_READ), None);
        loop {
            let gathered = tokio::select! {
                biased;
                gathered = intake::gather(&mut stream, &mut early, limits, idle) => gathered,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            let mut session = ServerSession::new_http1(stream);
            let marks = match gathered {
                Gathered::Head(marks) => marks,
                Gathered::Nothing => return,
                Gathered::Refused(reject) => return self.refuse(session, &reject).await,
            };
            session.set_keepalive(KEPT);
            session.set_pipelined_prefix(std::mem::take(&mut early));
            match intake::read_head(&mut session, limits.head_timeout).await {
                Arrival::Request => {}
                Arrival::Nothing => return,
                Arrival::Refused(reject) => return self.refuse(session, &reject).await,
            }
            // What the client said of its connection stands, unless this is the last answer here.
            if marks.is_last() || *shutdown.borrow() {
                session.set_keepalive(None);
            }
            session.set_pipelining_enabled(true);
            // Apart: what a request needs is not held while its connection waits for the next one.
            let answered = Box::pin(self.request(session, &mut stopping)).await;
            let Some(session) = answered else { return };
            let Some((next, behind)) = reuse(session).await else { return };
            (stream, early, idle) = (next, behind, Some(gateway.keep_alive));
        }
    }

    /// A request that shares its connection with others.
    ///
    /// # Errors
    /// The client did not take the whole answer.
    pub(crate) async fn single(&self, mut session: ServerSession, shutdown: &ShutdownWatch) -> Result<(), Gone> {
        let (limits, mut stopping) = (&self.settings.limits, shutdown.clone());
        let arrival = tokio::select! {
            biased;
            arrival = intake::read_head(&mut session, limits.head_timeout) => arrival,
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
        };
        let refused = match arrival {
            Arrival::Request => intake::too_many_fields(&session, limits),
            Arrival::Nothing => return Ok(()),
            Arrival::Refused(reject) => Some(reject),
        };
        if let Some(reject) = refused {
            self.refuse(session, &reject).await;
            return Ok(());
        }
        let session = self.request(session, &mut stopping).await.ok_or(Gone)?;
        end_stream(session).await;
        Ok(())
    }

    /// Tells a client that has begun nothing, or not enough of a request to know its protocol, that it was too slow.
    pub(crate) async fn refuse_silence(&self, stream: Stream) {
        self.refuse(ServerSession::new_http1(stream), &intake::late()).await;
    }

    /// One request whose head was read. The session once the client has the whole answer; none when nothing more may come over it.
    async fn request(&self, mut session: ServerSession, stopping: &mut ShutdownWatch) -> Option<ServerSession> {
        let gateway = &self.settings.gateway;
        let busy = self.lifecycle.enter(&self.metrics);
        session.set_total_drain_timeout(Some(DRAIN));
        // Deadlines are ours.
        session.set_read_timeout(None);
        let mut cx = Opening::of(&session).exchange(self.clock.now());
        let pace = Pace::new(gateway.write_timeout, gateway.write_min_rate);
        let mut down = Downstream::new(session, cx.id(), Instant::now(), pace);
        self.exchange(&mut down, &mut cx).await;
        // What the request held in memory, such as an uploaded file, does not wait with its connection for the next one.
        drop(cx);
        if down.status() == Some(StatusCode::SWITCHING_PROTOCOLS) {
            let socket = self.lifecycle.open(&self.metrics);
            drop(busy);
            // Far larger than what other requests need.
            Box::pin(self.converse(down.session, stopping.clone())).await;
            drop(socket);
            return None;
        }
        let session = flushed(down, gateway.write_timeout).await;
        drop(busy);
        session
    }

    /// A refusal of something that never became a request: there is no exchange, so it has no id but a new one.
    async fn refuse(&self, mut session: ServerSession, reject: &Reject) {
        let busy = self.lifecycle.enter(&self.metrics);
        let id = RequestId::generate();
        tracing::info!(request_id = %id, status = reject.status().as_u16(), code = reject.code_str(), "a head was refused");
        let body = Bytes::from(reject.envelope());
        let head = ResponseHeader::build(reject.status(), Some(4)).and_then(|mut head| {
            head.insert_header(header::CONTENT_TYPE, "application/json")?;
            head.insert_header(header::CONTENT_LENGTH, body.len())?;
            head.insert_header("x-request-id", id.to_string())?;
            Ok(head)
        });
        if let Ok(head) = head
            && timeout(CLOSING, session.write_error_response(head, body)).await.is_err()
        {
            tracing::debug!("the client of a refused head reads nothing");
        }
        drop(busy);
        part(session).await;
    }
}

/// The session once the client has the whole answer; none when the answer broke off.
async fn flushed(down: Downstream, patience: Duration) -> Option<ServerSession> {
    let finished = down.is_finished();
    let mut session = down.session;
    if finished && timeout(patience, session.finish_body()).await.is_ok_and(|flushed| flushed.is_ok()) {
        return Some(session);
    }
    close(session).await;
    None
}

/// Ends a connection. What its client does not take now is dropped: nobody waits for somebody who does not read.
async fn close(mut session: ServerSession) {
    if timeout(CLOSING, session.shutdown()).await.is_err() {
        tracing::debug!("a client took nothing any more");
    }
}

/// Ends a connection after its last answer. What its client still sends is taken and forgotten for a moment: a connection that is closed while
/// bytes are under way would take the answer with it.
async fn part(session: ServerSession) {
    let ServerSession::H1(session) = session else { return close(session).await };
    let mut stream = session.into_inner();
    let parting = async {
        let _ = stream.shutdown().await;
        let mut rest = [0; 512];
        while matches!(stream.read(&mut rest).await, Ok(1..)) {}
    };
    let _ = timeout(CLOSING, parting).await;
}

/// Ends what shares its connection with others, once the client has sent the rest of a refused body or was waited for long enough.
async fn end_stream(mut session: ServerSession) {
    if awaits_the_rest(&session) && session.drain_request_body().await.is_err() {
        close(session).await;
    }
}

/// The connection for the next request, with the bytes of it that came early. None when there will be none.
async fn reuse(mut session: ServerSession) -> Option<(Stream, BytesMut)> {
    if awaits_the_rest(&session) && session.drain_request_body().await.is_err() {
        close(session).await;
        return None;
    }
    if session.get_keepalive().is_none() {
        part(session).await;
        return None;
    }
    let (stream, early) = session.finish().await.ok().flatten()?.into_parts();
    Some((stream, early.unwrap_or_else(|| BytesMut::with_capacity(FIRST_READ))))
}

/// Whether the client may be sending the rest of its body: a connection that is closed meanwhile would take the answer with it. Who was
/// told to be too slow, and who waits for a go-ahead that never came, sends nothing.
fn awaits_the_rest(session: &ServerSession) -> bool {
    let status = session.response_written().map(|head| head.status);
    let waits = session.req_header().headers.contains_key(header::EXPECT) && session.body_bytes_read() == 0;
    status != Some(StatusCode::REQUEST_TIMEOUT) && !waits
}
