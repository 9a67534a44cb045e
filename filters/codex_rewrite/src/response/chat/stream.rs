//! The stage of a client that wants chunks: events of the backend in, a public chat stream out (docs/v1.md, Chat completions, Stream).
//!
//! The first chunk names the role, each text and each call is told once, in whichever event it comes, and `[DONE]` follows only an answer
//! that came to its end.

use pooler_filter::json::Value;
use pooler_filter::{End, Exchange, Frame, FrameKind, Out, Reject, Stage};

use super::calls::{Call, Calls};
use super::chunks::Chunks;
use super::parts::{self, Parts, Piece};
use super::place::At;
use crate::echo::{Echo, Form};
use crate::response::delta::Deltas;
use crate::response::event::{self, Class, Event};
use crate::response::{Asked, failed};

/// The state of one public stream.
pub(super) struct Stream {
    asked: Asked,
    chunks: Chunks,
    parts: Parts,
    calls: Calls,
    deltas: Deltas,
    /// The last chunk was sent.
    ended: bool,
}

impl Stage for Stream {
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        if self.ended {
            return Ok(());
        }
        if self.delta(&frame, out) {
            return Ok(());
        }
        let echo = cx.require::<Echo>()?;
        match frame.kind() {
            FrameKind::Sse => {
                if let Some((json, label)) = event::document(&frame)
                    && let Some(event) = Event::of(&json, label)
                {
                    return self.event(&event, echo, out);
                }
                Ok(())
            }
            FrameKind::Json => {
                let json = event::answer(frame.data())?;
                self.event(&Event::of(&json, None).ok_or_else(failed::invalid)?, echo, out)
            }
            FrameKind::Opaque => Ok(()),
        }
    }

    fn end(&mut self, end: &End, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        if !self.ended {
            match end {
                End::Failed(reject) => self.fail(reject, out),
                End::Complete | End::Cut(_) => self.fail(&failed::cut(), out),
            }
        }
        Ok(())
    }
}

impl Stream {
    /// A stream of which nothing was sent.
    pub(super) fn new(asked: Asked) -> Self {
        let (parts, calls, deltas) = (Parts::default(), Calls::default(), Deltas::default());
        Self { asked, chunks: Chunks::new(), parts, calls, deltas, ended: false }
    }

    /// Tells one more piece of a text that is told in pieces. Whether the frame is such a piece, and nothing else is to be done.
    fn delta(&mut self, frame: &Frame, out: &mut Out) -> bool {
        let Some(delta) = self.chunks.begun().then(|| self.deltas.read_text(frame)).flatten() else { return false };
        let (Some(text), Some(index)) = (delta.text.filter(|text| !text.is_empty()), delta.output_index) else {
            return false;
        };
        let known = self.parts.goes_on(index, delta.content_index.unwrap_or(0));
        if known {
            out.push(self.chunks.delta(&[b"\"content\":\"", text, b"\""]));
        }
        known
    }

    /// Tells what an event says. A failure before the first chunk is an error: its status may still be free.
    fn event(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let told = match event.failure(&*self.asked.clock) {
            Some(failure) => Err(failed::reject(failure, &self.asked)),
            None => self.tell(event, echo, out),
        };
        match told {
            Err(reject) if self.chunks.begun() => self.fail(&reject, out),
            told => return told,
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let found = &event.members;
        match event.class {
            Class::Lifecycle => self.chunks.begin(event.response(), &self.asked, echo, out),
            Class::TextDelta => self.piece(event, Piece::content(found.delta), echo, out),
            Class::TextDone => self.whole(event, Piece::content(found.text), echo, out),
            Class::PartDone => self.whole(event, found.part.and_then(Piece::of), echo, out),
            Class::ItemAdded => {
                if let Some(call) = event.item().and_then(Call::of) {
                    self.call(&call, At::event(event), echo, out)?;
                }
            }
            Class::ItemDone => self.item_done(event, echo, out)?,
            Class::ArgumentsDone => self.given_whole(event, "arguments", out),
            Class::Other => match &*event.name {
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                    self.given(event, found.delta, out);
                }
                "response.custom_tool_call_input.done" => self.given_whole(event, "input", out),
                "response.refusal.delta" => self.piece(event, Piece::refusal(found.delta), echo, out),
                "response.refusal.done" => {
                    self.whole(event, Piece::refusal(event.json.root().get("refusal")), echo, out);
                }
                _ => {}
            },
            Class::Completed | Class::Incomplete => self.finish(event, echo, out)?,
            Class::PartAdded | Class::Failed | Class::Error => {}
        }
        Ok(())
    }

