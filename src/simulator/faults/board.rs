//! The faults in force, and which of them hit a request.

use parking_lot::RwLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{Class, Fault, FaultId, FaultSpec, Who};

/// Where a request goes, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Route {
    /// `POST /backend-api/codex/responses`.
    Responses,
    /// `POST /oauth/token`.
    Token,
    /// A turn or a compaction whose input has sealed content; asked for beside the route of the request.
    Replay,
    /// `POST /backend-api/files/{id}/uploaded`.
    Finalize,
    /// `GET /backend-api/codex/responses`, which opens a websocket.
    Handshake,
    /// A turn on a websocket.
    Socket,
    /// A turn on a websocket that generates nothing.
    WarmUp,
    /// A ping on a websocket.
    Ping,
    /// Anything else.
    Other,
}

/// All faults in force, in the order they were injected.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Board {
    active: RwLock<Vec<Active>>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    spec: FaultSpec,
    /// How many requests it lets pass first.
    pass: AtomicU32,
    left: AtomicU32,
    hits: AtomicU64,
}

impl Board {
    pub(in crate::simulator) fn add(&self, spec: FaultSpec) -> FaultId {
        let id = FaultId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let left = AtomicU32::new(spec.times.unwrap_or(u32::MAX));
        let pass = AtomicU32::new(spec.after);
        self.active.write().push(Active { id, spec, pass, left, hits: AtomicU64::new(0) });
        id
    }

    pub(in crate::simulator) fn clear(&self) {
        self.active.write().drain(..).for_each(Active::end);
    }

    pub(in crate::simulator) fn remove(&self, id: FaultId) {
        self.active.write().extract_if(.., |active| active.id == id).for_each(Active::end);
    }

    /// How many requests a fault has hit; 0 once it is cleared.
    pub(in crate::simulator) fn hits(&self, id: FaultId) -> u64 {
        self.active.read().iter().find(|active| active.id == id).map_or(0, |active| active.hits.load(Ordering::Relaxed))
    }

    /// Every fault with what is left of its count (`None`: no limit) and its hits.
    pub(in crate::simulator) fn list(&self) -> Vec<(FaultId, FaultSpec, Option<u32>, u64)> {
        let show = |active: &Active| {
            let left = active.spec.times.map(|_| active.left.load(Ordering::Relaxed));
            (active.id, active.spec.clone(), left, active.hits.load(Ordering::Relaxed))
        };
        self.active.read().iter().map(show).collect()
    }

    /// The faults that hit a request now; counts them.
    pub(in crate::simulator) fn take(&self, account: Option<usize>, route: Route, path: &str) -> Vec<Fault> {
        let active = self.active.read();
        active
            .iter()
            .filter(|one| one.applies(account, route, path) && one.spend())
            .map(|one| one.spec.fault.clone())
            .collect()
    }
}

impl Active {
    fn applies(&self, account: Option<usize>, route: Route, path: &str) -> bool {
        let who = match self.spec.who {
            Who::All => true,
            Who::Account(index) => account == Some(index),
        };
        let place = match self.spec.fault.class() {
            Class::Refresh => route == Route::Token,
            Class::Replay => route == Route::Replay,
            Class::File => route == Route::Finalize,
            Class::Stream => matches!(route, Route::Responses | Route::Socket),
            Class::Handshake => route == Route::Handshake,
            Class::Socket => route == Route::Socket,
            Class::Ping => route == Route::Ping,
            Class::Head if matches!(route, Route::Replay | Route::Handshake | Route::Ping) => false,
            Class::Head => match &self.spec.path {
                Some(prefix) => path.starts_with(prefix.as_str()),
                None => matches!(route, Route::Responses | Route::Socket | Route::WarmUp),
            },
        };
        who && place
    }

    /// Lets go of the requests that wait for it.
    fn end(self) {
        if let Fault::Hold(hold) = &self.spec.fault {
            hold.end();
        }
    }

    fn spend(&self) -> bool {
        let take = |count: &AtomicU32| {
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
        };
        if take(&self.pass) || (self.spec.times.is_some() && !take(&self.left)) {
            return false;
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        true
    }
}
