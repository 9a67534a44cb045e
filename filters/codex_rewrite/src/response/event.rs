//! Reading one frame of the backend: what is no event of a public stream is dropped here (docs/v1.md, Framing).

use std::borrow::Cow;

use bytes::Bytes;
use pooler_filter::codex::{EventKind, Failure, bare_response};
use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{Clock, Frame, FrameKind, Reject};

use super::failed;

/// What an event asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `response.created`, `response.in_progress`, `response.queued`.
    Lifecycle,
    /// `response.output_text.delta`.
    TextDelta,
    /// `response.output_text.done`.
    TextDone,
    /// `response.output_item.added`.
    ItemAdded,
    /// `response.output_item.done`.
    ItemDone,
    /// `response.content_part.added`.
    PartAdded,
    /// `response.content_part.done`.
    PartDone,
    /// `response.function_call_arguments.done`.
    ArgumentsDone,
    /// Any other part of the answer.
    Other,
    /// `response.completed`, or its old name `response.done`.
    Completed,
    /// `response.incomplete`.
    Incomplete,
    /// `response.failed`.
    Failed,
    /// `error`.
    Error,
}

impl Class {
    /// The class of an event by its type; None when clients do not get it: facts for a gateway, and what no published schema names.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match EventKind::of(name) {
            EventKind::Control => return None,
            EventKind::Lifecycle => Self::Lifecycle,
            EventKind::Completed => Self::Completed,
            EventKind::Incomplete => Self::Incomplete,
            EventKind::Failed => Self::Failed,
            EventKind::Error => Self::Error,
            EventKind::Output => match name.strip_prefix("response.")? {
                "output_text.delta" => Self::TextDelta,
                "output_text.done" => Self::TextDone,
                "output_item.added" => Self::ItemAdded,
                "output_item.done" => Self::ItemDone,
                "content_part.added" => Self::PartAdded,
                "content_part.done" => Self::PartDone,
                "function_call_arguments.done" => Self::ArgumentsDone,
                other if other.starts_with("moderation.") => return None,
                // The name stands on a line of its own, so a new one must not break it.
                other if !other.bytes().all(plain) => return None,
                _ => Self::Other,
            },
        })
    }

    /// The kind that failures are read by.
    const fn failure_kind(self) -> EventKind {
        match self {
            Self::Failed => EventKind::Failed,
            Self::Error => EventKind::Error,
            Self::Incomplete => EventKind::Incomplete,
            Self::Completed => EventKind::Completed,
            Self::Lifecycle => EventKind::Lifecycle,
            Self::TextDelta
            | Self::TextDone
            | Self::ItemAdded
            | Self::ItemDone
            | Self::PartAdded
            | Self::PartDone
            | Self::ArgumentsDone
            | Self::Other => EventKind::Output,
        }
    }

    /// Whether nothing may follow the event.
    pub(super) const fn is_terminal(self) -> bool {
        self.failure_kind().is_terminal()
    }

    /// Whether the event has to carry a response object.
    pub(super) const fn carries_response(self) -> bool {
        matches!(self, Self::Lifecycle | Self::Completed | Self::Incomplete)
    }
}

/// One event, with the members that somebody here acts on.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) json: &'a Json,
    pub(super) class: Class,
    pub(super) name: Cow<'a, str>,
    pub(super) members: Found<'a>,
}

/// The members of an event by name; None when it has no such member.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) kind: Option<Value<'a>>,
    pub(super) sequence_number: Option<Value<'a>>,
    pub(super) response: Option<Value<'a>>,
    pub(super) item: Option<Value<'a>>,
    pub(super) part: Option<Value<'a>>,
    pub(super) delta: Option<Value<'a>>,
    pub(super) text: Option<Value<'a>>,
    pub(super) logprobs: Option<Value<'a>>,
    pub(super) name: Option<Value<'a>>,
    pub(super) item_id: Option<Value<'a>>,
    pub(super) output_index: Option<Value<'a>>,
    pub(super) content_index: Option<Value<'a>>,
}

