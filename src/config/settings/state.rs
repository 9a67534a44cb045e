//! Settings of what is kept: data, backups, ledger, logins, root keys, the log.

use std::path::PathBuf;
use std::time::Duration;

use super::{MIB, secs};
use crate::config::Origin;
use crate::secrets::KeySource;

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The directory; everything below belongs to this program.
    pub dir: PathBuf,
    /// Bytes that must stay free on its disk: below, nothing new is begun. 0: no matter how many.
    pub min_free: usize,
}

impl Data {
    /// The directory of the store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// The backups, unless they are configured to be elsewhere.
    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.dir.join("backups")
    }

    /// The socket that commands speak to.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("admin.sock")
    }

    /// The root key that a first start makes when none is configured. Beside the store, so that a copy of the store has no key.
    #[must_use]
    pub fn secrets_key(&self) -> PathBuf {
        self.dir.join("secrets.key")
    }
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: PathBuf::from("./data/codex-pooler"), min_free: 256 * MIB }
    }
}

/// `[backup]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// How often a backup is made, if something was stored since the last one; at the end of the process too. None: never.
    pub interval: Option<Duration>,
    /// How many are kept; at least 1.
    pub keep: usize,
    /// Where they are; none: [`Data::backups`].
    pub dir: Option<PathBuf>,
    /// A start that finds the store damaged moves it aside and restores the last backup, instead of stopping.
    pub restore_damaged: bool,
}

impl Default for Backup {
    fn default() -> Self {
        Self { interval: Some(secs(60 * 60)), keep: 3, dir: None, restore_damaged: false }
    }
}

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Days that the rows of requests are kept.
    pub retention_days: u32,
}

impl Ledger {
    /// The same as a span of time.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        secs(self.retention_days as u64 * 24 * 60 * 60)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { retention_days: 90 }
    }
}

/// `[accounts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// How long before its end an access token is refreshed.
    pub refresh_skew: Duration,
    /// Up to this much earlier still, so that accounts do not refresh all at once.
    pub refresh_jitter: Duration,
    /// Time for one refresh.
    pub refresh_timeout: Duration,
    /// Where imported logins are refreshed, unless the import says otherwise. Accounts keep theirs for ever.
    pub issuer: Origin,
    /// Where imported logins are used, unless the import says otherwise. Accounts keep theirs for ever.
    pub origin: Origin,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            refresh_skew: secs(5 * 60),
            refresh_jitter: secs(2 * 60),
            refresh_timeout: secs(20),
            issuer: Origin::openai_auth(),
            origin: Origin::chatgpt(),
        }
    }
}

/// `[secrets]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The root keys: the first one encrypts, all of them decrypt. Empty: the one of [`Data::secrets_key`].
    pub keys: Vec<KeySource>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What is logged, as directives of `tracing_subscriber::EnvFilter`; valid.
    pub filter: String,
    /// How.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
