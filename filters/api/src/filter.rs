//! What a filter is: hooks on the way down, a stage on the way up.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::codex::EventKind;
use crate::head::Names;
use crate::{AttemptReport, Code, Exchange, Frame, Reject, ResponseHead, UpstreamRequest};

/// What happens after a hook.
#[derive(Debug)]
pub enum Flow {
    /// The next filter, or the next step of the host.
    Continue,
    /// The request is answered here; nothing goes upstream.
    Reply(LocalReply),
}

/// An answer that is given here, without the upstream. `Debug` tells no content.
pub struct LocalReply {
    /// Status and headers.
    pub status: http::StatusCode,
    /// Headers; the host adds length and request id.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: bytes::Bytes,
}

impl LocalReply {
    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: impl Into<bytes::Bytes>) -> Self {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        Self { status: http::StatusCode::OK, headers, body: body.into() }
    }
}

impl fmt::Debug for LocalReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalReply")
            .field("status", &self.status)
            .field("headers", &Names(&self.headers))
            .field("body", &self.body.len())
            .finish()
    }
}

/// One link of the chain. It is shared by all exchanges and holds configuration only; what belongs to one exchange lives in slots and in
/// its [`Stage`].
#[async_trait]
pub trait Filter: Send + Sync + 'static {
    /// On the way down, before a byte of the body is read.
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        let _ = cx;
        Ok(Flow::Continue)
    }

    /// On the way down, with the whole body.
    async fn on_request_body(&self, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        let _ = (request, cx);
        Ok(Flow::Continue)
    }

    /// On the way up, once, for the attempt that is committed to the client. The head is what the client will get; the stage returned, if
    /// any, sees every frame of the body.
    fn on_response(&self, head: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        let _ = (head, cx);
        Ok(None)
    }

    /// At the end, once, for every filter whose first hook ran, however the exchange ended.
    async fn on_done(&self, outcome: &Outcome, cx: &mut Exchange) {
        let _ = (outcome, cx);
    }
}

/// The part of a filter that sees the frames of one response. It owns its state and never blocks.
pub trait Stage: Send {
    /// Whether the stage has to see the frame; one that it need not see passes it by. Asked for every frame, before [`Self::frame`], so it
    /// should look at no more than [`Frame::label`].
    fn wants(&self, frame: &Frame) -> bool {
        let _ = frame;
        true
    }

    /// Whether the stage may have to see an event of this name, whatever is in it. Asked for events that come in the usual form, before they
    /// become frames; those that no stage may have to see pass unseen, many in one piece.
    fn may_want(&self, kind: EventKind, name: &[u8]) -> bool {
        let _ = (kind, name);
        true
    }

    /// One frame comes; what goes on is pushed to `out`.
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject>;

    /// No more frames come. What is pushed now still reaches the client. Called again, with [`End::Failed`], when a stage refused the first
    /// end.
    fn end(&mut self, end: &End, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        let _ = (end, out, cx);
        Ok(())
    }
}

/// Where a stage pushes the frames that go on.
#[derive(Debug, Default)]
pub struct Out(Vec<Frame>);

impl Out {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes a frame on.
    pub fn push(&mut self, frame: Frame) {
        self.0.push(frame);
    }

    /// Takes the frames pushed so far, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Frame> {
        self.0.drain(..)
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How the frames of a response ended.
#[derive(Debug)]
pub enum End {
    /// The upstream ended its answer in good order.
    Complete,
    /// The upstream's answer broke off.
    Cut(Cut),
    /// A stage or the host refused to go on; who owns the carrier tells the client.
    Failed(Reject),
}

/// Why an answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The connection was closed or reset.
    Closed,
    /// Nothing came for too long.
    Idle,
    /// One block was larger than its cap.
    TooLarge,
}

/// How an exchange ended, as far as the client is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// The client has a whole answer.
    Succeeded,
    /// The client was told that it failed.
    Failed,
    /// Refused before anything was tried.
    Rejected,
    /// The client went away.
    Cancelled,
}

impl OutcomeKind {
    /// The word for logs, metrics and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The end of an exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// Status that the client got; 499 when it left before one.
    pub status: u16,
    /// Code of the error, if it ended with one.
    pub code: Option<Code>,
    /// Every try at an account, in order.
    pub attempts: Vec<AttemptReport>,
    /// From the arrival of the head to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From the arrival of the head to the end.
    pub duration: Duration,
}

impl Outcome {
    /// An outcome without attempts and times.
    #[must_use]
    pub const fn new(kind: OutcomeKind, status: u16) -> Self {
        Self { kind, status, code: None, attempts: Vec::new(), first_byte: None, duration: Duration::ZERO }
    }
}
