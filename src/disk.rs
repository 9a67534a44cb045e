//! The room on the disk of the store: below a threshold nothing new is begun, so that what runs can still be written (docs/store.md, Free
//! disk).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pooler_filter::{Reject, RejectKind};

/// It is not measured more often than this, and only when somebody asks.
const EVERY: Duration = Duration::from_secs(1);
/// What clients are asked to wait: room does not come back in a moment.
const COME_BACK: Duration = Duration::from_secs(30);
const UNKNOWN: u64 = u64::MAX;

/// How much room there is.
pub trait Space: fmt::Debug + Send + Sync {
    /// Bytes that this user may still write.
    ///
    /// # Errors
    /// The file system does not tell.
    fn free(&self) -> io::Result<u64>;
}

/// The file system of a directory.
#[derive(Debug)]
pub struct Volume(PathBuf);

impl Volume {
    /// That of this directory.
    #[must_use]
    pub fn of(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }
}

impl Space for Volume {
    fn free(&self) -> io::Result<u64> {
        let told = rustix::fs::statvfs(&self.0)?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }
}

/// Knows whether there is room for new work.
#[derive(Debug)]
pub(crate) struct DiskGuard {
    space: Arc<dyn Space>,
    /// Bytes that must stay free; 0: no matter how many.
    least: u64,
    began: Instant,
    /// Milliseconds since then at which it is measured again.
    due: AtomicU64,
    free: AtomicU64,
    low: AtomicBool,
}

impl DiskGuard {
    pub(crate) fn new(space: Arc<dyn Space>, least: u64) -> Self {
        let (due, free, low) = (AtomicU64::new(0), AtomicU64::new(UNKNOWN), AtomicBool::new(false));
        Self { space, least, began: Instant::now(), due, free, low }
    }

    /// Whether there is too little room to begin anything. One of those who ask measures, at most once a second; the others take what was
    /// found last.
    pub(crate) fn is_low(&self) -> bool {
        self.measure_at(self.began.elapsed());
        self.low.load(Ordering::Relaxed)
    }

    /// Free bytes, if the file system told.
    pub(crate) fn free(&self) -> Option<u64> {
        self.measure_at(self.began.elapsed());
        Some(self.free.load(Ordering::Relaxed)).filter(|free| *free != UNKNOWN)
    }

    /// Refuses new work while the disk is almost full: an overload of this gateway, which leaves no row (docs/decisions.md, E6).
    pub(crate) fn admit(&self) -> Result<(), Reject> {
        if self.is_low() {
            let message = "the disk of the gateway is almost full";
            return Err(Reject::new(RejectKind::Overloaded, "server_is_overloaded", message).retry_after(COME_BACK));
        }
        Ok(())
    }

    fn measure_at(&self, now: Duration) {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (now, due) = (millis(now), self.due.load(Ordering::Relaxed));
        let next = now.saturating_add(millis(EVERY));
        if now < due || self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        match self.space.free() {
            Ok(free) => {
                self.free.store(free, Ordering::Relaxed);
                self.found(free < self.least, free);
            }
            Err(error) => {
                // What nobody knows is no reason to refuse work: a write that fails stops the process all the same.
                self.free.store(UNKNOWN, Ordering::Relaxed);
                self.found(false, 0);
                tracing::warn!(%error, "the free room on the disk cannot be measured");
            }
        }
    }

    fn found(&self, low: bool, free: u64) {
        let least = self.least;
        match (self.low.swap(low, Ordering::Relaxed), low) {
            (false, true) => {
                tracing::error!(free, least, "the disk is almost full: no request and no refresh is begun")
            }
            (true, false) => tracing::info!(free, least, "the disk has room again"),
            (true, true) | (false, false) => {}
        }
    }
}

/// Bytes of all files in a directory and below.
pub(crate) fn size_of(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => total += size_of(&entry.path())?,
            Ok(found) => total += found.len(),
            // The engine replaces files while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Tells what it is told, and how often it was asked.
    #[derive(Debug, Default)]
    struct Told(Mutex<(Option<u64>, usize)>);

    impl Space for Told {
        fn free(&self) -> io::Result<u64> {
            let mut told = self.0.lock();
            told.1 += 1;
            told.0.ok_or_else(|| io::Error::other("nobody knows"))
        }
    }

    fn guard(least: u64, free: Option<u64>) -> (DiskGuard, Arc<Told>) {
        let told = Arc::new(Told(Mutex::new((free, 0))));
        (DiskGuard::new(told.clone(), least), told)
    }

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn work_is_refused_below_the_threshold_and_taken_again_above_it() {
        let (guard, told) = guard(100, Some(100));
        assert!(guard.admit().is_ok(), "just enough");
        told.0.lock().0 = Some(99);
        guard.measure_at(at(1500));
        let refused = guard.admit().unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code_str()), (503, "server_is_overloaded"));
        assert_eq!(refused.retry_after_seconds(), Some(30));
        told.0.lock().0 = Some(100);
        guard.measure_at(at(3000));
        assert!(!guard.low.load(Ordering::Relaxed));
    }

    #[test]
    fn it_is_measured_once_a_second_at_most_and_never_unasked() {
        let (guard, told) = guard(100, Some(500));
        assert_eq!(told.0.lock().1, 0);
        for millis in 0..=2000 {
            guard.measure_at(at(millis));
        }
        assert_eq!(told.0.lock().1, 3);
    }

    #[test]
    fn what_cannot_be_measured_refuses_nothing() {
        let (guard, _) = guard(100, None);
        assert!(guard.admit().is_ok() && guard.free().is_none());
    }

    #[test]
    fn a_real_file_system_tells_and_files_are_added_up() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Volume::of(directory.path()).free().unwrap() > 0);
        assert!(Volume::of(directory.path().join("gone")).free().is_err());
        std::fs::create_dir(directory.path().join("a")).unwrap();
        std::fs::write(directory.path().join("a/b"), [0; 10]).unwrap();
        std::fs::write(directory.path().join("c"), [0; 5]).unwrap();
        assert_eq!(size_of(directory.path()).unwrap(), 15);
    }
}
