//! The snapshot: records of the store, joined and indexed for the request path.

use std::collections::HashMap;
use std::sync::Arc;

use pooler_filter::{AccountId, KeyFacts, KeyId, KeyStatus, PoolFacts, PoolId};

use crate::client::Endpoint;
use crate::config::Origin;
use crate::store::records::{self, AccountRecord, AccountStatus, KeyDigest, PoolStatus};
use crate::store::{Rev, Snapshot};

/// A key and what it stands for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) digest: KeyDigest,
    pub(super) pepper_id: String,
    pub(super) facts: Arc<KeyFacts>,
}

/// An upstream account, ready to be called.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) label: Arc<str>,
    pub(crate) status: AccountStatus,
    /// Where its requests go, and nowhere else.
    pub(crate) endpoint: Endpoint,
    /// Where its login is refreshed, and nowhere else.
    pub(crate) issuer: Endpoint,
    pub(crate) client_id: String,
    /// The account's own id, as the upstream knows it.
    pub(crate) chatgpt_account_id: String,
    pub(crate) residency: Option<String>,
}

impl Account {
    /// Whether its state allows requests.
    pub(crate) const fn routes(&self) -> bool {
        self.status.routes_text()
    }

    /// Whether its state allows requests about files.
    pub(crate) const fn routes_files(&self) -> bool {
        self.status.routes_files()
    }

    fn of(record: &AccountRecord) -> Option<Self> {
        let origin: Origin = record.origin.parse().ok()?;
        let issuer: Origin = record.issuer.parse().ok()?;
        // A made-up account never meets a real service, whatever its record says (docs/decisions.md, R12).
        if record.simulated && !(origin.is_loopback() && issuer.is_loopback()) {
            return None;
        }
        Some(Self {
            id: record.id,
            label: record.label.as_str().into(),
            status: record.status,
            endpoint: Endpoint::from(&origin),
            issuer: Endpoint::from(&issuer),
            client_id: record.client_id.clone(),
            chatgpt_account_id: record.chatgpt_account_id.clone(),
            residency: record.residency.clone(),
        })
    }
}

/// One state of everything that operators change.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    rev: Rev,
    keys: HashMap<KeyId, Key>,
    accounts: HashMap<AccountId, Arc<Account>>,
    assigned: HashMap<PoolId, Vec<Arc<Account>>>,
}

impl From<&Snapshot> for Directory {
    fn from(snapshot: &Snapshot) -> Self {
        let pools: HashMap<PoolId, Arc<PoolFacts>> =
            snapshot.pools.iter().map(|p| (p.id, Arc::new(facts(p)))).collect();
        let accounts: HashMap<AccountId, Arc<Account>> = snapshot
            .accounts
            .iter()
            .filter(|record| record.status != AccountStatus::Deleted)
            .filter_map(|record| {
                let account = Account::of(record);
                if account.is_none() {
                    tracing::error!(account = %record.label, "the origin or issuer of this account is refused; it serves nobody");
                }
                Some((record.id, Arc::new(account?)))
            })
            .collect();
        let keys =
            snapshot.keys.iter().filter_map(|record| Some((record.id.clone(), key(record, pools.get(&record.pool)?))));
        let mut assigned: HashMap<PoolId, Vec<Arc<Account>>> = HashMap::new();
        for assignment in snapshot.assignments.iter().filter(|a| a.status.routes_text()) {
            if let Some(account) = accounts.get(&assignment.account) {
                assigned.entry(assignment.pool).or_default().push(Arc::clone(account));
            }
        }
        Self { rev: snapshot.rev, keys: keys.collect(), accounts, assigned }
    }
}

fn facts(pool: &records::PoolRecord) -> PoolFacts {
    PoolFacts {
        id: pool.id,
        slug: pool.slug.clone(),
        created_at: pool.created_at,
        active: pool.status == PoolStatus::Active,
        v1_enabled: pool.settings.v1_compatibility_enabled,
        images_allowed: pool.settings.allow_image_generation,
        ring_size: usize::try_from(pool.settings.bridge_ring_size).unwrap_or(usize::MAX).max(1),
        prompt_cache_affinity: pool.settings.prompt_cache_affinity_enabled,
    }
}

fn key(record: &records::KeyRecord, pool: &Arc<PoolFacts>) -> Key {
    let status = match record.status {
        records::KeyStatus::Active => KeyStatus::Active,
        records::KeyStatus::Paused => KeyStatus::Paused,
        records::KeyStatus::Revoked => KeyStatus::Revoked,
    };
    let facts = KeyFacts {
        id: record.id.clone(),
        status,
        expires_at: record.expires_at,
        allowed_models: record.policy.allowed_models.clone(),
        pool: Arc::clone(pool),
    };
    Key { digest: record.digest, pepper_id: record.pepper_id.clone(), facts: Arc::new(facts) }
}

impl Directory {
    /// The revision of the control plane that this is.
    pub(crate) const fn rev(&self) -> Rev {
        self.rev
    }

    pub(super) fn key(&self, id: &KeyId) -> Option<&Key> {
        self.keys.get(id)
    }

    pub(super) fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.get(&id).cloned()
    }

    /// All accounts, in no particular order.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    pub(super) fn assigned(&self, pool: PoolId) -> &[Arc<Account>] {
        self.assigned.get(&pool).map_or(&[], Vec::as_slice)
    }
}
