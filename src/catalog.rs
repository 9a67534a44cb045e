//! The models of each pool: what its accounts told and what is configured, as one snapshot that requests read without a lock
//! (docs/routing.md, Catalog).
//!
//! | file | holds |
//! |---|---|
//! | `sync`, `fetch` | when accounts are asked, and one question |
//! | `entry` | the answer of the upstream, read without trust |
//! | `view` | the models of a pool, made out of all that |
//! | `native` | the same as Codex CLI wants it |

mod entry;
mod fetch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod native;
mod sync;
mod view;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;
use pooler_filter::{AccountId, Catalog, KeyFacts, ModelFacts, PoolId, Timestamp};

pub(crate) use self::native::Page;
pub(crate) use self::sync::{Parts, Sync};
use self::view::Member;
pub(crate) use self::view::{Offer, PoolModels};
use crate::config::{Model, Settings};
use crate::store::records::{AccountStatus, CatalogSeen, CatalogSource};
use crate::store::{CatalogStore, Snapshot, StoreError};

/// Most names whose first sight a pool remembers. Honest accounts tell a few dozen in all their life; of names beyond nothing is kept but
/// what the accounts tell now.
const MOST_SEEN: usize = 1024;

/// The models of every pool.
#[derive(Debug)]
pub(crate) struct ModelCatalog {
    configured: Vec<Model>,
    /// Whether accounts are asked; otherwise what they told once does not count.
    asks: bool,
    known: Mutex<Known>,
    view: ArcSwap<View>,
}

/// What the models are made of.
#[derive(Debug, Default)]
struct Known {
    sources: HashMap<AccountId, CatalogSource>,
    seen: HashMap<(PoolId, String), Timestamp>,
    members: HashMap<PoolId, Vec<Member>>,
}

impl Known {
    /// The same, its entries in the memory of those that other accounts told word for word.
    fn sharing(&self, mut source: CatalogSource) -> CatalogSource {
        for entry in source.models.iter_mut().filter_map(|model| model.entry.as_mut()) {
            let known =
                self.sources.values().flat_map(|source| &source.models).filter_map(|model| model.entry.as_ref());
            if let Some(known) = known.into_iter().find(|known| *known == entry) {
                *entry = known.clone();
            }
        }
        source
    }
}

/// One state of all pools.
#[derive(Debug, Default)]
struct View {
    pools: HashMap<PoolId, Arc<PoolModels>>,
    /// Of a pool that is not known yet.
    other: Arc<PoolModels>,
}

