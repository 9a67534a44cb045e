//! A body in chunks (RFC 9112, 7.1). Lines end with CRLF; extensions and trailers are read over.

use super::Fault;

/// Most bytes of a line that begins a chunk, with its extension, and of all trailers.
const MOST_LINE: usize = 4 * 1024;
const MOST_TRAILERS: usize = 64 * 1024;
/// Most bytes of a chunk: nobody has more.
const MOST_SIZE: u64 = 1 << 40;

/// Where the framing stands. It goes over each byte once, however the bytes come.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// Bytes that are left of the chunk, or its size as far as it was read.
    size: u64,
    /// Bytes of the line so far, or of the trailers.
    line: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Hexadecimal digits.
    #[default]
    Size,
    /// Blanks behind the size.
    Blank,
    /// What may stand between the size and the end of its line.
    Extension,
    /// The second half of the end of that line.
    SizeEnd,
    /// The chunk itself.
    Data,
    /// Both halves of the end of a chunk.
    DataCr,
    DataLf,
    /// The first byte of a trailer, or of the empty line behind them.
    Trailer,
    /// The rest of a trailer, and the second half of its end.
    TrailerRest,
    TrailerEnd,
    /// The second half of the empty line.
    LastEnd,
    Done,
}

/// What was made of a buffer: first the body, then what is not needed any more; the rest comes behind the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unframed {
    pub(super) body: usize,
    pub(super) dropped: usize,
}

impl Chunked {
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Moves the body in these bytes together, to their beginning.
    pub(super) fn unframe(&mut self, bytes: &mut [u8]) -> Result<Unframed, Fault> {
        let (mut at, mut body) = (0, 0);
        while self.state != State::Done {
            if self.state == State::Data {
                let len = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                if len == 0 && self.size > 0 {
                    break;
                }
                if at > body {
                    bytes.copy_within(at..at + len, body);
                }
                (at, body, self.size) = (at + len, body + len, self.size - len as u64);
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let Some(byte) = bytes.get(at) else { break };
            self.state = self.step(*byte)?;
            at += 1;
        }
        Ok(Unframed { body, dropped: at - body })
    }

    /// One byte of the framing.
    fn step(&mut self, byte: u8) -> Result<State, Fault> {
        const FAULT: Fault = "invalid chunks";
        Ok(match (self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self.size * 16 + u64::from(digit);
                if self.size > MOST_SIZE {
                    return Err(FAULT);
                }
                self.longer(MOST_LINE)?;
                State::Size
            }
            (State::Size | State::Blank, b' ' | b'\t') if self.line > 0 => {
                self.longer(MOST_LINE)?;
                State::Blank
            }
            (State::Size | State::Blank, b';') if self.line > 0 => State::Extension,
            (State::Size | State::Blank, b'\r') if self.line > 0 => State::SizeEnd,
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, _) if byte != b'\n' => {
                self.longer(MOST_LINE)?;
                State::Extension
            }
            (State::SizeEnd, b'\n') => {
                self.line = 0;
                if self.size == 0 { State::Trailer } else { State::Data }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::Trailer, b'\r') => State::LastEnd,
            (State::TrailerRest, b'\r') => State::TrailerEnd,
            (State::Trailer | State::TrailerRest, _) if byte != b'\n' => {
                self.longer(MOST_TRAILERS)?;
                State::TrailerRest
            }
            (State::TrailerEnd, b'\n') => State::Trailer,
            (State::LastEnd, b'\n') => State::Done,
            _ => return Err(FAULT),
        })
    }

    const fn longer(&mut self, most: usize) -> Result<(), Fault> {
        self.line += 1;
        if self.line > most { Err("chunks with too much beside them") } else { Ok(()) }
    }
}
