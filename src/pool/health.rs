//! How accounts behaved lately: demotions after failures, and quotas that are used up (docs/routing.md, Demotion and Quota).

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use pooler_filter::{AccountId, KeyId, PoolId, Standing, Timestamp};

/// Above this many entries, those that have run out are thrown away first.
const SWEEP_AT: usize = 4096;
/// A used-up quota without a reset time is believed for so long.
const UNKNOWN_RESET: Duration = Duration::from_secs(60);

/// Whose failures count: one key's failures with a model do not move the account for other keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) pool: PoolId,
    pub(crate) key: KeyId,
    pub(crate) model: Box<str>,
    pub(crate) account: AccountId,
}

impl Mark {
    /// Work with files names no model.
    fn is_of_files(&self) -> bool {
        self.model.is_empty()
    }
}

/// What was learned about accounts. Kept in memory: after a restart it is learned again.
#[derive(Debug)]
pub(crate) struct Health {
    demotion: Duration,
    demoted: Mutex<HashMap<Mark, Timestamp>>,
    exhausted: Mutex<HashMap<AccountId, Exhausted>>,
}

#[derive(Debug, Clone, Copy)]
struct Exhausted {
    believed_until: Timestamp,
    resets_at: Option<Timestamp>,
}

impl Health {
    pub(crate) fn new(demotion: Duration) -> Self {
        Self { demotion, demoted: Mutex::default(), exhausted: Mutex::default() }
    }

    /// A success ends a demotion, and proves that there is quota, unless it was about files, which take none.
    pub(crate) fn succeeded(&self, mark: &Mark) {
        self.demoted.lock().remove(mark);
        if !mark.is_of_files() {
            self.exhausted.lock().remove(&mark.account);
        }
    }

    /// A failure moves the account to the end of the order for a while.
    pub(crate) fn failed(&self, mark: Mark, now: Timestamp) {
        let mut demoted = self.demoted.lock();
        if demoted.len() >= SWEEP_AT {
            demoted.retain(|_, until| *until > now);
        }
        demoted.insert(mark, now.plus(self.demotion));
    }

    /// The upstream says that the quota of the account is used up.
    pub(crate) fn exhausted(&self, account: AccountId, resets_at: Option<Timestamp>, now: Timestamp) {
        let believed_until = resets_at.unwrap_or_else(|| now.plus(UNKNOWN_RESET));
        self.exhausted.lock().insert(account, Exhausted { believed_until, resets_at });
    }

    pub(super) fn is_demoted(&self, mark: &Mark, now: Timestamp) -> bool {
        self.demoted.lock().get(mark).is_some_and(|until| *until > now)
    }

    pub(super) fn standing(&self, account: AccountId, now: Timestamp) -> Standing {
        match self.exhausted.lock().get(&account) {
            Some(state) if state.believed_until > now => Standing::Exhausted(state.resets_at),
            Some(_) | None => Standing::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn mark(key: &str) -> Mark {
        Mark {
            pool: PoolId::from_bytes([1; 16]),
            key: KeyId::new(key),
            model: "gpt-5.5".into(),
            account: AccountId::from_bytes([2; 16]),
        }
    }

    #[test]
    fn a_demotion_is_for_one_key_and_ends_by_time_or_success() {
        let health = Health::new(Duration::from_secs(60));
        health.failed(mark("a"), NOW);
        assert!(health.is_demoted(&mark("a"), NOW) && !health.is_demoted(&mark("b"), NOW));
        assert!(!health.is_demoted(&mark("a"), NOW.plus(Duration::from_secs(60))));
        health.succeeded(&mark("a"));
        assert!(!health.is_demoted(&mark("a"), NOW));
    }

    #[test]
    fn a_file_that_was_taken_proves_no_quota() {
        let health = Health::new(Duration::from_secs(60));
        let file = Mark { model: "".into(), ..mark("a") };
        health.exhausted(file.account, None, NOW);
        health.failed(file.clone(), NOW);
        health.succeeded(&file);
        assert!(!health.is_demoted(&file, NOW));
        assert_eq!(health.standing(file.account, NOW), Standing::Exhausted(None));
        health.succeeded(&mark("a"));
        assert_eq!(health.standing(file.account, NOW), Standing::Ready);
    }

    #[test]
    fn a_used_up_quota_is_believed_until_its_reset_or_for_a_minute() {
        let health = Health::new(Duration::from_secs(60));
        let account = mark("a").account;
        let reset = NOW.plus(Duration::from_secs(3600));
        health.exhausted(account, Some(reset), NOW);
        assert_eq!(health.standing(account, NOW), Standing::Exhausted(Some(reset)));
        assert_eq!(health.standing(account, reset), Standing::Ready);
        health.exhausted(account, None, NOW);
        assert_eq!(health.standing(account, NOW.plus(Duration::from_secs(59))), Standing::Exhausted(None));
        assert_eq!(health.standing(account, NOW.plus(Duration::from_secs(60))), Standing::Ready);
        health.exhausted(account, Some(reset), NOW);
        health.succeeded(&mark("a"));
        assert_eq!(health.standing(account, NOW), Standing::Ready);
    }

    #[test]
    fn run_out_demotions_do_not_pile_up() {
        let health = Health::new(Duration::from_secs(60));
        for n in 0..SWEEP_AT {
            health.failed(mark(&n.to_string()), NOW);
        }
        health.failed(mark("late"), NOW.plus(Duration::from_secs(61)));
        assert_eq!(health.demoted.lock().len(), 1);
    }
}
