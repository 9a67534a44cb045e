//! What a stream has told of the items of its output: which were announced, which are done, which had their text streamed.

use std::collections::HashMap;

use bytes::Bytes;
use pooler_filter::json::{Json, Kind, Value};

use super::edits::{Edits, Members};
use super::event::{Class, Event};
use super::normalise::{self, Place};

/// The most items that are kept in mind; an honest answer has far fewer.
const MOST_ITEMS: usize = 4096;

/// The most bytes of finished items that a stream keeps for a terminal that leaves its output out.
const MOST_DONE_BYTES: usize = 64 << 20;

/// What was told of one item.
pub(super) struct Told {
    index: u64,
    id: String,
    name: String,
    /// Announced with `response.output_item.added`.
    pub(super) added: bool,
    /// Finished with `response.output_item.done`.
    pub(super) done: bool,
    /// Content parts announced.
    pub(super) parts: usize,
    /// Some of its text was streamed.
    text: bool,
}

/// What was told of all items of a stream.
#[derive(Default)]
pub(super) struct Items {
    told: Vec<Told>,
    /// Some text was streamed, of whatever item.
    any_text: bool,
    /// Some text was streamed without the place of its item.
    unplaced_text: bool,
}

impl Items {
    /// Takes note of an event that the client gets.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event.class {
            Class::TextDelta => self.note_text(event.output_index()),
            Class::ItemAdded | Class::ItemDone => self.note_item(event),
            Class::PartAdded => {
                if let Some(told) = event.output_index().and_then(|index| self.entry(index)) {
                    told.parts += 1;
                }
            }
            Class::Lifecycle
            | Class::TextDone
            | Class::PartDone
            | Class::ArgumentsDone
            | Class::Other
            | Class::Completed
            | Class::Incomplete
            | Class::Failed
            | Class::Error => {}
        }
    }

    /// Takes note of text that the client gets, and of the place of its item.
    pub(super) fn note_text(&mut self, index: Option<u64>) {
        self.any_text = true;
        match index.and_then(|index| self.entry(index)) {
            Some(told) => told.text = true,
            None => self.unplaced_text = true,
        }
    }

    fn note_item(&mut self, event: &Event<'_>) {
        let (Some(index), Some(item)) = (event.output_index(), event.item()) else { return };
        let text = |key| item.get(key).and_then(|value| value.as_str()).unwrap_or_default().into_owned();
        let Some(told) = self.entry(index) else { return };
        if event.class == Class::ItemAdded {
            told.added = true;
        } else {
            told.done = true;
        }
        told.id = text("id");
        told.name = text("name");
    }

    /// Notes that what goes before the end of an item was written by us, and whether its text was among that.
    pub(super) fn note_synthesised(&mut self, index: u64, text: bool) {
        self.any_text |= text;
        if let Some(told) = self.entry(index) {
            told.added = true;
            told.text |= text;
        }
    }

    /// Whether the text of no item at all was streamed.
    pub(super) const fn no_text(&self) -> bool {
        !self.any_text
    }

    /// Whether the text of this item was certainly not streamed.
    pub(super) fn lacks_text(&self, index: u64) -> bool {
        !self.unplaced_text && !self.get(index).is_some_and(|told| told.text)
    }

    /// What was told of the item at a place of the output.
    pub(super) fn get(&self, index: u64) -> Option<&Told> {
        self.told.iter().rfind(|told| told.index == index)
    }

    /// The name of the function that an event speaks of; empty when nobody told it.
    pub(super) fn name_of(&self, event: &Event<'_>) -> &str {
        let id = event.members.item_id.and_then(|id| id.as_str());
        let by_id = id.filter(|id| !id.is_empty()).and_then(|id| self.told.iter().rfind(|told| told.id == *id));
        let told = by_id.or_else(|| self.get(event.output_index()?));
        told.map_or("", |told| &told.name)
    }

    /// The note about a place of the output, made when it is new; None when there are too many.
    fn entry(&mut self, index: u64) -> Option<&mut Told> {
        let known = self.told.iter().rposition(|told| told.index == index);
        let place = match known {
            Some(place) => place,
            None if self.told.len() == MOST_ITEMS => return None,
            None => {
                let (id, name) = (String::new(), String::new());
                self.told.push(Told { index, id, name, added: false, done: false, parts: 0, text: false });
                self.told.len() - 1
            }
        };
        self.told.get_mut(place)
    }
}

/// Items as the backend finished them, for a terminal that leaves its output out.
#[derive(Default)]
pub(super) struct DoneItems {
    list: Vec<(u64, Bytes)>,
    bytes: usize,
}

impl DoneItems {
    /// Keeps the item of a `response.output_item.done`, filled. One without a place stands after those before it.
    pub(super) fn keep(&mut self, event: &Event<'_>, namespaces: &HashMap<String, String>) {
        let Some(item) = event.item() else { return };
        let after = self.list.last().map_or(0, |(index, _)| index.saturating_add(1));
        let index = event.output_index().unwrap_or(after);
        let place = Place { index, item_id: event.members.item_id, status: "completed" };
        let Some(item) = normalise::filled(item, &place, namespaces) else { return };
        let raw = item.bytes();
        if self.list.len() == MOST_ITEMS || self.bytes + raw.len() > MOST_DONE_BYTES {
            return;
        }
        self.bytes += raw.len();
        // A slice would keep the whole read buffer alive for as long as the stream lasts.
        self.list.push((index, Bytes::copy_from_slice(raw)));
    }

    /// Whether no item was kept.
    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The items as a JSON array, in their order in the output.
    pub(super) fn to_array(&self) -> Vec<u8> {
        let mut sorted: Vec<&(u64, Bytes)> = self.list.iter().collect();
        sorted.sort_by_key(|(index, _)| *index);
        let mut array = Vec::with_capacity(self.bytes + sorted.len() + 2);
        array.push(b'[');
        for (place, (_, item)) in sorted.into_iter().enumerate() {
            if place > 0 {
                array.push(b',');
            }
            array.extend_from_slice(item);
        }
        array.push(b']');
        array
    }
}

/// Whether a response object has no item in its output.
pub(super) fn lacks_output(response: Value<'_>) -> bool {
    response.get("output").is_none_or(|output| output.kind() != Kind::Array || output.is_empty())
}

/// Gives a response object this output.
pub(super) fn set_output(edits: &mut Edits<'_>, response: Value<'_>, array: Vec<u8>) {
    match response.get("output") {
        Some(output) => edits.replace(output, array),
        None => {
            let mut members = Members::default();
            members.add("output", &array);
            edits.add(response, members);
        }
    }
}

/// The event with what its terminal has to carry: a response object, and in it the output that was streamed.
/// None when nothing is missing.
pub(super) fn completed(event: &Event<'_>, done: &DoneItems) -> Option<Json> {
    let terminal = matches!(event.class, Class::Completed | Class::Incomplete);
    let mut edits = Edits::of(event.json);
    match event.response() {
        Some(response) if terminal && !done.is_empty() && lacks_output(response) => {
            set_output(&mut edits, response, done.to_array());
        }
        Some(_) => return None,
        None if event.class.carries_response() => {
            let mut response = Members::default();
            if terminal && !done.is_empty() {
                response.add("output", &done.to_array());
            }
            match event.members.response {
                Some(other) => edits.replace(other, response.into_object()),
                None => {
                    let mut members = Members::default();
                    members.add("response", &response.into_object());
                    edits.add(event.json.root(), members);
                }
            }
        }
        None => return None,
    }
    Json::parse(edits.apply()).ok()
}
