//! What is remembered of refreshes that did not help, so that whoever asks next does not pay for the same failure again.

use std::time::{Duration, Instant};

use pooler_filter::{Clock, Timestamp};

use super::RefreshError;
use crate::accounts::RefreshReason;
use crate::store::records::Version;

/// Pauses after a failure: the first one, and up to where it doubles while the failures go on.
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(5), LONGEST);
const UNCLEAR: (Duration, Duration) = (Duration::from_secs(15), LONGEST);
const STORE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5));
const OVER: (Duration, Duration) = (LONGEST, LONGEST);
const LONGEST: Duration = Duration::from_secs(60);
/// How long a token that was refused right after its refresh is not replaced by yet another one.
const REFUSED: Duration = Duration::from_secs(5 * 60);

/// A point in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    monotonic: Instant,
    wall: Timestamp,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { monotonic: Instant::now(), wall: clock.now() }
    }

    /// Whether it was less than `span` ago, by both clocks: the monotonic one may stand still while the machine sleeps, and the other one
    /// may be set back.
    fn is_within(self, span: Duration, now: Self) -> bool {
        now.monotonic.saturating_duration_since(self.monotonic) < span && now.wall.since(self.wall) < span
    }
}

/// What came of the last refreshes of one account.
#[derive(Debug, Default)]
pub(in crate::accounts) struct Memory {
    failed: Option<Failed>,
    refused: Option<(Version, Moment)>,
}

#[derive(Debug)]
struct Failed {
    version: Version,
    ended: Moment,
    pause: Duration,
    error: RefreshError,
}

impl Memory {
    /// The failure that is the answer for whoever began to ask at `asked`: one that ended while they waited for it, or one so recent that
    /// another try would be too early.
    pub(super) fn answer(
        &self,
        stale: Version,
        reason: RefreshReason,
        asked: Instant,
        now: Moment,
    ) -> Option<RefreshError> {
        let refused = self.refused.filter(|(version, at)| *version == stale && at.is_within(REFUSED, now));
        if reason == RefreshReason::UnauthorizedRecovery && refused.is_some() {
            return Some(RefreshError::RefusedAgain);
        }
        let failed = self.failed.as_ref().filter(|failed| failed.version == stale)?;
        let shared = asked <= failed.ended.monotonic || failed.ended.is_within(failed.pause, now);
        shared.then(|| failed.error.clone())
    }

    /// A refresh of this version failed. What nothing was tried for is not remembered.
    pub(super) fn failed(&mut self, version: Version, error: &RefreshError, ended: Moment) {
        let Some((first, longest)) = pauses(error) else { return };
        let before = self.failed.as_ref().filter(|failed| failed.version == version);
        let pause = before.map_or(first, |failed| failed.pause * 2).clamp(first, longest);
        self.failed = Some(Failed { version, ended, pause, error: error.clone() });
    }

    /// A refresh brought a token.
    pub(super) fn succeeded(&mut self) {
        self.failed = None;
    }

    /// The token of this version was refused although it came from a refresh just now.
    pub(super) fn refused(&mut self, version: Version, at: Moment) {
        self.refused = Some((version, at));
    }
}

const fn pauses(error: &RefreshError) -> Option<(Duration, Duration)> {
    match error {
        RefreshError::Unreachable(_) => Some(UNREACHABLE),
        RefreshError::Unclear(_) => Some(UNCLEAR),
        RefreshError::Store(_) => Some(STORE),
        RefreshError::LoginOver(_) => Some(OVER),
        RefreshError::InDoubt | RefreshError::RefusedAgain | RefreshError::Stopping => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: RefreshReason = RefreshReason::ProactiveExpiry;
    const V: Version = Version(3);

    /// So many seconds after the start, by both clocks.
    fn after(start: Moment, seconds: u64) -> Moment {
        let span = Duration::from_secs(seconds);
        Moment { monotonic: start.monotonic + span, wall: start.wall.plus(span) }
    }

    fn start() -> Moment {
        Moment { monotonic: Instant::now(), wall: Timestamp::from_secs(1_795_000_000) }
    }

    /// Whether somebody who asks at `at` is told of the failure.
    fn told(memory: &Memory, at: Moment) -> bool {
        memory.answer(V, REASON, at.monotonic, at).is_some()
    }

    #[test]
    fn who_waited_for_a_refresh_shares_its_failure_however_long_it_took() {
        let (mut memory, start) = (Memory::default(), start());
        memory.failed(V, &RefreshError::Unreachable("x".to_owned()), after(start, 10));
        let late = after(start, 1000);
        assert!(memory.answer(V, REASON, after(start, 9).monotonic, late).is_some());
        assert!(memory.answer(V, REASON, after(start, 11).monotonic, late).is_none());
        assert!(memory.answer(V.next(), REASON, after(start, 9).monotonic, late).is_none(), "another token");
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_a_success() {
        let (mut memory, mut now) = (Memory::default(), start());
        for pause in [5, 10, 20, 40, 60, 60] {
            memory.failed(V, &RefreshError::Unreachable("x".to_owned()), now);
            assert!(told(&memory, after(now, pause - 1)) && !told(&memory, after(now, pause)), "{pause}");
            now = after(now, pause);
        }
        memory.succeeded();
        memory.failed(V, &RefreshError::Unclear("x".to_owned()), now);
        assert!(told(&memory, after(now, 14)) && !told(&memory, after(now, 15)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_prolong_a_pause() {
        let (mut memory, start) = (Memory::default(), start());
        memory.failed(V, &RefreshError::Unreachable("x".to_owned()), start);
        let back = Moment { wall: Timestamp::from_secs(1), ..after(start, 5) };
        assert!(!told(&memory, back));
    }
}
