//! Settings: what the program runs with. Checked, complete, and independent of how the file is written.

mod files;
mod serving;
mod state;
mod upstream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use files::Files;
pub use serving::{Admission, AdmissionLimits, Gateway, Limits, Operations, Sse, Tls, Websocket};
pub use state::{Accounts, Backup, Data, Ledger, Log, LogFormat, Secrets};
pub use upstream::{Catalog, Commit, Model, Quota, Routing, Upstream};

use super::catalog;
use crate::store::Backups;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Everything the file can say; `Settings::default()` is the empty file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The listener that clients use.
    pub gateway: Gateway,
    /// The listener for metrics and health.
    pub operations: Operations,
    /// Where state is kept.
    pub data: Data,
    /// Backups of the store.
    pub backup: Backup,
    /// What a request may take.
    pub limits: Limits,
    /// How Codex is called.
    pub upstream: Upstream,
    /// When an answer is committed to the client.
    pub commit: Commit,
    /// Streams to clients.
    pub sse: Sse,
    /// Websockets of clients.
    pub websocket: Websocket,
    /// Order of the accounts.
    pub routing: Routing,
    /// What is kept about requests.
    pub ledger: Ledger,
    /// Uploaded files.
    pub files: Files,
    /// Logins.
    pub accounts: Accounts,
    /// Which models the accounts have.
    pub catalog: Catalog,
    /// How much quota the accounts have.
    pub quota: Quota,
    /// The models that are configured; ids are unique.
    pub models: Vec<Model>,
    /// Where the root keys come from.
    pub secrets: Secrets,
    /// The log.
    pub log: Log,
}

impl Settings {
    /// The backups of the store.
    #[must_use]
    pub fn backups(&self) -> Backups {
        Backups::new(self.backup.dir.clone().unwrap_or_else(|| self.data.backups()), self.backup.keep)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway: Gateway::default(),
            operations: Operations::default(),
            data: Data::default(),
            backup: Backup::default(),
            limits: Limits::default(),
            upstream: Upstream::default(),
            commit: Commit::default(),
            sse: Sse::default(),
            websocket: Websocket::default(),
            routing: Routing::default(),
            ledger: Ledger::default(),
            files: Files::default(),
            accounts: Accounts::default(),
            catalog: Catalog::default(),
            quota: Quota::default(),
            models: catalog::default_models(),
            secrets: Secrets::default(),
            log: Log::default(),
        }
    }
}
