//! The head of an HTTP/1.1 request as it came over the wire: gathered under limits and checked line by line before any parser sees it
//! (docs/operations.md, Heads).
//!
//! Parsers differ in what they forgive, and whoever stands in front of this gateway may read a forgiven head differently: then one of the two
//! takes for a body what the other takes for a request. So nothing that tells where a request ends is forgiven here.

use bytes::{Buf as _, BytesMut};
use http::StatusCode;
use memchr::memchr;
use pooler_filter::{Reject, RejectKind};

/// The end of a line.
const CRLF: &[u8] = b"\r\n";
/// Longest method.
const METHOD: usize = 16;
/// Most digits of a length: all of them fit into 63 bits.
const DIGITS: usize = 18;

/// What a head may have at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    /// Bytes, the empty line included.
    pub(crate) bytes: usize,
    /// Header lines.
    pub(crate) fields: usize,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no head, or one that could be read in two ways.
    Malformed,
    /// It has too many bytes or lines.
    TooLarge,
    /// The client expects what is not done here.
    Expectation,
}

/// What was seen in the head of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    old: bool,
    host: bool,
    length: bool,
    /// The body comes in chunks.
    pub(crate) chunked: bool,
    /// It asks for a websocket.
    pub(crate) websocket: bool,
}

impl Marks {
    /// Whether this must be the last request on its connection. Chunks are read by a parser that forgives too much, and behind a websocket
    /// that is refused may stand what was meant for it: no byte after either is taken for a request.
    pub(crate) const fn is_last(self) -> bool {
        self.chunked || self.websocket
    }
}

/// Where the check of a head stands. It goes over each byte once, however the bytes come.
#[derive(Debug)]
pub(crate) struct Scan {
    most: Most,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Up to here there is no end of that line.
    seen: usize,
    lines: usize,
    marks: Marks,
}

impl From<Fault> for Reject {
    fn from(fault: Fault) -> Self {
        let other = |status, code, message| Self::new(RejectKind::Upstream(status), code, message);
        match fault {
            Fault::Malformed => Self::invalid("request head is invalid"),
            Fault::TooLarge => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                other(status, "request_head_too_large", "request head is too large")
            }
            Fault::Expectation => {
                let message = "the only expectation that is met is 100-continue";
                other(StatusCode::EXPECTATION_FAILED, "expectation_failed", message)
            }
        }
    }
}

impl Scan {
    pub(crate) fn new(most: Most) -> Self {
        Self { most, line: 0, seen: 0, lines: 0, marks: Marks::default() }
    }

    /// Looks at what has come since the last call; `head` is everything since the beginning, and empty lines before it are taken out.
    /// None: there is more to come.
    ///
    /// # Errors
    /// As soon as the bytes so far cannot become a good head.
    pub(crate) fn feed(&mut self, head: &mut BytesMut) -> Result<Option<Marks>, Fault> {
        if self.lines == 0 && skip_empty_lines(head) {
            self.seen = 0;
        }
        while let Some(length) = memchr(b'\n', &head[self.seen..]) {
            let end = self.seen + length;
            if end >= self.most.bytes {
                return Err(Fault::TooLarge);
            }
            let line = head[self.line..end].strip_suffix(b"\r").ok_or(Fault::Malformed)?;
            match (self.lines, line) {
                (0, line) => self.request_line(line)?,
                (_, []) => return self.end().map(Some),
                (_, line) => self.field(line)?,
            }
            self.lines += 1;
            (self.line, self.seen) = (end + 1, end + 1);
        }
        self.seen = head.len();
        if head.len() > self.most.bytes {
            return Err(Fault::TooLarge);
        }
        // What is no method is told at once: somebody who speaks another protocol may wait for an answer.
        if self.lines == 0 && !begins(head) {
            return Err(Fault::Malformed);
        }
        Ok(None)
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Malformed);
        };
        let known = matches!(version, b"HTTP/1.1" | b"HTTP/1.0");
        self.marks.old = version == b"HTTP/1.0";
        let method_fits = (1..=METHOD).contains(&method.len()) && method.iter().all(|byte| is_token(*byte));
        let visible = target.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'#');
        if !known || !method_fits || method == b"CONNECT" || !visible || !names_a_path(target) {
            return Err(Fault::Malformed);
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        if self.lines > self.most.fields {
            return Err(Fault::TooLarge);
        }
        let colon = memchr(b':', line).ok_or(Fault::Malformed)?;
        let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
        // A line that begins with a blank would go on with the one before; a blank before the colon is read in many ways.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || !value.iter().all(|byte| is_text(*byte)) {
            return Err(Fault::Malformed);
        }
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        match name.len() {
            4 if is("host") => once(&mut self.marks.host, value.iter().all(|byte| is_in_host(*byte))),
            6 if is("expect") && !self.marks.old && !value.eq_ignore_ascii_case(b"100-continue") => {
                Err(Fault::Expectation)
            }
            7 if is("upgrade") => {
                self.marks.websocket |=
                    value.split(|byte| *byte == b',').any(|word| trimmed(word).eq_ignore_ascii_case(b"websocket"));
                Ok(())
            }
            14 if is("content-length") => {
                let number = (1..=DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
                once(&mut self.marks.length, number)
            }
            17 if is("transfer-encoding") => once(&mut self.marks.chunked, value.eq_ignore_ascii_case(b"chunked")),
            _ => Ok(()),
        }
    }

    /// What only the whole head shows.
    fn end(&self) -> Result<Marks, Fault> {
        let Marks { old, host, length, chunked, .. } = self.marks;
        if (chunked && (length || old)) || !(host || old) {
            return Err(Fault::Malformed);
        }
        Ok(self.marks)
    }
}

/// Takes out empty lines before a head (RFC 9112, 2.2); true when there were some.
pub(crate) fn skip_empty_lines(head: &mut BytesMut) -> bool {
    let before = head.len();
    while head.starts_with(CRLF) {
        head.advance(CRLF.len());
    }
    head.len() < before
}

/// A header that may stand there once, with a value that fits.
fn once(seen: &mut bool, fits: bool) -> Result<(), Fault> {
    if std::mem::replace(seen, true) || !fits { Err(Fault::Malformed) } else { Ok(()) }
}

/// Whether a request line may begin so. An empty line may still stand before it.
fn begins(head: &[u8]) -> bool {
    let method = head.split(|byte| *byte == b' ').next().unwrap_or_default();
    head == b"\r" || (!head.starts_with(b" ") && method.len() <= METHOD && method.iter().all(|byte| is_token(*byte)))
}

/// Origin form, or absolute form, whose authority the parser compares with the host. Neither `*` nor what CONNECT names is served here.
fn names_a_path(target: &[u8]) -> bool {
    let has = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    target.starts_with(b"/") || has(b"http://") || has(b"https://")
}

/// Without blanks around it: spaces and tabs, nothing else.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    ) || byte.is_ascii_alphanumeric()
}

const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Letters of a host with its port. What else a host may have has no use here.
const fn is_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%')
}

#[cfg(test)]
mod tests;
