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
    /// Members that stand before the last byte of the payload, each after a comma.
    more: &'static str,
    /// The payload with them, once somebody asked for it.
    whole: OnceLock<Box<Bytes>>,
    /// What the name says, read once for all who ask.
    label: Option<EventKind>,
    /// The payload as JSON, once somebody asked for it.
    json: OnceLock<Box<Json>>,
}

impl Frame {
    fn new(kind: FrameKind, name: Option<Bytes>, data: Bytes) -> Self {
        let label = name.as_deref().and_then(Self::label_of);
        Self { kind, raw: None, name, data, more: "", whole: OnceLock::new(), label, json: OnceLock::new() }
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

    /// What a name says; none for one that says nothing.
    pub(crate) fn label_of(name: &[u8]) -> Option<EventKind> {
        // Most events by far: no name that begins so is anything else.
        if name.starts_with(b"response.output_") && name.is_ascii() {
            return Some(EventKind::Output);
        }
        text(name).map(EventKind::of)
    }

    /// The payload as JSON; none for what is none. Parsed once, however many stages ask.
    #[must_use]
    pub fn json_data(&self) -> Option<&Json> {
        if let Some(json) = self.json.get() {
            return Some(json);
        }
        let json = Json::parse(self.data().clone()).ok()?;
        Some(self.json.get_or_init(|| Box::new(json)))
    }

    /// The payload: the data of an event, or the body.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        if self.more.is_empty() { &self.data } else { self.whole.get_or_init(|| Box::new(self.with_more())) }
    }

    fn with_more(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.data.len() + self.more.len());
        self.put(&self.data, 0, &mut whole);
        whole.freeze()
    }

    /// Appends a text that ends like the payload and the bytes after it, with the members that were added.
    fn put(&self, text: &[u8], after: usize, out: &mut BytesMut) {
        if self.more.is_empty() {
            return out.put_slice(text);
        }
        let (begin, end) = text.split_at(text.len().saturating_sub(after + 1));
        out.put_slice(begin);
        out.put_slice(self.more.as_bytes());
        out.put_slice(end);
    }

    /// Replaces the payload; it must be one line for an event.
    pub fn set_data(&mut self, data: impl Into<Bytes>) {
        self.data = data.into();
        self.raw = None;
        self.forget();
    }

    /// Adds members at the end of the payload: an object that has some, and nothing after its brace. Each stands after a comma. Much cheaper
    /// than another payload: nothing is copied before the frame is written.
    pub fn add_members(&mut self, members: &'static str) {
        if !self.more.is_empty() {
            let data = self.data().clone();
            self.set_data(data);
        } else if !self.is_in_our_form() {
            self.raw = None;
        }
        self.forget();
        self.more = members;
    }

    /// What was read of another payload does not hold any more.
    fn forget(&mut self) {
        self.more = "";
        self.whole = OnceLock::new();
        self.json = OnceLock::new();
    }

    /// Whether the frame is still what came from the wire.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.raw.is_some() && self.more.is_empty()
    }

    /// Whether an event with data on one line stands on the wire as it would be written had it not come from there.
    #[must_use]
    pub fn is_in_our_form(&self) -> bool {
        let Some(raw) = &self.raw else { return true };
        // The length and what stands before the data tell the whole form.
        let rest = match &self.name {
            Some(name) => {
                raw.strip_prefix(b"event: ").and_then(|rest| rest.strip_prefix(&name[..])?.strip_prefix(b"\n"))
            }
            None => Some(&raw[..]),
        };
        let data = rest.and_then(|rest| rest.strip_prefix(b"data: ")?.strip_suffix(b"\n\n"));
        data.is_some_and(|data| data.len() == self.data.len())
    }

    /// How many bytes [`Frame::write_to`] appends; a few more than that for an event without a name.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let came = match &self.raw {
            Some(raw) => raw.len(),
            None => self.data.len() + self.name.as_ref().map_or(0, |n| n.len() + 8) + 8,
        };
        came + self.more.len()
    }

    /// Appends the frame as it stands on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        match (&self.raw, self.kind) {
            (Some(raw), _) => self.put(raw, b"\n\n".len(), out),
            (None, FrameKind::Sse) => {
                if let Some(name) = &self.name {
                    out.put_slice(b"event: ");
                    out.put_slice(name);
                    out.put_u8(b'\n');
                }
                out.put_slice(b"data: ");
                self.put(&self.data, 0, out);
                out.put_slice(b"\n\n");
            }
            (None, FrameKind::Json | FrameKind::Opaque) => self.put(&self.data, 0, out),
        }
    }

    /// The frame as it stands on the wire, without a copy when it is untouched.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &self.raw {
            Some(raw) if self.more.is_empty() => return raw.clone(),
            None if self.kind != FrameKind::Sse => return self.data().clone(),
            Some(_) | None => {}
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
mod tests;
