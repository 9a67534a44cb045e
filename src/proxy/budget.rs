//! The room that all bodies in memory share: taken while a body is read and inflated, given back with the request.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pooler_filter::Reject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::admission::overloaded;

/// Room is counted in pages, so that a semaphore of 32-bit permits covers any memory.
const PAGE: usize = 4096;
/// From here on a body is large.
pub(crate) const LARGE: usize = 1024 * 1024;
/// What a rewrite may add to any request without memory of its own.
const ADDED: usize = 64 * 1024;
/// What a large body may come to: so many of them are unpacked at once as fit into memory whole.
const LARGE_BODY: usize = 64 * 1024 * 1024;

/// All the room.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    all: usize,
    pages: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    wait: Duration,
}

/// The room that one request holds.
#[derive(Debug)]
pub(crate) struct Room {
    all: usize,
    pages: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    wait: Duration,
    held: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: usize, wait: Duration) -> Self {
        let all = (bytes / PAGE).max(1);
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let turns = processors.min(bytes / LARGE_BODY).max(1);
        Self { all, pages: Arc::new(Semaphore::new(all)), turns: Arc::new(Semaphore::new(turns)), wait }
    }

    /// No room yet; it grows.
    pub(crate) fn open(&self) -> Room {
        let (pages, turns) = (Arc::clone(&self.pages), Arc::clone(&self.turns));
        Room { all: self.all, pages, turns, wait: self.wait, held: None, turn: None }
    }

    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.all.saturating_sub(self.pages.available_permits()) * PAGE
    }
}

impl Room {
    /// None, and it cannot grow: stands where a room was taken from.
    pub(crate) fn nowhere() -> Self {
        let none = Arc::new(Semaphore::new(0));
        Self { all: 0, pages: Arc::clone(&none), turns: none, wait: Duration::ZERO, held: None, turn: None }
    }

    /// Makes sure that room for so many bytes is held; waits a while for it, then refuses as overloaded.
    pub(crate) async fn grow_to(&mut self, bytes: usize) -> Result<(), Reject> {
        let Some(more) = self.missing(bytes)? else { return Ok(()) };
        let taken = tokio::time::timeout(self.wait, Arc::clone(&self.pages).acquire_many_owned(more)).await;
        let Ok(Ok(permit)) = taken else { return Err(overloaded()) };
        self.take(permit);
        Ok(())
    }

    /// Room for so many bytes and for what is worked with beside them, as far as there is so much at all.
    pub(crate) async fn grow_with(&mut self, bytes: usize, beside: usize) -> Result<(), Reject> {
        self.grow_to(bytes.max((bytes + beside).min(self.all.saturating_mul(PAGE)))).await
    }

    /// Waits for a turn to unpack or to rewrite a large body: many at once would each get a part of the memory, and none of them enough.
    pub(crate) async fn turn(&mut self) -> Result<(), Reject> {
        if self.turn.is_none() {
            let turn = tokio::time::timeout(self.wait, Arc::clone(&self.turns).acquire_owned()).await;
            self.turn = Some(turn.ok().and_then(Result::ok).ok_or_else(overloaded)?);
        }
        Ok(())
    }

    /// It is done.
    pub(crate) fn end_turn(&mut self) {
        self.turn = None;
    }

    /// A body of so many bytes is about to be rewritten. A large one waits for its turn and for room for the copies that are made of it:
    /// of the value that changes, and of the whole.
    pub(crate) async fn rewrite(&mut self, bytes: usize) -> Result<(), Reject> {
        if bytes <= LARGE {
            return Ok(());
        }
        self.turn().await?;
        let wanted = self.held().saturating_add(bytes.saturating_mul(2));
        self.grow_to(wanted.min(self.all.saturating_mul(PAGE))).await
    }

    /// It has become so many bytes, the only ones that are left of it. Those are in memory already: nobody waits, and what there is no room
    /// for is refused.
    pub(crate) fn rewritten(&mut self, bytes: usize) -> Result<(), Reject> {
        self.end_turn();
        self.grow_now(bytes.saturating_sub(ADDED))?;
        self.shrink_to(bytes);
        Ok(())
    }

    /// Like [`Self::grow_to`] for bytes that are in memory already: nobody waits while they are held, they are refused at once.
    pub(crate) fn grow_now(&mut self, bytes: usize) -> Result<(), Reject> {
        let Some(more) = self.missing(bytes)? else { return Ok(()) };
        let permit = Arc::clone(&self.pages).try_acquire_many_owned(more).map_err(|_| overloaded())?;
        self.take(permit);
        Ok(())
    }

    /// Gives back what is held above so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if let Some(held) = &mut self.held {
            drop(held.split(held.num_permits().saturating_sub(bytes.div_ceil(PAGE))));
        }
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.pages_held() * PAGE
    }

    fn pages_held(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// How many pages are missing. What is more than there is at all is not waited for: whoever waits stands before all others.
    fn missing(&self, bytes: usize) -> Result<Option<u32>, Reject> {
        let wanted = bytes.div_ceil(PAGE);
        let more = wanted.saturating_sub(self.pages_held());
        if more > 0 && wanted > self.all {
            return Err(overloaded());
        }
        Ok(u32::try_from(more).ok().filter(|more| *more > 0))
    }

    fn take(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
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
        assert_eq!(budget.held(), PAGE);
        first.grow_to(8 * PAGE).await.unwrap();
        let mut second = budget.open();
        let refused = second.grow_to(3 * PAGE).await.unwrap_err();
        assert_eq!(refused.code_str(), "server_is_overloaded");
        drop(first);
        second.grow_to(10 * PAGE).await.unwrap();
        drop(second);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_fit_waits_for_nobody_and_what_is_there_already_neither() {
        let budget = Budget::new(10 * PAGE, Duration::from_secs(5));
        let before = tokio::time::Instant::now();
        let (mut first, mut second) = (budget.open(), budget.open());
        assert!(first.grow_to(11 * PAGE).await.is_err());
        first.grow_now(8 * PAGE).unwrap();
        assert_eq!(second.grow_now(3 * PAGE).unwrap_err().code_str(), "server_is_overloaded");
        first.shrink_to(7 * PAGE - 1);
        assert_eq!((first.held(), budget.held()), (7 * PAGE, 7 * PAGE));
        second.grow_now(3 * PAGE).unwrap();
        first.shrink_to(0);
        assert_eq!(budget.held(), 3 * PAGE);
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
