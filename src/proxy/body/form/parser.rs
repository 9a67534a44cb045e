//! `multipart/form-data` as it arrives, in pieces of any size (RFC 7578, RFC 2046 5.1). It reads no socket and knows no deadline.

use memchr::memmem::{self, Finder};
use pooler_filter::form::{Form, Part};
use pooler_filter::{Reject, RejectKind};

use super::FormCaps;
use super::blocks::Blocks;
use super::parameters;
use crate::proxy::admission::overloaded;

/// Most parts of a form.
pub(super) const MOST_PARTS: usize = 64;
/// Largest head of a part, in bytes, and most lines of it.
const PART_HEAD: usize = 8 * 1024;
pub(super) const HEAD_LINES: usize = 16;
/// Most white space after a boundary.
const PADDING: usize = 64;

/// Where in the body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Right after a boundary: the last one ends with two hyphens.
    Boundary,
    /// In the head of a part.
    Head,
    /// In its bytes.
    Data,
    /// After the last boundary: the rest is ignored.
    Epilogue,
}

/// A part whose bytes are being read.
#[derive(Debug)]
struct Open {
    part: Part,
    data: Blocks,
    cap: usize,
}

/// Reads one form.
#[derive(Debug)]
pub(super) struct FormParser {
    boundary: Finder<'static>,
    caps: FormCaps,
    state: State,
    /// Bytes whose meaning is not known yet: never more than one piece and the head of a part.
    pending: Vec<u8>,
    open: Option<Open>,
    form: Form,
    held: usize,
}

/// How far one look at the pending bytes came.
enum Step {
    /// So many of them are done with.
    Took(usize),
    /// The rest tells.
    Wait,
}

impl FormParser {
    /// A parser for the boundary of the request's media type.
    pub(super) fn new(boundary: &str, caps: FormCaps) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            boundary: Finder::new(delimiter.as_bytes()).into_owned(),
            caps,
            state: State::Preamble,
            // The first boundary need not begin a line of its own: it begins the body.
            pending: b"\r\n".to_vec(),
            open: None,
            form: Form::default(),
            held: 0,
        }
    }

    /// Bytes that the parts hold so far.
    pub(super) fn held(&self) -> usize {
        self.held + self.open.as_ref().map_or(0, |open| open.data.len())
    }

    /// Takes the next bytes of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        if self.state == State::Epilogue {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let mut done = 0;
        while let Step::Took(more) = self.step(&pending[done..])? {
            done += more;
        }
        pending.drain(..done);
        self.pending = pending;
        Ok(())
    }

    /// The form, when the body ends here.
    pub(super) fn finish(self) -> Result<Form, Reject> {
        match self.state {
            State::Epilogue => Ok(self.form),
            State::Preamble => Err(malformed("its boundary does not occur in it")),
            State::Boundary | State::Head | State::Data => Err(malformed("it is cut off")),
        }
    }

    fn step(&mut self, rest: &[u8]) -> Result<Step, Reject> {
        match self.state {
            State::Preamble | State::Data => self.data(rest),
            State::Boundary => self.after_boundary(rest),
            State::Head => self.head(rest),
            State::Epilogue => Ok(Step::Wait),
        }
    }

    /// Bytes up to the next boundary; without one, all but what may be its beginning.
    fn data(&mut self, rest: &[u8]) -> Result<Step, Reject> {
        let length = self.boundary.needle().len();
        if let Some(at) = self.boundary.find(rest) {
            self.keep(&rest[..at])?;
            self.close();
            self.state = State::Boundary;
            return Ok(Step::Took(at + length));
        }
        let sure = rest.len().saturating_sub(length - 1);
        self.keep(&rest[..sure])?;
        Ok(if sure == 0 { Step::Wait } else { Step::Took(sure) })
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.data.len() + bytes.len() > open.cap {
            return Err(self.caps.refusal(&open.part));
        }
        open.data.write(bytes).map_err(|error| overloaded().because(error))
    }

    fn close(&mut self) {
        if let Some(Open { mut part, data, .. }) = self.open.take() {
            self.held += data.len();
            part.data = data.finish();
            self.form.parts.push(part);
        }
    }

    fn after_boundary(&mut self, rest: &[u8]) -> Result<Step, Reject> {
        if rest.starts_with(b"--") {
            self.state = State::Epilogue;
            return Ok(Step::Took(rest.len()));
        }
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &rest[padding..] {
            _ if padding > PADDING => Err(malformed("a boundary is malformed")),
            [b'\r', b'\n', ..] => {
                if self.form.parts.len() == MOST_PARTS {
                    return Err(malformed(format_args!("it has more than {MOST_PARTS} parts")));
                }
                self.state = State::Head;
                // The end of this line may be half of the empty line that ends a head without lines.
                Ok(Step::Took(padding))
            }
            [] | [b'\r'] => Ok(Step::Wait),
            [b'-'] if padding == 0 => Ok(Step::Wait),
            _ => Err(malformed("a boundary is malformed")),
        }
    }

    fn head(&mut self, rest: &[u8]) -> Result<Step, Reject> {
        let end = memmem::find(rest, b"\r\n\r\n");
        if end.unwrap_or(rest.len()) > PART_HEAD {
            return Err(malformed("the head of a part is too large"));
        }
        let Some(end) = end else { return Ok(Step::Wait) };
        let part = part(&rest[b"\r\n".len().min(end)..end + 4])?;
        let cap = self.caps.part(&part);
        self.held += end;
        self.open = Some(Open { part, data: Blocks::default(), cap });
        self.state = State::Data;
        Ok(Step::Took(end + 4))
    }
}

/// The part that a head tells of, without its bytes.
fn part(head: &[u8]) -> Result<Part, Reject> {
    let mut lines = [httparse::EMPTY_HEADER; HEAD_LINES];
    let (_, lines) = match httparse::parse_headers(head, &mut lines) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) | Err(_) => return Err(malformed("the head of a part is malformed")),
    };
    let mut part = Part::default();
    let mut named = false;
    for line in lines {
        let value = std::str::from_utf8(line.value).map_err(|_| malformed("the head of a part is no UTF-8"))?;
        if line.name.eq_ignore_ascii_case("content-disposition") {
            let (kind, given) = parameters::parse(value).ok_or_else(|| malformed("a part has no readable name"))?;
            let name = parameters::get(&given, "name").filter(|name| kind == "form-data" && !name.is_empty());
            name.unwrap_or_default().clone_into(&mut part.name);
            part.filename = parameters::get(&given, "filename").map(ToOwned::to_owned);
            named = name.is_some();
        } else if line.name.eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.to_owned());
        } else if line.name.eq_ignore_ascii_case("content-transfer-encoding") {
            let plain = ["binary", "8bit", "7bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain));
            if !plain {
                return Err(malformed("a part has a transfer encoding"));
            }
        }
    }
    if named { Ok(part) } else { Err(malformed("a part has no name")) }
}

fn malformed(why: impl std::fmt::Display) -> Reject {
    Reject::new(RejectKind::Invalid, "invalid_request", format!("request body must be a valid multipart form: {why}"))
}
