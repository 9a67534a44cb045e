//! What clients sent and what they got.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use pooler_filter::RequestId;

use super::dice::Dice;
use super::wire::{End, Told};

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Responses,
    ResponsesStream,
    Chat,
    ChatStream,
    Native,
    Refused,
    Abort,
    Upload,
    Websocket,
}

/// Each with its name, and how many of 100 there are.
pub(super) const KINDS: [(Kind, &str, usize); 9] = [
    (Kind::Responses, "responses, JSON", 20),
    (Kind::ResponsesStream, "responses, stream", 20),
    (Kind::Chat, "chat, JSON", 10),
    (Kind::ChatStream, "chat, stream", 10),
    (Kind::Native, "native stream", 15),
    (Kind::Refused, "bad requests", 8),
    (Kind::Abort, "clients that leave", 10),
    (Kind::Upload, "uploads", 2),
    (Kind::Websocket, "websockets, turns", 5),
];

impl Kind {
    pub(super) fn any(dice: &mut Dice) -> Self {
        let mut at = dice.below(KINDS.iter().map(|(_, _, weight)| weight).sum());
        for (kind, _, weight) in KINDS {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        Self::Responses
    }
}

/// Counts of one kind.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    /// Whole answers with status 200; of bad requests, refusals; of clients that leave, all that had begun.
    pub(super) good: AtomicU64,
    /// Connections that ended without an answer, though the client waited.
    pub(super) unanswered: AtomicU64,
    /// Answers that were not over after a minute.
    pub(super) hanging: AtomicU64,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    kinds: [Counts; KINDS.len()],
    /// By class of status, 1xx first; those without a whole head are not here.
    pub(super) statuses: [AtomicU64; 6],
    pub(super) too_many: AtomicU64,
    /// Answers that began and were cut.
    pub(super) cut: AtomicU64,
    /// Those that the client did not wait for.
    pub(super) left: AtomicU64,
    /// Turns on websockets that were answered.
    pub(super) turns: AtomicU64,
    /// Of each answer that began.
    pub(super) ids: Mutex<HashSet<RequestId>>,
}

impl Tally {
    pub(super) fn counts(&self, kind: Kind) -> &Counts {
        &self.kinds[KINDS.iter().position(|(one, ..)| *one == kind).unwrap_or(0)]
    }

    pub(super) fn sent(&self, kind: Kind) {
        self.counts(kind).sent.fetch_add(1, Relaxed);
    }

    pub(super) fn left(&self) {
        self.left.fetch_add(1, Relaxed);
    }

    pub(super) fn all_sent(&self) -> u64 {
        self.kinds.iter().map(|counts| counts.sent.load(Relaxed)).sum()
    }

    /// An exchange is over.
    pub(super) fn ended(&self, kind: Kind, told: &Told) {
        if let Some(id) = told.id {
            self.ids.lock().insert(id);
            self.statuses[usize::from(told.status / 100).min(5)].fetch_add(1, Relaxed);
            self.too_many.fetch_add(u64::from(told.status == 429), Relaxed);
        }
        self.count(kind, told.end);
        let good = match kind {
            Kind::Refused => told.end == End::Whole && (400..500).contains(&told.status),
            Kind::Abort => told.id.is_some(),
            Kind::Responses
            | Kind::ResponsesStream
            | Kind::Chat
            | Kind::ChatStream
            | Kind::Native
            | Kind::Upload
            | Kind::Websocket => told.end == End::Whole && told.status == 200,
        };
        self.counts(kind).good.fetch_add(u64::from(good), Relaxed);
    }

    /// A turn on a websocket is over, or its handshake failed.
    pub(super) fn turn_ended(&self, good: bool, end: End) {
        self.counts(Kind::Websocket).good.fetch_add(u64::from(good), Relaxed);
        self.turns.fetch_add(u64::from(good), Relaxed);
        self.count(Kind::Websocket, end);
    }

    fn count(&self, kind: Kind, end: End) {
        match end {
            End::Whole => 0,
            End::Cut => self.cut.fetch_add(1, Relaxed),
            End::Enough => self.left.fetch_add(1, Relaxed),
            End::None => self.counts(kind).unanswered.fetch_add(1, Relaxed),
            End::Hangs => self.counts(kind).hanging.fetch_add(1, Relaxed),
        };
    }
}
