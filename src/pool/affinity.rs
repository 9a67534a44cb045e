//! Who served whom: bounded, in memory, each entry with an end (docs/decisions.md, R9).

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::{AccountId, Affinity, AffinityKey, Clock, Timestamp};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, UnitWeighter};

/// Bindings that there is room for from the start.
const ROOM: usize = 1 << 14;

/// Remembers accounts by hashed seeds.
pub(crate) struct AffinityCache {
    bindings: Cache<AffinityKey, (AccountId, Timestamp)>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for AffinityCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AffinityCache").field("entries", &self.bindings.len()).finish_non_exhaustive()
    }
}

impl AffinityCache {
    pub(crate) fn new(entries: usize, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let most = u64::try_from(entries).unwrap_or(u64::MAX);
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let bindings = Cache::with(entries.min(ROOM), most, UnitWeighter, hasher, lifecycle);
        Self { bindings, ttl, clock }
    }
}

impl Affinity for AffinityCache {
    fn get(&self, key: &AffinityKey) -> Option<AccountId> {
        let (account, until) = self.bindings.get(key)?;
        if until > self.clock.now() {
            return Some(account);
        }
        self.bindings.remove_if(key, |(_, now_until)| *now_until == until);
        None
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
    fn there_are_never_more_bindings_than_allowed() {
        let cache = AffinityCache::new(100, Duration::from_secs(60), FakeClock::at(START));
        for n in 0..10_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            cache.put(key, AccountId::from_bytes([1; 16]));
        }
        assert!((1..=100).contains(&cache.bindings.len()), "{cache:?}");
    }

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
