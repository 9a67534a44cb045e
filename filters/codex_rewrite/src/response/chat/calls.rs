//! Tool calls: reading and writing them, and what a stream has told of them, so that each is told once and under one index.

use bytes::Bytes;
use pooler_filter::Frame;
use pooler_filter::json::{Kind, Value};

use super::chunks::Chunks;
use super::place::{At, Place};
use super::string;
use crate::response::normalise;

/// The most calls of one answer; an honest one has far fewer.
const MOST_CALLS: usize = 4096;

/// What sort of tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Function,
    Custom,
}

impl Tool {
    /// The member of a call that says what is called with what, by its name in a chat.
    const fn member(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Custom => "custom",
        }
    }

    /// The member that holds what the tool is given, in an item as in a chat.
    const fn given(self) -> &'static str {
        match self {
            Self::Function => "arguments",
            Self::Custom => "input",
        }
    }
}

/// A call as an item tells it.
pub(super) struct Call<'a> {
    item: Value<'a>,
    tool: Tool,
    /// Arguments or input as a JSON string.
    pub(super) given: Bytes,
}

impl<'a> Call<'a> {
    /// The call that an item is, if it is one that a chat has a form for.
    pub(super) fn of(item: Value<'a>) -> Option<Self> {
        let kind = item.get("type")?;
        let tool = match () {
            () if kind.is_str("function_call") => Tool::Function,
            () if kind.is_str("custom_tool_call") => Tool::Custom,
            () => return None,
        };
        Some(Self { item, tool, given: literal(item.get(tool.given())) })
    }

    /// Whether the tool is given anything yet.
    pub(super) fn has_given(&self) -> bool {
        // Quotes are two bytes.
        self.given.len() > 2
    }

    /// Appends the call as an element of `tool_calls`.
    pub(super) fn write(&self, out: &mut Vec<u8>, index: usize) {
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(itoa::Buffer::new().format(index).as_bytes());
        out.extend_from_slice(b",\"id\":");
        let id = ["call_id", "id", "item_id"].into_iter().find_map(|key| string(self.item.get(key)));
        match id {
            Some(id) => out.extend_from_slice(&id.raw_bytes()),
            None => out.extend_from_slice(format!("\"call_{index}\"").as_bytes()),
        }
        let (member, given) = (self.tool.member(), self.tool.given());
        out.extend_from_slice(format!(",\"type\":\"{member}\",\"{member}\":{{\"name\":").as_bytes());
        out.extend_from_slice(&literal(self.item.get("name")));
        out.extend_from_slice(format!(",\"{given}\":").as_bytes());
        out.extend_from_slice(&self.given);
        out.extend_from_slice(b"}}");
    }
}

/// A JSON string of a value: itself if it is one, empty if there is none, else its text.
pub(super) fn literal(value: Option<Value<'_>>) -> Bytes {
    match value {
        Some(value) if value.kind() == Kind::String => value.raw_bytes(),
        Some(value) if !value.is_null() => normalise::string(value.raw()).into(),
        Some(_) | None => Bytes::from_static(b"\"\""),
    }
}

/// A call that the client knows of.
pub(super) struct Announced {
    place: Place,
    call_id: String,
    /// Some of what the tool is given was told.
    pub(super) given: bool,
    /// The member of a delta that adds to what the tool is given, up to the piece that is added.
    before: Vec<u8>,
}

impl Announced {
    /// A chunk that adds to what the tool is given: a piece of it, as a JSON string.
    pub(super) fn give(&mut self, piece: &[u8], chunks: &Chunks) -> Frame {
        self.given = true;
        chunks.delta(&[&self.before, piece, b"}}]"])
    }
}

/// The calls that a stream has told, in the order of their indexes.
#[derive(Default)]
pub(super) struct Calls(Vec<Announced>);

impl Calls {
    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a call that is told now, and gives its index; None when there are too many.
    pub(super) fn announce(&mut self, call: &Call<'_>, at: At<'_>) -> Option<usize> {
        let index = self.0.len();
        if index == MOST_CALLS {
            return None;
        }
        let call_id = call_id(call).map(|id| id.as_str().unwrap_or_default().into_owned()).unwrap_or_default();
        let (member, given) = (call.tool.member(), call.tool.given());
        let before = format!("\"tool_calls\":[{{\"index\":{index},\"{member}\":{{\"{given}\":").into_bytes();
        self.0.push(Announced { place: at.into(), call_id, given: call.has_given(), before });
        Some(index)
    }

    /// The call that an event adds to.
    pub(super) fn at(&mut self, at: At<'_>) -> Option<&mut Announced> {
        self.0.iter_mut().rfind(|known| known.place.is(at))
    }

    /// The call that an item tells again. Its `call_id` counts first: by it the client answers.
    pub(super) fn again(&mut self, call: &Call<'_>, at: At<'_>) -> Option<&mut Announced> {
        let call_id = call_id(call);
        self.0.iter_mut().rfind(|known| match call_id {
            Some(id) if !known.call_id.is_empty() => id.is_str(&known.call_id),
            Some(_) | None => known.place.is(at),
        })
    }
}

fn call_id<'a>(call: &Call<'a>) -> Option<Value<'a>> {
    string(call.item.get("call_id"))
}
