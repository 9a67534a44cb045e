//! Ports: what the host lends to filters. They are verbs, not repositories, and none of them waits on a remote store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;

use crate::{AccountId, Clock, KeyId, LocalReply, Outcome, PoolId, RequestId, Secret, Timestamp};

/// Names a port in a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Port {
    /// [`Keyring`].
    Keyring,
    /// [`Logins`].
    Logins,
    /// [`PoolView`].
    PoolView,
    /// [`Catalog`].
    Catalog,
    /// [`Ledger`].
    Ledger,
    /// [`Affinity`].
    Affinity,
    /// [`Files`].
    Files,
    /// [`Clock`].
    Clock,
}

/// All ports; the host fills it once at start.
#[derive(Clone)]
pub struct Ports {
    /// Verifies keys.
    pub keyring: Arc<dyn Keyring>,
    /// Answers the holders of an account's own login.
    pub logins: Arc<dyn Logins>,
    /// Shows the accounts of a pool.
    pub pool: Arc<dyn PoolView>,
    /// Knows the models.
    pub catalog: Arc<dyn Catalog>,
    /// Counts.
    pub ledger: Arc<dyn Ledger>,
    /// Remembers who served whom.
    pub affinity: Arc<dyn Affinity>,
    /// Knows the uploaded files.
    pub files: Arc<dyn Files>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It may.
    Active,
    /// Switched off for a while.
    Paused,
    /// Switched off for good.
    Revoked,
}

/// What a pool allows; a request keeps the snapshot that it started with.
#[derive(Debug, Clone)]
pub struct PoolFacts {
    /// The pool.
    pub id: PoolId,
    /// Its name in URLs and commands.
    pub slug: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it serves anybody.
    pub active: bool,
    /// Whether `/v1` may be used.
    pub v1_enabled: bool,
    /// Whether images may be made.
    pub images_allowed: bool,
    /// Most candidates that a request tries; at least 1.
    pub ring_size: usize,
    /// Whether the client's cache key decides the order.
    pub prompt_cache_affinity: bool,
}

/// What a key stands for.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// The public half of the key.
    pub id: KeyId,
    /// Whether it may be used.
    pub status: KeyStatus,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The models that it may use, in lower case; none: every model.
    pub allowed_models: Option<Vec<String>>,
    /// The pool that it opens.
    pub pool: Arc<PoolFacts>,
}

/// Verifies keys in constant time.
pub trait Keyring: Send + Sync {
    /// The key that this text is, whatever its status; none for a text that is no key of ours. Unknown ids, wrong secrets and malformed texts
    /// cost the same time.
    fn verify(&self, presented: &Secret) -> Option<Arc<KeyFacts>>;
}

/// Why the holder of a login is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoUsage {
    /// The text is the access token of no account.
    #[error("authorization is not the login of an account of this gateway")]
    UnknownLogin,
    /// It is, but not that of the account that was named, or the account is out of service.
    #[error("chatgpt-account-id is not the account of this login, or the account is out of service")]
    OtherAccount,
    /// Nothing is known of its usage yet.
    #[error("nothing is known of the usage of this account yet")]
    NothingKnown,
}

/// Answers whoever holds the login of an account itself instead of a key (docs/native.md, Usage).
pub trait Logins: Send + Sync {
    /// The usage of the account with this id of the upstream's, for the holder of its access token. Compares with every account, in constant
    /// time.
    ///
    /// # Errors
    /// [`NoUsage`].
    fn usage(&self, account: &str, token: &Secret) -> Result<LocalReply, NoUsage>;
}

/// Whether an account can take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Ready,
    /// It cannot: paused, or out of order.
    Unready,
    /// It cannot until somebody logs in again.
    LoginLost,
    /// Its quota is used up, until then if that is known.
    Exhausted(Option<Timestamp>),
}

/// How much is known of the quota of an account that can take a request: the better known come first (docs/routing.md, Quota classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum QuotaClass {
    /// There is quota left in all windows, as it told a moment ago.
    Precise,
    /// Its weekly window is full, and credits are left.
    CreditBacked,
    /// It has told nothing, or nothing that is still to be believed.
    #[default]
    Unknown,
    /// It told of its weekly window only.
    WeeklyOnly,
    /// It told of no window that has an end.
    Unmetered,
}

impl QuotaClass {
    /// The word for operators.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Precise => "precise",
            Self::CreditBacked => "credit_backed",
            Self::Unknown => "unknown",
            Self::WeeklyOnly => "weekly_only",
            Self::Unmetered => "no_windows",
        }
    }
}

/// An account as the order of candidates sees it.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// The account.
    pub account: AccountId,
    /// Its name for people.
    pub label: Arc<str>,
    /// Whether it can take a request.
    pub standing: Standing,
    /// What is known of its quota.
    pub quota: QuotaClass,
    /// Failed lately for this key and model.
    pub demoted: bool,
}

/// Shows the accounts of a pool as they stand now.
pub trait PoolView: Send + Sync {
    /// The accounts that are assigned to the pool, in a stable order. An empty `model` stands for work with files: it needs an account whose
    /// login is in order, and none of its quota.
    fn accounts(&self, pool: PoolId, key: &KeyId, model: &str) -> Vec<AccountView>;
}

