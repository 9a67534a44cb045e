//! From events to bytes: sequence numbers and framing, and the faults that a stream can have.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Wanted;
use super::envelope::{Envelope, Usage};
use super::events::{Event, Story};
use super::faults::{Fault, TerminalKind};
use super::reply::Step;

/// Data that is not JSON.
const GARBAGE: &str = "{not json";

/// What the stream faults of one request ask for; the later of two contradictory ones stands.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// What the answer is.
    pub(super) wanted: Wanted,
    /// `openai-model` names another model.
    pub(super) wrong_model: bool,
    /// A `codex.rate_limits` event comes first.
    pub(super) rate_limits: bool,
    no_output: bool,
    end_turn_false: bool,
    usage: UsageShape,
    ending: Ending,
    garbage: bool,
    silence: Option<Duration>,
    stall: Option<(usize, Duration)>,
    broken: Option<(usize, Step)>,
    pace: Option<Duration>,
    /// Every byte comes alone.
    pub(super) one_byte: bool,
    cr_lf: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum UsageShape {
    #[default]
    Whole,
    Missing,
    WithoutTotal,
}

#[derive(Debug, Default)]
enum Ending {
    #[default]
    Completed,
    Done,
    Nothing,
    Refused {
        kind: TerminalKind,
        code: String,
        message: String,
        after_events: usize,
    },
}

impl Shape {
    /// Collects the stream faults among `faults`.
    pub(super) fn of(faults: &[Fault]) -> Shape {
        let mut shape = Shape::default();
        for fault in faults {
            shape.absorb(fault);
        }
        shape
    }

    fn absorb(&mut self, fault: &Fault) {
        match fault {
            Fault::SilentAfterHeaders(pause) => self.silence = Some(*pause),
            Fault::Stall { after_events, pause } => self.stall = Some((*after_events, *pause)),
            Fault::Cut { after_events } => self.broken = Some((*after_events, Step::Cut)),
            Fault::Reset { after_events } => self.broken = Some((*after_events, Step::Reset)),
            Fault::TerminalInStream { kind, code, message, after_events } => {
                let (code, message) = (code.clone(), message.clone());
                self.ending = Ending::Refused { kind: *kind, code, message, after_events: *after_events };
            }
            Fault::NoTerminal => self.ending = Ending::Nothing,
            Fault::DoneInsteadOfCompleted => self.ending = Ending::Done,
            Fault::GarbageBlock => self.garbage = true,
            Fault::NoOutputInCompleted => self.no_output = true,
            Fault::MissingUsage => self.usage = UsageShape::Missing,
            Fault::UsageWithoutTotal => self.usage = UsageShape::WithoutTotal,
            Fault::EndTurnFalse => self.end_turn_false = true,
            Fault::OpenAiModelMismatch => self.wrong_model = true,
            Fault::RateLimitsEvent => self.rate_limits = true,
            Fault::OneByteChunks => self.one_byte = true,
            Fault::CrLf => self.cr_lf = true,
            Fault::Pace(pause) => self.pace = Some(*pause),
            Fault::Events(count) => self.wanted.deltas = Some(*count),
            Fault::Answer(manner) => self.wanted.manner = Some(manner.clone()),
            Fault::ImageFailed { kind, code, message } => {
                self.wanted.picture_fails = Some(json!({"type": kind, "code": code, "message": message}));
            }
            Fault::Status { .. }
            | Fault::Preset(_)
            | Fault::UsageLimit { .. }
            | Fault::Html
            | Fault::EmptyBody
            | Fault::InvalidJson200
            | Fault::Script(_)
            | Fault::HangUp { .. }
            | Fault::SlowFirstByte(_)
            | Fault::Hold(_)
            | Fault::ExtraHeaders(_)
            | Fault::EncryptedContentExpired
            | Fault::FileRetries(_)
            | Fault::FileStatus { .. }
            | Fault::RefreshFails { .. }
            | Fault::Refresh500
            | Fault::RefreshCut
            | Fault::Handshake(_)
            | Fault::Socket(_)
            | Fault::IgnorePing => {}
        }
    }

    /// The whole stream. `limits` is the `codex.rate_limits` event.
    pub(super) fn steps(&self, envelope: &Envelope, story: Story, usage: Usage, limits: &Value) -> VecDeque<Step> {
        let mut events = self.events(envelope, story, usage);
        if self.rate_limits {
            let text = limits.to_string();
            let members = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned();
            events.insert(0, Event { name: "codex.rate_limits", members, numbered: false });
        }
        self.play(&self.blocks(&events), true)
    }

    /// The same one event at a time, each without its SSE framing.
    pub(super) fn messages(&self, envelope: &Envelope, story: Story, usage: Usage) -> VecDeque<Step> {
        let events = self.events(envelope, story, usage);
        let mut data: Vec<String> = data(&events).collect();
        if self.garbage {
            data.insert(data.len().min(1), GARBAGE.to_owned());
        }
        self.play(&data, false)
    }

