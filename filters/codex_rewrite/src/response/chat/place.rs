//! Where an event stands in the output: by the index there, else by the id of its item.

use pooler_filter::json::Value;

use crate::response::event::Event;

/// The place that an event tells.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    index: Option<u64>,
    id: Option<Value<'a>>,
}

impl<'a> At<'a> {
    /// Of an event about an item, or about a part of one.
    pub(super) fn event(event: &Event<'a>) -> Self {
        let id = event.item().and_then(|item| text(item.get("id"))).or(event.members.item_id);
        Self { index: event.output_index(), id }
    }

    /// Of an item in a finished output. Its index there counts only when it has no id: an output that lacks some of its items counts
    /// from another beginning than the events.
    pub(super) fn output(item: Value<'a>, index: u64) -> Self {
        let id = text(item.get("id"));
        Self { index: id.is_none().then_some(index), id }
    }

    /// Whether nothing of it is told.
    pub(super) fn is_nowhere(self) -> bool {
        self.index.is_none() && text(self.id).is_none()
    }
}

/// A place that is kept in mind.
pub(super) struct Place {
    index: Option<u64>,
    id: String,
}

impl From<At<'_>> for Place {
    fn from(at: At<'_>) -> Self {
        Self { index: at.index, id: text(at.id).and_then(|id| id.as_str()).unwrap_or_default().into_owned() }
    }
}

impl Place {
    /// Whether it is known by this index.
    pub(super) fn is_index(&self, index: u64) -> bool {
        self.index == Some(index)
    }

    /// Whether an event speaks of this place.
    pub(super) fn is(&self, at: At<'_>) -> bool {
        match (self.index, at.index) {
            (Some(index), Some(other)) => index == other,
            _ => !self.id.is_empty() && at.id.is_some_and(|id| id.is_str(&self.id)),
        }
    }
}

/// A string that is not blank.
fn text(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| value.as_str().is_some_and(|text| !text.trim().is_empty()))
}
