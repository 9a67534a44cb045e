//! Logical backups: every row of a store at one moment, in one file that can be checked and restored (docs/store.md, Backups).
//!
//! Tokens stand in it as they stand in the store, sealed; the root key never does.

mod frames;
mod keeper;
mod restore;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use pooler_filter::Timestamp;

use self::frames::{Reader, Unreadable, Writer};
pub use self::keeper::BackupKeeper;
pub use self::restore::{Restored, refuse_if_gone, restore};
use super::codec::{MetaNumber, Table, decode, key};
use super::control::Rev;
use super::verify::{Checker, Report};
use super::{Pace, STORE_FORMAT, SledStore, StoreError};
use crate::admin::time::rfc3339;

const BEGINS: &str = "store-";
const ENDS: &str = ".backup";
const DRAFT: &str = ".tmp";

/// A backup, as its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// The file.
    pub path: PathBuf,
    /// When it was made.
    pub made_at: Timestamp,
    /// Revision of the control plane.
    pub rev: Rev,
    /// Rows in it.
    pub rows: u64,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store that was restored cannot be opened, or another process has the one that is there.
    #[error(transparent)]
    Open(#[from] super::StoreOpenError),
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file is no whole backup.
    #[error("the backup {} cannot be used: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// There is nothing to restore from.
    #[error("there is no usable backup in {}", .0.display())]
    None(PathBuf),
    /// A store is there, and nobody said that it may be replaced.
    #[error("there is a store {} already: `--replace` moves it aside", .0.display())]
    Exists(PathBuf),
    /// The process is stopping.
    #[error("it was broken off")]
    Stopped,
}

/// The directory of the backups of one store.
#[derive(Debug, Clone)]
pub struct Backups {
    dir: PathBuf,
    keep: usize,
}

impl Backups {
    /// Backups in this directory, of which the newest `keep` are kept; at least one.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, keep: usize) -> Self {
        Self { dir: dir.into(), keep: keep.max(1) }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The files, newest first by their names. No directory: none.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = self.named(BEGINS, ENDS)?;
        found.sort();
        found.reverse();
        Ok(found)
    }

    fn named(&self, begins: &str, ends: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(begins) && name.ends_with(ends) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// The newest backup whose head can be read.
    #[must_use]
    pub fn newest(&self) -> Option<BackupInfo> {
        self.files().ok()?.iter().find_map(|path| BackupInfo::read(path).ok())
    }

    /// Makes a backup of what is stored now, while the store goes on. Blocks; gives up when `stop` is set. Older backups beyond those that
    /// are kept are deleted, but only once the new one is complete and on disk.
    ///
    /// # Errors
    /// [`BackupError`]; the backups that were there stay.
    pub fn make(
        &self,
        store: &SledStore,
        at: Timestamp,
        pace: Pace,
        stop: &AtomicBool,
    ) -> Result<BackupInfo, BackupError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(io(&self.dir))?;
        let (path, draft) = self.names(at).map_err(io(&self.dir))?;
        let made = store.still(pace, |still| {
            // One picture at a time, so what lies here is of a process that died.
            for old in self.named(".", DRAFT).map_err(io(&self.dir))? {
                fs::remove_file(&old).map_err(io(&old))?;
            }
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(io(&draft))?;
            let mut writer = Writer::new(file).map_err(io(&draft))?;
            let (mut rev, mut failed) = (0, None);
            let read = still.rows(&mut |table, key, value| {
                if stop.load(Ordering::Relaxed) {
                    failed = Some(BackupError::Stopped);
                    return Err(StoreError::Unavailable(String::new()));
                }
                if table == Table::Meta && key == key::meta("rev") {
                    rev = decode::<MetaNumber>(key, value).map_or(0, |number| number.0);
                }
                writer.row(table, key, value).map_err(|error| {
                    failed = Some(io(&draft)(error));
                    StoreError::Unavailable(String::new())
                })
            });
            if let Err(error) = read {
                return Err(failed.unwrap_or(error.into()));
            }
            writer.finish(STORE_FORMAT, at, rev).map_err(io(&draft))
        });
        if let Err(error) = made {
            // What is left of it is removed by the next one otherwise.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        fs::rename(&draft, &path).map_err(io(&path))?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io(&self.dir))?;
        for old in self.files().map_err(io(&self.dir))?.into_iter().skip(self.keep) {
            fs::remove_file(&old).map_err(io(&old))?;
        }
        BackupInfo::read(&path)
    }

    /// A name that is behind those of all that are there, whatever the clock says, and that of its draft.
    fn names(&self, at: Timestamp) -> io::Result<(PathBuf, PathBuf)> {
        let number = |path: &PathBuf| -> Option<u64> {
            path.file_name()?.to_str()?.strip_prefix(BEGINS)?.split('-').next()?.parse().ok()
        };
        let last = self.files()?.iter().filter_map(number).max().unwrap_or(0);
        let name = format!("{BEGINS}{:08}-{}", last.saturating_add(1), rfc3339(at).replace([':', '-'], ""));
        Ok((self.dir.join(format!("{name}{ENDS}")), self.dir.join(format!(".{name}{DRAFT}"))))
    }
}

impl BackupInfo {
    /// Reads the head of a backup.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] or [`BackupError::Io`].
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let reader = Reader::open(path).map_err(|why| unreadable(path, why))?;
        let head = reader.head;
        let bytes = fs::metadata(path).map_err(|source| BackupError::Io { path: path.to_owned(), source })?.len();
        Ok(Self { path: path.to_owned(), made_at: head.made_at, rev: head.rev, rows: head.rows, bytes })
    }

    /// Reads the whole backup and checks every row in it.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] or [`BackupError::Io`]; rows that are whole and wrong are in the report.
    pub fn verify(path: &Path) -> Result<Report, BackupError> {
        let mut checker = Checker::default();
        read_rows(path, |table, key, value| {
            checker.row(table, key, value);
            Ok(())
        })?;
        Ok(checker.finish())
    }
}

fn read_rows(
    path: &Path,
    mut visit: impl FnMut(Table, &[u8], &[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut failed = None;
    let read = Reader::open(path).and_then(|reader| {
        reader.rows(|table, key, value| {
            visit(table, key, value).map_err(|error| {
                failed = Some(error);
                Unreadable::Damaged(String::new())
            })
        })
    });
    match (read, failed) {
        (_, Some(error)) => Err(error),
        (Ok(_), None) => Ok(()),
        (Err(why), None) => Err(unreadable(path, why)),
    }
}

fn unreadable(path: &Path, why: Unreadable) -> BackupError {
    match why {
        Unreadable::Io(source) => BackupError::Io { path: path.to_owned(), source },
        Unreadable::Damaged(detail) => BackupError::Damaged { path: path.to_owned(), detail },
    }
}

#[cfg(test)]
mod tests;
