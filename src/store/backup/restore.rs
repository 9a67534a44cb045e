//! Restoring a backup: into a fresh directory, which is checked and then takes the place of the store. What was there is moved aside, never
//! thrown away.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pooler_filter::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{BackupError, BackupInfo, Backups, read_rows};
use crate::admin::time::rfc3339;
use crate::store::draft::Writes;
use crate::store::verify::Checker;
use crate::store::{Pace, SledOptions, SledStore, StoreError, StoreOpenError};

/// Rows that are written in one go.
const GROUP: usize = 1000;

/// What came of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub backup: BackupInfo,
    /// Damaged rows in it, which were left out.
    pub left_out: u64,
    /// Where the store went that was there before.
    pub moved_to: Option<PathBuf>,
}

/// Puts a backup in the place of the store: this file, or else the newest one that can be read to its end. A store that is there is moved to
/// `store.bad-<time>` beside it, if `replace` says so.
///
/// # Errors
/// [`BackupError`]; the store is as it was then.
pub fn restore(
    options: &SledOptions,
    backups: &Backups,
    file: Option<&Path>,
    replace: bool,
    at: Timestamp,
) -> Result<Restored, BackupError> {
    let store = options.path();
    let occupied = occupied(store).map_err(|source| BackupError::Io { path: store.to_owned(), source })?;
    if occupied && !replace {
        return Err(BackupError::Exists(store.to_owned()));
    }
    // Held until the end: no gateway can have it, or take it.
    let _lock = if store.exists() { Some(SledStore::hold(store)?) } else { None };
    let backup = match file {
        Some(path) => checked(path)?,
        None => newest(backups)?,
    };
    let fresh = beside(store, "new", at);
    let made = fill(options, &fresh, &backup);
    let left_out = match made {
        Ok(left_out) => left_out,
        Err(error) => {
            // It is ours and half made.
            let _ = fs::remove_dir_all(&fresh);
            return Err(error);
        }
    };
    let moved_to = swap(store, &fresh, occupied, at).map_err(|source| BackupError::Io { path: fresh, source })?;
    Ok(Restored { backup, left_out, moved_to })
}

/// Refuses to make a new store where there was one: beside it stands one that was moved aside or not finished, or there are backups of it.
///
/// # Errors
/// [`StoreOpenError::Gone`]; also when the directories cannot be read.
pub fn refuse_if_gone(store: &Path, backups: &Backups) -> Result<(), StoreOpenError> {
    let look = || -> io::Result<Option<PathBuf>> {
        if occupied(store)? {
            return Ok(None);
        }
        let trace = traces(store)?.into_iter().next();
        Ok(trace.or(backups.files()?.into_iter().next()))
    };
    match look() {
        Ok(None) => Ok(()),
        Ok(Some(trace)) => Err(StoreOpenError::Gone { path: store.to_owned(), trace }),
        Err(source) => Err(StoreOpenError::Io { path: store.to_owned(), source }),
    }
}

/// Whether there is a store, good or bad.
fn occupied(store: &Path) -> io::Result<bool> {
    match fs::read_dir(store) {
        Ok(mut entries) => entries.next().transpose().map(|entry| entry.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What stands beside the store and was one.
fn traces(store: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (store.parent(), store.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let rest = path.file_name().and_then(|other| other.to_str()).and_then(|other| other.strip_prefix(name));
        if rest.is_some_and(|rest| rest.starts_with(".bad-") || rest.starts_with(".new-")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn beside(store: &Path, what: &str, at: Timestamp) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}-{}", rfc3339(at).replace([':', '-'], "")));
    store.with_file_name(name)
}

/// Reads it to its end, so that nothing is begun with one that cannot be finished.
fn checked(path: &Path) -> Result<BackupInfo, BackupError> {
    read_rows(path, |_, _, _| Ok(()))?;
    BackupInfo::read(path)
}

fn newest(backups: &Backups) -> Result<BackupInfo, BackupError> {
    let files = backups.files().map_err(|source| BackupError::Io { path: backups.dir().to_owned(), source })?;
    for path in files {
        match checked(&path) {
            Ok(info) => return Ok(info),
            Err(error) => tracing::warn!(%error, "a backup is passed over"),
        }
    }
    Err(BackupError::None(backups.dir().to_owned()))
}

/// Writes the rows into a new store, opens it as a gateway would, and looks whether everything is there.
fn fill(options: &SledOptions, fresh: &Path, backup: &BackupInfo) -> Result<u64, BackupError> {
    let fresh = options.clone().at(fresh);
    let mut checker = Checker::default();
    let (mut left_out, mut wanted) = (0, 0);
    SledStore::write_rows(&fresh, |write| {
        let mut group = Writes::new();
        read_rows(&backup.path, |table, key, value| {
            if checker.row(table, key, value) {
                wanted += 1;
                group.insert((table, key.to_vec()), Some(value.to_vec()));
            } else {
                left_out += 1;
            }
            if group.len() == GROUP { write(std::mem::take(&mut group)).map_err(BackupError::from) } else { Ok(()) }
        })?;
        write(group).map_err(BackupError::from)
    })?;
    let store = SledStore::open(&fresh)?;
    let mut found: u64 = 0;
    let counted = store.still(Pace::Full, |still| -> Result<(), BackupError> {
        still.rows(&mut |table, key, value| {
            let mut one = Checker::default();
            let good = one.row(table, key, value);
            found += u64::from(good);
            if good {
                Ok(())
            } else {
                Err(StoreError::Corrupt("a row that was just written cannot be read".to_owned()))
            }
        })?;
        Ok(())
    });
    store.close();
    counted?;
    // Opening adds rows of its own: its age, and sums where the backup is older than they are.
    if found < wanted {
        return Err(StoreError::Corrupt(format!("of {wanted} rows {found} were found again")).into());
    }
    Ok(left_out)
}

/// The fresh one takes the store's place in one step where the file system can do that.
fn swap(store: &Path, fresh: &Path, occupied: bool, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let aside = beside(store, "bad", at);
    if !occupied {
        if store.exists() {
            fs::remove_dir(store)?;
        }
        fs::rename(fresh, store)?;
    } else if renameat_with(CWD, fresh, CWD, store, RenameFlags::EXCHANGE).is_ok() {
        fs::rename(fresh, &aside)?;
    } else {
        // Between these two a start finds the one that was moved aside, and makes no new one.
        fs::rename(store, &aside)?;
        fs::rename(fresh, store)?;
    }
    let parent = store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()?;
    Ok(occupied.then_some(aside))
}
