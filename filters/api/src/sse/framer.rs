//! The incremental framer: chunks in, complete blocks out, and no byte looked at more than twice.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, Bytes};

use super::fields::{Fields, value_start};
use super::plain::{EVENT, Plain};
use super::{Block, terminal};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How large a block may become, in bytes, its ending included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For every block that is not recognised as a terminal event.
    pub ordinary: usize,
    /// For a block whose event name, or `type` at the beginning of its data, is that of a terminal event.
    pub terminal: usize,
}

impl Default for Limits {
    /// 8 MiB and 64 MiB.
    fn default() -> Self {
        Self { ordinary: 8 << 20, terminal: 64 << 20 }
    }
}

/// A block has outgrown its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event block is larger than {limit} bytes")]
pub struct BlockTooLarge {
    /// The limit that held for the block, in bytes.
    pub limit: usize,
}

/// Cuts a stream into [`Block`]s. A block that came in one chunk is a slice of it; only a block that spans chunks is
/// copied.
///
/// ```
/// # use pooler_filter::sse::{Framer, Limits};
/// let mut framer = Framer::new(Limits::default());
/// framer.push("event: ping\ndata: {}\n\nda".into());
/// let block = framer.next_block().unwrap().unwrap();
/// assert_eq!(block.data.unwrap(), "{}");
/// assert_eq!(framer.next_block(), Ok(None));
/// assert_eq!(framer.partial_len(), 2);
/// ```
pub struct Framer {
    limits: Limits,
    /// Chunks that were not looked at yet.
    queue: VecDeque<Bytes>,
    /// What the unfinished block has of earlier chunks.
    head: Vec<u8>,
    /// The chunk that is looked at, from the end of `head` on.
    chunk: Bytes,
    /// How much of `chunk` was looked at.
    scanned: usize,
    /// Where the unfinished line starts in the unfinished block.
    line_start: usize,
    /// The byte before was the CR of a line in this block: an LF that comes now belongs to the same line ending.
    after_cr: bool,
    /// No line of the stream has ended yet: a byte order mark may stand here.
    at_first_line: bool,
    fields: Fields,
    /// The unfinished block was recognised as a terminal event when it outgrew the ordinary limit.
    terminal: bool,
    failed: Option<BlockTooLarge>,
}

