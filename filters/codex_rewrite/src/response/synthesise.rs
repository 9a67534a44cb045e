//! Events that the backend left out and that clients need: the beginning of a response, and the text of a message that came in
//! one piece (docs/v1.md, Normalisation).

use std::collections::HashMap;

use bytes::Bytes;
use pooler_filter::json::{Json, Kind, Value};

use super::edits::Members;
use super::items::{Items, Told};
use super::neutral::{self, Facts};
use super::normalise::{self, Place};
use crate::echo::Echo;

/// An event of ours: its type, and its members after the sequence number.
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) members: Members,
}

/// The `response.created` of a stream that began without one.
pub(super) fn created(facts: &Facts<'_>, echo: &Echo) -> Own {
    let mut members = Members::default();
    members.add("response", &neutral::response(facts, echo));
    Own { name: "response.created", members }
}

/// What has to come before a `response.output_item.done`: all events of a message whose text was not streamed, and for an item that was
/// not announced its announcement, because clients find an item by its place among the announced.
pub(super) fn before_done(
    item: Value<'_>,
    place: &Place<'_>,
    items: &Items,
    namespaces: &HashMap<String, String>,
) -> Vec<Own> {
    let mut events = Vec::new();
    let text = has_text(item) && items.lacks_text(place.index);
    let told = items.get(place.index);
    if (text || !told.is_some_and(|told| told.added))
        && let Some(item) = normalise::filled(item, place, namespaces)
    {
        let mut writer = Writer { index: place.index, told, events: &mut events };
        if text {
            writer.message(&item);
        } else {
            writer.item("response.output_item.added", item.bytes());
        }
    }
    events
}

/// What has to come before a terminal whose text was not streamed: all events of each message, and for other items before the
/// last message those that announce them, because clients find an item by its place among the announced.
pub(super) fn before_terminal(response: Value<'_>, items: &Items, namespaces: &HashMap<String, String>) -> Vec<Own> {
    let output: Vec<Value<'_>> = response.get("output").iter().flat_map(Value::items).collect();
    let texts = output.iter().rposition(|item| has_text(*item)).map_or(0, |last| last + 1);
    let mut events = Vec::new();
    for (index, item) in (0..).zip(output.into_iter().take(texts)) {
        let place = Place { index, item_id: None, status: "completed" };
        let Some(whole) = normalise::filled(item, &place, namespaces) else { continue };
        let mut writer = Writer { index, told: items.get(index), events: &mut events };
        if has_text(item) {
            writer.message(&whole);
            writer.item("response.output_item.done", whole.bytes());
        } else if writer.told.is_none() {
            writer.item("response.output_item.added", whole.bytes());
            writer.item("response.output_item.done", whole.bytes());
        }
    }
    events
}

/// Whether an item is a message with some text.
fn has_text(item: Value<'_>) -> bool {
    item.get("type").is_some_and(|kind| kind.is_str("message"))
        && item.get("content").iter().flat_map(Value::items).any(|part| text(part).is_some_and(|text| text.len() > 2))
}

/// The text of an `output_text` part, as a JSON string.
fn text(part: Value<'_>) -> Option<Bytes> {
    let is_text = part.get("type").is_some_and(|kind| kind.is_str("output_text"));
    let text = part.get("text").filter(|text| is_text && text.kind() == Kind::String)?;
    Some(text.raw_bytes())
}

/// Writes the events of one item that were not told yet.
struct Writer<'a> {
    index: u64,
    told: Option<&'a Told>,
    events: &'a mut Vec<Own>,
}

impl Writer<'_> {
    /// A message up to its last content part.
    fn message(&mut self, item: &Json) {
        let root = item.root();
        if !self.told.is_some_and(|told| told.added)
            && let Some(begun) = begun_item(root)
        {
            self.item("response.output_item.added", &begun);
        }
        let told_parts = self.told.map_or(0, |told| told.parts);
        let id = root.get("id").map(|id| id.raw_bytes()).unwrap_or_default();
        for (place, part) in root.get("content").iter().flat_map(Value::items).enumerate() {
            if place >= told_parts {
                let begun = begun_part(part).unwrap_or_else(|| part.raw_bytes());
                self.part("response.content_part.added", &id, place, &[("part", &begun)]);
            }
            if let Some(text) = text(part) {
                self.part("response.output_text.delta", &id, place, &[("delta", &text), ("logprobs", b"[]")]);
                self.part("response.output_text.done", &id, place, &[("text", &text), ("logprobs", b"[]")]);
            }
            self.part("response.content_part.done", &id, place, &[("part", &part.raw_bytes())]);
        }
    }

    fn item(&mut self, name: &'static str, item: &[u8]) {
        let mut members = Members::default();
        members.add_u64("output_index", self.index);
        members.add("item", item);
        self.events.push(Own { name, members });
    }

    fn part(&mut self, name: &'static str, item_id: &[u8], place: usize, rest: &[(&str, &[u8])]) {
        let mut members = Members::default();
        members.add("item_id", item_id);
        members.add_u64("output_index", self.index);
        members.add_u64("content_index", place as u64);
        for (key, value) in rest {
            members.add(key, value);
        }
        self.events.push(Own { name, members });
    }
}

/// A message as it is announced: without its content.
fn begun_item(item: Value<'_>) -> Option<Bytes> {
    let mut begun = item.to_object().ok()?;
    begun.set_str("status", "in_progress");
    begun.set("content", "[]");
    Some(begun.to_bytes())
}

/// A text part as it is announced: without its text. None for other parts.
fn begun_part(part: Value<'_>) -> Option<Bytes> {
    text(part)?;
    let mut begun = part.to_object().ok()?;
    begun.set_str("text", "");
    begun.set("annotations", "[]");
    begun.set("logprobs", "[]");
    Some(begun.to_bytes())
}
