//! Work beside requests: taking over what operators change, refreshing tokens before they end, throwing away old rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::HeaderValue;
use pooler_filter::{AccountId, Clock, Timestamp, async_trait};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{StartError, State, Stop};
use crate::accounts::{self, Accounts, RefreshReason, RefreshTimes};
use crate::admin::{self, Backend, OnChange};
use crate::catalog::{self, ModelCatalog};
use crate::client::{Client, ClientOptions};
use crate::config::Settings;
use crate::disk::DiskGuard;
use crate::pool::{Account, Directory, Health, Pool, QuotaSync, QuotaSyncParts};
use crate::store::Rev;
use crate::telemetry::Metrics;

/// Unused upstream connections that are kept.
const POOLED: usize = 512;
/// How often tokens are looked at.
const SWEEP: Duration = Duration::from_secs(15);
/// So many refreshes of one sweep wait for their issuers side by side, so that one that does not answer holds up few others.
const SIDE_BY_SIDE: usize = 8;
/// How often old rows are thrown away.
const PRUNE: Duration = Duration::from_secs(60 * 60);
/// How often expired files are forgotten.
const PRUNE_FILES: Duration = Duration::from_secs(15 * 60);
/// How long sums are kept by the hour: longer than anybody asks for. Those of days stay for ever.
const HOURS_KEPT: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// Pauses after failed refreshes: from here, doubled each time, up to there.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Serves commands until told to stop.
pub(super) async fn administer(socket: admin::Listener, backend: Arc<Backend>, mut stop: Stop) {
    let stopped = async {
        // A sender that is gone means the same.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = admin::serve(socket, backend, stopped).await {
        tracing::error!(%error, "the admin socket does not work");
    }
}

/// What the work, and the gateway beside it, need.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) state: Arc<State>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: Arc<Client>,
    pub(super) pool: Arc<Pool>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) catalog: Arc<ModelCatalog>,
    pub(super) disk: Arc<DiskGuard>,
    /// Pools or accounts have changed: for who asks for models.
    changed: Arc<Notify>,
    /// The same for who asks for quota.
    accounts_changed: Arc<Notify>,
    reloading: Arc<tokio::sync::Mutex<()>>,
}

#[async_trait]
impl OnChange for Work {
    async fn changed(&self, _: Rev) -> Result<(), String> {
        self.take_over().await.map_err(|error| error.to_string())
    }
}