/// What is known of a model.
#[derive(Debug, Clone, Default)]
pub struct ModelFacts {
    /// The name that clients use.
    pub id: String,
    /// The name that the upstream uses.
    pub upstream_id: String,
    /// Context window, in tokens.
    pub context_window: Option<u64>,
    /// Takes `reasoning.summary`.
    pub supports_reasoning_summary: bool,
    /// Takes images.
    pub supports_images: bool,
    /// Service tiers beyond the default one; none: unknown, so every tier is passed on.
    pub service_tiers: Option<Vec<String>>,
    /// Takes the lite form of requests only (docs/v1.md, Lite models).
    pub lite: bool,
    /// The accounts that have it; none: every account of the pool.
    pub sources: Option<Arc<[AccountId]>>,
    /// Those of them that have it as Codex CLI is told (docs/native.md, Models); none: all of them.
    pub native_sources: Option<Arc<[AccountId]>>,
}

/// Knows the models of a pool.
pub trait Catalog: Send + Sync {
    /// The model of that name, if the pool has it.
    fn model(&self, pool: PoolId, name: &str) -> Option<Arc<ModelFacts>>;

    /// All models that the pool shows to clients, the preferred first.
    fn models(&self, pool: PoolId) -> Vec<Arc<ModelFacts>>;

    /// The `ETag` of the models in the form of Codex CLI, as this key would get them now; None when there is none.
    fn etag(&self, key: &KeyFacts) -> Option<HeaderValue> {
        let _ = key;
        None
    }
}

/// How far an uploaded file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStanding {
    /// It can be used.
    Ready,
    /// Its upload is not finished.
    Pending,
    /// Its upload failed.
    Failed,
}

/// What is known of an uploaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// The account that has it: no other can read it.
    pub account: AccountId,
    /// How far it is.
    pub standing: FileStanding,
}

/// The table of files cannot be read now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the table of files cannot be read: {0}")]
pub struct FilesError(pub String);

/// Knows the uploaded files.
#[async_trait]
pub trait Files: Send + Sync {
    /// The file of that id, if this key of this pool made it and it has not expired.
    async fn file(&self, pool: PoolId, key: &KeyId, id: &str) -> Result<Option<FileFacts>, FilesError>;
}

/// What a seed of affinity stands for: a SHA-256 over pool, key, model, kind and value, so that no value is kept.
pub type AffinityKey = [u8; 32];

/// Remembers which account served a session, for a while. Losing it costs a cache miss, never correctness.
pub trait Affinity: Send + Sync {
    /// The account that served it last.
    fn get(&self, key: &AffinityKey) -> Option<AccountId>;
    /// Remembers that this account served it.
    fn put(&self, key: AffinityKey, account: AccountId);
}

/// The tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenUsage {
    /// The upstream told them, and they add up.
    Known {
        /// Input, cached ones included.
        input: u64,
        /// Input that came from the cache.
        cached: u64,
        /// Input written to the cache.
        cache_write: u64,
        /// Output, reasoning included.
        output: u64,
        /// Output spent on reasoning.
        reasoning: u64,
    },
    /// It did not, or they do not add up: never zero and never a guess (docs/decisions.md, A4).
    #[default]
    Unknown,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In one piece, over HTTP.
    HttpJson,
    /// As an event stream, over HTTP.
    HttpSse,
    /// As messages of a websocket.
    Websocket,
}

impl Transport {
    /// The word for the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpJson => "http_json",
            Self::HttpSse => "http_sse",
            Self::Websocket => "websocket",
        }
    }
}

/// What the ledger knows of a request from its start.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// The request.
    pub request: RequestId,
    /// The pool that pays.
    pub pool: PoolId,
    /// The key that asked.
    pub key: KeyId,
    /// [`crate::Route::name`].
    pub route: &'static str,
    /// The model that the client named; empty when it was not read.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// How it is answered.
    pub transport: Transport,
    /// Reasoning effort as sent upstream.
    pub effort: Option<String>,
    /// Service tier as sent upstream.
    pub service_tier: Option<String>,
    /// Estimate of the input, in tokens.
    pub estimated_input_tokens: u64,
    /// Upper estimate of the output, in tokens.
    pub estimated_output_tokens: u64,
    /// When the request's head had arrived.
    pub received_at: Timestamp,
}

/// What the ledger learns at the end of a request.
#[derive(Debug, Clone)]
pub struct SettlementFacts {
    /// The request; enough to make its row when it was never reserved.
    pub request: RequestFacts,
    /// How it ended.
    pub outcome: Outcome,
    /// What it took.
    pub usage: TokenUsage,
    /// The model that the upstream names.
    pub served_model: Option<String>,
    /// The service tier that the upstream names.
    pub served_tier: Option<String>,
}

/// The ledger cannot take an entry now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the ledger takes no entries: {0}")]
pub struct LedgerError(pub String);

/// An entry on its way to the disk.
#[async_trait]
pub trait Durable: Send + Sync {
    /// Whether it has arrived.
    fn is_done(&self) -> bool;
    /// Waits until it has, or cannot.
    async fn wait(&self) -> Result<(), LedgerError>;
}

/// Counts requests. Entries are queued here and durable later; the queue is bounded.
pub trait Ledger: Send + Sync {
    /// Opens a request. The first byte to the client waits for the entry.
    fn reserve(&self, facts: RequestFacts) -> Result<Arc<dyn Durable>, LedgerError>;
    /// Closes a request. A second settlement of the same one changes nothing.
    fn settle(&self, facts: SettlementFacts) -> Result<Arc<dyn Durable>, LedgerError>;
}
