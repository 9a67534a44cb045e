//! The gateway as Pingora's application: a connection gives sessions, each session is one exchange.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, header};
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pooler_filter::{Reject, RequestId};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::Gateway;
use super::downstream::Downstream;
use super::intake::{self, Arrival, Opening};

/// How long the rest of a refused body is read, so that the client gets to see the refusal.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the last bytes of a broken-off answer may take to leave.
const CLOSING: Duration = Duration::from_secs(1);
/// Room for the first bytes of the next request: as much as its parser would take.
const FIRST_READ: usize = 4096;
/// To Pingora: the connection is kept, and nobody but us watches for how long.
const KEPT: Option<u64> = Some(0);

#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let (limits, gateway) = (&self.settings.limits, &self.settings.gateway);
        let mut stopping = shutdown.clone();
        session.set_keepalive(KEPT);
        let arrival = tokio::select! {
            biased;
            arrival = intake::read_head(&mut session, limits.head_timeout) => arrival,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        let busy = self.lifecycle.enter(&self.metrics);
        let since = Instant::now();
        match arrival {
            Arrival::Nothing => return None,
            Arrival::Refused(reject) => {
                refuse_head(session, &reject).await;
                return None;
            }
            Arrival::Request => {}
        }
        // What the client said of its connection stands, unless this is the last answer here.
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        session.set_pipelining_enabled(true);
        session.set_total_drain_timeout(Some(DRAIN));
        let mut cx = Opening::of(&session).exchange(self.clock.now());
        let mut down = Downstream::new(session, cx.id(), since, gateway.write_timeout);
        self.exchange(&mut down, &mut cx).await;
        // What the request held in memory, such as an uploaded file, does not wait with its connection for the next one.
        drop(cx);
        if down.status() == Some(StatusCode::SWITCHING_PROTOCOLS) {
            let socket = self.lifecycle.open(&self.metrics);
            drop(busy);
            self.converse(down.session, stopping).await;
            drop(socket);
            return None;
        }
        let session = flushed(down, gateway.write_timeout).await?;
        drop(busy);
        next_request(session, gateway.keep_alive, &mut stopping).await
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

/// Waits for the first bytes of the next request, which has the whole time of a head from then on. None when there will be none.
async fn next_request(
    mut session: ServerSession,
    idle: Duration,
    stopping: &mut ShutdownWatch,
) -> Option<ReusedHttpStream> {
    if awaits_the_rest(&session) && session.drain_request_body().await.is_err() {
        close(session).await;
        return None;
    }
    let mut settings = HttpPersistentSettings::for_session(&session);
    let (mut stream, early) = session.finish().await.ok().flatten()?.into_parts();
    let mut first = early.unwrap_or_default();
    // Empty lines between requests are no beginning of one (RFC 9112, 2.2).
    while first.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        first.clear();
        first.reserve(FIRST_READ);
        let read = tokio::select! {
            biased;
            read = timeout(idle, stream.read_buf(&mut first)) => read,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        let Ok(Ok(1..)) = read else { return None };
    }
    settings.set_pipelined_prefix(first);
    Some(ReusedHttpStream::new(stream, Some(settings)))
}

/// Whether the client may be sending the rest of its body: a connection that is closed meanwhile would take the answer with it. Who was
/// told to be too slow, and who waits for a go-ahead that never came, sends nothing.
fn awaits_the_rest(session: &ServerSession) -> bool {
    let status = session.response_written().map(|head| head.status);
    let waits = session.req_header().headers.contains_key(header::EXPECT) && session.body_bytes_read() == 0;
    status != Some(StatusCode::REQUEST_TIMEOUT) && !waits
}

/// A refusal of something that never became a request: there is no exchange, so it has no id but a new one.
async fn refuse_head(mut session: ServerSession, reject: &Reject) {
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
    close(session).await;
}
