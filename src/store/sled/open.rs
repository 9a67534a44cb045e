//! Opening: the lock, the engine behind a panic barrier, the format, every file synced, and only then the committer.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::committer::{Clockwork, Committer, Sync};
use super::queue::Queue;
use super::trees::Trees;
use super::{SledOptions, SledStore, age, files};
use crate::store::codec::{MetaNumber, Table, decode, encode, key};
use crate::store::draft::{Order, REQUESTS, Rows, Writes};
use crate::store::open::Open;
use crate::store::rules;
use crate::store::{StoreError, StoreOpenError};

/// Format of the whole store: which tables there are and what they mean. 2: sums per key.
pub(in crate::store) const FORMAT: u32 = 3;
/// The first format with sums per key.
const SUMS: u32 = 2;
const FORMAT_KEY: &str = "format";
/// The engine's only growing file.
const DATA_FILE: &str = "db";

pub(super) fn open(options: &SledOptions) -> Result<SledStore, StoreOpenError> {
    let io = |source| StoreOpenError::Io { path: options.path.clone(), source };
    // A handle of its own, not a copy of the engine's: the kernel reports a failed write-back once to each, and the engine's own
    // background sync swallows its report.
    let synced = |data: File| -> Sync { Box::new(move || data.sync_all()) };
    open_with(options, |path| Ok(synced(File::open(path.join(DATA_FILE)).map_err(io)?)))
}

/// Opens with another way to sync, for tests that let it fail.
pub(super) fn open_with(
    options: &SledOptions,
    sync: impl FnOnce(&Path) -> Result<Sync, StoreOpenError>,
) -> Result<SledStore, StoreOpenError> {
    let path = &options.path;
    let io = |source| StoreOpenError::Io { path: path.clone(), source };
    files::private_directory(path).map_err(io)?;
    let Some(lock) = files::lock(path).map_err(io)? else {
        return Err(StoreOpenError::Locked { path: path.clone() });
    };
    let noted = age::noted(path).map_err(io)?;
    if noted.is_some() && fs::metadata(path.join(DATA_FILE)).map_or(0, |data| data.len()) == 0 {
        // Before the engine takes it for a new one.
        return Err(damaged(path, "its data file is gone or empty"));
    }
    let trees = Arc::new(behind_barrier(options)?);
    let age = checked_age(path, &trees, noted.unwrap_or(0))? + 1;
    check_format(path, &trees)?;
    let as_damage = |error: StoreError| damaged(path, &error.to_string());
    let row = age::row(age).map_err(as_damage)?;
    trees.write(row).and_then(|()| trees.flush()).map_err(|error| open_error(path, error))?;
    files::sync_all(path).map_err(io)?;
    age::note(path, age).map_err(io)?;

    let open = Open::load(&*trees).map_err(as_damage)?;
    let store = SledStore {
        path: path.clone(),
        queue: Arc::new(Queue::default()),
        clockwork: Arc::new(Clockwork::new(options.on_commit.clone())),
        trees: Mutex::new(Some(trees.clone())),
        committer: Mutex::new(None),
    };
    let committer = Committer {
        trees,
        sync: sync(path)?,
        queue: store.queue.clone(),
        clockwork: store.clockwork.clone(),
        open,
        fatal: options.fatal.clone(),
        lock,
        data: File::open(path.join(DATA_FILE)).map_err(io)?,
        age: (path.clone(), age),
    };
    let thread = std::thread::Builder::new().name("store-commit".to_owned()).spawn(move || committer.run());
    *store.committer.lock() = Some(thread.map_err(io)?);
    Ok(store)
}

/// A store that is younger than its note has lost what it had.
fn checked_age(path: &Path, trees: &Trees, noted: u64) -> Result<u64, StoreOpenError> {
    let stored = age::stored(trees).map_err(|error| damaged(path, &error.to_string()))?;
    if stored < noted {
        let what = format!("it has lost its end: it was opened and closed {noted} times, and knows of {stored}");
        return Err(damaged(path, &what));
    }
    Ok(stored)
}

