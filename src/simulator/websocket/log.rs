//! The websockets that were opened: what came over them and how they ended. A bounded list that tests can wait on.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

const KEPT: usize = 4_096;

/// One websocket since its handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SocketSeen {
    /// Id of its handshake in the record of requests.
    pub request: u64,
    /// Label of the account.
    pub account: String,
    /// Text messages of the client.
    pub messages: u64,
    /// Turns that were begun: neither warm-ups nor refused ones.
    pub turns: u64,
    /// Warm-ups that were begun.
    pub warm_ups: u64,
    /// Messages `response.processed`.
    pub processed: u64,
    /// Error frames for a message of the client, from the checks or by a fault.
    pub refused: u64,
    /// Pings of the client.
    pub pings: u64,
    /// Pongs of the client.
    pub pongs: u64,
    /// Messages sent to the client, error frames included.
    pub sent: u64,
    /// How it ended, once it has.
    pub closed: Option<SocketClosed>,
}

/// How a websocket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SocketClosed {
    /// Whether the client ended it.
    pub by_client: bool,
    /// The code of the first close frame; 1005 for one without a code, 1006 when there was none.
    pub code: u16,
}

/// The list. Every change is announced.
#[derive(Debug)]
pub(in crate::simulator) struct Log {
    sockets: Mutex<VecDeque<SocketSeen>>,
    changed: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Log {
        Log { sockets: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Log {
    /// Adds a socket; the oldest is forgotten for it.
    pub(super) fn open(&self, request: u64, account: &str) {
        let mut sockets = self.sockets.lock();
        if sockets.len() >= KEPT {
            sockets.pop_front();
        }
        sockets.push_back(SocketSeen { request, account: account.to_owned(), ..SocketSeen::default() });
        drop(sockets);
        self.announce();
    }

    /// Changes a socket that is still in the list.
    pub(super) fn edit(&self, request: u64, change: impl FnOnce(&mut SocketSeen)) {
        if let Some(socket) = self.sockets.lock().iter_mut().rfind(|socket| socket.request == request) {
            change(socket);
        }
        self.announce();
    }

    /// All sockets, oldest first.
    pub(in crate::simulator) fn all(&self) -> Vec<SocketSeen> {
        self.sockets.lock().iter().cloned().collect()
    }

    /// Forgets the sockets that have ended.
    pub(in crate::simulator) fn forget(&self) {
        self.sockets.lock().retain(|socket| socket.closed.is_none());
    }

    /// Waits until `f` holds for the list; false when it did not within `timeout`.
    pub(in crate::simulator) async fn wait_for(&self, f: impl Fn(&[SocketSeen]) -> bool, timeout: Duration) -> bool {
        let mut changes = self.changed.subscribe();
        let holds = || f(self.sockets.lock().make_contiguous());
        let wait = async {
            while !holds() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.is_ok() && holds()
    }

    fn announce(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }
}
