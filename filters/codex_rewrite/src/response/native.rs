//! The native surface: what the backend answers passes as it came, but for what would show one account as the client's own
//! (docs/native.md, Answers).

mod codes;
mod headers;

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use pooler_filter::codex::EventKind;
use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{
    Carrier, Clock, Delivery, Exchange, Frame, FrameKind, Operation, Out, Reject, ResponseHead, Stage, Turn,
    UpstreamHeaders,
};

use self::headers::Relayed;
use super::edits::Edits;
use super::{Asked, Compaction, event, set_head};
use crate::echo::{Echo, Form};

/// The event that tells of the quota of one account (docs/decisions.md, S12).
const RATE_LIMITS: &str = "codex.rate_limits";
/// Events that repeat headers of the answer.
const METADATA: [&str; 2] = ["response.metadata", "codex.response.metadata"];

/// Sets the head of the native answer and gives the stage that its frames pass, if they pass one. `etag`: of the models that this client is
/// shown.
pub(crate) fn native(
    operation: Operation,
    etag: Option<HeaderValue>,
    clock: Arc<dyn Clock>,
    head: &mut ResponseHead,
    cx: &mut Exchange,
) -> Result<Option<Box<dyn Stage>>, Reject> {
    let echo = cx.require::<Echo>()?;
    let given = cx.get::<UpstreamHeaders>();
    let media_type = given.and_then(|UpstreamHeaders(given)| given.get(header::CONTENT_TYPE)).cloned();
    let form = echo.form;
    let relayed = Relayed { model: echo.model.as_str().into(), etag };
    let headers = given.map(|UpstreamHeaders(given)| relayed.of(given)).unwrap_or_default();
    let stream = operation == Operation::Responses && head.carrier == Carrier::Sse;
    if let Form::NativeTrigger { streamed } = form {
        set_head(head, "text/event-stream", Carrier::Sse, Delivery::Stream);
        head.headers.extend(headers);
        relayed.stamp(&mut head.headers);
        return Ok(Some(Box::new(Compaction::native(Asked::of(clock, cx)?, streamed))));
    }
    head.status = StatusCode::OK;
    head.delivery = if head.carrier == Carrier::Sse { Delivery::Stream } else { Delivery::Whole };
    head.headers = headers;
    media_type.map(|kind| head.headers.insert(header::CONTENT_TYPE, kind));
    if !stream {
        return Ok(None);
    }
    relayed.stamp(&mut head.headers);
    // A turn has no head: what stands in it comes as an event before all others.
    let first = cx.get::<Turn>().and_then(|_| headers::event(&head.headers));
    Ok(Some(Box::new(Raw { relayed, first })))
}

/// The frames of a stream on their way.
struct Raw {
    relayed: Relayed,
    /// Goes out before the first of them.
    first: Option<Frame>,
}

impl Stage for Raw {
    fn wants(&self, frame: &Frame) -> bool {
        frame.label().is_none_or(|label| self.may_want(label, b""))
    }

    fn may_want(&self, kind: EventKind, _: &[u8]) -> bool {
        let passes = matches!(kind, EventKind::Output | EventKind::Lifecycle | EventKind::Completed);
        self.first.is_some() || !passes
    }

    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        if let Some(frame) = self.pass(frame) {
            // An error stands in place of a status, and alone.
            self.first.take().filter(|_| frame.name() != Some("error")).into_iter().for_each(|first| out.push(first));
            out.push(frame);
        }
        Ok(())
    }
}

/// What a frame says that it is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    RateLimits,
    Metadata,
    Failure,
    Other,
}

impl Says {
    fn of(name: &str) -> Self {
        match EventKind::of(name) {
            EventKind::Control if name == RATE_LIMITS => Self::RateLimits,
            EventKind::Control if METADATA.contains(&name) => Self::Metadata,
            EventKind::Failed | EventKind::Error | EventKind::Incomplete => Self::Failure,
            EventKind::Control | EventKind::Lifecycle | EventKind::Output | EventKind::Completed => Self::Other,
        }
    }
}

impl Raw {
    /// The frame as the client gets it; none for one that it does not get.
    fn pass(&self, mut frame: Frame) -> Option<Frame> {
        if frame.kind() != FrameKind::Sse || frame.data().is_empty() {
            return Some(frame);
        }
        let label = frame.name().map(Says::of);
        if label == Some(Says::Other) {
            return Some(frame);
        }
        let Ok(json) = Json::parse(event::one_line(frame.data())) else { return Some(frame) };
        let root = json.root();
        let named = root.get("type").and_then(|kind| kind.as_str()).map(|kind| Says::of(&kind));
        let mut edits = Edits::of(&json);
        match named.or(label).unwrap_or(Says::Other) {
            Says::RateLimits => return None,
            Says::Metadata => self.metadata(root, &mut edits),
            Says::Failure => codes::canonical(root, &mut edits),
            Says::Other => {}
        }
        if !edits.is_empty() {
            frame.set_data(edits.apply());
        }
        Some(frame)
    }

    /// The headers that an event repeats are held to the rules of those of the answer.
    fn metadata(&self, root: Value<'_>, edits: &mut Edits<'_>) {
        if let Some(headers) = root.get("headers").filter(|headers| headers.kind() == Kind::Object)
            && let Some(kept) = self.relayed.members(headers)
        {
            edits.replace(headers, kept);
        }
    }
}
