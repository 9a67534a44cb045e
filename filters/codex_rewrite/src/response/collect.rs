//! The stage of a client that wants one JSON answer: the stream of the backend is gathered (docs/v1.md, Collection).
//!
//! Only what the answer may need is kept: the last response object, the finished items, and the text until an item is finished. Events wait
//! unread, because the last one mostly tells all that they did.
//! Nothing is written before the end, so every refusal is an HTTP status. In which form the gathered response is told is for the
//! route to say ([`Render`]).

use pooler_filter::codex::EventKind;
use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{End, Exchange, Frame, FrameKind, Out, Reject, Stage};

use super::edits::{Edits, Members};
use super::event::{self, Class, Event};
use super::failed;
use super::items::{self, DoneItems};
use super::neutral::Facts;
use super::normalise;
use super::{Asked, MOST_BYTES};
use crate::echo::Echo;

/// The most events that wait unread.
const MOST_WAITING: usize = 4096;

/// Writes the answer of a response that was gathered. None when a part of it cannot be read.
pub(super) type Render = fn(&Gathered, &Asked, &Echo) -> Option<Frame>;

/// A response that came to its end.
pub(super) struct Gathered {
    /// The response object, with the output that was streamed if it had none of its own.
    pub(super) response: Json,
    /// [`Class::Completed`] or [`Class::Incomplete`].
    pub(super) class: Class,
}

/// What was gathered of one answer.
pub(super) struct Collect {
    asked: Asked,
    render: Render,
    /// The last response object.
    response: Option<Json>,
    done: DoneItems,
    text: Text,
    bytes: usize,
    /// Events that are no end and no failure, unread.
    waiting: Vec<Frame>,
    terminal: Option<Terminal>,
}

/// How the answer ended.
#[derive(Debug, Clone, Copy)]
struct Terminal {
    class: Class,
    /// The terminal itself carried the response object.
    with_response: bool,
}

/// The text of an answer, as the inside of a JSON string.
#[derive(Default)]
struct Text {
    deltas: Vec<u8>,
    /// The texts of the `done` events, for a stream without deltas.
    whole: Vec<u8>,
}

impl Stage for Collect {
    fn frame(&mut self, frame: Frame, _: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        self.bytes = self.bytes.saturating_add(frame.wire_len());
        if self.bytes > MOST_BYTES {
            return Err(failed::bad_gateway("upstream_response_too_large"));
        }
        if self.terminal.is_some() {
            return Ok(());
        }
        let echo = cx.require::<Echo>()?;
        match (frame.kind(), frame.label()) {
            // Nobody gets it.
            (FrameKind::Sse, Some(EventKind::Control)) => Ok(()),
            (FrameKind::Sse, Some(EventKind::Output | EventKind::Lifecycle)) => {
                if self.waiting.len() == MOST_WAITING {
                    self.catch_up(echo)?;
                }
                self.waiting.push(frame);
                Ok(())
            }
            (FrameKind::Sse, _) => self.read(&frame, echo),
            (FrameKind::Json, _) => {
                self.catch_up(echo)?;
                let json = event::answer(frame.data())?;
                self.event(&Event::of(&json, None).ok_or_else(failed::invalid)?, echo)
            }
            (FrameKind::Opaque, _) => Err(failed::invalid()),
        }
    }

    fn end(&mut self, end: &End, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        let Some(terminal) = self.terminal.take() else {
            if !matches!(end, End::Failed(_)) {
                self.catch_up(cx.require::<Echo>()?)?;
            }
            return match end {
                // Nothing was sent: the host answers with the refusal itself.
                End::Failed(_) => Ok(()),
                End::Complete if self.response.is_none() => Err(failed::bad_gateway("upstream_response_missing")),
                End::Complete | End::Cut(_) => Err(failed::bad_gateway("upstream_request_failed")),
            };
        };
        if matches!(end, End::Failed(_)) {
            return Ok(());
        }
        let response = self.response.take().ok_or_else(|| failed::bad_gateway("upstream_response_missing"))?;
        let echo = cx.require::<Echo>()?;
        let gathered = self.gathered(&response, terminal).ok_or_else(failed::invalid)?;
        out.push((self.render)(&gathered, &self.asked, echo).ok_or_else(failed::invalid)?);
        Ok(())
    }
}

impl Collect {
    /// An answer of which nothing came.
    pub(super) fn new(asked: Asked, render: Render) -> Self {
        let (done, text) = (DoneItems::default(), Text::default());
        Self { asked, render, response: None, done, text, bytes: 0, waiting: Vec::new(), terminal: None }
    }

