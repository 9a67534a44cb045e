//! The answer to a request as bytes come: its head, where its body ends, and the body without its framing (RFC 9112). Reads nothing itself.
//!
//! What another reader could understand in another way either ends the connection after this answer or is refused: a connection is used for
//! many requests, and whose bytes are whose must not be a matter of opinion.

mod chunked;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use self::chunked::Chunked;
use super::framing::{self, End};

/// Most header lines of an answer.
const MOST_LINES: usize = 256;
/// Most bytes of a head.
const MOST_HEAD: usize = 256 * 1024;
/// Most interim answers before the one that counts.
const MOST_INTERIM: usize = 16;
/// Most bytes that go on as a copy: parts of a buffer keep it whole.
const COPY: usize = 8 * 1024;

/// What is wrong with an answer, in words that quote nothing of it.
pub(super) type Fault = &'static str;

/// Why a connection ended is not known, only that it did.
const ENDED: Fault = "the connection ended";

const TOO_LARGE: Fault = "a head that is too large";

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// How a body tells its end.
#[derive(Debug)]
enum Body {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunked),
    /// With the connection.
    Close,
}

/// One answer, as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    /// Bytes that were not read yet.
    pub(super) bytes: BytesMut,
    interim: usize,
    body: Body,
    done: bool,
    /// Whether the connection may serve another request, once all of this was read.
    lasts: bool,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self { bytes: BytesMut::new(), interim: 0, body: Body::Length(0), done: false, lasts: false }
    }

    /// Whether nothing at all has come.
    pub(super) fn is_silent(&self) -> bool {
        self.bytes.is_empty() && self.interim == 0
    }

    /// Takes the head that counts from the bytes; interim answers before it are passed over. None: there is more to come.
    pub(super) fn head(&mut self) -> Result<Option<Head>, Fault> {
        loop {
            let Some((head, len, old)) = parse(&self.bytes)? else {
                return if self.bytes.len() > MOST_HEAD { Err(TOO_LARGE) } else { Ok(None) };
            };
            if len > MOST_HEAD {
                return Err(TOO_LARGE);
            }
            let end = framing::judge(&self.bytes[..len]);
            if end == End::Folded {
                return Err("a folded header");
            }
            self.bytes.advance(len);
            let interim = head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS;
            if !interim {
                return self.begin(head, old, end == End::Clear).map(Some);
            }
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err("too many interim answers");
            }
        }
    }

    /// Sets up the body (RFC 9112, 6.3). `old`: HTTP/1.0; `clear`: its end can be read in one way only.
    fn begin(&mut self, mut head: Head, old: bool, clear: bool) -> Result<Head, Fault> {
        let length = content_length(&head.headers)?;
        let coded = head.headers.contains_key(header::TRANSFER_ENCODING);
        self.body = match head.status {
            StatusCode::SWITCHING_PROTOCOLS => Body::Close,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Body::Length(0),
            _ if coded => {
                head.headers.remove(header::CONTENT_LENGTH);
                Body::Chunked(chunked(&head.headers).ok_or("an unknown transfer coding")?)
            }
            _ => length.map_or(Body::Close, Body::Length),
        };
        self.done = matches!(self.body, Body::Length(0));
        let closes = matches!(self.body, Body::Close) || (old && (coded || !says(&head.headers, "keep-alive")));
        self.lasts = clear && !closes && !says(&head.headers, "close");
        Ok(head)
    }

    /// Takes the body out of all bytes that came. Empty: there is more to come, or it is done.
    pub(super) fn body(&mut self) -> Result<Bytes, Fault> {
        let taken = match &mut self.body {
            Body::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(self.bytes.len());
                *left -= len as u64;
                self.done = *left == 0;
                len
            }
            Body::Close => self.bytes.len(),
            Body::Chunked(chunked) => {
                let read = chunked.unframe(&mut self.bytes)?;
                self.done = chunked.is_done();
                let body = take(&mut self.bytes, read.body);
                self.bytes.advance(read.dropped);
                return Ok(body);
            }
        };
        Ok(take(&mut self.bytes, taken))
    }

    /// Whether more bytes belong to it than have come.
    pub(super) fn wants_more(&self) -> bool {
        match self.body {
            Body::Length(left) => (self.bytes.len() as u64) < left,
            Body::Close | Body::Chunked(_) => !self.done,
        }
    }

    /// The connection has ended: whether the answer has, too.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.done |= matches!(self.body, Body::Close);
        if self.done { Ok(()) } else { Err(ENDED) }
    }

    /// Whether all of the body was taken out.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the connection may serve another request: nothing is left of this answer, and nothing came behind it.
    pub(super) fn leaves_connection(&self) -> bool {
        self.done && self.lasts && self.bytes.is_empty()
    }
}

/// Takes the first bytes out of the buffer.
fn take(bytes: &mut BytesMut, len: usize) -> Bytes {
    if len > COPY {
        return bytes.split_to(len).freeze();
    }
    let taken = Bytes::copy_from_slice(&bytes[..len]);
    bytes.advance(len);
    taken
}

/// A head, its length and whether it is one of HTTP/1.0. None: it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize, bool)>, Fault> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_LINES];
    let mut parsed = httparse::Response::new(&mut lines);
    let mut config = httparse::ParserConfig::default();
    // They are told from others by their faults afterwards.
    config.allow_spaces_after_header_name_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    let len = match config.parse_response(&mut parsed, bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("an invalid head"),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("an invalid status")?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| "an invalid header name")?;
        headers.append(name, value(line.value)?);
    }
    Ok(Some((Head { status, headers }, len, parsed.version == Some(0))))
}

fn value(bytes: &[u8]) -> Result<HeaderValue, Fault> {
    // Folds are told by the judge.
    HeaderValue::from_bytes(bytes).map_err(|_| {
        if memchr::memchr2(b'\r', b'\n', bytes).is_some() { "a folded header" } else { "an invalid header" }
    })
}

/// The length that a head promises; the same one may be told more than once.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    const FAULT: Fault = "an invalid length";
    let mut found = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for one in value.to_str().map_err(|_| FAULT)?.split(',') {
            let digits = one.trim_matches([' ', '\t']);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(FAULT);
            }
            let length: u64 = digits.parse().map_err(|_| FAULT)?;
            if found.is_some_and(|found| found != length) {
                return Err(FAULT);
            }
            found = Some(length);
        }
    }
    Ok(found)
}

/// The only transfer coding that is known.
fn chunked(headers: &HeaderMap) -> Option<Chunked> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (Some(coding), None) = (codings.next(), codings.next()) else { return None };
    coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked").then(Chunked::default)
}

/// Whether `connection` has this option.
fn says(headers: &HeaderMap, option: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests;
