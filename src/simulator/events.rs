//! The events of a stream, in the order and with the fields of the backend.

mod hosted;

use serde_json::{Value, json};

use super::answer::{Citation, Output};
use super::envelope::{Envelope, Usage};
use super::tokens::Sealed;

/// One event before it has a sequence number.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    /// The members after `type` and `sequence_number`, without the outer braces; never empty.
    pub(super) members: String,
    /// Events of the control plane carry no sequence number.
    pub(super) numbered: bool,
}

/// All events of a successful stream.
#[derive(Debug)]
pub(super) struct Story {
    /// From `response.created` to the last `response.output_item.done`.
    pub(super) events: Vec<Event>,
    /// The finished items, as `response.output` has them.
    pub(super) items: Vec<String>,
}

impl Event {
    pub(super) fn new(name: &'static str, members: String) -> Event {
        Event { name, members, numbered: true }
    }

    /// An event whose members are those of `object`.
    fn of(name: &'static str, object: &Value) -> Event {
        let text = object.to_string();
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        Event::new(name, inner.to_owned())
    }
}

/// Tells the story of `outputs`. `unique` makes the ids, `seal` the encrypted content.
pub(super) fn tell(
    envelope: &Envelope,
    outputs: &[Output],
    unique: &str,
    seal: impl Fn(Sealed, &[u8]) -> String,
) -> Story {
    let started = format!("\"response\":{}", envelope.render("in_progress", "[]", None, &Usage::NULL));
    let mut events = vec![Event::new("response.created", started.clone()), Event::new("response.in_progress", started)];
    let mut items = Vec::with_capacity(outputs.len());
    for (index, output) in outputs.iter().enumerate() {
        let teller = &mut Teller { events: &mut events, index, tag: format!("{unique}{index:02x}") };
        let item = match output {
            Output::Reasoning { filler, summary } => teller.reasoning(&seal(Sealed::Reasoning, filler), *summary),
            Output::Text { deltas, citations } => teller.text(deltas, citations),
            Output::Refusal(deltas) => teller.refusal(deltas),
            Output::Function { name, namespace, arguments } => teller.function(name, namespace.as_deref(), arguments),
            Output::Custom { name, namespace, input } => teller.custom(name, namespace.as_deref(), input),
            Output::WebSearch { query, sources } => teller.web_search(query, sources),
            Output::Picture { picture, failed } => teller.picture(picture, failed.as_ref()),
            Output::Shell { local, command } => teller.shell(*local, command),
            Output::ToolSearch { query } => teller.tool_search(query),
            Output::Compaction(filler) => teller.compaction(&seal(Sealed::Compaction, filler)),
        };
        items.push(item);
    }
    Story { events, items }
}

struct Teller<'a> {
    events: &'a mut Vec<Event>,
    index: usize,
    tag: String,
}

