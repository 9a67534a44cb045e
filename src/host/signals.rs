//! Signals: SIGTERM and Ctrl-C end in good order, a second Ctrl-C ends at once, SIGHUP reads certificates again.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::server::Running;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Ctrl-C and SIGTERM, since it was made. It is made before anything is started: whoever is told to stop meanwhile still stops in good order.
pub(super) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// The runtime is the one that will wait for them.
    pub(super) fn listen(runtime: &Runtime) -> Self {
        let _inside = runtime.enter();
        Self { interrupt: listen(SignalKind::interrupt()), terminate: listen(SignalKind::terminate()) }
    }

    /// Returns at the first of them.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            () = next(&mut self.interrupt) => {}
            () = next(&mut self.terminate) => {}
        }
    }

    /// Does the last work; Ctrl-C ends the process at once.
    pub(super) async fn last(mut self, work: impl Future<Output = ()>) {
        tokio::select! {
            () = work => {}
            () = next(&mut self.interrupt) => std::process::exit(INTERRUPTED),
        }
    }
}

/// SIGHUP, since it was made.
pub(super) struct Hangup(Option<Signal>);

impl Hangup {
    /// The runtime is the one that will wait for it.
    pub(super) fn listen(runtime: &Runtime) -> Self {
        let _inside = runtime.enter();
        Self(listen(SignalKind::hangup()))
    }

    /// Reads the certificates again at each of them, for ever.
    async fn follow(mut self, running: &Running) {
        loop {
            next(&mut self.0).await;
            tracing::info!("certificates are read again");
            running.reload_certificates().await;
        }
    }
}

fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, "a signal cannot be listened to")).ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Lets the gateway run until it is told to stop.
pub(super) async fn run(running: Running, mut signals: Signals, hangup: Hangup) {
    tokio::select! {
        () = signals.stop() => {}
        () = hangup.follow(&running) => {}
    }
    tracing::info!("stopping: no new requests, streams may finish");
    signals.last(running.drain()).await;
}
