//! Pieces of an answer, which are most of its events: read in one look, without an index.
//!
//! Whoever meets something else than plain members gives up, and the event is read like any other. So nothing is dropped and nothing passes
//! because of what is written here.

mod shape;

use pooler_filter::Frame;
use pooler_filter::codex::EventKind;

use self::shape::{Gap, Shape};
use super::event::Class;

/// An event that tells a piece of the answer, and whose members are strings, numbers and empty lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delta<'a> {
    /// [`Class::TextDelta`] or [`Class::Other`].
    pub(super) class: Class,
    /// The piece as it is written, without its quotes.
    pub(super) text: Option<&'a [u8]>,
    pub(super) sequence_number: Option<u64>,
    pub(super) output_index: Option<u64>,
    pub(super) content_index: Option<u64>,
    /// It has such a member.
    pub(super) logprobs: bool,
}

/// Reads the pieces of one answer.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    shape: Shape,
}

impl Deltas {
    /// The piece in a frame; none for everything that has to be looked at more closely.
    pub(super) fn read<'a>(&mut self, frame: &'a Frame) -> Option<Delta<'a>> {
        if frame.label() != Some(EventKind::Output) {
            return None;
        }
        self.read_text(frame).or_else(|| {
            let name = frame.name().filter(|name| name.ends_with(".delta"))?;
            let class = Class::of(name).filter(|class| *class == Class::Other)?;
            self.shape.read(frame).or_else(|| self.read_whole(frame, name, class))
        })
    }

    /// The same, of a text and of nothing else.
    pub(super) fn read_text<'a>(&mut self, frame: &'a Frame) -> Option<Delta<'a>> {
        if !frame.is_named(TEXT_DELTA) {
            return None;
        }
        self.shape.read(frame).or_else(|| self.read_whole(frame, TEXT_DELTA, Class::TextDelta))
    }

    fn read_whole<'a>(&mut self, frame: &'a Frame, name: &str, class: Class) -> Option<Delta<'a>> {
        let mut gaps = Vec::new();
        let delta = Delta::of(frame.data(), name, class, &mut gaps)?;
        self.shape.keep(frame, &delta, gaps);
        Some(delta)
    }
}

impl<'a> Delta<'a> {
    /// Reads an object with members that are all plain.
    fn of(data: &'a [u8], name: &str, class: Class, gaps: &mut Vec<Gap>) -> Option<Self> {
        if !is_plain(data) {
            return None;
        }
        let mut delta =
            Self { class, text: None, sequence_number: None, output_index: None, content_index: None, logprobs: false };
        let mut reader = Reader { text: data, at: 0 };
        let mut seen = 0_u32;
        reader.take(b'{')?;
        loop {
            let key = reader.name()?;
            reader.take(b':')?;
            let start = reader.at;
            let value = reader.value()?;
            gaps.extend(Gap::of(key, value, start..reader.at));
            let member = delta.member(key, value, name)?;
            if member != 0 && seen & (1 << member) != 0 {
                return None;
            }
            seen |= 1 << member;
            match reader.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        (seen & (1 << 1) != 0 && reader.is_at_end()).then_some(delta)
    }

    /// Takes in a member: a number for each that nobody may have twice, and 0 for the others. None for one that is not looked for here.
    fn member(&mut self, key: &[u8], value: Plain<'a>, name: &str) -> Option<u32> {
        Some(match key {
            b"type" if value == Plain::Text(name.as_bytes()) => 1,
            b"delta" => {
                let Plain::Text(text) = value else { return None };
                self.text = Some(text);
                2
            }
            b"sequence_number" => {
                self.sequence_number = value.number();
                3
            }
            b"output_index" => {
                self.output_index = value.number();
                4
            }
            b"content_index" => {
                self.content_index = value.number();
                5
            }
            b"logprobs" => {
                self.logprobs = true;
                6
            }
            b"item_id" => 7,
            b"type" | b"response" | b"item" | b"part" | b"text" | b"name" => return None,
            _ => 0,
        })
    }
}

const TEXT_DELTA: &str = "response.output_text.delta";

/// A value that needs no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain<'a> {
    /// What stands between the quotes, as it is written.
    Text(&'a [u8]),
    Number(u64),
    /// An empty list.
    Nothing,
}

impl Plain<'_> {
    const fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

/// Whether a text is UTF-8 without control characters, as which every line break counts too.
fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<32>();
    let (mut control, mut high) = (false, 0_u8);
    for block in blocks {
        control |= block.iter().fold(false, |found, &byte| found | (byte < 0x20));
        high |= block.iter().fold(0, |bits, &byte| bits | byte);
    }
    control |= rest.iter().fold(false, |found, &byte| found | (byte < 0x20));
    high |= rest.iter().fold(0, |bits, &byte| bits | byte);
    !control && (high < 0x80 || std::str::from_utf8(text).is_ok())
}

/// Reads a text without control characters.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.text.get(self.at..)?.starts_with(expected).then(|| self.at += expected.len())
    }

    const fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// A key without escapes.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let rest = self.text.get(self.at..)?;
        let len = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let name = rest.get(..len)?;
        self.at += len;
        self.take(b'"')?;
        Some(name)
    }

    fn value(&mut self) -> Option<Plain<'a>> {
        match self.next()? {
            b'"' => self.string().map(Plain::Text),
            b'[' => self.take(b']').map(|()| Plain::Nothing),
            b'0' => Some(Plain::Number(0)),
            digit @ b'1'..=b'9' => self.number(u64::from(digit - b'0')).map(Plain::Number),
            _ => None,
        }
    }

    /// The rest of a number. One that is no plain integer is met by who looks for a comma next.
    fn number(&mut self, mut number: u64) -> Option<u64> {
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        Some(number)
    }

    /// What is left of a string, to its closing quote.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            if self.next()? == b'"' {
                return self.text.get(start..self.at - 1);
            }
            match self.next()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let digits = self.text.get(self.at..self.at + 4)?;
                    self.at += 4;
                    digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
