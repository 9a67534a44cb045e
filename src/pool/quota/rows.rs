//! Rows of evidence: one for each window of a limit and each way of telling. How a row takes over what is told next, how long it is believed,
//! and which of several rows counts (docs/routing.md, Quota evidence).

use std::cmp::Ordering;
use std::time::Duration;

use pooler_filter::Timestamp;

/// For so long a row is believed.
pub(super) const FRESH: Duration = Duration::from_secs(15 * 60);
/// A row may be so much ahead of the clock, which somebody may have set back.
pub(super) const SKEW: Duration = Duration::from_secs(5 * 60);
/// A window that is emptier than told before counts as begun anew once it has been told so for this long.
const CONFIRMED: Duration = Duration::from_secs(3 * 60);
/// Resets this close to each other are one.
const SAME_RESET: Duration = Duration::from_secs(5 * 60);
/// A stale row whose reset is further behind the newest is of a window that has gone by.
const BEHIND: Duration = Duration::from_secs(60 * 60);
/// A limit that was told again for this long, but without its primary window, has lost it.
const SUPERSEDED: Duration = FRESH;

/// Minutes of a day, and of four weeks: a window of more than the one and less than the other is the secondary one.
pub(super) const DAY: u64 = 24 * 60;
const FOUR_WEEKS: u64 = 28 * DAY;

/// One window of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// How much of it is used, in percent.
    pub(crate) used_percent: f64,
    /// How long it is.
    pub(crate) minutes: u64,
    /// When it begins anew, if that is known.
    pub(crate) reset_at: Option<Timestamp>,
}

/// What a window is: by its duration, never by the slot that it was told in (docs/decisions.md, R6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of hours, or of a month.
    Primary,
    /// Of a week.
    Secondary,
}

/// How something was told, the most trusted way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The event `codex.rate_limits`.
    Event,
    /// Headers of an answer.
    Headers,
    /// A refusal.
    Refusal,
    /// The usage endpoint.
    Usage,
}

impl Window {
    pub(super) const fn kind(&self) -> Kind {
        if self.minutes > DAY && self.minutes < FOUR_WEEKS { Kind::Secondary } else { Kind::Primary }
    }

    pub(super) const fn is_monthly(&self) -> bool {
        self.minutes >= FOUR_WEEKS
    }
}

/// One window as it was told in one way last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) source: Source,
    pub(super) window: Window,
    pub(super) observed_at: Timestamp,
    dropping: Option<Dropping>,
}

/// The window was told to be emptier than before, which is not believed yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dropping {
    since: Timestamp,
    told_at: Timestamp,
    reset_at: Option<Timestamp>,
}

impl Row {
    pub(super) const fn new(source: Source, window: Window, observed_at: Timestamp) -> Self {
        Self { source, window, observed_at, dropping: None }
    }

    /// Whether it is still believed: told a moment ago, and its window has not begun anew.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        is_fresh(self.observed_at, now) && !self.is_over(now)
    }

    /// Whether its window has begun anew.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.window.reset_at.is_some_and(|at| at <= now)
    }

    /// Whether it says nothing any more: it is old, and its window has begun anew or nobody knows when.
    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        !is_fresh(self.observed_at, now) && self.window.reset_at.is_none_or(|at| at <= now)
    }

    pub(super) fn is_full(&self) -> bool {
        self.window.used_percent >= 100.0
    }

    /// There is something left, and it is known until when.
    pub(super) fn is_usable(&self, now: Timestamp) -> bool {
        self.is_fresh(now) && !self.is_full() && self.window.reset_at.is_some()
    }

    /// A row without an end tells little.
    const fn precedence(&self) -> i8 {
        match self.source {
            _ if self.window.reset_at.is_none() => -20,
            Source::Event => 90,
            Source::Headers | Source::Refusal => 80,
            Source::Usage => 60,
        }
    }

    /// Takes over the same window as told again. One that is emptier than it was, before its end, may be an answer that was overtaken by
    /// another one: it has to be told again.
    fn take_over(&mut self, window: Window, now: Timestamp) {
        let drops = self.is_fresh(now) && window.used_percent < self.window.used_percent;
        let dropping = self.dropping.filter(|dropping| dropping.goes_on(&window, now));
        match dropping {
            _ if !drops => *self = Self::new(self.source, window, now),
            Some(dropping) if now.since(dropping.since) >= CONFIRMED => *self = Self::new(self.source, window, now),
            Some(dropping) => {
                self.dropping = Some(Dropping { told_at: now, reset_at: window.reset_at, ..dropping });
            }
            None => self.dropping = Some(Dropping { since: now, told_at: now, reset_at: window.reset_at }),
        }
    }
}

impl Dropping {
    /// Whether it is the same new window that is told. As long as nothing of a window is used, its end moves with the time.
    fn goes_on(&self, window: &Window, now: Timestamp) -> bool {
        match (self.reset_at, window.reset_at) {
            (Some(before), Some(after)) => {
                before.since(after) <= SAME_RESET && after.since(before) <= SAME_RESET + now.since(self.told_at)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Whether what was told then is still believed.
pub(super) fn is_fresh(observed_at: Timestamp, now: Timestamp) -> bool {
    now.since(observed_at) < FRESH && observed_at.since(now) <= SKEW
}

/// Takes over a window, in place of what the same source told of its kind before.
pub(super) fn take_over(rows: &mut Vec<Row>, source: Source, window: Window, now: Timestamp) {
    match rows.iter_mut().find(|row| row.source == source && row.window.kind() == window.kind()) {
        Some(row) => row.take_over(window, now),
        None => rows.push(Row::new(source, window, now)),
    }
}

/// The row that counts of each kind, the primary one first.
pub(super) fn select(rows: &[Row], now: Timestamp) -> [Option<&Row>; 2] {
    let [primary, secondary] = [Kind::Primary, Kind::Secondary].map(|kind| select_kind(rows, kind, now));
    let lost = |row: &&Row| {
        let later = secondary.map_or(Duration::ZERO, |sibling| sibling.observed_at.since(row.observed_at));
        !row.is_fresh(now) && later >= SUPERSEDED
    };
    [primary.filter(|row| !lost(row)), secondary]
}

fn select_kind(rows: &[Row], kind: Kind, now: Timestamp) -> Option<&Row> {
    let of_kind = || rows.iter().filter(move |row| row.window.kind() == kind);
    let newest = of_kind().filter(|row| row.is_fresh(now)).filter_map(|row| row.window.reset_at).max();
    let behind = |row: &&Row| {
        let gap = newest.zip(row.window.reset_at).map_or(Duration::ZERO, |(newest, at)| newest.since(at));
        !row.is_fresh(now) && gap > BEHIND
    };
    of_kind().filter(|row| !behind(row)).max_by(|a, b| rank(a, b, now))
}

/// Fresh before stale, and the fuller before the emptier: it is safer to believe it.
fn rank(a: &Row, b: &Row, now: Timestamp) -> Ordering {
    let by = |row: &Row| (row.is_usable(now), row.window.reset_at, row.precedence(), row.observed_at);
    let fresh = a.is_fresh(now).cmp(&b.is_fresh(now));
    fresh.then(a.window.used_percent.total_cmp(&b.window.used_percent)).then_with(|| by(a).cmp(&by(b)))
}

#[cfg(test)]
mod tests;
