//! Texts and refusals: reading them, and what a stream has told of them, so that a text that comes again as a whole is told once.

use bytes::Bytes;
use pooler_filter::json::Value;

use super::place::{At, Place};
use super::string;

/// The most parts that are kept in mind; an honest answer has far fewer.
const MOST_PARTS: usize = 4096;

/// What a message says, as the JSON string that it is.
pub(super) enum Piece {
    Content(Bytes),
    Refusal(Bytes),
}

impl Piece {
    /// What a content part says; None for other parts, and for those that say nothing.
    pub(super) fn of(part: Value<'_>) -> Option<Self> {
        let is = |text: &str| part.get("type").is_some_and(|kind| kind.is_str(text));
        if is("output_text") {
            Self::content(part.get("text"))
        } else if is("refusal") {
            Self::refusal(part.get("refusal"))
        } else {
            None
        }
    }

    /// A piece of the text, unless it is empty.
    pub(super) fn content(text: Option<Value<'_>>) -> Option<Self> {
        Some(Self::Content(string(text)?.raw_bytes()))
    }

    /// A piece of the refusal, unless it is empty.
    pub(super) fn refusal(text: Option<Value<'_>>) -> Option<Self> {
        Some(Self::Refusal(string(text)?.raw_bytes()))
    }
}

/// Whether an item is a message.
pub(super) fn is_message(item: Value<'_>) -> bool {
    item.get("type").is_some_and(|kind| kind.is_str("message"))
}

/// What a message says, each with its place in the content.
pub(super) fn pieces<'a>(item: Value<'a>) -> impl Iterator<Item = (u64, Piece)> + use<'a> {
    let parts = item.get("content").into_iter().flat_map(|content| content.items());
    (0..).zip(parts).filter_map(|(place, part)| Some((place, Piece::of(part)?)))
}

/// What a stream has told of the parts of its messages.
#[derive(Default)]
pub(super) struct Parts {
    told: Vec<(Place, u64)>,
    /// Something was told, of whatever part.
    any: bool,
    /// Something was told since the last message was finished.
    open: bool,
    /// Some of that came without a place.
    unplaced: bool,
}

impl Parts {
    /// Notes that a part is told, or a piece of it.
    pub(super) fn note(&mut self, at: At<'_>, content: u64) {
        self.any = true;
        self.open = true;
        if at.is_nowhere() {
            self.unplaced = true;
        } else if !self.has(at, content) {
            if self.told.len() < MOST_PARTS {
                self.told.push((at.into(), content));
            } else {
                self.unplaced = true;
            }
        }
    }

    /// Notes that a piece of a part is told of which others were. Nothing is noted of a part that is not known by this place.
    pub(super) fn goes_on(&mut self, index: u64, content: u64) -> bool {
        let known = self.told.iter().rev().any(|(place, other)| *other == content && place.is_index(index));
        self.any |= known;
        self.open |= known;
        known
    }

    /// Notes that a message is finished: what came without a place was part of it.
    pub(super) const fn finished(&mut self) {
        self.open = false;
        self.unplaced = false;
    }

    /// Whether certainly nothing of a part was told.
    pub(super) fn lacks(&self, at: At<'_>, content: u64) -> bool {
        if at.is_nowhere() { !self.open } else { !self.unplaced && !self.has(at, content) }
    }

    /// Whether nothing at all was told.
    pub(super) const fn lacks_all(&self) -> bool {
        !self.any
    }

    fn has(&self, at: At<'_>, content: u64) -> bool {
        self.told.iter().rev().any(|(place, other)| *other == content && place.is(at))
    }
}