impl ModelCatalog {
    /// The configured models. Nothing is known of pools and accounts yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let catalog = Self {
            configured: settings.models.clone(),
            asks: settings.catalog.sync,
            known: Mutex::default(),
            view: ArcSwap::default(),
        };
        catalog.rebuild(&mut catalog.known.lock(), Timestamp::default());
        catalog
    }

    /// Takes over what an earlier process stored.
    pub(crate) async fn load(&self, store: &dyn CatalogStore) -> Result<(), StoreError> {
        if !self.asks {
            return Ok(());
        }
        let rows = store.load_catalog().await?;
        let mut known = self.known.lock();
        known.sources = rows.sources.into_iter().map(|source| (source.account, source)).collect();
        known.seen = rows.seen.into_iter().map(|seen| ((seen.pool, seen.model), seen.at)).collect();
        Ok(())
    }

    /// Takes over which accounts serve which pools; what accounts told that are gone goes with them.
    pub(crate) async fn take_over(
        &self,
        snapshot: &Snapshot,
        store: &dyn CatalogStore,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let fresh = {
            let mut known = self.known.lock();
            known.members = members(snapshot);
            let there =
                |id: &AccountId| snapshot.accounts.iter().any(|a| a.id == *id && a.status != AccountStatus::Deleted);
            known.sources.retain(|id, _| there(id));
            known.seen.retain(|(pool, _), _| snapshot.pools.iter().any(|p| p.id == *pool));
            self.rebuild(&mut known, now)
        };
        if fresh.is_empty() { Ok(()) } else { store.see(fresh).await }
    }

    /// Takes over what an account told just now, here and in the store. An error: it counts, but the next process will not know it.
    async fn learn(&self, source: CatalogSource, store: &dyn CatalogStore) -> Result<(), StoreError> {
        let now = source.fetched_at;
        let stored = match store.put_source(source.clone()).await {
            // The account was removed meanwhile.
            Err(StoreError::NotFound) => return Ok(()),
            stored => stored,
        };
        let fresh = {
            let mut known = self.known.lock();
            let source = known.sharing(source);
            known.sources.insert(source.account, source);
            self.rebuild(&mut known, now)
        };
        stored?;
        if fresh.is_empty() { Ok(()) } else { store.see(fresh).await }
    }

    /// The accounts that are to be asked, each once.
    fn to_ask(&self) -> HashMap<AccountId, u64> {
        let known = self.known.lock();
        known.members.values().flatten().filter(|member| member.routes).map(|m| (m.account, m.version)).collect()
    }

    /// Makes the snapshot anew. The answer is what pools see for the first time, to be stored.
    fn rebuild(&self, known: &mut Known, now: Timestamp) -> Vec<CatalogSeen> {
        let mut fresh = Vec::new();
        let Known { sources, seen, members } = known;
        for (pool, members) in &*members {
            let mut room = MOST_SEEN.saturating_sub(seen.keys().filter(|(of, _)| of == pool).count());
            for model in members.iter().filter_map(|m| sources.get(&m.account)).flat_map(|source| &source.models) {
                if room > 0
                    && let Entry::Vacant(place) = seen.entry((*pool, model.slug.clone()))
                {
                    fresh.push(CatalogSeen { pool: *pool, model: model.slug.clone(), at: now });
                    place.insert(now);
                    room -= 1;
                }
            }
        }
        let models = |pool: Option<PoolId>, members: &[Member]| {
            let (configured, asks) = (&self.configured[..], self.asks);
            Arc::new(PoolModels::new(&view::Parts { configured, members, sources, seen, pool, asks }))
        };
        let pools = members.iter().map(|(pool, members)| (*pool, models(Some(*pool), members))).collect();
        self.view.store(Arc::new(View { pools, other: models(None, &[]) }));
        fresh
    }

    /// The models of a pool.
    pub(crate) fn pool(&self, pool: PoolId) -> Arc<PoolModels> {
        let view = self.view.load();
        Arc::clone(view.pools.get(&pool).unwrap_or(&view.other))
    }

    /// The models as Codex CLI with this key gets them; none as long as no account has told any.
    pub(crate) fn page(&self, key: &KeyFacts) -> Option<Arc<Page>> {
        self.pool(key.pool.id).page(key.allowed_models.as_ref())
    }

    /// The models that lists show to this key, the preferred first.
    pub(crate) fn shown_to(&self, key: &KeyFacts) -> Vec<Arc<Offer>> {
        self.pool(key.pool.id).listed().filter(|offer| may_use(key, &offer.facts.id)).cloned().collect()
    }
}

/// Whether the policy of the key allows the model.
fn may_use(key: &KeyFacts, id: &str) -> bool {
    key.allowed_models.as_ref().is_none_or(|list| list.iter().any(|allowed| allowed.eq_ignore_ascii_case(id)))
}

/// Accounts that are out of service stay members: their models are there, only nobody can serve them for now.
fn members(snapshot: &Snapshot) -> HashMap<PoolId, Vec<Member>> {
    let mut members: HashMap<PoolId, Vec<Member>> = HashMap::new();
    for assignment in &snapshot.assignments {
        let account = snapshot.accounts.iter().find(|account| account.id == assignment.account);
        if let Some(account) = account.filter(|account| account.status != AccountStatus::Deleted) {
            let routes = account.status.routes_text() && assignment.status.routes_text();
            let member = Member { account: account.id, routes, version: account.version };
            members.entry(assignment.pool).or_default().push(member);
        }
    }
    members
}

impl Catalog for ModelCatalog {
    fn model(&self, pool: PoolId, name: &str) -> Option<Arc<ModelFacts>> {
        let view = self.view.load();
        let models = view.pools.get(&pool).unwrap_or(&view.other);
        models.get(name).map(|offer| Arc::clone(&offer.facts))
    }

    fn models(&self, pool: PoolId) -> Vec<Arc<ModelFacts>> {
        self.pool(pool).listed().map(|offer| Arc::clone(&offer.facts)).collect()
    }

    fn etag(&self, key: &KeyFacts) -> Option<HeaderValue> {
        Some(self.page(key)?.etag.clone())
    }
}

#[cfg(test)]
mod tests;
