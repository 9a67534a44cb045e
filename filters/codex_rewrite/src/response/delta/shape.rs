//! What the pieces of one text have in common: nearly always all but the text itself and their number.

use std::ops::Range;

use pooler_filter::Frame;

use super::{Delta, Plain, Reader, is_plain};

/// Longer pieces are not kept in mind.
const LONGEST: usize = 4096;

/// A piece that was read, and where in it others may differ.
#[derive(Debug, Default)]
pub(super) struct Shape {
    name: String,
    data: Vec<u8>,
    gaps: Vec<Gap>,
    like: Like,
}

/// What all pieces of this shape are.
#[derive(Debug, Default, Clone, Copy)]
struct Like(Option<Delta<'static>>);

/// A place whose value may differ.
#[derive(Debug)]
pub(super) struct Gap {
    /// A string without its opening quote, or a number.
    place: Range<usize>,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The text of the piece.
    Text,
    /// A string that nobody here reads.
    Padding,
    /// The number of the event.
    Sequence,
}

impl Gap {
    /// The gap that a member is; none for one that is the same in all pieces. `place`: of its value.
    pub(super) fn of(key: &[u8], value: Plain<'_>, place: Range<usize>) -> Option<Self> {
        let (start, what) = match (key, value) {
            (b"delta", Plain::Text(_)) => (place.start + 1, What::Text),
            (b"obfuscation", Plain::Text(_)) => (place.start + 1, What::Padding),
            (b"sequence_number", Plain::Number(_)) => (place.start, What::Sequence),
            _ => return None,
        };
        Some(Self { place: start..place.end, what })
    }
}

impl Shape {
    /// Keeps a piece in mind.
    pub(super) fn keep(&mut self, frame: &Frame, delta: &Delta<'_>, gaps: Vec<Gap>) {
        let (Some(name), data) = (frame.name().filter(|_| frame.data().len() <= LONGEST), frame.data()) else { return };
        self.name.clear();
        self.name.push_str(name);
        self.data.clear();
        self.data.extend_from_slice(data);
        self.gaps = gaps;
        self.like = Like(Some(Delta { text: None, sequence_number: None, ..*delta }));
    }

    /// A piece that has this shape.
    pub(super) fn read<'a>(&self, frame: &'a Frame) -> Option<Delta<'a>> {
        let mut delta: Delta<'a> = self.like.0.filter(|_| frame.is_named(&self.name))?;
        let mut reader = Reader { text: frame.data(), at: 0 };
        let mut from = 0;
        for gap in &self.gaps {
            reader.skip(self.data.get(from..gap.place.start)?)?;
            match gap.what {
                What::Sequence => delta.sequence_number = Some(reader.value()?.number()?),
                What::Text => delta.text = Some(reader.string().filter(|text| is_plain(text))?),
                What::Padding => drop(reader.string().filter(|text| is_plain(text))?),
            }
            from = gap.place.end;
        }
        reader.skip(self.data.get(from..)?)?;
        reader.is_at_end().then_some(delta)
    }
}