impl Teller<'_> {
    fn say(&mut self, name: &'static str, object: &Value) {
        self.events.push(Event::of(name, object));
    }

    /// Opens and closes an item around what `inside` says; answers the closed item as text.
    fn item(&mut self, open: &Value, closed: &Value, inside: impl FnOnce(&mut Self)) -> String {
        self.say("response.output_item.added", &json!({"output_index": self.index, "item": open}));
        inside(self);
        self.say("response.output_item.done", &json!({"output_index": self.index, "item": closed}));
        closed.to_string()
    }

    fn reasoning(&mut self, sealed: &str, summary: Option<&str>) -> String {
        let id = format!("rs_{}", self.tag);
        let parts: Vec<Value> = summary.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
        let open = json!({"id": id, "type": "reasoning", "summary": [], "encrypted_content": sealed});
        let closed = json!({"id": id, "type": "reasoning", "summary": parts, "encrypted_content": sealed});
        self.item(&open, &closed, |teller| {
            if let Some(text) = summary {
                teller.summary(&id, text);
            }
        })
    }

    fn summary(&mut self, id: &str, text: &str) {
        let with = |key: &str, value: Value| json!({"item_id": id, "output_index": self.index, "summary_index": 0, key: value});
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        let opened = with("part", part(""));
        let deltas: Vec<Value> =
            super::prose::split(text).into_iter().map(|delta| with("delta", Value::String(delta))).collect();
        let (done, closed) = (with("text", json!(text)), with("part", part(text)));
        self.say("response.reasoning_summary_part.added", &opened);
        for delta in &deltas {
            self.say("response.reasoning_summary_text.delta", delta);
        }
        self.say("response.reasoning_summary_text.done", &done);
        self.say("response.reasoning_summary_part.done", &closed);
    }

    fn text(&mut self, deltas: &[String], citations: &[Citation]) -> String {
        let id = format!("msg_{}", self.tag);
        let text = deltas.concat();
        let notes: Vec<Value> = citations.iter().map(annotation).collect();
        let part = json!({"type": "output_text", "text": text, "annotations": notes});
        let (open, closed) = (message(&id, "in_progress", &[]), message(&id, "completed", &[&part]));
        self.item(&open, &closed, |teller| {
            let with = teller.in_part(&id);
            let empty = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
            teller.say("response.content_part.added", &with(&[("part", empty)]));
            let head = format!("\"item_id\":\"{id}\",\"output_index\":{},\"content_index\":0,\"delta\":", teller.index);
            for delta in deltas {
                let members = format!("{head}{},\"logprobs\":[]", json!(delta));
                teller.events.push(Event::new("response.output_text.delta", members));
            }
            for (number, note) in notes.iter().enumerate() {
                let members = [("annotation_index", json!(number)), ("annotation", note.clone())];
                teller.say("response.output_text.annotation.added", &with(&members));
            }
            teller.say("response.output_text.done", &with(&[("text", json!(text))]));
            teller.say("response.content_part.done", &with(&[("part", part)]));
        })
    }

    fn refusal(&mut self, deltas: &[String]) -> String {
        let id = format!("msg_{}", self.tag);
        let text = deltas.concat();
        let part = json!({"type": "refusal", "refusal": text});
        let (open, closed) = (message(&id, "in_progress", &[]), message(&id, "completed", &[&part]));
        self.item(&open, &closed, |teller| {
            let with = teller.in_part(&id);
            teller.say("response.content_part.added", &with(&[("part", json!({"type": "refusal", "refusal": ""}))]));
            for delta in deltas {
                teller.say("response.refusal.delta", &with(&[("delta", json!(delta))]));
            }
            teller.say("response.refusal.done", &with(&[("refusal", json!(text))]));
            teller.say("response.content_part.done", &with(&[("part", part)]));
        })
    }

    /// Makes the object of an event about the only part of message `id`.
    fn in_part(&self, id: &str) -> impl Fn(&[(&str, Value)]) -> Value + use<> {
        let at = json!({"item_id": id, "output_index": self.index, "content_index": 0});
        move |members| {
            let mut object = at.clone();
            for (key, value) in members {
                object[*key] = value.clone();
            }
            object
        }
    }

    fn function(&mut self, name: &str, namespace: Option<&str>, arguments: &str) -> String {
        let (id, call_id) = (format!("fc_{}", self.tag), format!("call_{}", self.tag));
        let call = |status: &str, arguments: &str| {
            let mut item = json!({
                "id": id, "type": "function_call", "status": status, "name": name, "call_id": call_id,
                "arguments": arguments,
            });
            if let Some(namespace) = namespace {
                item["namespace"] = json!(namespace);
            }
            item
        };
        self.item(&call("in_progress", ""), &call("completed", arguments), |teller| {
            let at = teller.index;
            for delta in super::prose::split_into(arguments, arguments.chars().count().div_ceil(12)) {
                teller.say(
                    "response.function_call_arguments.delta",
                    &json!({"item_id": id, "output_index": at, "delta": delta}),
                );
            }
            let done = json!({"item_id": id, "output_index": at, "arguments": arguments});
            teller.say("response.function_call_arguments.done", &done);
        })
    }

    fn custom(&mut self, name: &str, namespace: Option<&str>, input: &str) -> String {
        let (id, call_id) = (format!("ctc_{}", self.tag), format!("call_{}", self.tag));
        let call = |status: &str, input: &str| {
            let mut item = json!({
                "id": id, "type": "custom_tool_call", "status": status, "call_id": call_id, "name": name, "input": input,
            });
            if let Some(namespace) = namespace {
                item["namespace"] = json!(namespace);
            }
            item
        };
        self.item(&call("in_progress", ""), &call("completed", input), |teller| {
            let at = teller.index;
            for delta in super::prose::split_into(input, input.chars().count().div_ceil(12)) {
                teller.say(
                    "response.custom_tool_call_input.delta",
                    &json!({"item_id": id, "output_index": at, "delta": delta}),
                );
            }
            let done = json!({"item_id": id, "output_index": at, "input": input});
            teller.say("response.custom_tool_call_input.done", &done);
        })
    }
}

fn message(id: &str, status: &str, content: &[&Value]) -> Value {
    json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
}

fn annotation(citation: &Citation) -> Value {
    json!({
        "type": "url_citation", "start_index": citation.start, "end_index": citation.end, "url": citation.url,
        "title": citation.title,
    })
}
