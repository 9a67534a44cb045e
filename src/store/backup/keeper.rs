//! Who makes backups of an open store: when somebody asks, from time to time, and at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pooler_filter::Clock;

use super::{BackupError, BackupInfo, Backups};
use crate::store::{LedgerStore as _, Pace, SledStore};

/// No backup yet.
const NEVER: u64 = u64::MAX;

/// Makes backups of one open store, one at a time.
#[derive(Debug)]
pub struct BackupKeeper {
    store: Arc<SledStore>,
    backups: Backups,
    clock: Arc<dyn Clock>,
    one: tokio::sync::Mutex<()>,
    /// Groups that were committed when the last backup began.
    saved: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl BackupKeeper {
    /// For this store.
    #[must_use]
    pub fn new(store: Arc<SledStore>, backups: Backups, clock: Arc<dyn Clock>) -> Self {
        let (one, stop) = (tokio::sync::Mutex::default(), Arc::default());
        Self { store, backups, clock, one, saved: AtomicU64::new(NEVER), stop }
    }

    /// Where they are.
    #[must_use]
    pub const fn backups(&self) -> &Backups {
        &self.backups
    }

    /// Makes one now. Whoever asks while one is being made waits for it first.
    ///
    /// # Errors
    /// [`BackupError`]; the backups that were there stay.
    pub async fn backup(&self, pace: Pace) -> Result<BackupInfo, BackupError> {
        let _one = self.one.lock().await;
        let commits = self.store.commit_stats().commits;
        let (store, backups, stop) = (Arc::clone(&self.store), self.backups.clone(), Arc::clone(&self.stop));
        let at = self.clock.now();
        let made = tokio::task::spawn_blocking(move || backups.make(&store, at, pace, &stop)).await;
        let info = made.unwrap_or_else(|_| {
            Err(crate::store::StoreError::Corrupt("the engine panicked while the store was read".to_owned()).into())
        })?;
        self.saved.store(commits, Ordering::Relaxed);
        Ok(info)
    }

    /// Makes one if something was stored since the last one of this process; else none.
    ///
    /// # Errors
    /// As [`BackupKeeper::backup`].
    pub async fn backup_if_changed(&self, pace: Pace) -> Result<Option<BackupInfo>, BackupError> {
        if self.store.commit_stats().commits == self.saved.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.backup(pace).await.map(Some)
    }

    /// The one that is being made gives up, and so does every later one.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
