//! When accounts are asked for their models: at the start, when they are new or changed, every half hour, and sooner after a failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pooler_filter::{AccountId, Clock};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::ModelCatalog;
use super::fetch::{Failed, Fetch};
use crate::accounts::Accounts;
use crate::client::Client;
use crate::config::Settings;
use crate::pool::Pool;
use crate::store::CatalogStore;
use crate::store::records::CatalogSource;
use crate::telemetry::Metrics;

/// So many accounts are asked side by side.
const SIDE_BY_SIDE: usize = 8;
/// Pause after a failure; doubled each time, up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Without an account there is nothing to wake up for.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`Sync`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) catalog: Arc<ModelCatalog>,
    pub(crate) store: Arc<dyn CatalogStore>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) client: Arc<Client>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// Told when pools or accounts have changed.
    pub(crate) changed: Arc<Notify>,
}

/// Asks accounts for their models.
#[derive(Debug)]
pub(crate) struct Sync {
    parts: Parts,
    fetch: Fetch,
    interval: Duration,
}

/// When an account is asked again.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    /// Of its record when it was asked.
    version: u64,
    failures: u32,
}

impl Sync {
    pub(crate) fn new(parts: Parts, settings: &Settings) -> Self {
        let (client, accounts) = (Arc::clone(&parts.client), Arc::clone(&parts.accounts));
        let fetch = Fetch::new(client, accounts, &settings.catalog, &settings.upstream);
        Self { parts, fetch, interval: settings.catalog.interval }
    }

    /// For ever.
    pub(crate) async fn run(self) {
        let mut plan: HashMap<AccountId, Due> = HashMap::new();
        let mut asking: HashMap<AccountId, u64> = HashMap::new();
        let mut answers = FuturesUnordered::new();
        loop {
            let accounts = self.parts.catalog.to_ask();
            plan.retain(|id, _| accounts.contains_key(id));
            let now = Instant::now();
            for (id, version) in accounts {
                let waits = plan.get(&id).is_some_and(|due| due.version == version && due.at > now);
                if answers.len() < SIDE_BY_SIDE && !waits && !asking.contains_key(&id) {
                    asking.insert(id, version);
                    answers.push(self.ask(id));
                }
            }
            let sleeping = plan.iter().filter(|(id, _)| !asking.contains_key(*id)).map(|(_, due)| due.at).min();
            // With all places taken, the next answer wakes up.
            let wake = if answers.len() < SIDE_BY_SIDE { sleeping } else { None }.unwrap_or(now + NEVER);
            tokio::select! {
                Some((id, told)) = answers.next() => {
                    let version = asking.remove(&id).unwrap_or_default();
                    let failures = if told { 0 } else { plan.get(&id).map_or(1, |due| due.failures.saturating_add(1)) };
                    plan.insert(id, Due { at: Instant::now() + self.pause(failures), version, failures });
                }
                () = sleep_until(wake) => {}
                () = self.parts.changed.notified() => {}
            }
        }
    }

    /// Up to a tenth more or less, so that accounts are not asked all at once.
    fn pause(&self, failures: u32) -> Duration {
        let pause = match failures {
            0 => self.interval,
            n => FIRST_PAUSE.saturating_mul(1 << (n - 1).min(16)).min(self.interval),
        };
        let random = uuid::Uuid::new_v4().as_bytes()[0];
        pause.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
    }

    /// Whether the account told its models. If not, what it told before stays.
    async fn ask(&self, id: AccountId) -> (AccountId, bool) {
        let Some(account) = self.parts.pool.account(id) else { return (id, false) };
        let asked = self.fetch.ask(&account).await;
        self.parts.metrics.catalog_sync(asked.as_ref().map_or_else(Failed::as_str, |_| "ok"));
        let (page, etag) = match asked {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(account = %account.label, %error, "the account did not tell its models");
                return (id, false);
            }
        };
        if page.skipped > 0 {
            tracing::warn!(account = %account.label, skipped = page.skipped, "entries of the catalog were skipped");
        }
        tracing::debug!(account = %account.label, models = page.models.len(), "the account told its models");
        let source = CatalogSource { account: id, fetched_at: self.parts.clock.now(), etag, models: page.models };
        if let Err(error) = self.parts.catalog.learn(source, &*self.parts.store).await {
            tracing::error!(account = %account.label, %error, "the models of the account could not be stored");
        }
        (id, true)
    }
}
