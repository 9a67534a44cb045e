//! What of an answer is held back, and until when: a pure state machine over events.

use std::time::Duration;

use futures_util::FutureExt as _;
use pooler_filter::codex::{EventKind, Failure};
use pooler_filter::{Frame, Timestamp};
use tokio::time::Instant;

use super::Want;
use super::attempt::{Answer, Source};
use crate::config::Settings;
use crate::proxy::frames::{event_in, kind_of};

/// How long the end of an answer may take after its last event, for the connection to be of use again.
const TAIL: Duration = Duration::from_millis(200);

/// What one more event means.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing is worth sending yet.
    Hold,
    /// It is, and more will come.
    Commit,
    /// The answer is whole.
    End,
    /// The answer is a failure, and nothing of it was sent. The event is the last of those that are held.
    Fail(Failure),
    /// It does not fit into memory.
    TooLarge,
}

/// The events of one attempt, as long as another account could still answer instead.
#[derive(Debug)]
pub(crate) struct Hold {
    want: Want,
    frames: Vec<Frame>,
    bytes: usize,
    events: usize,
    saw_response: bool,
    deadline: Option<Instant>,
    commit_after: Duration,
    most_events: usize,
    most_bytes: usize,
    most_collected: usize,
}

impl Hold {
    pub(crate) fn new(want: Want, settings: &Settings) -> Self {
        Self {
            want,
            frames: Vec::new(),
            bytes: 0,
            events: 0,
            saw_response: false,
            deadline: None,
            commit_after: settings.commit.deadline,
            most_events: settings.commit.held_events,
            most_bytes: settings.commit.held_bytes,
            most_collected: settings.upstream.max_response,
        }
    }

    /// When what is held must go, if the client wants a stream and an event has come.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// One more event.
    pub(crate) fn take(&mut self, frame: Frame, now: Timestamp) -> Step {
        let kind = kind_of(&frame);
        let failure = kind.and_then(|kind| failure_in(kind, &frame, now));
        self.bytes += frame.wire_len();
        self.frames.push(frame);
        if let Some(failure) = failure {
            return Step::Fail(failure);
        }
        let Some(kind) = kind else { return self.full() };
        self.events += 1;
        self.saw_response |= kind == EventKind::Lifecycle || kind.is_terminal();
        if kind.is_terminal() {
            // The last event is often the largest: it counts like any other towards what is collected.
            return if self.overflows() { Step::TooLarge } else { Step::End };
        }
        if self.want == Want::Stream {
            self.deadline.get_or_insert_with(|| Instant::now() + self.commit_after);
            if kind == EventKind::Output || self.events >= self.most_events {
                return Step::Commit;
            }
        }
        self.full()
    }

    fn full(&self) -> Step {
        match self.want {
            Want::Stream if self.bytes >= self.most_bytes => Step::Commit,
            Want::Whole if self.overflows() => Step::TooLarge,
            Want::Stream | Want::Whole => Step::Hold,
        }
    }

    fn overflows(&self) -> bool {
        self.want == Want::Whole && self.bytes > self.most_collected
    }

    /// The code for a collected stream that ended in good order, but without any response in it.
    pub(super) fn ended_early(&self) -> Option<&'static str> {
        (self.want == Want::Whole && self.events > 0 && !self.saw_response).then_some("upstream_response_missing")
    }

    /// Bytes that are held, if they are held until the answer is whole: how many there will be is not known.
    pub(super) fn collected(&self) -> usize {
        if self.want == Want::Whole { self.bytes } else { 0 }
    }

    /// What was held so far.
    pub(crate) fn into_frames(self) -> Vec<Frame> {
        self.frames
    }

    /// What was held, with the rest to come.
    pub(super) fn answer(self, source: Source) -> Answer {
        Answer::Events { held: self.frames, rest: Some(Box::new(source)), room: None }
    }

    /// What was held is all.
    pub(super) fn whole(self, source: Source) -> Answer {
        source.retire();
        Answer::Events { held: self.frames, rest: None, room: None }
    }
}

impl Source {
    /// The last event has come: the connection goes back to the pool if the answer ends now, and is closed if it does not. The client
    /// does not wait for that.
    pub(crate) fn retire(self) {
        let retiring = async move {
            let mut connection = self.connection;
            match connection.chunk(Instant::now() + TAIL).await {
                Ok(None) => connection.release().await,
                Ok(Some(_)) | Err(_) => connection.close().await,
            }
        };
        let mut retiring = Box::pin(retiring);
        // Mostly the end came together with the last event: then there is nothing to wait for.
        if tokio::task::unconstrained(retiring.as_mut()).now_or_never().is_none() {
            tokio::spawn(retiring);
        }
    }
}

/// The failure that the event is, if it is one. Only events that can be one are looked into.
pub(crate) fn failure_in(kind: EventKind, frame: &Frame, now: Timestamp) -> Option<Failure> {
    if !matches!(kind, EventKind::Failed | EventKind::Error | EventKind::Incomplete) {
        return None;
    }
    Failure::in_event(kind, event_in(frame)?.root(), now)
}

#[cfg(test)]
mod tests;
