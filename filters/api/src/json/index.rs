//! The pass over a JSON text that checks it and writes its index.

use super::scan;
use super::strings::{Ended, Endless, Strings};
use super::tape::{self, Open, Tape};
use super::{JsonError, Kind, MAX_DEPTH, MAX_TEXT};

/// From this many bytes on a text is large: the words of a bounded index have their place from the beginning.
const LARGE: usize = 1024 * 1024;

/// Words that one value and its key may come to after the last look at the bound.
const SLACK: usize = 4;

/// Checks the whole text and indexes it, in about `most` bytes or not at all.
pub(super) fn index(text: &[u8], most: usize) -> Result<Tape, JsonError> {
    if text.len() > MAX_TEXT {
        return Err(JsonError::TooLarge);
    }
    let mut indexer = Indexer::new(text, most);
    let stop = match indexer.run() {
        Ok(()) => return Ok(Tape::new(indexer.words)),
        Err(stop) => stop,
    };
    // Told before whatever else is wrong.
    if let Err(error) = std::str::from_utf8(text) {
        return Err(JsonError::NotJson { offset: error.valid_up_to() });
    }
    Err(match stop {
        Stop::NotJson => JsonError::NotJson { offset: indexer.stopped },
        Stop::TooDeep => JsonError::TooDeep,
        Stop::IndexTooLarge => JsonError::IndexTooLarge,
    })
}

/// Why the pass ends early, at its place.
#[derive(Clone, Copy)]
enum Stop {
    NotJson,
    TooDeep,
    IndexTooLarge,
}

struct Indexer<'t> {
    text: &'t [u8],
    /// Where the pass ended early. Before that, places are handed on from step to step.
    stopped: usize,
    strings: Strings<'t>,
    words: Vec<u64>,
    most_words: usize,
    /// How many containers are open, and the innermost of them.
    depth: usize,
    open: Open,
}

/// A place behind something, and whether it is the end of a value: else the next one begins there.
type Behind = (usize, bool);

impl<'t> Indexer<'t> {
    fn new(text: &'t [u8], most: usize) -> Self {
        let most_words = most / size_of::<u64>();
        let words = Vec::with_capacity(first_words(text.len(), most_words));
        Self { text, stopped: 0, strings: Strings::of(text), words, most_words, depth: 0, open: Open::default() }
    }

    fn run(&mut self) -> Result<(), Stop> {
        let mut at = 0;
        loop {
            let (behind, ended) = self.value(space(self.text, at))?;
            let (next, ended) = if ended { self.rest(behind)? } else { (behind, false) };
            at = next;
            if ended {
                break;
            }
        }
        if at < self.text.len() {
            return Err(self.not_json(at));
        }
        self.strings.finish().map_err(|Endless(at)| self.not_json(at))
    }

    /// A value, or the beginning of a container.
    #[inline]
    fn value(&mut self, at: usize) -> Result<Behind, Stop> {
        if self.words.len() > self.most_words {
            return Err(Stop::IndexTooLarge);
        }
        let end = match self.text.get(at) {
            Some(b'"') => self.string(at)?,
            Some(b'{') => return self.object(at),
            Some(b'[') => return self.array(at),
            Some(b'-' | b'0'..=b'9') => self.number(at)?,
            Some(b't') => self.literal(at, b"true", Kind::Bool)?,
            Some(b'f') => self.literal(at, b"false", Kind::Bool)?,
            Some(b'n') => self.literal(at, b"null", Kind::Null)?,
            _ => return Err(self.not_json(at)),
        };
        Ok((end, true))
    }

    #[inline]
    fn object(&mut self, start: usize) -> Result<Behind, Stop> {
        let at = space(self.text, start + 1);
        if self.text.get(at) == Some(&b'}') {
            return self.empty(Kind::Object, start, at + 1);
        }
        self.begin(Kind::Object, start)?;
        Ok((self.key(at)?, false))
    }

    #[inline]
    fn array(&mut self, start: usize) -> Result<Behind, Stop> {
        let at = space(self.text, start + 1);
        if self.text.get(at) == Some(&b']') {
            return self.empty(Kind::Array, start, at + 1);
        }
        self.begin(Kind::Array, start)?;
        Ok((at, false))
    }

