//! An answer before it is sent: head, and a body as a list of steps that hyper plays.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::time::Sleep;

use super::record::Ended;
use super::state::InFlight;
use super::wire::Line;

/// One thing that a body does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Bytes),
    /// Goes on once everything before is with the kernel.
    Flush,
    Wait(Duration),
    Hang,
    Cut,
    Reset,
}

/// The body of a [`Reply`].
#[derive(Debug)]
pub(super) enum Payload {
    /// Sent with its length.
    Whole(Bytes),
    /// Sent chunked.
    Steps(VecDeque<Step>),
}

/// An answer, or the lack of one.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    /// Set when the simulator itself refuses: a short code for the record.
    pub(super) refused: Option<&'static str>,
    /// The connection ends instead.
    pub(super) hang_up: Option<HangUp>,
}

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct HangUp {
    pub(super) reset: bool,
}

impl Reply {
    pub(super) fn new(status: u16, payload: Payload) -> Reply {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Reply { status, headers: HeaderMap::new(), payload, refused: None, hang_up: None }
    }

    pub(super) fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply::new(status, Payload::Whole(body.into())).typed(content_type)
    }

    pub(super) fn json(status: u16, body: &Value) -> Reply {
        Reply::whole(status, "application/json", body.to_string())
    }

    pub(super) fn hang_up(reset: bool) -> Reply {
        let mut reply = Reply::new(500, Payload::Whole(Bytes::new()));
        reply.hang_up = Some(HangUp { reset });
        reply
    }

    pub(super) fn typed(mut self, content_type: &'static str) -> Reply {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// Sets a header; a name or value that HTTP does not allow is left out.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
    }
}

/// Plays the steps of a payload to hyper.
#[derive(Debug)]
pub(super) struct Player {
    payload: Payload,
    sleep: Option<Pin<Box<Sleep>>>,
    flushes_seen: Option<u64>,
    line: Arc<Line>,
    flight: InFlight,
}

impl Player {
    pub(super) fn new(payload: Payload, line: Arc<Line>, flight: InFlight) -> Player {
        let mut player = Player { payload, sleep: None, flushes_seen: None, line, flight };
        if player.is_end_stream() {
            player.flight.end(Ended::Served);
        }
        player
    }

    /// Ready once everything sent before is with the kernel.
    fn poll_flushed(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.line.notify(cx);
        let seen = *self.flushes_seen.get_or_insert_with(|| self.line.flushes());
        if self.line.flushes() == seen {
            return Poll::Pending;
        }
        self.flushes_seen = None;
        Poll::Ready(())
    }

    fn poll_break(&mut self, cx: &Context<'_>, reset: bool) -> Poll<io::Error> {
        ready!(self.poll_flushed(cx));
        if reset {
            self.line.reset_on_close();
        }
        self.flight.end(Ended::Broken);
        Poll::Ready(io::Error::from(io::ErrorKind::ConnectionAborted))
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>, pause: Duration) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}

impl Body for Player {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let player = self.get_mut();
        loop {
            let Some(step) = player.front() else { return Poll::Ready(None) };
            match step {
                Step::Send(bytes) => {
                    player.advance();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Step::Flush => {
                    ready!(player.poll_flushed(cx));
                    player.advance();
                }
                Step::Wait(pause) => {
                    ready!(player.poll_sleep(cx, pause));
                    player.advance();
                }
                Step::Hang => return Poll::Pending,
                Step::Cut => return player.poll_break(cx, false).map(|error| Some(Err(error))),
                Step::Reset => return player.poll_break(cx, true).map(|error| Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.payload {
            Payload::Whole(bytes) => bytes.is_empty(),
            Payload::Steps(steps) => steps.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Payload::Steps(_) => SizeHint::default(),
        }
    }
}

impl Player {
    fn front(&self) -> Option<Step> {
        match &self.payload {
            Payload::Whole(bytes) if bytes.is_empty() => None,
            Payload::Whole(bytes) => Some(Step::Send(bytes.clone())),
            Payload::Steps(steps) => steps.front().cloned(),
        }
    }

    fn advance(&mut self) {
        match &mut self.payload {
            Payload::Whole(bytes) => bytes.clear(),
            Payload::Steps(steps) => {
                steps.pop_front();
            }
        }
        if self.is_end_stream() {
            self.flight.end(Ended::Served);
        }
    }
}
