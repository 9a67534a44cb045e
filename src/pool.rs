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
    AccountId, AccountView, Clock, Frame, KeyFacts, KeyId, Keyring, PoolId, PoolView, QuotaClass, Secret, Standing,
    Timestamp,
};

pub(crate) use self::affinity::AffinityCache;
pub(crate) use self::directory::{Account, Directory};
pub(crate) use self::health::{Health, Mark};
pub(crate) use self::quota::{Class, Credits, Evidence, Limit, Quota, QuotaSync, QuotaSyncParts, Verdict, Window};
use self::quota::{Look, may_tell};
use crate::secrets::{Peppers, parse_pool_key};
use crate::store::records::AccountStatus;

/// No limit of a model alone is of this one.
const ANY_MODEL: &str = "*";

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

    /// Where the account stands, and what is known of its quota. Files take no quota, but a login that is in order for longer than a moment.
    fn standing(&self, account: &Account, model: &str, quota: &Look<'_>, now: Timestamp) -> (Standing, QuotaClass) {
        let files = model.is_empty();
        let standing = match if files { account.routes_files() } else { account.routes() } {
            true if files => Standing::Ready,
            true => self.health.standing(account.id, now),
            false if account.status == AccountStatus::ReauthRequired => Standing::LoginLost,
            false => Standing::Unready,
        };
        if files || standing != Standing::Ready {
            return (standing, QuotaClass::Unknown);
        }
        match quota.class(account.id, model, now) {
            Class::Usable(class) => (standing, class),
            Class::Exhausted(resets_at) => (Standing::Exhausted(resets_at), QuotaClass::Unknown),
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
        let (now, look) = (self.clock.now(), self.quota.look());
        let directory = self.directory.load();
        let working = directory.assigned(pool).iter().filter(|account| account.routes());
        let told = |account: &Arc<Account>| {
            let (standing, _) = self.standing(account, ANY_MODEL, &look, now);
            Some((standing, self.quota.of(account.id, now)?))
        };
        working.filter_map(told).collect()
    }

    /// The same of one account.
    pub(crate) fn evidence_of(&self, account: AccountId) -> Option<(Standing, Evidence)> {
        let now = self.clock.now();
        Some((self.health.standing(account, now), self.quota.of(account, now)?))
    }

    /// What is known of the quota of an account; the refusals of its upstream count before all else.
    pub(crate) fn quota_of(&self, account: AccountId) -> (Verdict, Option<Evidence>) {
        let now = self.clock.now();
        let mut verdict = Verdict::clone(&self.quota.look().verdict(account, now));
        if let Standing::Exhausted(resets_at) = self.health.standing(account, now) {
            verdict.refused(resets_at);
        }
        (verdict, self.quota.of(account, now))
    }

    /// Takes over what an event of an answer tells of the account's quota. Ordinary events cost a look at their label.
    #[inline]
    pub(crate) fn hear(&self, account: AccountId, frame: &Frame) {
        if may_tell(frame) {
            self.quota.note_event(account, frame, self.clock.now());
        }
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
        let (now, look) = (self.clock.now(), self.quota.look());
        let view = |account: &Arc<Account>| {
            let (standing, quota) = self.standing(account, model, &look, now);
            let mark = Mark { pool, key: key.clone(), model: model.into(), account: account.id };
            let demoted = self.health.is_demoted(&mark, now);
            AccountView { account: account.id, label: Arc::clone(&account.label), standing, quota, demoted }
        };
        self.directory.load().assigned(pool).iter().map(view).collect()
    }
}