impl<'a> Found<'a> {
    /// One pass over the members. None when one that matters comes twice: readers would not agree which of them counts.
    fn of(object: Value<'a>) -> Option<Self> {
        let mut found = Self::default();
        for (key, value) in object.entries() {
            let place = match &*key.name() {
                b"type" => &mut found.kind,
                b"sequence_number" => &mut found.sequence_number,
                b"response" => &mut found.response,
                b"item" => &mut found.item,
                b"part" => &mut found.part,
                b"delta" => &mut found.delta,
                b"text" => &mut found.text,
                b"logprobs" => &mut found.logprobs,
                b"name" => &mut found.name,
                b"item_id" => &mut found.item_id,
                b"output_index" => &mut found.output_index,
                b"content_index" => &mut found.content_index,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(found)
    }
}

impl<'a> Event<'a> {
    /// Reads a document; None when clients do not get it, or when the frame's name says something else than its type.
    pub(super) fn of(json: &'a Json, label: Option<&str>) -> Option<Self> {
        let members = Found::of(json.root())?;
        let name = members.kind?.as_str()?;
        if label.is_some_and(|label| label != name) {
            return None;
        }
        let class = Class::of(&name)?;
        Some(Self { json, class, name, members })
    }

    /// The failure that the event tells, if it tells one.
    pub(super) fn failure(&self, clock: &dyn Clock) -> Option<Failure> {
        // Reading looks through the whole event, so the many that are part of an answer are not asked.
        let may_fail = matches!(self.class, Class::Incomplete | Class::Failed | Class::Error);
        may_fail.then(|| Failure::in_event(self.class.failure_kind(), self.json.root(), clock.now())).flatten()
    }

    /// The status that a response object in the event has, or an item.
    pub(super) fn status(&self) -> &'static str {
        match self.class {
            Class::Completed | Class::ItemDone => "completed",
            Class::Incomplete => "incomplete",
            Class::Lifecycle if self.name == "response.queued" => "queued",
            Class::Failed | Class::Error => "failed",
            Class::Lifecycle
            | Class::TextDelta
            | Class::TextDone
            | Class::ItemAdded
            | Class::PartAdded
            | Class::PartDone
            | Class::ArgumentsDone
            | Class::Other => "in_progress",
        }
    }

    /// The response object, if the event carries one.
    pub(super) fn response(&self) -> Option<Value<'a>> {
        self.members.response.filter(|response| response.kind() == Kind::Object)
    }

    /// The item, if the event carries one.
    pub(super) fn item(&self) -> Option<Value<'a>> {
        self.members.item.filter(|item| item.kind() == Kind::Object)
    }

    /// Place of the item in the output.
    pub(super) fn output_index(&self) -> Option<u64> {
        self.members.output_index?.as_u64()
    }

    /// The backend's own number.
    pub(super) fn sequence_number(&self) -> Option<u64> {
        self.members.sequence_number?.as_u64()
    }
}

/// Whether a byte may stand in the name of an event.
const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The document in a frame of a stream, with the name that its type has to agree with. None for what is no JSON object.
pub(super) fn document(frame: &Frame) -> Option<(Json, Option<&str>)> {
    if frame.kind() != FrameKind::Sse || frame.data().is_empty() {
        return None;
    }
    let json = match is_one_line(frame.data()) {
        true => frame.json_data()?.clone(),
        false => Json::parse(one_line(frame.data())).ok()?,
    };
    let root = json.root();
    if root.kind() != Kind::Object {
        return None;
    }
    if root.get("type").is_some_and(|kind| !kind.is_null()) {
        return Some((json, frame.name()));
    }
    // The oldest form of a terminal: a bare response object.
    let named = matches!(frame.name(), None | Some("response.completed" | "response.done"));
    let is_response = root.get("id").is_some_and(|id| id.kind() == Kind::String);
    (named && is_response).then(|| Some((bare_response(&json)?, None))).flatten()
}

/// The event in a plain JSON answer, which is a bare response object.
pub(super) fn answer(body: &Bytes) -> Result<Json, Reject> {
    let json = Json::parse(one_line(body)).ok().filter(|json| json.root().kind() == Kind::Object);
    bare_response(&json.ok_or_else(failed::invalid)?).ok_or_else(|| failed::bad_gateway("upstream_response_missing"))
}

fn is_one_line(data: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', data).is_none()
}

/// The data on one line. In JSON a line can only break where white space may stand.
pub(super) fn one_line(data: &Bytes) -> Bytes {
    if is_one_line(data) {
        return data.clone();
    }
    let flat = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    data.iter().map(flat).collect::<Vec<u8>>().into()
}
