//! The embedded store: sled behind rules that make what it says true. Nothing else in the program may name sled.
//!
//! Raw `flush` does not wait for the disk, and some files are never synced at all; so every file is synced at open, and after each
//! group `db` is synced through a handle of our own. One thread commits, in groups; what is acknowledged survives kill -9 and a
//! power cut.

mod age;
mod committer;
mod files;
mod open;
mod queue;
mod still;
mod trees;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use self::committer::Clockwork;
pub(super) use self::open::FORMAT;
use self::queue::Queue;
pub use self::still::Pace;
pub(super) use self::still::Still;
use self::trees::Trees;
use super::draft::Writes;
use super::engine::{Engine, View, Work};
use super::ledger::CommitStats;
use super::{StoreError, StoreOpenError};

/// Called when the disk refused to keep what was written. It is not expected to return: a failed fsync must never be tried again,
/// because the kernel may have dropped the data and would then report success.
pub type FatalFn = Arc<dyn Fn(&str) + Send + Sync>;

/// Called after each durable group, with its time and its number of operations.
pub type CommitFn = Arc<dyn Fn(Duration, usize) + Send + Sync>;

/// How to open a [`SledStore`].
#[derive(Clone)]
pub struct SledOptions {
    path: PathBuf,
    cache_bytes: u64,
    fatal: FatalFn,
    on_commit: Option<CommitFn>,
}

impl SledOptions {
    /// The store in this directory, made if it is not there. A failing disk aborts the process.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let fatal: FatalFn = Arc::new(|what| {
            tracing::error!(reason = what, "the store failed, the process stops");
            std::process::abort();
        });
        Self { path: path.into(), cache_bytes: 64 << 20, fatal, on_commit: None }
    }

    /// The same for the store in another directory.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The store's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much memory the engine may use for its cache; 64 MiB if not set.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Instead of aborting, calls this. The store takes nothing more from then on.
    #[must_use]
    pub fn on_fatal(mut self, fatal: FatalFn) -> Self {
        self.fatal = fatal;
        self
    }

    /// Calls this after each durable group.
    #[must_use]
    pub fn on_commit(mut self, observe: CommitFn) -> Self {
        self.on_commit = Some(observe);
        self
    }
}

impl fmt::Debug for SledOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledOptions")
            .field("path", &self.path)
            .field("cache_bytes", &self.cache_bytes)
            .finish_non_exhaustive()
    }
}

/// The embedded store. One process at a time can have it open.
pub struct SledStore {
    path: PathBuf,
    queue: Arc<Queue>,
    clockwork: Arc<Clockwork>,
    /// For looks only; gone once the store is closed.
    trees: Mutex<Option<Arc<Trees>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// Keeps every process from opening a store.
pub(super) struct Held {
    _lock: files::Lock,
}

impl SledStore {
    /// Opens the store, and makes it if it is not there. Blocks while the engine reads its files.
    ///
    /// # Errors
    /// [`StoreOpenError`]; nothing on disk is changed then, unless the store was just being made.
    pub fn open(options: &SledOptions) -> Result<Self, StoreOpenError> {
        open::open(options)
    }

    /// Whether a process has the store in this directory open. Makes nothing; no directory means no.
    ///
    /// # Errors
    /// When the directory cannot be looked at.
    pub fn is_locked(path: &Path) -> std::io::Result<bool> {
        files::is_locked(path)
    }

    /// The store's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps every process from opening the store in this directory, until it is dropped.
    pub(super) fn hold(path: &Path) -> Result<Held, StoreOpenError> {
        let lock = files::lock(path).map_err(|source| StoreOpenError::Io { path: path.to_owned(), source })?;
        lock.map(|lock| Held { _lock: lock }).ok_or_else(|| StoreOpenError::Locked { path: path.to_owned() })
    }

    /// Makes a store of rows as they are, on disk when it returns. Only for one that is not in use yet: not even the format is looked at.
    pub(super) fn write_rows<E>(
        options: &SledOptions,
        rows: impl FnOnce(&mut dyn FnMut(Writes) -> Result<(), StoreError>) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: From<StoreOpenError> + From<StoreError>,
    {
        open::write_rows(options, rows)
    }

    /// Reads all rows as they are at this moment, while the store goes on. One at a time; blocks.
    pub(super) fn still<T, E: From<StoreError>>(
        &self,
        pace: Pace,
        read: impl FnOnce(&Still<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let trees = self.trees.lock().clone();
        let trees = trees.ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))?;
        read(&Still::begin(&trees, pace)?)
    }

    /// Makes everything that is queued durable, then closes the files. Blocks meanwhile. Later calls of anything fail.
    pub fn close(&self) {
        self.queue.close();
        drop(self.trees.lock().take());
        let committer = self.committer.lock().take();
        if committer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(store = %self.path.display(), "the committer of the store panicked");
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Engine for SledStore {
    fn enqueue(&self, work: Work) -> Result<(), (Work, StoreError)> {
        self.queue.push(work)
    }

    async fn view<T: Send + 'static>(&self, view: View<T>) -> Result<T, StoreError> {
        let trees = self.trees.lock().clone();
        let Some(trees) = trees else {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        };
        match tokio::task::spawn_blocking(move || view(&*trees)).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(StoreError::Corrupt("the engine panicked".to_owned())),
            Err(_) => Err(StoreError::Unavailable("the process is stopping".to_owned())),
        }
    }

    fn stats(&self) -> CommitStats {
        CommitStats { queued: self.queue.events(), ..self.clockwork.stats() }
    }
}

#[cfg(test)]
mod tests;
