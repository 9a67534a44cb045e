//! The answer to a request that ends in a `compaction_trigger`: the one item that the backend made of the conversation, in a response of
//! ours (docs/v1.md, Compaction trigger).

use pooler_filter::codex::{Failure, NoCompaction, bare_response};
use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{End, Exchange, Frame, FrameKind, Out, Reject, Stage};

use super::edits::{Edits, Members};
use super::event::{self, Class, Event};
use super::neutral::{self, Facts, Present};
use super::{Asked, MOST_BYTES, failed, frames};
use crate::echo::Echo;

/// The id of a streamed response that the backend gave none.
const NO_ID: &str = "resp_compaction";

/// What was gathered of one answer.
pub(super) struct Compaction {
    asked: Asked,
    /// The client wants a stream.
    stream: bool,
    /// The backend was asked for a stream.
    streamed: bool,
    /// The client speaks as Codex CLI does, and knows the item in a form of its own.
    native: bool,
    /// The item, in the client's form.
    item: Option<Vec<u8>>,
    bytes: usize,
    /// The answer was written.
    ended: bool,
}

impl Stage for Compaction {
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        self.bytes = self.bytes.saturating_add(frame.wire_len());
        if self.bytes > MOST_BYTES {
            return Err(failed::bad_gateway("upstream_response_too_large"));
        }
        if self.ended {
            return Ok(());
        }
        let echo = cx.require::<Echo>()?;
        match frame.kind() {
            FrameKind::Sse => match event::document(&frame) {
                Some((json, label)) => match Event::of(&json, label) {
                    Some(event) => self.event(&event, echo, out),
                    None => Ok(()),
                },
                None => Ok(()),
            },
            FrameKind::Json => {
                let json = Json::parse(frame.data().clone()).ok().filter(|json| json.root().kind() == Kind::Object);
                self.whole(&json.ok_or(NoCompaction::NotJson)?, echo, out)
            }
            FrameKind::Opaque => Err(NoCompaction::NotJson.into()),
        }
    }

    fn end(&mut self, end: &End, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        if self.ended {
            return Ok(());
        }
        let echo = cx.require::<Echo>()?;
        let missing = || Reject::from(if self.streamed { NoCompaction::BadStream } else { NoCompaction::NotJson });
        match (end, self.stream) {
            // The client has the head of a stream already; all else it has to be told in it.
            (End::Failed(reject), true) => out.push(self.failed(reject, echo)),
            (End::Complete | End::Cut(_), true) => out.push(self.failed(&missing(), echo)),
            // Nothing was sent: the host answers with the refusal itself.
            (End::Failed(_), false) => {}
            (End::Complete | End::Cut(_), false) => return Err(missing()),
        }
        self.ended = true;
        Ok(())
    }
}

impl Compaction {
    /// An answer of which nothing came.
    pub(super) const fn new(asked: Asked, stream: bool, streamed: bool) -> Self {
        Self { asked, stream, streamed, native: false, item: None, bytes: 0, ended: false }
    }

    /// The same for a native client, who wants a stream.
    pub(super) const fn native(asked: Asked, streamed: bool) -> Self {
        Self { asked, stream: true, streamed, native: true, item: None, bytes: 0, ended: false }
    }

    /// The item in the client's form, if it is a compaction.
    fn item_of(&self, item: Value<'_>) -> Option<Result<Vec<u8>, Reject>> {
        if self.native { native_item(item).map(Ok) } else { public_item(item) }
    }

    /// One event of a stream.
    fn event(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        if let Some(failure) = event.failure(&*self.asked.clock) {
            return Err(self.told(failure));
        }
        if event.class == Class::ItemDone && self.item.is_none() {
            self.item = event.item().and_then(|item| self.item_of(item)).transpose()?;
        }
        match (event.class, event.response()) {
            (Class::Completed, Some(response)) => self.answer(response, echo, out),
            (class, _) if class.is_terminal() => Err(NoCompaction::BadStream.into()),
            _ => Ok(()),
        }
    }

    /// A plain JSON answer.
    fn whole(&mut self, json: &Json, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let event = bare_response(json).ok_or(NoCompaction::NoContent)?;
        let event = Event::of(&event, None).ok_or(NoCompaction::NoContent)?;
        if let Some(failure) = event.failure(&*self.asked.clock) {
            return Err(self.told(failure));
        }
        if event.class != Class::Completed {
            return Err(NoCompaction::NoContent.into());
        }
        self.answer(json.root(), echo, out)
    }

    /// A failure that the backend told.
    fn told(&self, failure: Failure) -> Reject {
        if self.stream {
            return failed::reject(failure, &self.asked);
        }
        failure.public_reject(self.asked.input_file, self.asked.context_window)
    }

