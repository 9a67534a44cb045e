//! Settings of the way to Codex: connections, commit, order of the accounts, models.

use std::time::Duration;

use super::{MIB, secs};

/// `[upstream]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// The longest silence of an upstream, also before its first byte.
    pub idle_timeout: Duration,
    /// How long an idle connection is kept for the next request.
    pub pool_idle: Duration,
    /// How long the addresses of a name are remembered.
    pub resolve_ttl: Duration,
    /// Who we say we are: header `originator` of everything but native requests.
    pub originator: String,
    /// The same for the header `user-agent`.
    pub user_agent: String,
    /// Header `version`; none: not sent.
    pub version: Option<String>,
    /// Largest answer that is collected in memory, in bytes.
    pub max_response: usize,
    /// Largest event of a stream, in bytes.
    pub max_block: usize,
    /// Largest last event of a stream, in bytes.
    pub max_terminal_block: usize,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            connect_timeout: secs(15),
            idle_timeout: secs(5 * 60),
            pool_idle: secs(60),
            resolve_ttl: secs(60),
            originator: env!("CARGO_PKG_NAME").to_owned(),
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            version: None,
            max_response: 64 * MIB,
            max_block: 8 * MIB,
            max_terminal_block: 64 * MIB,
        }
    }
}

/// `[commit]` (docs/decisions.md, R2)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// `commit_deadline`: how long after its first event an answer without output is held back.
    pub deadline: Duration,
    /// `silent_commit`: how long an upstream may be silent before a stream's status is sent.
    pub silent: Duration,
    /// Most events that are held back.
    pub held_events: usize,
    /// Most bytes that are held back.
    pub held_bytes: usize,
}

impl Default for Commit {
    fn default() -> Self {
        Self { deadline: secs(2), silent: secs(10), held_events: 64, held_bytes: MIB }
    }
}

/// `[routing]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// How long an account that failed goes to the end of the order.
    pub demotion: Duration,
    /// How long it is remembered which account served a session.
    pub affinity_ttl: Duration,
    /// How many of these memories are kept.
    pub affinity_entries: usize,
}

impl Default for Routing {
    fn default() -> Self {
        Self { demotion: secs(60), affinity_ttl: secs(24 * 60 * 60), affinity_entries: 100_000 }
    }
}

/// `[catalog]` (docs/routing.md, Catalog)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Whether accounts are asked for their models.
    pub sync: bool,
    /// How often each of them is asked.
    pub interval: Duration,
    /// `client_version` of the question: which version of the catalog is asked for.
    pub client_version: String,
}

impl Catalog {
    /// The version of the catalog that this program understands. The upstream leaves out models that want a newer one.
    pub const CLIENT_VERSION: &str = "0.169.0";
}

impl Default for Catalog {
    fn default() -> Self {
        Self { sync: true, interval: secs(30 * 60), client_version: Self::CLIENT_VERSION.to_owned() }
    }
}

/// `[quota]` (docs/routing.md, Quota evidence)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Whether accounts that have not served for a while are asked for their quota.
    pub sync: bool,
    /// How often each of them is asked.
    pub interval: Duration,
}

impl Default for Quota {
    fn default() -> Self {
        Self { sync: true, interval: secs(5 * 60) }
    }
}

/// One of `[[models]]`. What is not written is as the accounts tell it, or else as the line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// The name that clients use.
    pub id: String,
    /// The name that the upstream uses; else the id.
    pub upstream_id: Option<String>,
    /// The name for people; else the id.
    pub display_name: Option<String>,
    /// Context window in tokens; else not known.
    pub context_window: Option<u64>,
    /// How much of it is told to clients, in percent: 1 to 100; else 95.
    pub effective_context_percent: Option<u8>,
    /// What it takes; else `text` and `image`.
    pub input_modalities: Option<Vec<String>>,
    /// Streams; else yes.
    pub supports_streaming: Option<bool>,
    /// Calls tools; else yes.
    pub supports_tools: Option<bool>,
    /// Reasons; else yes.
    pub supports_reasoning: Option<bool>,
    /// Takes `reasoning.summary`; else yes.
    pub supports_reasoning_summary: Option<bool>,
    /// Service tiers beyond the default one; else unknown, so every tier is passed on.
    pub service_tiers: Option<Vec<String>>,
    /// Unix seconds that clients see as its age; none: the age of the pool.
    pub created: Option<u64>,
    /// Nobody wrote it: it is offered only where no account has told its models yet.
    pub fallback: bool,
}

impl Model {
    /// The name that the upstream uses.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.upstream_id.as_deref().unwrap_or(&self.id)
    }
}
