//! Who served whom: bounded, in memory, each entry with an end (docs/decisions.md, R9).

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use pooler_filter::{AccountId, Affinity, AffinityKey, Clock, Timestamp};

/// Remembers accounts by hashed seeds.
pub(crate) struct AffinityCache {
    bindings: Cache<AffinityKey, (AccountId, Timestamp)>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AffinityCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AffinityCache").field("entries", &self.bindings.entry_count()).finish_non_exhaustive()
    }
}

impl AffinityCache {
    pub(crate) fn new(entries: usize, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let most = u64::try_from(entries).unwrap_or(u64::MAX);
        let bindings = Cache::builder().max_capacity(most).time_to_live(ttl).build();
        Self { bindings, ttl, clock }
    }
}

impl Affinity for AffinityCache {
    fn get(&self, key: &AffinityKey) -> Option<AccountId> {
        let (account, until) = self.bindings.get(key)?;
        (until > self.clock.now()).then_some(account)
    }

    fn put(&self, key: AffinityKey, account: AccountId) {
        self.bindings.insert(key, (account, self.clock.now().plus(self.ttl)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pooler_filter::testing::{FakeClock, START};

    #[test]
    fn a_binding_ends_with_its_time() {
        let clock = FakeClock::at(START);
        let cache = AffinityCache::new(10, Duration::from_secs(60), clock.clone());
        let account = AccountId::from_bytes([1; 16]);
        cache.put([7; 32], account);
        assert_eq!(cache.get(&[7; 32]), Some(account));
        clock.advance(Duration::from_secs(60));
        assert_eq!(cache.get(&[7; 32]), None);
    }
}
