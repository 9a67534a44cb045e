//! The stage of a streaming client: events of the backend in, the public stream out (docs/v1.md, Streams).
//!
//! Whatever comes in, the public stream is valid: numbers increase, a `response.created` comes first unless the stream is nothing but
//! a failure, and nothing follows the one terminal.

use pooler_filter::json::{Json, Value};
use pooler_filter::{End, Exchange, Frame, FrameKind, Out, Reject, Stage};

use super::Asked;
use super::delta::Deltas;
use super::edits::{Edits, Members};
use super::event::{self, Class, Event};
use super::items::{self, DoneItems, Items};
use super::neutral::{self, Facts};
use super::normalise::{self, Place};
use super::sequence::Sequence;
use super::synthesise::{self, Own};
use super::{failed, frames};
use crate::echo::Echo;

/// The state of one public stream.
pub(super) struct Stream {
    asked: Asked,
    sequence: Sequence,
    started: Option<Started>,
    /// A `response.created` was sent.
    created: bool,
    items: Items,
    done: DoneItems,
    deltas: Deltas,
    /// The terminal was sent.
    ended: bool,
}

/// What the client was told of the response first.
struct Started {
    id: String,
    created_at: u64,
}

impl Stage for Stream {
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        if self.ended {
            return Ok(());
        }
        let Some(frame) = self.delta(frame, out) else { return Ok(()) };
        let echo = cx.require::<Echo>()?;
        match frame.kind() {
            FrameKind::Sse => {
                if let Some((json, label)) = event::document(&frame)
                    && let Some(event) = Event::of(&json, label)
                {
                    self.event(frame, &event, echo, out);
                }
            }
            FrameKind::Json => {
                let json = event::answer(frame.data())?;
                let event = Event::of(&json, None).ok_or_else(failed::invalid)?;
                self.event(frame, &event, echo, out);
            }
            FrameKind::Opaque => {}
        }
        Ok(())
    }

    fn end(&mut self, end: &End, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        if self.ended {
            return Ok(());
        }
        let echo = cx.require::<Echo>()?;
        match end {
            End::Failed(reject) => self.fail(reject, None, echo, out),
            End::Complete | End::Cut(_) => self.fail(&failed::cut(), None, echo, out),
        }
        Ok(())
    }
}

