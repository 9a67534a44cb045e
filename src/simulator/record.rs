//! What the simulator was asked: a bounded list that tests can wait on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

const KEPT: usize = 8_192;
pub(super) const HIDDEN: &str = "[present]";

/// One request as it arrived, and what became of it.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Recorded {
    /// Counts from 1.
    pub id: u64,
    /// HTTP method; `WS` for a turn on a websocket.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// The query, if there was one; that of an upload, which is a credential, reads `[present]`.
    pub query: Option<String>,
    /// Label of the account the credentials belong to.
    pub account: Option<String>,
    /// All header names in lower case. Values only of headers that carry neither credentials nor user data; others read
    /// `[present]`, and `authorization` is replaced by the label of the account. Repeated headers are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the body as it came over the wire.
    pub body_bytes: usize,
    /// The decoded JSON body, when [`SimulatorConfig::record_bodies`](super::SimulatorConfig::record_bodies) is set.
    pub body: Option<Value>,
    /// Status of the answer, once there is one.
    pub status: Option<u16>,
    /// Why the simulator itself refused the request: a short code.
    pub refused: Option<String>,
    /// For a turn on a websocket: the id of its handshake.
    pub socket: Option<u64>,
    /// A turn on a websocket that generates nothing.
    pub warm_up: bool,
    /// How the answer ended, once it has.
    pub ended: Option<Ended>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Everything was handed to the connection.
    Served,
    /// The client left before that.
    ClientGone,
    /// A fault ended the connection.
    Broken,
}

/// The list. Every change is announced.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    first: u64,
    list: VecDeque<Recorded>,
}

impl Recorder {
    pub(super) fn new() -> Recorder {
        Recorder { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }

    /// Adds a request; answers its id.
    pub(super) fn open(&self, parts: &http::request::Parts) -> u64 {
        let recorded = Recorded {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: visible(&parts.headers),
            ..Recorded::default()
        };
        self.add(recorded)
    }

    /// Adds a turn that came as a message of `bytes` over a websocket; answers its id.
    pub(super) fn open_turn(&self, socket: u64, account: &str, path: &str, bytes: usize) -> u64 {
        let recorded = Recorded {
            method: "WS".to_owned(),
            path: path.to_owned(),
            account: Some(account.to_owned()),
            body_bytes: bytes,
            socket: Some(socket),
            ..Recorded::default()
        };
        self.add(recorded)
    }

    fn add(&self, recorded: Recorded) -> u64 {
        let mut inner = self.inner.lock();
        if inner.list.len() >= KEPT {
            inner.list.pop_front();
            inner.first += 1;
        }
        let id = inner.first + u64::try_from(inner.list.len()).unwrap_or(u64::MAX) + 1;
        inner.list.push_back(Recorded { id, ..recorded });
        drop(inner);
        self.announce();
        id
    }

    /// Changes a request that is still in the list.
    pub(super) fn edit(&self, id: u64, change: impl FnOnce(&mut Recorded)) {
        let mut inner = self.inner.lock();
        let at = id.checked_sub(inner.first + 1).and_then(|at| usize::try_from(at).ok());
        if let Some(recorded) = at.and_then(|at| inner.list.get_mut(at)) {
            change(recorded);
        }
        drop(inner);
        self.announce();
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.inner.lock().list.iter().cloned().collect()
    }

    pub(super) fn forget(&self) {
        let mut inner = self.inner.lock();
        inner.first += u64::try_from(inner.list.len()).unwrap_or(u64::MAX);
        inner.list.clear();
    }

    /// Waits until `f` holds for the list; false when it did not within `timeout`.
    pub(super) async fn wait_for(&self, f: impl Fn(&[Recorded]) -> bool, timeout: Duration) -> bool {
        let mut changes = self.changed.subscribe();
        let holds = || f(self.inner.lock().list.make_contiguous());
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

fn visible(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut out = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let shown = if is_open(name.as_str()) { String::from_utf8_lossy(value.as_bytes()) } else { HIDDEN.into() };
        out.entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&shown);
            })
            .or_insert_with(|| shown.into_owned());
    }
    out
}

fn is_open(name: &str) -> bool {
    const OPEN: [&str; 20] = [
        "accept",
        "accept-encoding",
        "chatgpt-account-id",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "openai-beta",
        "originator",
        "session-id",
        "session_id",
        "te",
        "thread-id",
        "transfer-encoding",
        "user-agent",
        "version",
        "x-client-request-id",
        "x-ms-blob-type",
    ];
    let family = ["x-codex-", "x-openai-", "x-responsesapi-"].iter().any(|prefix| name.starts_with(prefix));
    OPEN.contains(&name) || (family && name != "x-codex-turn-metadata")
}
