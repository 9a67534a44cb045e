//! The room that all bodies in memory share: taken while a body is read and inflated, given back with the request.

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::Reject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::admission::overloaded;

/// Room is counted in pages, so that a semaphore of 32-bit permits covers any memory.
const PAGE: usize = 4096;

/// All the room.
#[derive(Debug)]
pub(crate) struct Budget {
    pages: Arc<Semaphore>,
    wait: Duration,
}

/// The room that one request holds.
#[derive(Debug)]
pub(crate) struct Room {
    pages: Arc<Semaphore>,
    wait: Duration,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: usize, wait: Duration) -> Self {
        Self { pages: Arc::new(Semaphore::new((bytes / PAGE).max(1))), wait }
    }

    /// No room yet; it grows.
    pub(crate) fn open(&self) -> Room {
        Room { pages: Arc::clone(&self.pages), wait: self.wait, held: None }
    }

    #[cfg(test)]
    fn free(&self) -> usize {
        self.pages.available_permits() * PAGE
    }
}

impl Room {
    /// None, and it cannot grow: stands where a room was taken from.
    pub(crate) fn nowhere() -> Self {
        Self { pages: Arc::new(Semaphore::new(0)), wait: Duration::ZERO, held: None }
    }

    /// Makes sure that room for so many bytes is held; waits a while for it, then refuses as overloaded.
    pub(crate) async fn grow_to(&mut self, bytes: usize) -> Result<(), Reject> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(PAGE).saturating_sub(held);
        let Ok(more @ 1..) = u32::try_from(more) else { return Ok(()) };
        let taken = tokio::time::timeout(self.wait, Arc::clone(&self.pages).acquire_many_owned(more)).await;
        let Ok(Ok(permit)) = taken else { return Err(overloaded()) };
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_shared_and_comes_back() {
        let budget = Budget::new(10 * PAGE, Duration::from_secs(5));
        let mut first = budget.open();
        first.grow_to(1).await.unwrap();
        first.grow_to(PAGE).await.unwrap();
        assert_eq!(budget.free(), 9 * PAGE);
        first.grow_to(8 * PAGE).await.unwrap();
        let mut second = budget.open();
        let refused = second.grow_to(3 * PAGE).await.unwrap_err();
        assert_eq!(refused.code_str(), "server_is_overloaded");
        drop(first);
        second.grow_to(10 * PAGE).await.unwrap();
        drop(second);
        assert_eq!(budget.free(), 10 * PAGE);
    }
}
