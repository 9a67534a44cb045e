//! Remembers who served a session as soon as its answer is known to be whole: before the last event goes on to the client, which may send its
//! next turn at once.

use std::fmt;
use std::sync::Arc;

use pooler_filter::codex::EventKind;
use pooler_filter::{AccountId, Affinity, AffinityKey, Exchange, Frame, FrameKind, Out, Reject, Stage};

/// Looks at frames only by their label.
pub(crate) struct Remember {
    affinity: Arc<dyn Affinity>,
    keys: Vec<AffinityKey>,
    account: AccountId,
}

impl fmt::Debug for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remember").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Remember {
    pub(crate) fn new(affinity: Arc<dyn Affinity>, keys: Vec<AffinityKey>, account: AccountId) -> Self {
        Self { affinity, keys, account }
    }
}

impl Stage for Remember {
    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        let whole = match frame.kind() {
            FrameKind::Sse => frame.name().is_some_and(|name| EventKind::of(name) == EventKind::Completed),
            FrameKind::Json => true,
            FrameKind::Opaque => false,
        };
        if whole {
            for key in self.keys.drain(..) {
                self.affinity.put(key, self.account);
            }
        }
        out.push(frame);
        Ok(())
    }
}