impl Work {
    /// Nothing is taken over from the store yet.
    pub(super) fn new(
        state: &Arc<State>,
        settings: &Arc<Settings>,
        clock: Arc<dyn Clock>,
        disk: Arc<DiskGuard>,
    ) -> Result<Self, StartError> {
        let client = Client::new(client_options(settings));
        let accounts = Arc::new(Accounts::new(accounts_parts(settings, state, &client, &clock, &disk)?));
        let health = Health::new(settings.routing.demotion);
        let pool = Arc::new(Pool::new(Directory::default(), state.peppers(), health, Arc::clone(&clock)));
        let catalog = Arc::new(ModelCatalog::new(settings));
        let (state, settings) = (Arc::clone(state), Arc::clone(settings));
        let (changed, accounts_changed, reloading) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Self { state, settings, clock, client, pool, accounts, catalog, disk, changed, accounts_changed, reloading })
    }

    pub(super) fn spawn(self, runtime: &Runtime, stop: &Stop, metrics: &Arc<Metrics>) {
        if self.settings.catalog.sync {
            runtime.spawn(until(stop.clone(), self.catalog_sync(metrics).run()));
        }
        if self.settings.quota.sync {
            runtime.spawn(until(stop.clone(), self.quota_sync(metrics).run()));
        }
        runtime.spawn(until(stop.clone(), self.clone().follow_logins()));
        runtime.spawn(until(stop.clone(), self.clone().refresh_due()));
        runtime.spawn(until(stop.clone(), self.clone().prune_files()));
        runtime.spawn(until(stop.clone(), self.prune()));
    }

    fn catalog_sync(&self, metrics: &Arc<Metrics>) -> catalog::Sync {
        let parts = catalog::Parts {
            catalog: Arc::clone(&self.catalog),
            store: Arc::clone(&self.state.stores().catalog),
            pool: Arc::clone(&self.pool),
            accounts: Arc::clone(&self.accounts),
            client: Arc::clone(&self.client),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(metrics),
            changed: Arc::clone(&self.changed),
        };
        catalog::Sync::new(parts, &self.settings)
    }

    fn quota_sync(&self, metrics: &Arc<Metrics>) -> QuotaSync {
        let parts = QuotaSyncParts {
            pool: Arc::clone(&self.pool),
            accounts: Arc::clone(&self.accounts),
            client: Arc::clone(&self.client),
            metrics: Arc::clone(metrics),
            changed: Arc::clone(&self.accounts_changed),
        };
        QuotaSync::new(parts, &self.settings)
    }

    /// Takes up where an earlier process stopped: what its accounts told of their models, and what it left open in the ledger.
    pub(super) async fn recover(&self) -> Result<(), StartError> {
        self.catalog.load(&*self.state.stores().catalog).await?;
        let lost = self.state.stores().ledger.recover(self.clock.now()).await?;
        if lost > 0 {
            tracing::warn!(lost, "requests of an earlier process have no end; they are marked as lost");
        }
        Ok(())
    }

    /// A login that is over changes the account's state in the store.
    async fn follow_logins(self) {
        loop {
            self.accounts.changed().await;
            self.reload().await;
        }
    }

    pub(super) async fn reload(&self) {
        if let Err(error) = self.take_over().await {
            tracing::error!(%error, "a change could not be taken over; it is tried again with the next one");
        }
    }

    /// Takes over what stands in the store now. One at a time, so that an older state never replaces a newer one.
    pub(super) async fn take_over(&self) -> Result<(), StartError> {
        let _one = self.reloading.lock().await;
        let snapshot = self.state.stores().control.load().await?;
        let directory = Directory::from(&snapshot);
        let all: Vec<Arc<Account>> = directory.accounts().cloned().collect();
        self.accounts.load(&all).await;
        tracing::info!(
            rev = directory.rev(),
            accounts = all.len(),
            "pools, keys and accounts are taken over from the store"
        );
        self.pool.replace(directory);
        let seen = self.catalog.take_over(&snapshot, &*self.state.stores().catalog, self.clock.now()).await;
        self.changed.notify_one();
        self.accounts_changed.notify_one();
        Ok(seen?)
    }

    /// Refreshing depends on the state of the login alone, not on quota, failures or use.
    async fn refresh_due(self) {
        let mut failed: HashMap<AccountId, (Instant, Duration)> = HashMap::new();
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweep.tick().await;
            let due = self.pool.all_accounts().into_iter().filter_map(|account| {
                let credential = self.accounts.credential(account.id)?;
                let waits = failed.get(&account.id).is_some_and(|(until, _)| *until > Instant::now());
                let due = !waits && account.status.refreshes() && self.accounts.is_due(account.id, &credential);
                due.then_some((account, credential.version))
            });
            let due: Vec<_> = due.collect();
            let refreshing = due.into_iter().map(|(account, version)| {
                let accounts = Arc::clone(&self.accounts);
                async move {
                    let refreshed = accounts.refresh(&account, version, RefreshReason::ProactiveExpiry).await;
                    (account.id, refreshed.is_ok())
                }
            });
            let mut ended = stream::iter(refreshing).buffer_unordered(SIDE_BY_SIDE);
            while let Some((id, refreshed)) = ended.next().await {
                if refreshed {
                    failed.remove(&id);
                } else {
                    let pause = failed.get(&id).map_or(FIRST_PAUSE, |(_, last)| (*last * 2).min(LONGEST_PAUSE));
                    failed.insert(id, (Instant::now() + pause, pause));
                }
            }
        }
    }

    async fn prune_files(self) {
        let mut every = interval(PRUNE_FILES);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            match self.state.stores().files.prune_files(self.clock.now()).await {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "files that have expired were forgotten"),
                Err(error) => tracing::error!(%error, "expired files could not be forgotten"),
            }
        }
    }

    async fn prune(self) {
        let mut every = interval(PRUNE);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = self.clock.now().as_millis();
            let kept = u64::try_from(self.settings.ledger.retention().as_millis()).unwrap_or(u64::MAX);
            let before = Timestamp::from_millis(now.saturating_sub(kept));
            match self.state.stores().ledger.prune(before).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "rows past their retention were deleted"),
                Err(error) => tracing::error!(%error, "old rows could not be deleted"),
            }
            let hours = u64::try_from(HOURS_KEPT.as_millis()).unwrap_or(u64::MAX);
            let before = Timestamp::from_millis(now.saturating_sub(hours));
            if let Err(error) = self.state.stores().ledger.prune_usage(before).await {
                tracing::error!(%error, "old sums could not be put together");
            }
        }
    }
}

pub(super) async fn until(mut stop: Stop, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = work => {}
    }
}

fn client_options(settings: &Settings) -> ClientOptions {
    let upstream = &settings.upstream;
    ClientOptions {
        connect_timeout: upstream.connect_timeout,
        idle_timeout: upstream.idle_timeout,
        pool_idle: upstream.pool_idle,
        pool_size: POOLED,
        resolve_ttl: upstream.resolve_ttl,
    }
}

fn accounts_parts(
    settings: &Settings,
    state: &State,
    client: &Arc<Client>,
    clock: &Arc<dyn Clock>,
    disk: &Arc<DiskGuard>,
) -> Result<accounts::Parts, StartError> {
    let user_agent = HeaderValue::from_str(&settings.upstream.user_agent)
        .map_err(|_| StartError::Setting("upstream.user_agent is not a valid header value".to_owned()))?;
    let times = RefreshTimes {
        skew: settings.accounts.refresh_skew,
        jitter: settings.accounts.refresh_jitter,
        timeout: settings.accounts.refresh_timeout,
    };
    Ok(accounts::Parts {
        tokens: Arc::clone(&state.stores().tokens),
        sealer: state.sealer(),
        client: Arc::clone(client),
        clock: Arc::clone(clock),
        times,
        user_agent,
        disk: Arc::clone(disk),
    })
}
