//! The one thread that writes: takes what waits, runs it as a group, writes it, syncs, and only then answers.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::queue::Queue;
use super::trees::Trees;
use super::{CommitFn, FatalFn, age, files};
use crate::store::StoreError;
use crate::store::draft::Draft;
use crate::store::engine::{Finish, Work};
use crate::store::ledger::CommitStats;
use crate::store::open::Open;

/// Groups begin at least this far apart. A store with little to do commits at once; a busy one makes larger groups, because a group costs
/// nearly the same whatever is in it: a sync, several writes and a dozen threads that wake each other up. What waits is a request's first byte,
/// for less than its upstream takes anyway.
const PACE: Duration = Duration::from_millis(8);

/// Times of the groups.
#[derive(Default)]
pub(super) struct Clockwork {
    stats: Mutex<CommitStats>,
    pub(super) on_commit: Option<CommitFn>,
}

impl Clockwork {
    pub(super) fn new(on_commit: Option<CommitFn>) -> Self {
        Self { stats: Mutex::default(), on_commit }
    }

    pub(super) fn stats(&self) -> CommitStats {
        *self.stats.lock()
    }

    fn committed(&self, took: Duration, operations: usize) {
        {
            let mut stats = self.stats.lock();
            stats.commits += 1;
            stats.operations += operations as u64;
            stats.last = took;
            stats.max = stats.max.max(took);
            stats.total += took;
        }
        if let Some(observe) = &self.on_commit {
            observe(took, operations);
        }
    }
}

/// Makes what was flushed durable; a value of its own so that a test can let it fail.
pub(super) type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

pub(super) struct Committer {
    pub(super) trees: Arc<Trees>,
    pub(super) sync: Sync,
    pub(super) queue: Arc<Queue>,
    pub(super) clockwork: Arc<Clockwork>,
    pub(super) open: Open,
    pub(super) fatal: FatalFn,
    pub(super) lock: files::Lock,
    /// The engine's data file, to see when the engine let go of it.
    pub(super) data: File,
    /// The store's directory, and how often the store was opened and closed.
    pub(super) age: (PathBuf, u64),
}

impl Committer {
    /// Until the queue is closed and empty, or the disk fails.
    pub(super) fn run(mut self) {
        let (mut earliest, mut failed) = (None, false);
        while let Some(group) = self.queue.take(earliest) {
            let operations = group.len();
            earliest = Some(Instant::now() + PACE);
            // The engine panics on some damage; then nobody may be told that anything was stored.
            let failure = match catch_unwind(AssertUnwindSafe(|| self.commit(group, operations))) {
                Ok(Ok(())) => continue,
                Ok(Err(what)) => what,
                Err(_) => "the engine panicked".to_owned(),
            };
            self.queue.fail();
            (self.fatal)(&failure);
            failed = true;
            break;
        }
        if !failed {
            self.grow_older();
        }
        let Self { trees, sync, lock, data, .. } = self;
        drop((trees, sync));
        // Only then may the next one open it: the engine lets go of its file a moment after its last handle is dropped.
        files::wait_until_free(&data);
        drop(lock);
    }

    /// The last row of all: a file that lost its end lacks it.
    fn grow_older(&mut self) {
        let (directory, age) = (self.age.0.clone(), self.age.1 + 1);
        let grown = catch_unwind(AssertUnwindSafe(|| {
            let row = age::row(age).map_err(|error| error.to_string())?;
            self.trees.write(row).and_then(|()| self.trees.flush()).map_err(|error| error.to_string())?;
            (self.sync)().and_then(|()| age::note(&directory, age)).map_err(|error| error.to_string())
        }));
        match grown {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error, "the store was closed without its last row"),
            Err(_) => tracing::error!("the store was closed without its last row: the engine panicked"),
        }
    }

    fn commit(&mut self, group: Vec<Work>, operations: usize) -> Result<(), String> {
        let begun = Instant::now();
        let mut draft = Draft::new(&*self.trees, &mut self.open);
        let answers: Vec<Finish> = group.into_iter().map(|work| work.run(&mut draft)).collect();
        let writes = match draft.into_writes() {
            Ok(writes) => writes,
            Err(error) => {
                answers.into_iter().for_each(|answer| answer(Err(error.clone())));
                return Err(error.to_string());
            }
        };
        if writes.is_empty() {
            // What these steps read is durable: the group that wrote it was.
            answers.into_iter().for_each(|answer| answer(Ok(())));
            return Ok(());
        }
        let stored = self.trees.write(writes).and_then(|()| self.trees.flush()).map_err(|error| error.to_string());
        match stored.and_then(|()| (self.sync)().map_err(|error| format!("fsync: {error}"))) {
            Ok(()) => {
                self.clockwork.committed(begun.elapsed(), operations);
                answers.into_iter().for_each(|answer| answer(Ok(())));
                Ok(())
            }
            Err(what) => {
                answers.into_iter().for_each(|answer| answer(Err(StoreError::Unknown(what.clone()))));
                Err(what)
            }
        }
    }
}