impl Stream {
    /// A stream of which nothing was sent.
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            sequence: Sequence::default(),
            started: None,
            created: false,
            items: Items::default(),
            done: DoneItems::default(),
            deltas: Deltas::default(),
            ended: false,
        }
    }

    /// Sends a piece of the answer as it came, but for the one member that it may lack. Gives back every other frame.
    fn delta(&mut self, mut frame: Frame, out: &mut Out) -> Option<Frame> {
        let Some(delta) = self.created.then(|| self.deltas.read(&frame)).flatten() else { return Some(frame) };
        if !self.sequence.continues(delta.sequence_number) {
            return Some(frame);
        }
        let is_text = delta.class == Class::TextDelta;
        let complete = delta.logprobs || !is_text;
        if is_text {
            self.items.note_text(delta.output_index);
        }
        if !complete {
            frame.add_members(",\"logprobs\":[]");
        } else if !frame.is_in_our_form() {
            let data = frame.data().clone();
            frame.set_data(data);
        }
        out.push(frame);
        None
    }

    /// Sends an event, completed first with what a terminal must not lack.
    fn event(&mut self, frame: Frame, event: &Event<'_>, echo: &Echo, out: &mut Out) {
        let completed: Option<Json> = items::completed(event, &self.done);
        match &completed {
            None => self.pass(frame, event, echo, out),
            Some(json) => {
                if let Some(event) = Event::of(json, None) {
                    self.pass(frame, &event, echo, out);
                }
            }
        }
    }

    /// Sends an event, and before it what the backend left out.
    fn pass(&mut self, frame: Frame, event: &Event<'_>, echo: &Echo, out: &mut Out) {
        if let Some(failure) = event.failure(&*self.asked.clock) {
            return self.fail(&failed::reject(failure, &self.asked), Some(event), echo, out);
        }
        self.begin(event, echo, out);
        self.supply_text(event, echo, out);
        self.relay(frame, event, echo, out);
        self.items.note(event);
        if event.class == Class::ItemDone {
            self.done.keep(event, &echo.namespaces);
        }
        self.ended |= event.class.is_terminal();
    }

    /// Sends the `response.created` that has to come first.
    fn begin(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) {
        if self.created {
            return;
        }
        let started = self.started.get_or_insert_with(|| Started::of(event.response(), &self.asked));
        if event.name != "response.created" {
            let own = synthesise::created(&Facts::new(&started.id, "in_progress", started.created_at), echo);
            self.push(&own, echo, out);
        }
        self.created = true;
    }

    /// Sends the text of a message that is told as a whole only.
    fn supply_text(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) {
        let own = match (event.class, event.item(), event.response(), event.output_index()) {
            (Class::ItemDone, Some(item), _, Some(index)) => {
                let place = Place { index, item_id: event.members.item_id, status: "completed" };
                let own = synthesise::before_done(item, &place, &self.items, &echo.namespaces);
                if !own.is_empty() {
                    self.items.note_synthesised(index, own.len() > 1);
                }
                own
            }
            (Class::Completed | Class::Incomplete, _, Some(response), _) if self.items.no_text() => {
                synthesise::before_terminal(response, &self.items, &echo.namespaces)
            }
            _ => return,
        };
        for own in own {
            self.push(&own, echo, out);
        }
    }

    /// Sends an event of ours.
    fn push(&mut self, own: &Own, echo: &Echo, out: &mut Out) {
        if self.ended {
            return;
        }
        match self.sequence.take(None) {
            Some(number) => out.push(frames::own(own.name, number, &own.members)),
            None => self.fail(&failed::exhausted(), None, echo, out),
        }
    }

    /// Sends an event of the backend: as it came, or with what has to change spliced in.
    fn relay(&mut self, frame: Frame, event: &Event<'_>, echo: &Echo, out: &mut Out) {
        if self.ended {
            return;
        }
        let upstream = event.sequence_number();
        let Some(number) = self.sequence.take(upstream) else {
            return self.fail(&failed::exhausted(), None, echo, out);
        };
        let mut edits = Edits::of(event.json);
        let mut added = Members::default();
        self.normalise(event, &mut edits, &mut added, echo);
        if upstream != Some(number) {
            match event.members.sequence_number {
                Some(wrong) => edits.replace(wrong, number.to_string()),
                None => added.add_u64("sequence_number", number),
            }
        }
        let mut name = &*event.name;
        if let ("response.done", Some(kind)) = (name, event.members.kind) {
            name = "response.completed";
            edits.replace(kind, &b"\"response.completed\""[..]);
        }
        edits.add(event.json.root(), added);
        out.push(frames::relayed(frame, name, edits));
    }

    /// Fills what the event carries.
    fn normalise(&self, event: &Event<'_>, edits: &mut Edits<'_>, added: &mut Members, echo: &Echo) {
        if let (Some(response), Some(started)) = (event.response(), &self.started) {
            let mut facts = Facts::new(&started.id, event.status(), started.created_at);
            facts.completed_at = (event.class == Class::Completed).then(|| self.asked.now());
            normalise::response(edits, response, &facts, echo);
            // One stream tells of one response: clients break when its id changes under way.
            if let Some(other) = response.get("id").filter(|id| !id.is_str(&started.id)) {
                edits.replace(other, normalise::string(&started.id));
            }
        }
        let found = &event.members;
        match event.class {
            Class::TextDelta | Class::TextDone if found.logprobs.is_none() => added.add("logprobs", b"[]"),
            Class::ArgumentsDone if found.name.is_none() => added.add_str("name", self.items.name_of(event)),
            Class::PartAdded | Class::PartDone => {
                if let Some(part) = found.part {
                    neutral::part(edits, part);
                }
            }
            Class::ItemAdded | Class::ItemDone => {
                if let Some(item) = event.item() {
                    let index = event.output_index().unwrap_or(0);
                    let place = Place { index, item_id: found.item_id, status: event.status() };
                    normalise::item(edits, item, &place, &echo.namespaces);
                }
            }
            Class::TextDelta
            | Class::TextDone
            | Class::ArgumentsDone
            | Class::Lifecycle
            | Class::Other
            | Class::Completed
            | Class::Incomplete
            | Class::Failed
            | Class::Error => {}
        }
    }

    /// Sends the one terminal of a stream that failed.
    fn fail(&mut self, reject: &Reject, event: Option<&Event<'_>>, echo: &Echo, out: &mut Out) {
        let started = self.started.as_ref().map(|started| (started.id.as_str(), started.created_at));
        let members = failed::members(reject, event, started, self.asked.now(), echo);
        let number = self.sequence.take_last(event.and_then(Event::sequence_number));
        out.push(frames::own("response.failed", number, &members));
        self.ended = true;
    }
}

impl Started {
    fn of(response: Option<Value<'_>>, asked: &Asked) -> Self {
        let id = response.and_then(|response| response.get("id")?.as_str()).filter(|id| !id.is_empty());
        let created_at = response.and_then(|response| response.get("created_at")?.as_u64());
        Self {
            id: id.map_or_else(|| asked.response_id(), Into::into),
            created_at: created_at.unwrap_or_else(|| asked.now()),
        }
    }
}
