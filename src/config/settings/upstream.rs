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

/// One of `[[models]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name that clients use.
    pub id: String,
    /// The name that the upstream uses.
    pub upstream_id: String,
    /// The name for people.
    pub display_name: String,
    /// Context window in tokens, where known.
    pub context_window: Option<u64>,
    /// How much of it is told to clients, in percent: 1 to 100.
    pub effective_context_percent: u8,
    /// What it takes, such as `text` and `image`.
    pub input_modalities: Vec<String>,
    /// Streams.
    pub supports_streaming: bool,
    /// Calls tools.
    pub supports_tools: bool,
    /// Reasons.
    pub supports_reasoning: bool,
    /// Takes `reasoning.summary`.
    pub supports_reasoning_summary: bool,
    /// Service tiers beyond the default one; none: unknown, so every tier is passed on.
    pub service_tiers: Option<Vec<String>>,
    /// Unix seconds that clients see as its age; none: the age of the pool.
    pub created: Option<u64>,
}