/// Opens the engine in a thread of its own: some damage makes it panic.
pub(super) fn behind_barrier(options: &SledOptions) -> Result<Trees, StoreOpenError> {
    let config = sled::Config::new()
        .path(&options.path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(options.cache_bytes)
        // The background flusher is also the only one that collects garbage, for up to half of its time. Nothing waits for its flushes.
        .flush_every_ms(Some(5000));
    let opening = std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(move || config.open().and_then(Trees::new))
        .map_err(|source| StoreOpenError::Io { path: options.path.clone(), source })?;
    match opening.join() {
        Ok(Ok(trees)) => Ok(trees),
        Ok(Err(error)) => Err(open_error(&options.path, error)),
        Err(_) => Err(damaged(&options.path, "the engine panicked while it read its files")),
    }
}

fn open_error(path: &Path, error: sled::Error) -> StoreOpenError {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => {
            StoreOpenError::Locked { path: path.to_owned() }
        }
        sled::Error::Io(source) => StoreOpenError::Io { path: path.to_owned(), source },
        error @ (sled::Error::Corruption { .. }
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)) => damaged(path, &error.to_string()),
    }
}

fn damaged(path: &Path, detail: &str) -> StoreOpenError {
    StoreOpenError::Damaged { path: path.to_owned(), detail: detail.to_owned() }
}

/// A new store gets today's format, an older one is brought up to it in one step; one from the future is refused.
fn check_format(path: &Path, trees: &Trees) -> Result<(), StoreOpenError> {
    let key = key::meta(FORMAT_KEY);
    let as_damage = |error: StoreError| damaged(path, &error.to_string());
    let found = match trees.get(Table::Meta, &key).map_err(as_damage)? {
        Some(bytes) => Some(decode(&key, &bytes).map_err(as_damage)?),
        None => None,
    };
    let found = found.map(|MetaNumber(found)| u32::try_from(found).unwrap_or(u32::MAX));
    match found {
        Some(found) if found > FORMAT => {
            return Err(StoreOpenError::TooNew { path: path.to_owned(), found, known: FORMAT });
        }
        Some(FORMAT) => return Ok(()),
        Some(found) => tracing::info!(found, known = FORMAT, "the store is brought up to the format of this program"),
        None => {}
    }
    let value = encode(&key, &MetaNumber(u64::from(FORMAT))).map_err(as_damage)?;
    let mut writes = open_requests_of_old(trees).map_err(as_damage)?;
    if found.is_none_or(|found| found < SUMS) {
        writes.extend(rules::usage::rebuild(trees).map_err(as_damage)?);
    }
    if found.is_none() {
        let key = key::meta(REQUESTS);
        let none = encode(&key, &MetaNumber(0)).map_err(as_damage)?;
        writes.insert((Table::Meta, key), Some(none));
    }
    writes.insert((Table::Meta, key), Some(value));
    trees.write(writes).and_then(|()| trees.flush()).map_err(|error| open_error(path, error))
}

/// Before format 3 each open request had a row of its own. Nothing is needed of them: where no moment is known, every row is looked at.
fn open_requests_of_old(trees: &Trees) -> Result<Writes, StoreError> {
    let mut writes = Writes::new();
    trees.scan(Table::OpenRequests, key::all(), Order::Rising, &mut |key, _| {
        writes.insert((Table::OpenRequests, key.to_vec()), None);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(writes)
}

/// Makes a store of rows as they are.
pub(super) fn write_rows<E>(
    options: &SledOptions,
    rows: impl FnOnce(&mut dyn FnMut(Writes) -> Result<(), StoreError>) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<StoreOpenError> + From<StoreError>,
{
    let path = &options.path;
    let io = |source| StoreOpenError::Io { path: path.clone(), source };
    files::private_directory(path).map_err(io)?;
    let _lock = files::lock(path).map_err(io)?.ok_or_else(|| StoreOpenError::Locked { path: path.clone() })?;
    let trees = behind_barrier(options)?;
    let data = File::open(path.join(DATA_FILE)).map_err(io)?;
    let failed = |error: sled::Error| StoreError::Unavailable(error.to_string());
    rows(&mut |group| trees.write(group).map_err(failed))?;
    trees.flush().map_err(failed)?;
    files::sync_all(path).map_err(io)?;
    drop(trees);
    files::wait_until_free(&data);
    Ok(())
}
