//! The store's directory: who may see it, who has it open, and that all of it is on disk.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// Held while the store is open. On the directory, not on a file in it: asking for it makes nothing.
pub(super) struct Lock {
    _directory: File,
}

/// Makes the directory, or makes an existing one private.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Takes the lock; none: somebody else holds it. Asks for a moment, because [`is_locked`] holds it for an instant too.
pub(super) fn lock(path: &Path) -> io::Result<Option<Lock>> {
    let directory = File::open(path)?;
    let deadline = Instant::now() + Duration::from_millis(100);
    loop {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Lock { _directory: directory })),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() >= deadline => return Ok(None),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn is_locked(path: &Path) -> io::Result<bool> {
    let directory = match File::open(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&directory, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Waits until nobody holds the engine's own lock on its data file, for two seconds at most.
pub(super) fn wait_until_free(data: &File) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while flock(data, FlockOperation::NonBlockingLockExclusive).is_err() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Syncs every file and every directory below, then the directory itself and the one it stands in.
pub(super) fn sync_all(path: &Path) -> io::Result<()> {
    sync_tree(path)?;
    let absolute = fs::canonicalize(path)?;
    absolute.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            match File::open(entry.path()) {
                Ok(file) => file.sync_all()?,
                // The engine replaces its snapshots while we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    File::open(directory)?.sync_all()
}
