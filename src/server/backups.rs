//! Backups of the running gateway: from time to time, and at its end.

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::Clock;
use tokio::time::MissedTickBehavior;

use super::State;
use crate::config::Settings;
use crate::store::{BackupError, BackupInfo, BackupKeeper, Pace};
use crate::telemetry::Metrics;

/// How long the last one may hold up the end.
const LAST: Duration = Duration::from_secs(10);

/// Makes them.
#[derive(Debug, Clone)]
pub(super) struct BackupWork {
    pub(super) keeper: Arc<BackupKeeper>,
    interval: Option<Duration>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl BackupWork {
    pub(super) fn new(state: &State, settings: &Settings, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Self {
        let keeper = Arc::new(state.backup_keeper(Arc::clone(clock)));
        Self { keeper, interval: settings.backup.interval, clock: Arc::clone(clock), metrics: Arc::clone(metrics) }
    }

    /// One each interval, counted from the newest that is there: a gateway that is often restarted has its backups all the same.
    pub(super) async fn run(self) {
        let newest = self.keeper.backups().newest();
        newest.iter().for_each(|backup| self.metrics.last_backup(backup.made_at));
        let Some(interval) = self.interval else { return std::future::pending().await };
        let age = newest.map(|backup| self.clock.now().since(backup.made_at)).unwrap_or_default();
        let first = tokio::time::Instant::now() + interval.saturating_sub(age);
        let mut every = tokio::time::interval_at(first, interval);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.told(self.keeper.backup_if_changed(Pace::Half).await);
        }
    }

    /// The last one, when nothing is written any more. It must not hold up the end for long: then the one before it stays the last.
    pub(super) async fn last(&self) {
        if self.interval.is_none() {
            return;
        }
        let making = self.keeper.backup_if_changed(Pace::Full);
        let mut making = std::pin::pin!(making);
        let made = match tokio::time::timeout(LAST, &mut making).await {
            Ok(made) => made,
            Err(_) => {
                self.keeper.stop();
                making.await
            }
        };
        self.told(made);
    }

    fn told(&self, made: Result<Option<BackupInfo>, BackupError>) {
        match made {
            Ok(None) => {}
            Ok(Some(info)) => {
                self.metrics.backup("made");
                self.metrics.last_backup(info.made_at);
                tracing::info!(file = %info.path.display(), rows = info.rows, bytes = info.bytes, "a backup was made");
            }
            Err(error) => {
                self.metrics.backup("failed");
                tracing::error!(%error, "no backup could be made");
            }
        }
    }
}
