//! HTTP/2 connections of clients: many requests side by side, and bounds for what one connection may cost (docs/operations.md, HTTP/2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::Reason;
use parking_lot::Mutex;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, handshake};
use pingora_core::protocols::{Digest, Stream};
use pingora_core::server::ShutdownWatch;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::proxy::Gateway;

/// Requests that run side by side on a connection.
const STREAMS: u32 = 100;
/// Requests that are still being ended, together with those that run: a client that has given one up may begin another at once.
const TASKS: usize = 2 * STREAMS as usize;
/// Names and values of a head, decoded, with 32 bytes for each of them (RFC 9113, 6.5.2).
const HEADER_LIST: u32 = 32 * 1024;
/// Bytes of the table that compresses heads.
const HEADER_TABLE: u32 = 4096;
/// Largest frame.
const FRAME: u32 = 16 * 1024;
/// Bytes of a body that a client may send before they are read: of one request, of all on a connection.
const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer that wait for the connection.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests that a client may give up before they were even looked at, in one go.
const RESETS_UNSEEN: usize = 20;
/// Requests that are refused because they break the protocol, on one connection.
const MALFORMED: usize = 32;
/// Streams that ended early are remembered, so that late frames of them are no mistake: so many, so long.
const REMEMBERED: usize = 32;
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
/// Answers that a client did not take to their end: so many at once, and so many more each second.
const GIVEN_UP: f32 = 200.0;
const GIVEN_UP_PER_SECOND: f32 = 20.0;
/// How long the last frames of a connection may take to leave.
const CLOSING: Duration = Duration::from_secs(1);

type Connection = h2::server::Connection<Stream, Bytes>;

fn options() -> H2Options {
    let mut options = H2Options::new();
    options
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .header_table_size(HEADER_TABLE)
        .max_frame_size(FRAME)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_UNSEEN)
        .max_local_error_reset_streams(Some(MALFORMED))
        .max_concurrent_reset_streams(REMEMBERED)
        .reset_stream_duration(REMEMBERED_FOR);
    options
}

/// Serves a connection from its preface to its end.
pub(super) async fn serve(gateway: &Arc<Gateway>, stream: Stream, shutdown: &ShutdownWatch) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let begun = timeout(gateway.settings.limits.head_timeout, handshake(stream, Some(options()))).await;
    let Ok(Ok(connection)) = begun else { return };
    let requests = Requests { gateway: Arc::clone(gateway), running: watch::Sender::new(0), given_up: Arc::default() };
    accept(connection, digest, &requests, shutdown).await;
}

/// The requests of a connection.
struct Requests {
    gateway: Arc<Gateway>,
    running: watch::Sender<usize>,
    given_up: Arc<Mutex<GivenUp>>,
}

/// Drives the connection; each request runs in a task of its own.
async fn accept(mut connection: Connection, digest: Arc<Digest>, requests: &Requests, shutdown: &ShutdownWatch) {
    let gateway = &requests.gateway;
    let mut stopping = shutdown.clone();
    // From the signal to stop on: the end waits until the last answers have left.
    let mut leaving = None;
    let mut malformed = 0;
    let mut idle = gateway.settings.limits.head_timeout;
    let why = loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop), if leaving.is_none() => {
                connection.graceful_shutdown();
                leaving = Some(gateway.lifecycle.hold());
                idle = CLOSING;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(session))) => {
                    if requests.are_too_much() {
                        break Reason::ENHANCE_YOUR_CALM;
                    }
                    requests.begin(session, shutdown);
                    if leaving.is_none() {
                        idle = gateway.settings.gateway.keep_alive;
                    }
                }
                Ok(Some(H2Accept::Rejected)) => {
                    malformed += 1;
                    if malformed >= MALFORMED {
                        break Reason::ENHANCE_YOUR_CALM;
                    }
                }
                Ok(None) | Err(_) => return,
            },
            () = requests.idle_for(idle) => break Reason::NO_ERROR,
        }
    };
    if why != Reason::NO_ERROR {
        tracing::warn!(reason = why.description(), "an HTTP/2 connection is closed: its client asks for too much");
    }
    connection.abrupt_shutdown(why);
    // A client that does not read hears nothing of it.
    let _ = timeout(CLOSING, std::future::poll_fn(|cx| connection.poll_closed(cx))).await;
}

impl Requests {
    fn begin(&self, session: HttpSession, shutdown: &ShutdownWatch) {
        self.running.send_modify(|n| *n += 1);
        let running = Running(self.running.clone());
        let (gateway, given_up, shutdown) = (Arc::clone(&self.gateway), Arc::clone(&self.given_up), shutdown.clone());
        tokio::spawn(async move {
            if gateway.single(ServerSession::new_http2(session), &shutdown).await.is_err() {
                given_up.lock().note(Instant::now());
            }
            drop(running);
        });
    }

    fn are_too_much(&self) -> bool {
        *self.running.borrow() >= TASKS || self.given_up.lock().is_too_much(Instant::now())
    }

    /// Returns when nothing has run for so long.
    async fn idle_for(&self, time: Duration) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.running.subscribe().wait_for(|n| *n == 0).await;
        sleep(time).await;
    }
}

/// A request that runs, until it is dropped.
struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

/// How many answers were given up lately: each counts one, and [`GIVEN_UP_PER_SECOND`] of them are forgotten each second.
#[derive(Debug, Default)]
struct GivenUp {
    level: f32,
    since: Option<Instant>,
}

impl GivenUp {
    fn level(&self, now: Instant) -> f32 {
        let passed = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        passed.as_secs_f32().mul_add(-GIVEN_UP_PER_SECOND, self.level).max(0.0)
    }

    fn note(&mut self, now: Instant) {
        self.level = self.level(now) + 1.0;
        self.since = Some(now);
    }

    fn is_too_much(&self, now: Instant) -> bool {
        self.level(now) > GIVEN_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_were_given_up_are_forgotten_with_time() {
        let (mut given_up, start) = (GivenUp::default(), Instant::now());
        for _ in 0..200 {
            given_up.note(start);
        }
        assert!(!given_up.is_too_much(start));
        given_up.note(start);
        assert!(given_up.is_too_much(start));
        assert!(!given_up.is_too_much(start + Duration::from_secs(1)));
        // A client that gives up ten each second may do so for ever.
        for second in 0..100 {
            let now = start + Duration::from_secs(20 + second);
            for _ in 0..10 {
                given_up.note(now);
            }
            assert!(!given_up.is_too_much(now));
        }
        // Fifty each second is too much after some seconds.
        let later = start + Duration::from_secs(500);
        let told = (0..60).find(|second| {
            let now = later + Duration::from_secs(*second);
            for _ in 0..50 {
                given_up.note(now);
            }
            given_up.is_too_much(now)
        });
        assert!(told.is_some_and(|second| (3..10).contains(&second)), "{told:?}");
    }
}
