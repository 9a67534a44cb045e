//! A fault that lasts until somebody has seen enough.

use tokio::sync::watch;

/// Keeps the requests that it hits waiting until the fault is cleared; its clones end together.
#[derive(Debug, Clone, Default)]
pub struct Hold(watch::Sender<bool>);

impl Hold {
    /// Lets all of them go.
    pub(super) fn end(&self) {
        self.0.send_replace(true);
    }

    /// Waits for that.
    pub(in crate::simulator) async fn over(&self) {
        let mut over = self.0.subscribe();
        // It cannot fail: a sender lives here.
        let _ = over.wait_for(|over| *over).await;
    }
}