    fn empty(&mut self, kind: Kind, start: usize, end: usize) -> Result<Behind, Stop> {
        self.deeper()?;
        let next = self.words.len() + 2;
        self.words.extend(tape::container(kind, start, end, next, 0));
        Ok((end, true))
    }

    #[inline]
    fn begin(&mut self, kind: Kind, start: usize) -> Result<(), Stop> {
        self.deeper()?;
        let word = self.words.len();
        self.words.extend(tape::opened(kind, start, self.open));
        self.open = Open { word, count: 1, object: kind == Kind::Object };
        self.depth += 1;
        Ok(())
    }

    #[inline]
    const fn deeper(&self) -> Result<(), Stop> {
        if self.depth == MAX_DEPTH { Err(Stop::TooDeep) } else { Ok(()) }
    }

    /// What stands between a value and the next one, or the end of the text.
    #[inline]
    fn rest(&mut self, behind: usize) -> Result<Behind, Stop> {
        let mut at = behind;
        loop {
            at = space(self.text, at);
            if self.depth == 0 {
                return Ok((at, true));
            }
            match self.text.get(at) {
                Some(b',') => {
                    self.open.count += 1;
                    at += 1;
                    if self.open.object {
                        at = self.key(space(self.text, at))?;
                    }
                    return Ok((at, false));
                }
                Some(b'}') if self.open.object => at = self.close(at),
                Some(b']') if !self.open.object => at = self.close(at),
                _ => return Err(self.not_json(at)),
            }
        }
    }

    /// Ends the innermost container.
    #[inline]
    fn close(&mut self, at: usize) -> usize {
        self.depth -= 1;
        let (next, open) = (self.words.len(), self.open);
        if let Some(place) = self.words.get_mut(open.word..).and_then(<[u64]>::first_chunk_mut) {
            self.open = tape::close(place, at + 1, next, open.count);
        }
        at + 1
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self, at: usize) -> Result<usize, Stop> {
        if self.text.get(at) != Some(&b'"') {
            return Err(self.not_json(at));
        }
        let colon = self.string(at)?;
        let colon = space(self.text, colon);
        if self.text.get(colon) == Some(&b':') { Ok(colon + 1) } else { Err(self.not_json(colon)) }
    }

    #[inline]
    fn string(&mut self, start: usize) -> Result<usize, Stop> {
        match self.strings.end(start + 1) {
            Ok(Ended { at, escaped }) => {
                self.words.push(tape::leaf(Kind::String, escaped, start, at));
                Ok(at)
            }
            Err(Endless(at)) => Err(self.not_json(at)),
        }
    }

    fn number(&mut self, start: usize) -> Result<usize, Stop> {
        match scan::number_len(self.text.get(start..).unwrap_or_default()) {
            Ok(len) => {
                self.words.push(tape::leaf(Kind::Number, false, start, start + len));
                Ok(start + len)
            }
            Err(len) => Err(self.not_json(start + len)),
        }
    }

    fn literal(&mut self, at: usize, literal: &[u8], kind: Kind) -> Result<usize, Stop> {
        if !self.text.get(at..).unwrap_or_default().starts_with(literal) {
            return Err(self.not_json(at));
        }
        let end = at + literal.len();
        self.words.push(tape::leaf(kind, false, at, end));
        Ok(end)
    }

    #[cold]
    const fn not_json(&mut self, at: usize) -> Stop {
        self.stopped = at;
        Stop::NotJson
    }
}

/// How many words there is memory for before the first is written.
fn first_words(text: usize, most_words: usize) -> usize {
    if text >= LARGE && most_words <= text {
        // Address space: memory that is not written to is none. Words that move when there are more of them are in memory twice.
        return most_words + SLACK;
    }
    // An event has a word for about eight bytes; a long text has fewer.
    (text / 7).min(most_words).clamp(8, 2048.max(text / 128))
}

/// Where the white space ends that may begin here.
#[inline]
fn space(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(..=b' ') => at + scan::space_len(text.get(at..).unwrap_or_default()),
        _ => at,
    }
}
