//! Sums of what requests took, per key and span of time (docs/accounting.md, Sums).

use std::ops::AddAssign;

use pooler_filter::Timestamp;
use serde::{Deserialize, Serialize};

use super::ledger::{RequestRecord, Usage};

/// What the requests of a span took together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageSums {
    /// Requests that ended and for which an account was asked, those of unknown usage among them.
    pub requests: u64,
    /// Of these: of unknown usage. Their tokens are in no sum.
    pub unknown: u64,
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Of the input: read from the cache.
    pub cached: u64,
    /// Of the input: written to the cache.
    pub cache_write: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Of the output: reasoning.
    pub reasoning: u64,
}

impl UsageSums {
    /// Input and output tokens.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What a row adds to the sums and when it did; none while it is open, and for a request for which no account was asked.
    #[must_use]
    pub fn of(row: &RequestRecord) -> Option<(Timestamp, Self)> {
        let one = Self { requests: 1, ..Self::default() };
        let unknown = Self { unknown: 1, ..one };
        match (&row.settled, &row.lost) {
            (Some(settled), _) if settled.attempts.is_empty() => None,
            (Some(settled), _) => {
                let sums = match settled.usage {
                    Usage::Known { input, cached, cache_write, output, reasoning, .. } => {
                        Self { input, cached, cache_write, output, reasoning, ..one }
                    }
                    Usage::Unknown => unknown,
                };
                Some((settled.at, sums))
            }
            // It was reserved, so an account was about to be asked.
            (None, Some(lost)) => Some((lost.at, unknown)),
            (None, None) => None,
        }
    }
}

impl AddAssign for UsageSums {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.unknown, other.unknown),
            (&mut self.input, other.input),
            (&mut self.cached, other.cached),
            (&mut self.cache_write, other.cache_write),
            (&mut self.output, other.output),
            (&mut self.reasoning, other.reasoning),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The length of the spans that are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// An hour of UTC.
    Hour,
    /// A day of UTC.
    Day,
}

impl Span {
    const HOUR: u64 = 60 * 60;

    const fn seconds(self) -> u64 {
        match self {
            Self::Hour => Self::HOUR,
            Self::Day => 24 * Self::HOUR,
        }
    }

    /// Counts the spans since 1970; the one in which the moment is.
    #[must_use]
    pub fn number(self, moment: Timestamp) -> u32 {
        u32::try_from(moment.as_secs() / self.seconds()).unwrap_or(u32::MAX)
    }
}
