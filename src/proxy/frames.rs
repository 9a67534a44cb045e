//! Chunks of an answer become frames, one block at a time.

use bytes::{Bytes, BytesMut};
use pooler_filter::codex::{EventKind, bare_response};
use pooler_filter::json::Json;
use pooler_filter::sse::{BlockTooLarge, Framer, Limits};
use pooler_filter::{Frame, Reject};

/// What an event is; none for comments, for data that is no JSON object, and when label and `type` disagree. The data is looked into only
/// when the label alone does not tell, or when the event would end the response.
pub(crate) fn kind_of(frame: &Frame) -> Option<EventKind> {
    if frame.data().is_empty() {
        return None;
    }
    if let Some(kind) = frame.label().filter(|kind| !kind.is_terminal()) {
        return Some(kind);
    }
    let (event, bare) = read(frame)?;
    let given = event.root().get("type")?.as_str()?;
    let kind = EventKind::of(&given);
    let agrees = match frame.label() {
        None => true,
        Some(label) if bare => label == EventKind::Completed,
        Some(_) => frame.name().map(str::trim) == Some(&*given),
    };
    agrees.then_some(kind)
}

/// The event in a frame of a stream; a bare response object stands for one.
pub(crate) fn event_in(frame: &Frame) -> Option<Json> {
    read(frame).map(|(event, _)| event)
}

/// The event, and whether it was a bare response object: the old form of a final response.
fn read(frame: &Frame) -> Option<(Json, bool)> {
    let json = frame.json_data()?;
    let root = json.root();
    if root.get("type").is_some_and(|kind| !kind.is_null()) {
        return Some((json.clone(), false));
    }
    root.get("id")?.as_str()?;
    bare_response(json).map(|event| (event, true))
}

/// The blocks of one answer, with a name for what cannot be framed.
#[derive(Debug)]
pub(crate) struct Blocks(Framer);

impl Blocks {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Framer::new(limits))
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.0.push(chunk);
    }

    /// The events that come next and may pass unseen, in one piece.
    pub(crate) fn unseen(&mut self, pass: impl FnMut(&[u8]) -> bool) -> Option<Frame> {
        self.0.next_run(pass).map(Frame::opaque)
    }

    pub(crate) fn next(&mut self) -> Result<Option<Frame>, BlockTooLarge> {
        Ok(self.0.next_block()?.map(Frame::from_block))
    }

    /// Whether a comment would now fall into the middle of a block.
    pub(crate) fn has_partial(&self) -> bool {
        self.0.has_partial()
    }
}

/// Frames as bytes for the client, in one piece; a single one without a copy.
pub(crate) fn to_bytes(frames: &mut Vec<Frame>) -> Bytes {
    if frames.len() == 1 {
        return frames.drain(..).next().map_or_else(Bytes::new, |frame| frame.to_bytes());
    }
    let mut out = BytesMut::with_capacity(frames.iter().map(Frame::wire_len).sum());
    for frame in frames.drain(..) {
        frame.write_to(&mut out);
    }
    out.freeze()
}

/// The answer of the upstream is larger than what is collected.
pub(crate) fn response_too_large() -> Reject {
    let message = pooler_filter::codex::sentence("upstream_response_too_large", Default::default());
    Reject::new(pooler_filter::RejectKind::BadGateway, "upstream_response_too_large", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &'static str, data: &'static str) -> Option<EventKind> {
        kind_of(&Frame::event(name, data))
    }

    #[test]
    fn a_bare_response_is_the_event_that_its_status_says() {
        for label in ["", "response.completed", "response.done"] {
            assert_eq!(kind(label, r#"{"id":"resp_1"}"#), Some(EventKind::Completed));
            assert_eq!(kind(label, r#"{"id":"resp_1","type":null,"status":"failed"}"#), Some(EventKind::Failed));
            assert_eq!(kind(label, r#"{"id":"resp_1","error":{"code":"x"}}"#), Some(EventKind::Failed));
            assert_eq!(kind(label, r#"{"id":"resp_1","status":"incomplete"}"#), Some(EventKind::Incomplete));
            assert_eq!(kind(label, r#"{"detail":"x"}"#), None);
        }
        assert_eq!(kind("error", r#"{"id":"resp_1"}"#), None);
    }
}
