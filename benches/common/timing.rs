//! How long a call takes: many batches of calls, and of their means the middle one.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// A batch is long against the clock's own cost.
const BATCH: Duration = Duration::from_millis(2);
/// How long one measurement goes on.
const TOTAL: Duration = Duration::from_millis(600);
/// What is measured at least, where one call is long.
const FEWEST: usize = 9;

/// The time of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) median: Duration,
    /// Of the batches; where a batch is one call, of the calls.
    pub(crate) p99: Duration,
}

impl Timing {
    /// Bytes in a time, as MB/s.
    pub(crate) fn megabytes(self, bytes: usize) -> f64 {
        f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / self.median.as_secs_f64() / 1e6
    }
}

/// Times a call.
pub(crate) fn time<T>(mut call: impl FnMut() -> T) -> Timing {
    let since = Instant::now();
    let mut warm = 0_u32;
    while since.elapsed() < BATCH * 5 {
        drop(black_box(call()));
        warm += 1;
    }
    let calls = (warm / 5).max(1);
    let mut batches = Vec::new();
    let since = Instant::now();
    while since.elapsed() < TOTAL || batches.len() < FEWEST {
        let batch = Instant::now();
        for _ in 0..calls {
            drop(black_box(call()));
        }
        batches.push(batch.elapsed() / calls);
    }
    batches.sort_unstable();
    Timing { median: batches[batches.len() / 2], p99: batches[batches.len() * 99 / 100] }
}