    /// Writes the answer that this response of the backend stands for.
    fn answer(&mut self, response: Value<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let item = match self.item.take() {
            Some(item) => item,
            None => {
                let output = response.get("output");
                let first = output.iter().flat_map(Value::items).find_map(|item| self.item_of(item));
                // The oldest form has the summary beside the output.
                let beside = || response.get("compaction_summary").filter(|_| self.native).and_then(native_summary);
                first.or_else(|| beside().map(Ok)).unwrap_or_else(|| Err(NoCompaction::NoContent.into()))?
            }
        };
        let response = self.response(response, &item, echo);
        if self.stream {
            let mut members = Members::default();
            members.add_u64("output_index", 0);
            members.add("item", &item);
            out.push(frames::own("response.output_item.done", 0, &members));
            let mut members = Members::default();
            members.add("response", &response);
            out.push(frames::own("response.completed", 1, &members));
            out.push(Frame::opaque("data: [DONE]\n\n"));
        } else {
            out.push(Frame::json(response));
        }
        self.ended = true;
        Ok(())
    }

    /// The public response object: what the backend tells of it, and neutral values.
    fn response(&self, response: Value<'_>, item: &[u8], echo: &Echo) -> Vec<u8> {
        let id = response.get("id").and_then(|id| id.as_str()).filter(|id| !id.trim().is_empty());
        let id = match id {
            Some(id) => id.into_owned(),
            None if self.stream => NO_ID.into(),
            None => self.asked.response_id(),
        };
        if self.native {
            return native_response(&id, response, item);
        }
        let now = self.asked.now();
        let created_at = response.get("created_at").and_then(|at| at.as_u64()).unwrap_or(now);
        let usage = response.get("usage").filter(|usage| usage.kind() == Kind::Object).map(|usage| {
            let json = usage.to_json();
            let mut edits = Edits::of(&json);
            neutral::usage(&mut edits, json.root());
            edits.apply()
        });
        let mut facts = Facts::new(&id, "completed", created_at);
        facts.completed_at = Some(now);
        facts.usage = usage.as_deref();
        let mut members = Members::default();
        members.add("output", &[b"[", item, b"]"].concat());
        let mut present = Present::default();
        present.note(b"output");
        members.extend(&present.missing(&facts, echo));
        members.into_object()
    }

    /// The event that tells in a stream that there is no answer.
    fn failed(&self, reject: &Reject, echo: &Echo) -> Frame {
        frames::own("response.failed", 0, &failed::members(reject, None, None, self.asked.now(), echo))
    }
}

/// The public form of an item that is a compaction: its type, its content, and its id if it has one. None for other items.
fn public_item(item: Value<'_>) -> Option<Result<Vec<u8>, Reject>> {
    let kind = item.get("type")?;
    if !kind.is_str("compaction") && !kind.is_str("compaction_summary") {
        return None;
    }
    let content = item.get("encrypted_content");
    let content = content.filter(|content| content.as_str().is_some_and(|text| !text.trim().is_empty()));
    let id = item.get("id");
    let Some(content) = content.filter(|_| id.is_none_or(|id| matches!(id.kind(), Kind::String | Kind::Null))) else {
        return Some(Err(NoCompaction::NoContent.into()));
    };
    let mut members = Members::default();
    members.add_str("type", "compaction");
    members.add("encrypted_content", &content.raw_bytes());
    if let Some(id) = id {
        members.add("id", &id.raw_bytes());
    }
    Some(Ok(members.into_object()))
}

/// The form of an item that is a compaction for native clients. None for other items, and for one without content.
fn native_item(item: Value<'_>) -> Option<Vec<u8>> {
    let kind = item.get("type")?;
    (kind.is_str("compaction") || kind.is_str("compaction_summary")).then(|| native_summary(item)).flatten()
}

fn native_summary(item: Value<'_>) -> Option<Vec<u8>> {
    const PASSTHROUGH: &str = "internal_chat_message_metadata_passthrough";
    let content = item.get("encrypted_content").filter(|content| content.kind() == Kind::String)?;
    let mut members = Members::default();
    members.add_str("type", "compaction");
    members.add("encrypted_content", &content.raw_bytes());
    if let Some(id) = item.get("id").filter(|id| id.kind() == Kind::String) {
        members.add("id", &id.raw_bytes());
    }
    if let Some(turn) = item.get(PASSTHROUGH).and_then(|passthrough| passthrough.get("turn_id")) {
        let mut inner = Members::default();
        inner.add("turn_id", &turn.raw_bytes());
        members.add(PASSTHROUGH, &inner.into_object());
    }
    Some(members.into_object())
}

/// The response that native clients get: no more than they read.
fn native_response(id: &str, response: Value<'_>, item: &[u8]) -> Vec<u8> {
    let mut members = Members::default();
    members.add_str("id", id);
    members.add_str("status", "completed");
    members.add("output", &[b"[", item, b"]"].concat());
    if let Some(usage) = response.get("usage").filter(|usage| usage.kind() == Kind::Object) {
        members.add("usage", &usage.raw_bytes());
    }
    members.into_object()
}
