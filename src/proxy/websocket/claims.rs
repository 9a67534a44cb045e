//! Turns that their clients give an id: none of them is served twice (docs/websocket.md, Ids of turns).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pooler_filter::{Clock, KeyId, Reject, RejectKind, Timestamp};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

/// How long an id is remembered after its turn: as long as the upstream lets a websocket live.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Most ids that are remembered, of all clients together; beyond that some are forgotten early.
const MOST: usize = 100_000;

/// Key and id as one digest, so that no id is kept.
type Mark = [u8; 32];

/// The ids that are taken.
#[derive(Debug)]
pub(crate) struct Claims {
    /// Their turns run. One for each websocket at most.
    running: Mutex<HashSet<Mark>>,
    /// Their turns came to a good end, and until when that is remembered.
    served: Cache<Mark, Timestamp>,
    clock: Arc<dyn Clock>,
}

/// A claim on the id of a turn: dropped, it frees the id.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    mark: Mark,
}

impl Claims {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        let served = Cache::new(MOST);
        Self { running: Mutex::default(), served, clock: Arc::clone(clock) }
    }

    /// Takes an id for a turn of this key.
    ///
    /// # Errors
    /// 409 `duplicate_turn`: a turn with that id runs, or was served.
    pub(super) fn take(&self, key: &KeyId, id: &str) -> Result<Claim<'_>, Reject> {
        let mut hash = Sha256::new();
        // No id of a key has a colon.
        hash.update(key.as_str());
        hash.update(b":");
        hash.update(id);
        let mark = hash.finalize().into();
        let mut running = self.running.lock();
        let served = self.served.get(&mark).is_some_and(|until| until > self.clock.now());
        if served || !running.insert(mark) {
            let message = "a turn with this id is running, or was served already";
            return Err(Reject::new(RejectKind::Conflict, "duplicate_turn", message).at("request_id"));
        }
        Ok(Claim { claims: self, mark })
    }
}

impl Claim<'_> {
    /// The turn came to a good end: its id stays taken for a while.
    pub(super) fn keep(self) {
        let claims = self.claims;
        // Before the claim is dropped, so that there is no moment at which the id is free.
        claims.served.insert(self.mark, claims.clock.now().plus(LIFETIME));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.running.lock().remove(&self.mark);
    }
}

#[cfg(test)]
mod tests {
    use pooler_filter::testing::{FakeClock, START};

    use super::*;

    fn refusal(claims: &Claims, key: &KeyId, id: &str) -> Option<(u16, String)> {
        let reject = claims.take(key, id).err()?;
        assert_eq!(reject.param.as_deref(), Some("request_id"));
        Some((reject.status().as_u16(), reject.code_str().to_owned()))
    }

    #[test]
    fn an_id_is_taken_while_its_turn_runs_and_for_an_hour_after_a_good_end() {
        let clock = FakeClock::at(START);
        let shared: Arc<dyn Clock> = clock.clone();
        let claims = Claims::new(&shared);
        let (mine, other) = (KeyId::new("sk-cxp-000000000001"), KeyId::new("sk-cxp-000000000002"));
        let duplicate = Some((409, "duplicate_turn".to_owned()));
        let claim = claims.take(&mine, "r").unwrap();
        assert_eq!(refusal(&claims, &mine, "r"), duplicate);
        assert_eq!((refusal(&claims, &mine, "R"), refusal(&claims, &other, "r")), (None, None));
        drop(claim);
        claims.take(&mine, "r").unwrap().keep();
        assert_eq!(refusal(&claims, &mine, "r"), duplicate, "it was served");
        clock.advance(LIFETIME - Duration::from_millis(1));
        assert_eq!(refusal(&claims, &mine, "r"), duplicate);
        clock.advance(Duration::from_millis(1));
        assert_eq!(refusal(&claims, &mine, "r"), None);
        assert!(claims.running.lock().is_empty(), "nothing is left of turns that ended");
    }
}