impl Framer {
    /// A framer at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            head: Vec::new(),
            chunk: Bytes::new(),
            scanned: 0,
            line_start: 0,
            after_cr: false,
            at_first_line: true,
            fields: Fields::default(),
            terminal: false,
            failed: None,
        }
    }

    /// Takes the next chunk of the stream. Call [`Self::next_block`] until it has no more before the next one, so that
    /// limits hold. After a block that was too large the stream cannot be read on and chunks are dropped.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() || self.failed.is_some() {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.queue.push_back(chunk);
        }
    }

    /// The next complete block; None when more of the stream has to come first.
    ///
    /// # Errors
    /// [`BlockTooLarge`] for a block over its limit, complete or not, and from then on.
    pub fn next_block(&mut self) -> Result<Option<Block>, BlockTooLarge> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if let Some(block) = self.plain_block() {
            return Ok(Some(block));
        }
        let complete = self.scan();
        self.check_size()?;
        Ok(complete.then(|| self.take_block()))
    }

    /// Whether a block has begun and not ended, so that nothing may be written in between. True only after
    /// [`Self::next_block`] has handed out what is complete.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        self.partial_len() > 0
    }

    /// How many bytes of the unfinished block are held, together with what was not looked at yet.
    #[must_use]
    pub fn partial_len(&self) -> usize {
        self.head.len() + self.chunk.len() + self.queue.iter().map(Bytes::len).sum::<usize>()
    }

    /// Ends the stream: the bytes that are left after its last complete block. They are no event and must not be taken
    /// for one. The framer stands at the beginning of a stream again.
    pub fn finish(&mut self) -> Option<Bytes> {
        let mut ended = std::mem::replace(self, Self::new(self.limits));
        if ended.head.is_empty() && ended.queue.is_empty() {
            return (!ended.chunk.is_empty()).then_some(ended.chunk);
        }
        ended.head.extend_from_slice(&ended.chunk);
        for chunk in ended.queue {
            ended.head.extend_from_slice(&chunk);
        }
        Some(ended.head.into())
    }

    /// The blocks that come next, as one piece: as long as they are all here and plain, and `pass` says so of the event's name. None when the
    /// next one is not among them; then it comes from [`Self::next_block`].
    pub fn next_run(&mut self, mut pass: impl FnMut(&[u8]) -> bool) -> Option<Bytes> {
        let mut len = 0;
        while let Some(plain) = self.plain_at(len)
            && self.chunk.get(len + EVENT.len()..len + plain.name_end).is_some_and(&mut pass)
        {
            len += plain.end;
        }
        self.at_first_line &= len == 0;
        (len > 0).then(|| self.chunk.split_to(len))
    }

    /// The next block, if it is plain.
    fn plain_block(&mut self) -> Option<Block> {
        let plain = self.plain_at(0)?;
        let raw = self.chunk.split_to(plain.end);
        self.at_first_line = false;
        let (event, data) = (raw.slice(EVENT.len()..plain.name_end), raw.slice(plain.data()));
        Some(Block { event: Some(event), data: Some(data), raw })
    }

    /// The block at a place of the chunk, if that is where one begins, and the whole block is there and small enough.
    fn plain_at(&self, at: usize) -> Option<Plain> {
        if self.scanned != 0 || !self.head.is_empty() {
            return None;
        }
        Plain::first(self.chunk.get(at..)?).filter(|plain| plain.end <= self.limits.ordinary)
    }

    /// Looks at what is new until a block is complete; whether one is. It then ends at `scanned`.
    fn scan(&mut self) -> bool {
        loop {
            if self.after_cr {
                self.skip_lf();
            }
            let unseen = self.chunk.get(self.scanned..).unwrap_or_default();
            if let Some(found) = memchr::memchr2(b'\n', b'\r', unseen) {
                let cr = unseen.get(found) == Some(&b'\r');
                self.scanned += found + 1;
                if !self.end_line() {
                    self.after_cr = cr;
                    continue;
                }
                // An LF that comes only with the next chunk will be a blank line, and so a block, of its own.
                if cr && self.chunk.get(self.scanned) == Some(&b'\n') {
                    self.scanned += 1;
                }
                return true;
            } else {
                self.scanned = self.chunk.len();
                let Some(next) = self.queue.pop_front() else { return false };
                self.gather();
                self.chunk = next;
            }
        }
    }

    /// Takes an LF that belongs to the CR before it.
    fn skip_lf(&mut self) {
        if let Some(&byte) = self.chunk.get(self.scanned) {
            self.after_cr = false;
            let lf = usize::from(byte == b'\n');
            self.scanned += lf;
            self.line_start += lf;
        }
    }

    /// Takes in the line whose ending's first byte was just looked at; whether it is blank.
    fn end_line(&mut self) -> bool {
        if !self.head.is_empty() {
            self.gather();
        }
        let block: &[u8] = if self.head.is_empty() { &self.chunk } else { &self.head };
        let end = self.head.len() + self.scanned;
        let mut line = self.line_start..end - 1;
        if self.at_first_line {
            self.at_first_line = false;
            if block.get(line.clone()).is_some_and(|line| line.starts_with(BOM)) {
                line.start += BOM.len();
            }
        }
        self.line_start = end;
        if line.is_empty() {
            return true;
        }
        self.fields.line(block, line);
        false
    }

    /// Moves what was looked at from the chunk to the block's head.
    fn gather(&mut self) {
        self.head.extend_from_slice(self.chunk.get(..self.scanned).unwrap_or_default());
        self.chunk.advance(self.scanned);
        self.scanned = 0;
    }

    fn check_size(&mut self) -> Result<(), BlockTooLarge> {
        let len = self.head.len() + self.scanned;
        if len <= self.limits.ordinary {
            return Ok(());
        }
        self.terminal = self.terminal || self.is_terminal();
        let limit = if self.terminal { self.limits.terminal } else { self.limits.ordinary };
        if len <= limit {
            return Ok(());
        }
        let failed = BlockTooLarge { limit };
        self.failed = Some(failed);
        Err(failed)
    }

    /// Whether what is there of the block, its unfinished line included, tells a terminal event.
    fn is_terminal(&mut self) -> bool {
        self.gather();
        let block = self.head.as_slice();
        if self.fields.event().and_then(|range| block.get(range)).is_some_and(terminal::is_terminal) {
            return true;
        }
        let unfinished = || {
            let mut line = block.get(self.line_start..)?;
            if self.at_first_line {
                line = line.strip_prefix(BOM).unwrap_or(line);
            }
            line.get(value_start(line, b"data")?..)
        };
        self.fields.data(block).or_else(unfinished).is_some_and(terminal::begins_terminal)
    }

    /// Hands out the block that ends at `scanned`.
    fn take_block(&mut self) -> Block {
        let raw = if self.head.is_empty() {
            self.chunk.split_to(self.scanned)
        } else {
            self.gather();
            std::mem::take(&mut self.head).into()
        };
        self.scanned = 0;
        self.line_start = 0;
        self.terminal = false;
        self.fields.take(raw)
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("limits", &self.limits)
            .field("partial_len", &self.partial_len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