    /// A piece of a text or refusal.
    fn piece(&mut self, event: &Event<'_>, piece: Option<Piece>, echo: &Echo, out: &mut Out) {
        if let Some(piece) = piece {
            self.parts.note(At::event(event), content_index(event));
            self.say(&piece, echo, out);
        }
    }

    /// A text or refusal as a whole; it is told unless its pieces were.
    fn whole(&mut self, event: &Event<'_>, whole: Option<Piece>, echo: &Echo, out: &mut Out) {
        if self.parts.lacks(At::event(event), content_index(event)) {
            self.piece(event, whole, echo, out);
        }
    }

    fn say(&mut self, piece: &Piece, echo: &Echo, out: &mut Out) {
        self.chunks.begin(None, &self.asked, echo, out);
        out.push(match piece {
            Piece::Content(text) => self.chunks.delta(&[b"\"content\":", text]),
            Piece::Refusal(text) => self.chunks.delta(&[b"\"refusal\":", text]),
        });
    }

    fn item_done(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let Some(item) = event.item() else { return Ok(()) };
        let at = At::event(event);
        if let Some(call) = Call::of(item) {
            return self.call(&call, at, echo, out);
        }
        if parts::is_message(item) {
            let missing = parts::pieces(item).filter(|(content, _)| self.parts.lacks(at, *content));
            for (content, piece) in missing.collect::<Vec<_>>() {
                self.parts.note(at, content);
                self.say(&piece, echo, out);
            }
            self.parts.finished();
        }
        Ok(())
    }

    /// A call as its item tells it: announced when it is new, else what was not told of it.
    fn call(&mut self, call: &Call<'_>, at: At<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        if let Some(known) = self.calls.again(call, at) {
            if !known.given && call.has_given() {
                out.push(known.give(&call.given, &self.chunks));
            }
            return Ok(());
        }
        let index = self.calls.announce(call, at).ok_or_else(failed::invalid)?;
        self.chunks.begin(None, &self.asked, echo, out);
        let mut element = Vec::with_capacity(128 + call.given.len());
        call.write(&mut element, index);
        out.push(self.chunks.delta(&[b"\"tool_calls\":[", &element, b"]"]));
        Ok(())
    }

    /// A piece of what a tool is given. Before its call is announced nobody could say of which: its item then tells the whole.
    fn given(&mut self, event: &Event<'_>, piece: Option<Value<'_>>, out: &mut Out) {
        if let Some(piece) = super::string(piece)
            && let Some(known) = self.calls.at(At::event(event))
        {
            out.push(known.give(&piece.raw_bytes(), &self.chunks));
        }
    }

    /// All that a tool is given; it is told unless pieces of it were.
    fn given_whole(&mut self, event: &Event<'_>, member: &str, out: &mut Out) {
        if self.calls.at(At::event(event)).is_some_and(|known| !known.given) {
            self.given(event, event.json.root().get(member), out);
        }
    }

    /// The end of the answer, and before it what only the last event tells.
    fn finish(&mut self, event: &Event<'_>, echo: &Echo, out: &mut Out) -> Result<(), Reject> {
        let response = event.response();
        self.chunks.begin(response, &self.asked, echo, out);
        let texts = self.parts.lacks_all();
        for (index, item) in (0..).zip(response.into_iter().flat_map(super::output)) {
            if let Some(call) = Call::of(item) {
                self.call(&call, At::output(item, index), echo, out)?;
            } else if texts && parts::is_message(item) {
                parts::pieces(item).for_each(|(_, piece)| self.say(&piece, echo, out));
            }
        }
        out.push(self.chunks.finish(super::finish_reason(event.class, response, !self.calls.is_empty())));
        if echo.form == Form::ChatUsage
            && let Some(usage) = super::usage(response)
        {
            out.push(self.chunks.usage(&usage));
        }
        out.push(Frame::unnamed("[DONE]"));
        self.ended = true;
        Ok(())
    }

    /// The one chunk that tells a failure; nothing follows it.
    fn fail(&mut self, reject: &Reject, out: &mut Out) {
        out.push(Frame::unnamed(reject.envelope()));
        self.ended = true;
    }
}

fn content_index(event: &Event<'_>) -> u64 {
    event.members.content_index.and_then(|index| index.as_u64()).unwrap_or(0)
}
