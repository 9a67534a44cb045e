//! How slow a client may be: it has so much time to move nothing, and bytes that it moves buy time back.
//!
//! With a deadline for each piece alone, a client that moves one byte just before each of them is served for ever. Here the time in which it
//! was waited for adds up, and only a client that keeps to the lowest rate gets it back.

use std::time::Duration;

use futures_util::poll;
use tokio::time::{Instant, timeout};

/// The time that a client has left. Only time in which it was waited for counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    most: Duration,
    /// Bytes for each second; 0: any byte buys all the time back.
    rate: usize,
    left: Duration,
}

/// The client was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    /// `most`: how long it may move nothing. `rate`: the fewest bytes a second over a longer time; 0: none.
    pub(crate) const fn new(most: Duration, rate: usize) -> Self {
        Self { most, rate, left: most }
    }

    /// Waits for the client to move something; `bytes` tells how much that was.
    pub(crate) async fn wait<T>(
        &mut self,
        moving: impl Future<Output = T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<T, TooSlow> {
        let mut moving = std::pin::pin!(moving);
        // What is there already costs no look at the clock.
        let moved = match poll!(&mut moving) {
            std::task::Poll::Ready(moved) => moved,
            std::task::Poll::Pending => {
                let since = Instant::now();
                let moved = timeout(self.left, moving).await.map_err(|_| TooSlow)?;
                self.left = self.left.saturating_sub(since.elapsed());
                moved
            }
        };
        self.earn(bytes(&moved));
        Ok(moved)
    }

    /// Waits for something that moves bytes while it goes on; `moved` tells how many so far.
    pub(crate) async fn watch<T>(
        &mut self,
        moving: impl Future<Output = T>,
        moved: impl Fn() -> u64,
    ) -> Result<T, TooSlow> {
        let mut moving = std::pin::pin!(moving);
        loop {
            let (before, since) = (moved(), Instant::now());
            let done = timeout(self.left, &mut moving).await;
            self.left = self.left.saturating_sub(since.elapsed());
            self.earn(usize::try_from(moved() - before).unwrap_or(usize::MAX));
            match done {
                Ok(done) => return Ok(done),
                Err(_) if self.left.is_zero() => return Err(TooSlow),
                Err(_) => {}
            }
        }
    }

    fn earn(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let nanos = match self.rate {
            0 => u64::MAX,
            rate => (bytes as u64).saturating_mul(1_000_000_000) / rate as u64,
        };
        self.left = self.left.saturating_add(Duration::from_nanos(nanos)).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const MOST: Duration = Duration::from_secs(30);
    const RATE: usize = 1024;

    /// Moves so many bytes after each pause, until it is too slow: how long that took.
    async fn serve(pace: &mut Pace, bytes: usize, pause: Duration, times: usize) -> Option<Duration> {
        let since = Instant::now();
        for _ in 0..times {
            if pace.wait(sleep(pause), |()| bytes).await.is_err() {
                return Some(since.elapsed());
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn one_byte_a_second_ends_about_when_silence_would() {
        let mut pace = Pace::new(MOST, RATE);
        let took = serve(&mut pace, 1, Duration::from_secs(1), 1000).await.expect("too slow");
        assert!(took >= MOST && took < MOST + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_to_the_rate_is_served_for_ever_and_after_a_burst_as_long_as_any() {
        let mut pace = Pace::new(MOST, RATE);
        assert_eq!(serve(&mut pace, 20 * RATE, Duration::from_secs(20), 1000).await, None);
        pace.wait(async {}, |()| 1 << 30).await.unwrap();
        let took = serve(&mut pace, 1, Duration::from_secs(1), 1000).await.expect("too slow");
        assert!(took < MOST + Duration::from_secs(1), "a burst buys no more than the whole time: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_in_its_time_and_without_a_rate_any_byte_is_enough() {
        assert_eq!(serve(&mut Pace::new(MOST, RATE), 1 << 20, MOST * 2, 1).await, Some(MOST));
        assert_eq!(serve(&mut Pace::new(MOST, 0), 1, MOST / 2, 1000).await, None);
        assert_eq!(serve(&mut Pace::new(MOST, 0), 0, MOST / 2, 1000).await, Some(MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_on_the_way_counts_too() {
        for (bytes, slow) in [(10_u64, true), (100 * RATE as u64, false)] {
            let moved = std::cell::Cell::new(0);
            let moving = async {
                for _ in 0..20 {
                    sleep(MOST / 2).await;
                    moved.set(moved.get() + bytes);
                }
            };
            let mut pace = Pace::new(MOST, RATE);
            assert_eq!(pace.watch(moving, || moved.get()).await.is_err(), slow, "{bytes}");
        }
    }
}