    /// How it ends: the last event is a proper terminal.
    pub(super) fn completes(&self) -> bool {
        matches!(self.ending, Ending::Completed | Ending::Done)
    }

    /// How it ends: without a terminal event.
    pub(super) fn ends_without_terminal(&self) -> bool {
        matches!(self.ending, Ending::Nothing)
    }

    fn events(&self, envelope: &Envelope, story: Story, usage: Usage) -> Vec<Event> {
        let output = if self.no_output { "[]".to_owned() } else { format!("[{}]", story.items.join(",")) };
        let mut events = story.events;
        self.end(&mut events, envelope, &output, usage);
        events
    }

    fn end(&self, events: &mut Vec<Event>, envelope: &Envelope, output: &str, usage: Usage) {
        let usage = match self.usage {
            UsageShape::Whole => usage,
            UsageShape::Missing => Usage::NULL,
            UsageShape::WithoutTotal => usage.without_total(),
        };
        let name = match &self.ending {
            Ending::Completed => "response.completed",
            Ending::Done => "response.done",
            Ending::Nothing => return,
            Ending::Refused { kind, code, message, after_events } => {
                events.truncate(*after_events);
                events.push(refusal(*kind, code, message, envelope, output, usage));
                return;
            }
        };
        let mut response = envelope.render("completed", output, None, &usage);
        if self.end_turn_false {
            response.truncate(response.len() - 1);
            response.push_str(",\"end_turn\":false}");
        }
        events.push(Event::new(name, format!("\"response\":{response}")));
    }

    /// The events as SSE blocks.
    fn blocks(&self, events: &[Event]) -> Vec<String> {
        let line = if self.cr_lf { "\r\n" } else { "\n" };
        let block = |name: &str, data: &str| format!("event: {name}{line}data: {data}{line}{line}");
        let mut blocks: Vec<String> =
            events.iter().zip(data(events)).map(|(event, data)| block(event.name, &data)).collect();
        if self.garbage {
            blocks.insert(blocks.len().min(1), block("response.output_text.delta", GARBAGE));
        }
        blocks
    }

    /// What is sent and when. What needs no pause in between is sent `together`, or else one block at a time.
    fn play(&self, blocks: &[String], together: bool) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        steps.extend(self.silence.map(Step::Wait));
        let end = self.broken.as_ref().map_or(blocks.len(), |(after, _)| *after).min(blocks.len());
        let mut ready = String::new();
        for (index, block) in blocks[..end].iter().enumerate() {
            if let Some((_, pause)) = self.stall.filter(|(after, _)| *after == index) {
                self.send(&mut ready, &mut steps);
                steps.push_back(Step::Wait(pause));
            }
            ready.push_str(block);
            if !together {
                steps.push_back(Step::Send(Bytes::from(std::mem::take(&mut ready))));
            }
            if let Some(pause) = self.pace {
                self.send(&mut ready, &mut steps);
                steps.push_back(Step::Wait(pause));
            }
        }
        self.send(&mut ready, &mut steps);
        if let Some((_, pause)) = self.stall.filter(|(after, _)| *after >= end) {
            steps.push_back(Step::Wait(pause));
        }
        steps.extend(self.broken.as_ref().map(|(_, how)| how.clone()));
        steps
    }

    fn send(&self, ready: &mut String, steps: &mut VecDeque<Step>) {
        let bytes = Bytes::from(std::mem::take(ready));
        if self.one_byte {
            for at in 0..bytes.len() {
                steps.push_back(Step::Send(bytes.slice(at..=at)));
                steps.push_back(Step::Flush);
            }
        } else if !bytes.is_empty() {
            steps.push_back(Step::Send(bytes));
        }
    }
}

/// The events as JSON, numbered.
fn data(events: &[Event]) -> impl Iterator<Item = String> {
    let mut sequence = 0u64;
    events.iter().map(move |Event { name, members, numbered }| {
        if !numbered {
            return format!("{{{members}}}");
        }
        let data = format!("{{\"type\":\"{name}\",\"sequence_number\":{sequence},{members}}}");
        sequence += 1;
        data
    })
}

fn refusal(kind: TerminalKind, code: &str, message: &str, envelope: &Envelope, output: &str, usage: Usage) -> Event {
    match kind {
        TerminalKind::Failed => {
            let error = json!({"code": code, "message": message});
            let response = envelope.render("failed", "[]", Some(&error), &Usage::NULL);
            Event::new("response.failed", format!("\"response\":{response}"))
        }
        TerminalKind::Error => {
            let error = json!({"type": "server_error", "code": code, "message": message, "param": null});
            Event::new("error", format!("\"error\":{error}"))
        }
        TerminalKind::Incomplete => {
            let details = json!({"reason": code});
            let response = envelope.render("incomplete", output, Some(&details), &usage);
            Event::new("response.incomplete", format!("\"response\":{response}"))
        }
    }
}
