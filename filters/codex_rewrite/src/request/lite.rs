//! The form of requests for models that the backend serves as "lite": tools and instructions travel in the input (docs/v1.md, Lite models).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pooler_filter::Reject;
use pooler_filter::json::{Json, Kind, Value};

use super::Checked;
use super::edits::Edits;
use super::fields::{Field, Members};
use super::input::Input;
use super::patch::{Patch, members, read_open};
use super::splice::Splice;

/// Says upstream that a request has this form.
const HEADER: HeaderName = HeaderName::from_static("x-openai-internal-codex-responses-lite");
/// The same in `client_metadata`, where a client may have put it: which form a request has is decided here.
const MARKER: &str = "ws_request_header_x_openai_internal_codex_responses_lite";

/// Says upstream that the request has this form.
pub(super) fn write_header(headers: &mut HeaderMap) {
    headers.insert(HEADER, HeaderValue::from_static("true"));
}

/// The same of a request that has the form already, whose client may have said so itself.
pub(super) fn say(headers: &mut HeaderMap) {
    headers.entry(HEADER).or_insert(HeaderValue::from_static("true"));
}

/// `client_metadata` without a marker of the client. None when there is none.
pub(super) fn without_marker(metadata: Option<Value<'_>>) -> Option<Bytes> {
    let metadata = metadata?;
    let mut patch = Patch::new(metadata);
    for (key, member) in members(metadata) {
        if key.is(MARKER) {
            patch.drop(Some(member));
        }
    }
    patch.finish().map(Splice::join)
}

/// Whether a turn says of itself that it has this form.
pub(super) fn is_marked(metadata: Option<Value<'_>>) -> bool {
    metadata.and_then(|metadata| metadata.get(MARKER)).is_some_and(|marker| marker.is_str("true"))
}

/// `client_metadata` with our marker: a turn has no headers.
pub(super) fn with_marker(metadata: Option<Value<'_>>) -> Bytes {
    let own = metadata.filter(|metadata| metadata.kind() == Kind::Object);
    let own = without_marker(own).or_else(|| own.map(|own| own.raw_bytes())).unwrap_or(Bytes::from_static(b"{}"));
    let rest = own.trim_ascii().get(1..).unwrap_or(b"}");
    let comma: &[u8] = if rest.trim_ascii_start() == b"}" { b"" } else { b"," };
    [b"{\"", MARKER.as_bytes(), b"\":\"true\"", comma, rest].concat().into()
}

/// `tool_choice`: a mode and nothing else, since the tools are in the input.
pub(super) fn check_tool_choice(choice: Option<Value<'_>>) -> Result<(), Reject> {
    match choice {
        Some(choice) if choice.kind() == Kind::Object => Err(Reject::unsupported_parameter(Field::ToolChoice.name())),
        _ => Ok(()),
    }
}

/// Turns the edits of a request into those of its lite form, and moves the places of its input's items along.
pub(super) fn reshape(edits: &mut Edits, checked: &mut Checked<'_>) {
    let members = &checked.members;
    let tools = current(edits, members, Field::Tools).filter(|list| !is_empty(list));
    let instructions = current(edits, members, Field::Instructions).filter(|text| text.as_ref() != b"\"\"");
    if let Some(input) = current(edits, members, Field::Input) {
        let moved = with_front(&input, &mut checked.input, tools.as_deref(), instructions.as_deref());
        edits.set(Field::Input, Some(moved));
    }
    let reasoning = current(edits, members, Field::Reasoning);
    edits.set(Field::Reasoning, reasoning.map(all_turns));
    edits.set(Field::ParallelToolCalls, Some(Bytes::from_static(b"false")));
    edits.remove(Field::Tools);
    edits.remove(Field::Instructions);
}

/// What would go upstream under this name: the edited value, else the client's.
fn current(edits: &Edits, members: &Members<'_>, field: Field) -> Option<Bytes> {
    match edits.0.iter().rev().find(|(name, _)| *name == field.name()) {
        Some((_, value)) => value.clone(),
        None => members.get(field).map(|value| value.raw_bytes()),
    }
}

/// The input with the tools in an item before all others, and the instructions in a message behind the items with tools.
fn with_front(text: &[u8], input: &mut Input<'_>, tools: Option<&[u8]>, instructions: Option<&[u8]>) -> Bytes {
    // Behind the bracket, or behind the items with tools that the client has put first.
    let split = input.lead.max(1);
    let (lead, rest) = (text.get(1..split).unwrap_or_default(), text.get(split..).unwrap_or_default());
    let items: [(&[u8], &[u8], &[u8]); 3] = [
        (br#"{"type":"additional_tools","role":"developer","tools":"#, tools.unwrap_or_default(), b"}"),
        (b"", lead, b""),
        (
            br#"{"type":"message","role":"developer","content":[{"type":"input_text","text":"#,
            instructions.unwrap_or_default(),
            b"}]}",
        ),
    ];
    let mut out =
        Vec::with_capacity(text.len() + tools.map_or(0, <[u8]>::len) + instructions.map_or(0, <[u8]>::len) + 160);
    out.push(b'[');
    for (head, inside, tail) in items {
        if !inside.is_empty() {
            if out.len() > 1 {
                out.push(b',');
            }
            for piece in [head, inside, tail] {
                out.extend_from_slice(piece);
            }
        }
    }
    // What follows the client's own items with tools begins with its comma.
    if input.lead == 0 && out.len() > 1 && !is_empty(text) {
        out.push(b',');
    }
    let shift = out.len() - split;
    out.extend_from_slice(rest);
    for place in input.replayed.iter_mut().filter_map(|replayed| replayed.place.as_mut()) {
        *place = place.start + shift..place.end + shift;
    }
    out.into()
}

/// Whether this is a list without items.
fn is_empty(list: &[u8]) -> bool {
    list.get(1..).is_some_and(|rest| rest.trim_ascii_start() == b"]")
}

/// `reasoning` over all turns.
fn all_turns(reasoning: Bytes) -> Bytes {
    let Ok(json) = Json::parse(reasoning.clone()) else { return reasoning };
    let Ok(([context], _)) = read_open(json.root(), &["context"]) else { return reasoning };
    let mut patch = Patch::new(json.root());
    patch.set_str("context", context, "all_turns");
    patch.finish().map_or(reasoning, Splice::join)
}
