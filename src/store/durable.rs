//! The handle that tells when a ledger event is on disk: cheap to clone, to ask and to wait for.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::StoreError;

/// What appending an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It had its effect.
    Recorded,
    /// The request had an event of this kind, or had ended, already: nothing changed.
    Repeated,
}

/// A ledger event on its way to the disk.
#[derive(Debug, Clone)]
pub struct Durable(Arc<State>);

#[derive(Debug, Default)]
struct State {
    result: OnceLock<Result<Appended, StoreError>>,
    done: Notify,
}

impl Durable {
    /// A handle and the one right to resolve it.
    pub(super) fn pending() -> (Self, Resolver) {
        let state = Arc::new(State::default());
        (Self(state.clone()), Resolver(state))
    }

    /// A handle that is resolved from the start.
    #[must_use]
    pub fn resolved(result: Result<Appended, StoreError>) -> Self {
        let (durable, resolver) = Self::pending();
        resolver.resolve(result);
        durable
    }

    /// Whether it is on disk or has failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.result.get().is_some()
    }

    /// What came of it, if that is known by now.
    #[must_use]
    pub fn peek(&self) -> Option<Result<Appended, StoreError>> {
        self.0.result.get().cloned()
    }

    /// Waits until it is on disk or has failed. Any number of tasks may wait.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it was certainly not stored, [`StoreError::Unknown`] when nobody knows.
    pub async fn wait(&self) -> Result<Appended, StoreError> {
        loop {
            let mut woken = std::pin::pin!(self.0.done.notified());
            // Registered before the look, so that a result between look and wait is not missed.
            woken.as_mut().enable();
            if let Some(result) = self.0.result.get() {
                return result.clone();
            }
            woken.await;
        }
    }
}

/// The right to resolve a [`Durable`]. Dropped without use, the outcome is unknown.
#[derive(Debug)]
pub(super) struct Resolver(Arc<State>);

impl Resolver {
    pub(super) fn resolve(self, result: Result<Appended, StoreError>) {
        self.settle(result);
    }

    fn settle(&self, result: Result<Appended, StoreError>) {
        if self.0.result.set(result).is_ok() {
            self.0.done.notify_waiters();
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.settle(Err(StoreError::Unknown("the store stopped".to_owned())));
    }
}
