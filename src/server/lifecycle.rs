//! Where the process stands: starting, ready, draining; and how much is in flight.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::IntGauge;
use tokio::sync::watch;

use crate::telemetry::Metrics;

/// Shared by everything that begins or ends work.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    ready: AtomicBool,
    in_flight: watch::Sender<usize>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { ready: AtomicBool::new(false), in_flight: watch::Sender::new(0) }
    }
}

/// One request in flight, until it is dropped.
pub(crate) struct Busy<'a> {
    lifecycle: &'a Lifecycle,
    gauge: &'a IntGauge,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.gauge.dec();
        self.lifecycle.in_flight.send_modify(|n| *n -= 1);
    }
}

/// A websocket that is open, until it is dropped. It is no request, but the end waits for it.
pub(crate) struct Socket<'a> {
    lifecycle: &'a Lifecycle,
    gauge: &'a IntGauge,
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        self.gauge.dec();
        self.lifecycle.in_flight.send_modify(|n| *n -= 1);
    }
}

/// Work that is no request and that the end waits for, until it is dropped.
pub(crate) struct Hold<'a> {
    lifecycle: &'a Lifecycle,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.lifecycle.in_flight.send_modify(|n| *n -= 1);
    }
}

impl Lifecycle {
    /// The end waits for something: the last bytes of a connection.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.in_flight.send_modify(|n| *n += 1);
        Hold { lifecycle: self }
    }

    /// A websocket is open.
    pub(crate) fn open<'a>(&'a self, metrics: &'a Metrics) -> Socket<'a> {
        self.in_flight.send_modify(|n| *n += 1);
        metrics.websockets().inc();
        Socket { lifecycle: self, gauge: metrics.websockets() }
    }

    /// A request begins.
    pub(crate) fn enter<'a>(&'a self, metrics: &'a Metrics) -> Busy<'a> {
        self.in_flight.send_modify(|n| *n += 1);
        metrics.in_flight().inc();
        Busy { lifecycle: self, gauge: metrics.in_flight() }
    }

    /// Everything is in place.
    pub(crate) fn ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// No new work.
    pub(crate) fn drain(&self) {
        self.ready.store(false, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn in_flight(&self) -> usize {
        *self.in_flight.borrow()
    }

    /// Returns when nothing is in flight.
    pub(crate) async fn idle(&self) {
        let mut watching = self.in_flight.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = watching.wait_for(|n| *n == 0).await;
    }
}
