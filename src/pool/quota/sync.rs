//! When accounts are asked for their quota: those that serve tell it with every answer, the others are asked now and then, so that what is known
//! of them does not grow old (docs/routing.md, Quota evidence).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use pooler_filter::{AccountId, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::accounts::{Accounts, Patience, Question};
use crate::client::Client;
use crate::config::Settings;
use crate::pool::{Account, Pool};
use crate::telemetry::Metrics;

const PATH: &str = "/backend-api/wham/usage";
const PATIENCE: Patience = Patience { time: Duration::from_secs(10), most: super::MOST_TEXT };
/// So many accounts are asked side by side.
const SIDE_BY_SIDE: usize = 8;
/// Without an account there is nothing to wake up for.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`Sync`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) pool: Arc<Pool>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) client: Arc<Client>,
    pub(crate) metrics: Arc<Metrics>,
    /// Told when pools or accounts have changed.
    pub(crate) changed: Arc<Notify>,
}

/// Asks accounts for their quota.
#[derive(Debug)]
pub(crate) struct Sync {
    pool: Arc<Pool>,
    question: Question,
    metrics: Arc<Metrics>,
    changed: Arc<Notify>,
    interval: Duration,
}

impl Sync {
    pub(crate) fn new(parts: Parts, settings: &Settings) -> Self {
        let Parts { pool, accounts, client, metrics, changed } = parts;
        let question = Question::new(client, accounts, PATH.to_owned(), &settings.upstream, PATIENCE);
        Self { pool, question, metrics, changed, interval: settings.quota.interval }
    }

    /// For ever.
    pub(crate) async fn run(self) {
        let mut due: HashMap<AccountId, Instant> = HashMap::new();
        loop {
            let serving: HashMap<AccountId, Arc<Account>> =
                self.pool.all_accounts().into_iter().filter(|a| a.routes()).map(|a| (a.id, a)).collect();
            due.retain(|id, _| serving.contains_key(id));
            let now = Instant::now();
            let is_due = |account: &Arc<Account>| due.get(&account.id).is_none_or(|at| *at <= now);
            let asked: Vec<_> = serving.into_values().filter(is_due).map(|account| self.look_at(account)).collect();
            let mut told = stream::iter(asked).buffer_unordered(SIDE_BY_SIDE);
            while let Some(id) = told.next().await {
                due.insert(id, Instant::now() + self.pause());
            }
            let wake = due.values().min().copied().unwrap_or_else(|| Instant::now() + NEVER);
            tokio::select! {
                () = sleep_until(wake) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Up to a tenth more or less, so that accounts are not asked all at once.
    fn pause(&self) -> Duration {
        let random = uuid::Uuid::new_v4().as_bytes()[0];
        self.interval.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
    }

    /// Asks an account that has not told anything by itself lately.
    async fn look_at(&self, account: Arc<Account>) -> AccountId {
        let lately = u64::try_from(self.interval.as_millis() / 2).unwrap_or(u64::MAX);
        let since = Timestamp::from_millis(self.pool.now().as_millis().saturating_sub(lately));
        if self.pool.quota().heard_since(account.id, since) {
            return account.id;
        }
        let result = match self.question.ask(&account).await {
            Ok((_, page)) if self.pool.quota().note_usage(account.id, &page, self.pool.now()) => "ok",
            Ok(_) => "unusable",
            Err(error) => {
                tracing::debug!(account = %account.label, %error, "the account did not tell its quota");
                error.as_str()
            }
        };
        self.metrics.quota_sync(result);
        account.id
    }
}