    /// Reads an event now: the last one, or one that may be that.
    fn read(&mut self, frame: &Frame, echo: &Echo) -> Result<(), Reject> {
        let Some((json, label)) = event::document(frame) else { return Ok(()) };
        let Some(event) = Event::of(&json, label) else { return Ok(()) };
        if tells_all(&event) {
            self.waiting.clear();
        } else {
            self.catch_up(echo)?;
        }
        self.event(&event, echo)
    }

    /// Reads what waits, in its order.
    fn catch_up(&mut self, echo: &Echo) -> Result<(), Reject> {
        for frame in std::mem::take(&mut self.waiting) {
            if let Some((json, label)) = event::document(&frame)
                && let Some(event) = Event::of(&json, label)
            {
                self.event(&event, echo)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &Event<'_>, echo: &Echo) -> Result<(), Reject> {
        if let Some(failure) = event.failure(&*self.asked.clock) {
            return Err(failure.public_reject(self.asked.input_file, self.asked.context_window));
        }
        let response = event.response();
        if let Some(response) = response {
            self.response = Some(response.to_json());
        }
        match event.class {
            Class::ItemDone => {
                self.done.keep(event, &echo.namespaces);
                self.text = Text::default();
            }
            Class::TextDelta if self.done.is_empty() => append(&mut self.text.deltas, event.members.delta),
            Class::TextDone if self.done.is_empty() => append(&mut self.text.whole, event.members.text),
            Class::Completed | Class::Incomplete => {
                self.terminal = Some(Terminal { class: event.class, with_response: response.is_some() });
            }
            Class::TextDelta
            | Class::TextDone
            | Class::Lifecycle
            | Class::ItemAdded
            | Class::PartAdded
            | Class::PartDone
            | Class::ArgumentsDone
            | Class::Other
            | Class::Failed
            | Class::Error => {}
        }
        Ok(())
    }

    /// The response with what the events told and its last object left out.
    fn gathered(&self, response: &Json, terminal: Terminal) -> Option<Gathered> {
        let root = response.root();
        let mut edits = Edits::of(response);
        if items::lacks_output(root)
            && let Some(output) = self.output()
        {
            items::set_output(&mut edits, root, output);
        }
        if let (false, Some(before)) = (terminal.with_response, root.get("status")) {
            edits.replace(before, normalise::string(status(terminal.class)));
        }
        let response = if edits.is_empty() { response.clone() } else { Json::parse(edits.apply()).ok()? };
        Some(Gathered { response, class: terminal.class })
    }

    /// The output that was streamed: the finished items, else one message of the text.
    fn output(&self) -> Option<Vec<u8>> {
        if !self.done.is_empty() {
            return Some(self.done.to_array());
        }
        let text = Some(&self.text.deltas).filter(|deltas| !deltas.is_empty()).unwrap_or(&self.text.whole);
        if text.is_empty() {
            return None;
        }
        let quoted = [b"\"", text.as_slice(), b"\""].concat();
        let mut part = Members::default();
        part.add_str("type", "output_text");
        part.add("text", &quoted);
        let mut message = Members::default();
        message.add_str("type", "message");
        message.add("content", &[b"[", part.into_object().as_slice(), b"]"].concat());
        Some([b"[", message.into_object().as_slice(), b"]"].concat())
    }
}

/// The gathered response as a response object (docs/v1.md, Neutral values).
pub(super) fn response(gathered: &Gathered, asked: &Asked, echo: &Echo) -> Option<Frame> {
    let root = gathered.response.root();
    let (id, now) = (asked.response_id(), asked.now());
    let created_at = root.get("created_at").and_then(|at| at.as_u64()).unwrap_or(now);
    let mut facts = Facts::new(&id, status(gathered.class), created_at);
    facts.completed_at = (gathered.class == Class::Completed).then_some(now);
    let mut edits = Edits::of(&gathered.response);
    normalise::response(&mut edits, root, &facts, echo);
    Some(Frame::json(edits.apply()))
}

/// Whether nothing of the events before this one has a part in the answer.
fn tells_all(event: &Event<'_>) -> bool {
    let last = matches!(event.class, Class::Completed | Class::Incomplete);
    last && event.response().is_some_and(|response| !items::lacks_output(response))
}

fn status(class: Class) -> &'static str {
    if class == Class::Completed { "completed" } else { "incomplete" }
}

/// Appends what stands between the quotes of a JSON string; strings stay escaped, so that they join without being read.
fn append(text: &mut Vec<u8>, string: Option<Value<'_>>) {
    let Some(string) = string.filter(|string| string.kind() == Kind::String) else { return };
    let raw = string.raw_bytes();
    text.extend_from_slice(raw.get(1..raw.len() - 1).unwrap_or_default());
}
