//! One block of an event stream: its bytes as they stood on the wire and the two fields that matter here.

use std::fmt;

use bytes::Bytes;

/// A block of an event stream, up to and including the blank line that ends it.
///
/// Three sorts carry no data: comments, blank lines on their own, and a lone LF. The last is what is left of a CRLF
/// that came apart: a block ends with its CR and is not held back to see whether an LF follows.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The bytes of the stream, the ending blank line included.
    pub raw: Bytes,
    /// The event's name without white space around it; None when there is none or it is blank.
    pub event: Option<Bytes>,
    /// The data lines, joined by LF; None when the block has no data line, as in a comment.
    pub data: Option<Bytes>,
}

impl Block {
    /// Writes an event: lines end with LF, every line of the data becomes a data line.
    ///
    /// A line break in the name and what follows it is left out: a name has one line.
    ///
    /// ```
    /// # use pooler_filter::sse::Block;
    /// let block = Block::new(Some("ping"), "{}");
    /// assert_eq!(block.raw, "event: ping\ndata: {}\n\n");
    /// ```
    #[must_use]
    pub fn new(event: Option<&str>, data: &str) -> Self {
        let event = event.and_then(|name| name.split(['\r', '\n']).next()).map(str::trim).unwrap_or_default();
        let mut raw = Vec::with_capacity(event.len() + data.len() + 24);
        if !event.is_empty() {
            raw.extend_from_slice(b"event: ");
            raw.extend_from_slice(event.as_bytes());
            raw.push(b'\n');
        }
        let event_end = raw.len().saturating_sub(1);
        let single = memchr::memchr2(b'\r', b'\n', data.as_bytes()).is_none();
        let joined = if single { None } else { Some(data.replace("\r\n", "\n").replace('\r', "\n")) };
        for line in joined.as_deref().unwrap_or(data).split('\n') {
            raw.extend_from_slice(b"data: ");
            raw.extend_from_slice(line.as_bytes());
            raw.push(b'\n');
        }
        let data_end = raw.len() - 1;
        raw.push(b'\n');
        let raw = Bytes::from(raw);
        let name = (!event.is_empty()).then(|| raw.slice(event_end - event.len()..event_end));
        let data = joined.map_or_else(|| raw.slice(data_end - data.len()..data_end), Bytes::from);
        Self { raw, event: name, data: Some(data) }
    }

    /// The event's name as text; None when there is none or it is not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.event.as_deref().and_then(|name| std::str::from_utf8(name).ok())
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |field: &Option<Bytes>| field.as_ref().map(Bytes::len);
        f.debug_struct("Block")
            .field("raw", &self.raw.len())
            .field("event", &len(&self.event))
            .field("data", &len(&self.data))
            .finish()
    }
}
