//! Filling response objects and items so that they have every key that clients may rely on (docs/v1.md, Neutral values).

use std::collections::HashMap;

use pooler_filter::json::{Json, Kind, Value, write_str};

use super::edits::{Edits, Members};
use super::neutral::{self, Facts, Present};
use crate::echo::Echo;

/// Fills a response object; names the model that the client asked for (docs/decisions.md, T15).
pub(super) fn response(edits: &mut Edits<'_>, response: Value<'_>, facts: &Facts<'_>, echo: &Echo) {
    let mut present = Present::default();
    for (key, value) in response.entries() {
        let key = key.name();
        present.note(&key);
        match &*key {
            b"model" if !value.is_str(&echo.model) => edits.replace(value, string(&echo.model)),
            b"output" => output(edits, value, facts.status, echo),
            b"tools" => neutral::tools(edits, value),
            b"usage" => neutral::usage(edits, value),
            // The backend never saw the client's metadata, so an empty answer about it says nothing.
            b"metadata" if value.is_null() || (value.kind() == Kind::Object && value.is_empty()) => {
                if let Some(asked) = neutral::asked(echo, "metadata") {
                    edits.replace(value, asked.to_vec());
                }
            }
            _ => {}
        }
    }
    edits.add(response, present.missing(facts, echo));
}

fn output(edits: &mut Edits<'_>, output: Value<'_>, status: &str, echo: &Echo) {
    let running = matches!(status, "in_progress" | "queued");
    for (index, item) in (0..).zip(output.items()) {
        let place = Place { index, item_id: None, status: if running { "in_progress" } else { "completed" } };
        self::item(edits, item, &place, &echo.namespaces);
    }
}

/// What an event tells of the item that it carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its place in the output.
    pub(super) index: u64,
    /// The `item_id` beside it.
    pub(super) item_id: Option<Value<'a>>,
    /// `completed`, or `in_progress` until it is done.
    pub(super) status: &'static str,
}

/// Fills an item of the output, its content included.
pub(super) fn item(edits: &mut Edits<'_>, item: Value<'_>, place: &Place<'_>, namespaces: &HashMap<String, String>) {
    if item.kind() != Kind::Object {
        return;
    }
    let kind = item.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    let mut missing = Members::default();
    if let Some(id) = missing_id(item, &kind, place) {
        match item.get("id") {
            Some(blank) => edits.replace(blank, string(&id)),
            None => missing.add_str("id", &id),
        }
    }
    let mut neutral = |key: &str, value: &str| {
        if item.get(key).is_none() {
            missing.add_str(key, value);
        }
    };
    match &*kind {
        "message" => {
            neutral("status", place.status);
            neutral("role", "assistant");
            for part in item.get("content").iter().flat_map(Value::items) {
                neutral::part(edits, part);
            }
        }
        "function_call" => neutral("status", place.status),
        "custom_tool_call" => {
            let name = item.get("name").and_then(|name| name.as_str()).unwrap_or_default();
            if let Some(namespace) = namespaces.get(&*name) {
                neutral("namespace", namespace);
            }
        }
        _ => {}
    }
    edits.add(item, missing);
}

/// An item as a document of its own, filled.
pub(super) fn filled(item: Value<'_>, place: &Place<'_>, namespaces: &HashMap<String, String>) -> Option<Json> {
    let json = item.to_json();
    let mut edits = Edits::of(&json);
    self::item(&mut edits, json.root(), place, namespaces);
    if edits.is_empty() { Some(json) } else { Json::parse(edits.apply()).ok() }
}

/// The id of an item that has none: its call's, the one that its event names, or one made of type and place.
fn missing_id(item: Value<'_>, kind: &str, place: &Place<'_>) -> Option<String> {
    let named = |value: Option<Value<'_>>| Some(value?.as_str()?.into_owned()).filter(|id| !id.trim().is_empty());
    if item.get("id").is_some_and(|id| id.as_str().is_some_and(|id| !id.trim().is_empty())) {
        return None;
    }
    let named = named(item.get("call_id")).or_else(|| named(item.get("item_id"))).or_else(|| named(place.item_id));
    let kind = if kind.is_empty() { "item" } else { kind };
    Some(named.unwrap_or_else(|| format!("{kind}_{}", place.index)))
}

/// A JSON string.
pub(super) fn string(text: &str) -> Vec<u8> {
    let mut literal = Vec::with_capacity(text.len() + 2);
    write_str(&mut literal, text);
    literal
}
