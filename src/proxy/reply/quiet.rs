//! The silence between the pieces of an answer, after which the client needs a sign that its connection still works.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Measures one silence after the other.
///
/// Most of them are short. Setting a timer for each would cost more than the look at the clock when it begins, so there is one timer, which
/// is only moved when it fires too early.
pub(super) struct Quiet {
    /// How long a silence may be; none: as long as it wants.
    most: Option<Duration>,
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Quiet {
    /// A silence that begins now.
    pub(super) fn new(most: Option<Duration>) -> Self {
        Self { most, since: Instant::now(), timer: None }
    }

    /// Another one begins now.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// Resolves when it was too long. May be dropped while it waits.
    pub(super) async fn too_long(&mut self) {
        let Some(most) = self.most else { return std::future::pending().await };
        let end = self.since + most;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            timer.as_mut().await;
            if Instant::now() >= end {
                return;
            }
            timer.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const MOST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_silence_has_its_whole_time() {
        let start = Instant::now();
        let mut quiet = Quiet::new(Some(MOST));
        for _ in 0..7 {
            assert!(timeout(Duration::from_secs(4), quiet.too_long()).await.is_err());
            quiet.begin();
        }
        for number in 1..4 {
            quiet.too_long().await;
            assert_eq!(start.elapsed().as_secs(), 28 + 10 * number);
            quiet.begin();
        }
        sleep(2 * MOST).await;
        let late = Instant::now();
        quiet.too_long().await;
        assert_eq!(late.elapsed(), Duration::ZERO, "it is over already");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_it_is_never_too_long() {
        assert!(timeout(1000 * MOST, Quiet::new(None).too_long()).await.is_err());
    }
}
