//! The gateway as Pingora's application: a connection gives sessions, each session is one exchange.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pooler_filter::{Reject, RequestId};

use super::Gateway;
use super::downstream::Downstream;
use super::intake::{self, Arrival};

/// How long the rest of a refused body is read, so that the client gets to see the refusal.
const DRAIN: Duration = Duration::from_secs(2);

#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let (limits, gateway) = (&self.settings.limits, &self.settings.gateway);
        let mut stopping = shutdown.clone();
        let arrival = tokio::select! {
            biased;
            arrival = intake::read_head(&mut session, limits.head_timeout, gateway.keep_alive) => arrival,
            _ = stopping.wait_for(|stop| *stop) => return None,
        };
        let _busy = self.lifecycle.enter(&self.metrics);
        let since = Instant::now();
        match arrival {
            Arrival::Nothing => return None,
            Arrival::Refused(reject) => {
                refuse_head(&mut session, &reject).await;
                return None;
            }
            Arrival::Request => {}
        }
        // What the client said of its connection stands; only how long an idle one is kept is ours to say.
        let kept = session.get_keepalive().filter(|_| !*shutdown.borrow());
        session.set_keepalive(kept.map(|_| gateway.keep_alive.as_secs()));
        session.set_pipelining_enabled(true);
        session.set_write_timeout(Some(gateway.write_timeout));
        session.set_total_drain_timeout(Some(DRAIN));
        let mut cx = intake::exchange(&session, self.clock.now());
        let mut down = Downstream::new(session, cx.id(), since);
        self.exchange(&mut down, &mut cx).await;
        finish_session(down).await
    }
}

/// Gives the connection back for the next request, unless the answer broke off.
async fn finish_session(down: Downstream) -> Option<ReusedHttpStream> {
    let finished = down.is_finished();
    let mut session = down.session;
    if !finished {
        session.shutdown().await;
        return None;
    }
    let settings = HttpPersistentSettings::for_session(&session);
    let reusable = session.finish().await.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
}

/// A refusal of something that never became a request: there is no exchange, so it has no id but a new one.
async fn refuse_head(session: &mut ServerSession, reject: &Reject) {
    let body = Bytes::from(reject.envelope());
    let head = ResponseHeader::build(reject.status(), Some(4)).and_then(|mut head| {
        head.insert_header(header::CONTENT_TYPE, "application/json")?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        head.insert_header("x-request-id", RequestId::generate().to_string())?;
        Ok(head)
    });
    if let Ok(head) = head
        && session.write_error_response(head, body).await.is_err()
    {
        tracing::debug!("the client of a refused head is gone");
    }
    session.shutdown().await;
}
