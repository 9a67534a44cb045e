//! Bulkheads: how many requests of a class run at once, how many wait, and for how long (docs/v1.md, Admission).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pooler_filter::{Reject, RejectKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::route::Class;
use crate::config;

/// What an overloaded gateway asks clients to wait.
const COME_BACK: Duration = Duration::from_secs(2);

/// The refusal of an overloaded gateway (docs/decisions.md, E6).
pub(crate) fn overloaded() -> Reject {
    let message = "gateway route class is temporarily overloaded";
    Reject::new(RejectKind::Overloaded, "server_is_overloaded", message).retry_after(COME_BACK)
}

/// A place to run in, as long as it is held.
pub(crate) type Place = OwnedSemaphorePermit;

/// The bulkheads of all classes.
#[derive(Debug)]
pub(crate) struct Bulkheads {
    http: Bulkhead,
    stream: Bulkhead,
    websocket: Bulkhead,
    compact: Bulkhead,
    files: Bulkhead,
    audio: Bulkhead,
}

impl Bulkheads {
    pub(crate) fn new(limits: &config::AdmissionLimits) -> Self {
        Self {
            http: Bulkhead::new(&limits.http),
            stream: Bulkhead::new(&limits.stream),
            websocket: Bulkhead::new(&limits.websocket),
            compact: Bulkhead::new(&limits.compact),
            files: Bulkhead::new(&limits.files),
            audio: Bulkhead::new(&limits.audio),
        }
    }

    /// All of them by name, with how many requests run and wait in each.
    pub(crate) fn occupied(&self) -> [(&'static str, usize, usize); 6] {
        let all = [
            ("http", &self.http),
            ("stream", &self.stream),
            ("websocket", &self.websocket),
            ("compact", &self.compact),
            ("files", &self.files),
            ("audio", &self.audio),
        ];
        all.map(|(class, bulkhead)| (class, bulkhead.running(), bulkhead.waiting.load(Ordering::Relaxed)))
    }

    /// The one for a request of this class.
    pub(crate) const fn of(&self, class: Class, streams: bool) -> &Bulkhead {
        match class {
            Class::Model if streams => &self.stream,
            Class::Model => &self.http,
            Class::Turn => &self.websocket,
            Class::Compact => &self.compact,
            Class::Files => &self.files,
            Class::Audio => &self.audio,
        }
    }
}

/// One class of requests.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    places: usize,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    wait: Duration,
}

/// Counts a waiting request, also when it stops waiting because its client left.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bulkhead {
    pub(crate) fn new(limits: &config::Admission) -> Self {
        Self {
            places: limits.running,
            running: Arc::new(Semaphore::new(limits.running)),
            waiting: AtomicUsize::new(0),
            queue: limits.queued,
            wait: limits.wait,
        }
    }

    fn running(&self) -> usize {
        self.places.saturating_sub(self.running.available_permits())
    }

    /// A place to run in, until it is dropped. First come, first served.
    pub(crate) async fn enter(&self) -> Result<Place, Reject> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(overloaded());
        }
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout(self.wait, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulkhead(running: usize, queued: usize) -> Bulkhead {
        Bulkhead::new(&config::Admission { running, queued, wait: Duration::from_secs(10) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_a_waiting_request_in_time() {
        let bulkhead = bulkhead(1, 1);
        let running = bulkhead.enter().await.unwrap();
        let mut second = std::pin::pin!(bulkhead.enter());
        assert!(futures_util::poll!(&mut second).is_pending());
        let refused = bulkhead.enter().await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code_str()), (503, "server_is_overloaded"));
        assert_eq!((refused.error_type(), refused.retry_after_seconds()), ("server_error", Some(2)));
        assert!(second.await.is_err(), "nobody left within the wait");
        drop(running);
        drop(bulkhead.enter().await.unwrap());
    }

    #[tokio::test]
    async fn a_request_that_stops_waiting_frees_its_place_in_the_queue() {
        let bulkhead = bulkhead(1, 1);
        let running = bulkhead.enter().await.unwrap();
        {
            let mut gone = std::pin::pin!(bulkhead.enter());
            assert!(futures_util::poll!(&mut gone).is_pending());
        }
        let mut next = std::pin::pin!(bulkhead.enter());
        assert!(futures_util::poll!(&mut next).is_pending(), "it waits, it is not refused");
        drop(running);
        drop(next.await.unwrap());
    }
}
