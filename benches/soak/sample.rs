//! The gateway at a moment, as the kernel tells it, and how a figure grows.

use std::io;
use std::path::Path;

use super::memory::Memory;

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Minutes since the load began.
    pub(super) minutes: f64,
    /// Requests sent by then.
    pub(super) requests: f64,
    /// Resident memory and the files of the store, in bytes.
    pub(super) memory: f64,
    pub(super) store: f64,
    pub(super) descriptors: f64,
    pub(super) threads: f64,
}

impl Sample {
    pub(super) fn take(process: u32, store: &Path, minutes: f64, requests: u64) -> io::Result<Self> {
        let entries = |name: &str| Ok::<_, io::Error>(std::fs::read_dir(format!("/proc/{process}/{name}"))?.count());
        Ok(Self {
            minutes,
            requests: float(requests),
            memory: float(Memory::of(process).now()?),
            store: float(size(store)?),
            descriptors: float(entries("fd")?),
            threads: float(entries("task")?),
        })
    }
}

/// A count as a number to reckon with.
pub(super) fn float(count: impl TryInto<u64>) -> f64 {
    let count: u64 = count.try_into().unwrap_or(u64::MAX);
    let (high, low) = (u32::try_from(count >> 32).unwrap_or(u32::MAX), u32::try_from(count & 0xffff_ffff).unwrap_or(0));
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

fn size(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A file may go away between being listed and being asked.
        sum += match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path())?,
            Ok(found) => found.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}

/// The line of least squares through points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slope {
    /// Growth of the second figure for one of the first.
    pub(super) slope: f64,
    /// How uncertain that is: its standard error.
    pub(super) error: f64,
}

impl Slope {
    pub(super) fn of(points: &[(f64, f64)]) -> Self {
        let count = float(points.len());
        let sum = |of: &dyn Fn((f64, f64)) -> f64| points.iter().copied().map(of).sum::<f64>();
        let (mean_x, mean_y) = (sum(&|(x, _)| x) / count, sum(&|(_, y)| y) / count);
        let spread = sum(&|(x, _)| (x - mean_x).powi(2));
        let slope = sum(&|(x, y)| (x - mean_x) * (y - mean_y)) / spread;
        let rest = sum(&|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2));
        Self { slope, error: (rest / (count - 2.0) / spread).sqrt() }
    }

    /// Certainly above the limit: chance alone puts it that far above in one of forty runs.
    pub(super) fn is_above(self, limit: f64) -> bool {
        // A slope that cannot be told is none that is fine.
        let least = self.slope - 2.0 * self.error;
        least.is_nan() || least > limit
    }
}
