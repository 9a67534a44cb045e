//! What waits for the committer: bounded, first in first out, and never waited for by who puts something in.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::store::StoreError;
use crate::store::engine::Work;
use crate::store::records::LedgerEvent;

/// Reservations are refused beyond this many waiting events.
pub(super) const MAX_EVENTS: usize = 8192;
/// Endings are refused only here: whatever was let in finds room to settle.
pub(super) const MAX_ENDINGS: usize = 2 * MAX_EVENTS;
/// Other steps are refused beyond this many waiting ones.
pub(super) const MAX_JOBS: usize = 1024;
/// Most work in one group.
pub(super) const GROUP: usize = 1024;

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    events: usize,
    closed: bool,
    /// The committer sleeps until something comes; else nobody has to wake it.
    idle: bool,
}

impl Queue {
    /// Puts the work at the end, or gives it back at once.
    pub(super) fn push(&self, work: Work) -> Result<(), (Work, StoreError)> {
        let mut waiting = self.waiting.lock();
        let (held, room) = match &work {
            Work::Event(LedgerEvent::Reserved(_), _) => (waiting.events, MAX_EVENTS),
            Work::Event(LedgerEvent::Settled(_) | LedgerEvent::Lost(_), _) => (waiting.events, MAX_ENDINGS),
            Work::Job(_) => (waiting.work.len() - waiting.events, MAX_JOBS),
        };
        if waiting.closed {
            return Err((work, StoreError::Unavailable("the store is closed".to_owned())));
        }
        if held >= room {
            return Err((work, StoreError::Unavailable("the store is too busy".to_owned())));
        }
        waiting.events += usize::from(matches!(work, Work::Event(..)));
        waiting.work.push_back(work);
        let wake = waiting.idle || waiting.work.len() == GROUP;
        drop(waiting);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Takes everything that waits, up to a group. Waits when there is nothing, and for a full group until `earliest`. None: closed and
    /// empty.
    pub(super) fn take(&self, earliest: Option<Instant>) -> Option<Vec<Work>> {
        let mut waiting = self.waiting.lock();
        while waiting.work.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.idle = true;
            self.filled.wait(&mut waiting);
            waiting.idle = false;
        }
        if let Some(earliest) = earliest {
            while !waiting.closed && waiting.work.len() < GROUP {
                if self.filled.wait_until(&mut waiting, earliest).timed_out() {
                    break;
                }
            }
        }
        let count = waiting.work.len().min(GROUP);
        let group: Vec<Work> = waiting.work.drain(..count).collect();
        waiting.events -= group.iter().filter(|work| matches!(work, Work::Event(..))).count();
        Some(group)
    }

    /// Takes nothing more in; what waits is still handed out.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_all();
    }

    /// Takes nothing more in and drops what waits; whoever waits for it learns that the outcome is unknown.
    pub(super) fn fail(&self) {
        let dropped = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            waiting.events = 0;
            std::mem::take(&mut waiting.work)
        };
        self.filled.notify_all();
        // Outside the lock: answering runs code of others.
        drop(dropped);
    }

    /// How many ledger events wait.
    pub(super) fn events(&self) -> usize {
        self.waiting.lock().events
    }
}
