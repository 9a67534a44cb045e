//! Reads what a request took off the frame that ends its answer. Every frame passes untouched, and only a terminal one is parsed.

use pooler_filter::codex::EventKind;
use pooler_filter::json::{Kind, Value};
use pooler_filter::{Exchange, Frame, FrameKind, Out, Reject, Stage, TokenUsage, Usage};

use crate::usage;

/// The stage; what it learns goes into the slot, so it has no state of its own.
pub(crate) struct ReadUsage;

impl Stage for ReadUsage {
    fn wants(&self, frame: &Frame) -> bool {
        may_end(frame)
    }

    fn may_want(&self, kind: EventKind, _: &[u8]) -> bool {
        kind.is_terminal()
    }

    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        // The first terminal counts: what comes after the end of an answer is no part of it.
        if may_end(&frame)
            && cx.get::<Usage>().is_none()
            && let Some(told) = read(&frame)
        {
            cx.put(told)?;
        }
        out.push(frame);
        Ok(())
    }
}

/// Whether the frame has to be looked into: it says that it is terminal, or it does not say what it is.
fn may_end(frame: &Frame) -> bool {
    match (frame.kind(), frame.label()) {
        (FrameKind::Sse, Some(label)) => label.is_terminal(),
        (FrameKind::Sse, None) => !frame.data().is_empty(),
        (FrameKind::Json, _) => true,
        (FrameKind::Opaque, _) => false,
    }
}

/// What the frame tells, if it ends an answer and carries its response object.
fn read(frame: &Frame) -> Option<Usage> {
    let root = frame.json_data()?.root();
    let inner = root.get("response").filter(|inner| inner.kind() == Kind::Object);
    let response = match frame.kind() {
        FrameKind::Sse if frame.label().is_none() && !is_terminal(root) => return None,
        FrameKind::Sse => inner?,
        FrameKind::Json => inner.unwrap_or(root),
        FrameKind::Opaque => return None,
    };
    Some(Usage {
        tokens: response.get("usage").map_or(TokenUsage::Unknown, usage::tokens),
        served_model: short_text(response.get("model")),
        service_tier: short_text(response.get("service_tier")),
    })
}

fn is_terminal(event: Value<'_>) -> bool {
    event.get("type").and_then(|t| t.as_str()).is_some_and(|t| EventKind::of(&t).is_terminal())
}

/// A name that is fit for the ledger: printable and of a sane length.
fn short_text(value: Option<Value<'_>>) -> Option<String> {
    let text = value?.as_str()?;
    let fit = (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
    fit.then(|| text.into_owned())
}

#[cfg(test)]
mod tests;
