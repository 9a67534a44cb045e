//! The pools as requests see them: one snapshot of keys, pools and accounts, and what was learned about each account since.
//!
//! The snapshot is replaced as a whole when an operator changes something; a request keeps the parts it started with.

mod affinity;
mod directory;
mod health;
mod quota;

use std::sync::Arc;

use arc_swap::ArcSwap;
use pooler_filter::{
    AccountId, AccountView, Clock, KeyFacts, KeyId, Keyring, PoolId, PoolView, Secret, Standing, Timestamp,
};

pub(crate) use self::affinity::AffinityCache;
pub(crate) use self::directory::{Account, Directory};
pub(crate) use self::health::{Health, Mark};
pub(crate) use self::quota::{Evidence, Limit, Quota, Window};
use crate::secrets::{Peppers, parse_pool_key};
use crate::store::records::AccountStatus;

/// Keys, pools and accounts, and how the accounts are doing.
#[derive(Debug)]
pub(crate) struct Pool {
    directory: ArcSwap<Directory>,
    peppers: Peppers,
    health: Health,
    quota: Quota,
    clock: Arc<dyn Clock>,
}

impl Pool {
    pub(crate) fn new(directory: Directory, peppers: Peppers, health: Health, clock: Arc<dyn Clock>) -> Self {
        Self { directory: ArcSwap::from_pointee(directory), peppers, health, quota: Quota::default(), clock }
    }

    /// Replaces the snapshot.
    pub(crate) fn replace(&self, directory: Directory) {
        self.directory.store(Arc::new(directory));
    }

    /// The account, if it still exists.
    pub(crate) fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.directory.load().account(id)
    }

    /// All accounts.
    pub(crate) fn all_accounts(&self) -> Vec<Arc<Account>> {
        self.directory.load().accounts().cloned().collect()
    }

    /// Files take no quota, but a login that is in order for longer than a moment.
    fn standing(&self, account: &Account, model: &str, now: Timestamp) -> Standing {
        let files = model.is_empty();
        match if files { account.routes_files() } else { account.routes() } {
            true if files => Standing::Ready,
            true => self.health.standing(account.id, now),
            false if account.status == AccountStatus::ReauthRequired => Standing::LoginLost,
            false => Standing::Unready,
        }
    }

    /// What is known about the accounts' behaviour.
    pub(crate) const fn health(&self) -> &Health {
        &self.health
    }

    /// The time by which the pool goes.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the upstream told of the quota of the pool's accounts that work, and how each of them stands now.
    pub(crate) fn evidence(&self, pool: PoolId) -> Vec<(Standing, Evidence)> {
        let now = self.clock.now();
        let directory = self.directory.load();
        let working = directory.assigned(pool).iter().filter(|account| account.routes());
        let told =
            |account: &Arc<Account>| Some((self.health.standing(account.id, now), self.quota.of(account.id, now)?));
        working.filter_map(told).collect()
    }

    /// What the upstream told of the accounts' quota.
    pub(crate) const fn quota(&self) -> &Quota {
        &self.quota
    }
}

impl Keyring for Pool {
    fn verify(&self, presented: &Secret) -> Option<Arc<KeyFacts>> {
        let directory = self.directory.load();
        let parsed = parse_pool_key(presented.expose());
        let (id, secret) = parsed.as_ref().map_or((None, ""), |(id, secret)| (Some(id), *secret));
        let known = id.and_then(|id| directory.key(id));
        // The same work for a known and an unknown key, so that time tells nothing.
        let right = self.peppers.verify(secret, known.map(|key| (&key.digest, key.pepper_id.as_str())));
        known.filter(|_| right).map(|key| Arc::clone(&key.facts))
    }
}

impl PoolView for Pool {
    fn accounts(&self, pool: PoolId, key: &KeyId, model: &str) -> Vec<AccountView> {
        let now = self.clock.now();
        let view = |account: &Arc<Account>| AccountView {
            account: account.id,
            label: Arc::clone(&account.label),
            standing: self.standing(account, model, now),
            demoted: self
                .health
                .is_demoted(&Mark { pool, key: key.clone(), model: model.into(), account: account.id }, now),
        };
        self.directory.load().assigned(pool).iter().map(view).collect()
    }
}
