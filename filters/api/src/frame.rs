//! A frame: one event, message or body, neutral to its carrier, with its source bytes.

use std::fmt;
use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};

use crate::codex::EventKind;
use crate::json::Json;
use crate::sse::Block;

/// How a frame stood, or will stand, on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A block of an event stream.
    Sse,
    /// A whole JSON body.
    Json,
    /// Bytes that nobody looks into.
    Opaque,
}

/// One event or body. An untouched frame is written exactly as it came. `Debug` tells sizes, never contents.
#[derive(Clone)]
pub struct Frame {
    kind: FrameKind,
    raw: Option<Bytes>,
    name: Option<Bytes>,
    data: Bytes,
    /// What the name says, read once for all who ask.
    label: Option<EventKind>,
    /// The payload as JSON, once somebody asked for it.
    json: OnceLock<Box<Json>>,
}

impl Frame {
    fn new(kind: FrameKind, name: Option<Bytes>, data: Bytes) -> Self {
        let label = name.as_deref().and_then(text).map(EventKind::of);
        Self { kind, raw: None, name, data, label, json: OnceLock::new() }
    }

    /// An event as it came from the wire; a block without data (a comment) has empty data.
    #[must_use]
    pub fn from_block(block: Block) -> Self {
        let frame = Self::new(FrameKind::Sse, block.event, block.data.unwrap_or_default());
        Self { raw: Some(block.raw), ..frame }
    }

    /// An event of our own: `event: <name>`, `data: <one line of JSON>`.
    #[must_use]
    pub fn event(name: impl Into<Bytes>, data: impl Into<Bytes>) -> Self {
        Self::new(FrameKind::Sse, Some(name.into()), data.into())
    }

    /// An event of our own without a name: `data: <one line>`.
    #[must_use]
    pub fn unnamed(data: impl Into<Bytes>) -> Self {
        Self::new(FrameKind::Sse, None, data.into())
    }

    /// A whole JSON body.
    #[must_use]
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::new(FrameKind::Json, None, body.into())
    }

    /// Bytes that pass as they are.
    #[must_use]
    pub fn opaque(bytes: impl Into<Bytes>) -> Self {
        Self::new(FrameKind::Opaque, None, bytes.into())
    }

    /// What the frame is.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The name of the event; none when it has none, or a blank one, or one that is not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().and_then(text)
    }

    /// Whether the event has this name.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name.as_bytes())
    }

    /// What the name of the event says that it is; none where there is no [`Self::name`]. Costs nothing: most frames are judged by this.
    #[must_use]
    pub const fn label(&self) -> Option<EventKind> {
        self.label
    }

    /// The payload as JSON; none for what is none. Parsed once, however many stages ask.
    #[must_use]
    pub fn json_data(&self) -> Option<&Json> {
        if let Some(json) = self.json.get() {
            return Some(json);
        }
        let json = Json::parse(self.data.clone()).ok()?;
        Some(self.json.get_or_init(|| Box::new(json)))
    }

    /// The payload: the data of an event, or the body.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Replaces the payload; it must be one line for an event.
    pub fn set_data(&mut self, data: impl Into<Bytes>) {
        self.data = data.into();
        self.raw = None;
        self.json = OnceLock::new();
    }

    /// Whether the frame is still what came from the wire.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.raw.is_some()
    }

    /// How many bytes [`Frame::write_to`] appends; a few more than that for an event without a name.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match &self.raw {
            Some(raw) => raw.len(),
            None => self.data.len() + self.name.as_ref().map_or(0, |n| n.len() + 8) + 8,
        }
    }

    /// Appends the frame as it stands on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        match (&self.raw, self.kind) {
            (Some(raw), _) => out.put_slice(raw),
            (None, FrameKind::Sse) => {
                if let Some(name) = &self.name {
                    out.put_slice(b"event: ");
                    out.put_slice(name);
                    out.put_u8(b'\n');
                }
                out.put_slice(b"data: ");
                out.put_slice(&self.data);
                out.put_slice(b"\n\n");
            }
            (None, FrameKind::Json | FrameKind::Opaque) => out.put_slice(&self.data),
        }
    }

    /// The frame as it stands on the wire, without a copy when it is untouched.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        if self.kind != FrameKind::Sse {
            return self.data.clone();
        }
        let mut out = BytesMut::with_capacity(self.wire_len());
        self.write_to(&mut out);
        out.freeze()
    }
}

/// A name that says something.
fn text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().filter(|name| !name.trim().is_empty())
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", self.kind, self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::{Framer, Limits};

    fn block(text: &'static str) -> Block {
        let mut framer = Framer::new(Limits::default());
        framer.push(Bytes::from_static(text.as_bytes()));
        framer.next_block().unwrap().unwrap()
    }

    #[test]
    fn an_untouched_frame_is_written_as_it_came() {
        let text = "event:a\r\nid: 7\r\ndata:  {}\r\n\r\n";
        let frame = Frame::from_block(block(text));
        assert_eq!(frame.to_bytes(), text.as_bytes());
        assert_eq!(frame.name(), Some("a"));
    }

    #[test]
    fn a_touched_frame_is_written_in_our_form() {
        let mut frame = Frame::from_block(block("event:a\r\ndata:{}\r\n\r\n"));
        frame.set_data("{\"x\":1}");
        assert_eq!(frame.to_bytes(), "event: a\ndata: {\"x\":1}\n\n");
        assert_eq!(frame.wire_len(), frame.to_bytes().len());
    }

    #[test]
    fn an_event_without_a_name_has_no_label() {
        let frame = Frame::unnamed("[DONE]");
        assert_eq!((frame.to_bytes(), frame.name()), ("data: [DONE]\n\n".into(), None));
    }

    #[test]
    fn a_frame_knows_its_label_and_is_parsed_once() {
        let mut frame = Frame::from_block(block("event: response.completed\ndata: {\"a\":1}\n\n"));
        assert_eq!(frame.label(), Some(EventKind::Completed));
        let first = std::ptr::from_ref(frame.json_data().unwrap());
        assert_eq!(first, std::ptr::from_ref(frame.json_data().unwrap()));
        frame.set_data("{\"a\":2}");
        assert!(frame.json_data().unwrap().root().get("a").is_some_and(|a| a.as_u64() == Some(2)));
        assert!(Frame::unnamed("{").json_data().is_none());
        assert_eq!(Frame::event(" ", "{}").label(), None);
    }

    #[test]
    fn a_body_is_written_bare() {
        assert_eq!(Frame::json("{}").to_bytes(), "{}");
    }

    #[test]
    fn the_debug_form_tells_no_content() {
        assert_eq!(format!("{:?}", Frame::event("CANARY", "CANARY")), "Frame(Sse, 6 bytes)");
    }
}
