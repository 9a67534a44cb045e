//! The pass over a JSON text that checks it and writes its index.

use super::scan;
use super::tape::{self, Open, Tape};
use super::{JsonError, Kind, MAX_DEPTH, MAX_TEXT};

/// Checks the whole text and indexes it, in about `most` bytes or not at all.
pub(super) fn index(text: &[u8], most: usize) -> Result<Tape, JsonError> {
    if text.len() > MAX_TEXT {
        return Err(JsonError::TooLarge);
    }
    if let Err(error) = std::str::from_utf8(text) {
        return Err(JsonError::NotJson { offset: error.valid_up_to() });
    }
    // An event has a word for about twelve bytes.
    let words = Vec::with_capacity((text.len() / 10).clamp(8, 2048));
    let most_words = most / size_of::<u64>();
    Indexer { text, at: 0, words, most_words, depth: 0, open: Open::default() }.run()
}

/// What comes after a value or its beginning.
enum Next {
    /// A value of the innermost open container, or the root.
    Value,
    /// A comma or the end of the innermost open container.
    Rest,
    /// The end of the text.
    End,
}

struct Indexer<'t> {
    text: &'t [u8],
    at: usize,
    words: Vec<u64>,
    most_words: usize,
    /// How many containers are open, and the innermost of them.
    depth: usize,
    open: Open,
}

impl Indexer<'_> {
    fn run(mut self) -> Result<Tape, JsonError> {
        let mut next = Next::Value;
        loop {
            self.skip_space();
            next = match next {
                Next::Value => self.value()?,
                Next::Rest => self.rest()?,
                Next::End => break,
            };
        }
        if self.at == self.text.len() { Ok(Tape::new(self.words)) } else { Err(self.error()) }
    }

    fn value(&mut self) -> Result<Next, JsonError> {
        if self.words.len() > self.most_words {
            return Err(JsonError::IndexTooLarge);
        }
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{') => return self.begin(Kind::Object),
            Some(b'[') => return self.begin(Kind::Array),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            _ => return Err(self.error()),
        }
        Ok(self.after_value())
    }

    fn after_value(&self) -> Next {
        if self.depth == 0 { Next::End } else { Next::Rest }
    }

    fn begin(&mut self, kind: Kind) -> Result<Next, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        let object = kind == Kind::Object;
        let (start, word) = (self.at, self.words.len());
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(if object { b'}' } else { b']' }) {
            self.at += 1;
            self.words.extend(tape::container(kind, start, self.at, word + 2, 0));
            return Ok(self.after_value());
        }
        self.words.extend(tape::opened(kind, start, self.open));
        self.open = Open { word, count: 1, object };
        self.depth += 1;
        if object {
            self.key()?;
        }
        Ok(Next::Value)
    }

    /// A comma and what it promises, or the end of the innermost open container.
    fn rest(&mut self) -> Result<Next, JsonError> {
        match self.peek() {
            Some(b',') => {
                self.open.count += 1;
                self.at += 1;
                if self.open.object {
                    self.skip_space();
                    self.key()?;
                }
                Ok(Next::Value)
            }
            Some(b'}') if self.open.object => Ok(self.close()),
            Some(b']') if !self.open.object => Ok(self.close()),
            _ => Err(self.error()),
        }
    }

    /// Ends the innermost container.
    fn close(&mut self) -> Next {
        self.at += 1;
        self.depth -= 1;
        let (next, open) = (self.words.len(), self.open);
        if let Some(place) = self.words.get_mut(open.word..).and_then(<[u64]>::first_chunk_mut) {
            self.open = tape::close(place, self.at, next, open.count);
        }
        self.after_value()
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error());
        }
        self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += scan::plain_len(self.rest_of_text());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.error()),
            }
        }
        self.at += 1;
        self.words.push(tape::leaf(Kind::String, escaped, start, self.at));
        Ok(())
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.error());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.error()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        match scan::number_len(self.rest_of_text()) {
            Ok(len) => self.at += len,
            Err(len) => return Err(JsonError::NotJson { offset: start + len }),
        }
        self.words.push(tape::leaf(Kind::Number, false, start, self.at));
        Ok(())
    }

    fn literal(&mut self, literal: &[u8], kind: Kind) -> Result<(), JsonError> {
        if !self.rest_of_text().starts_with(literal) {
            return Err(self.error());
        }
        let end = self.at + literal.len();
        self.words.push(tape::leaf(kind, false, self.at, end));
        self.at = end;
        Ok(())
    }

    fn skip_space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at += scan::space_len(self.rest_of_text());
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest_of_text(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn error(&self) -> JsonError {
        JsonError::NotJson { offset: self.at }
    }
}
