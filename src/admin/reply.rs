//! What is answered: rows as commands show them and `--json` prints them. Moments are RFC 3339 texts in UTC.

use std::fmt;

use pooler_filter::Secret;
use serde::{Deserialize, Serialize};

use super::command::secret;

/// One piece of an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A pool.
    Pool(PoolRow),
    /// A key.
    Key(KeyRow),
    /// A key that was made just now, with its text.
    NewKey(NewKey),
    /// An account.
    Account(AccountRow),
    /// A model of a pool.
    Model(ModelRow),
    /// A request.
    Request(Box<RequestRow>),
    /// A backup of the store.
    Backup(BackupRow),
    /// Something the operator must know.
    Warning(String),
}

/// A backup of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRow {
    /// The file.
    pub file: String,
    /// When it was made.
    pub made_at: String,
    /// Revision of the control plane in it.
    pub rev: u64,
    /// Rows in it.
    pub rows: u64,
    /// Its size, in bytes.
    pub bytes: u64,
}

impl From<&crate::store::BackupInfo> for BackupRow {
    fn from(info: &crate::store::BackupInfo) -> Self {
        Self {
            file: info.path.display().to_string(),
            made_at: super::time::rfc3339(info.made_at),
            rev: info.rev,
            rows: info.rows,
            bytes: info.bytes,
        }
    }
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRow {
    /// Names it for ever.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// `active`, `disabled` or `archived`.
    pub status: String,
    /// Whether `/v1` answers.
    pub v1_compatibility: bool,
    /// Whether images may be made.
    pub images: bool,
    /// The most accounts that one request may try.
    pub ring_size: u32,
    /// Whether requests with the same prompt cache key prefer the same account.
    pub prompt_cache_affinity: bool,
    /// How many keys open it.
    pub keys: usize,
    /// How many accounts serve it.
    pub accounts: usize,
    /// When it was made.
    pub created_at: String,
}

/// A key, without what would open anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its public half.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Slug of the pool that it opens.
    pub pool: String,
    /// `active`, `paused` or `revoked`.
    pub status: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// The models that it may use; none: every model.
    pub models: Option<Vec<String>>,
    /// When it was made.
    pub created_at: String,
}

/// A key that was made just now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// The whole key. It is shown this once.
    #[serde(with = "secret")]
    pub key: Secret,
    /// What is kept of it.
    #[serde(flatten)]
    pub row: KeyRow,
}

/// An account, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// Names it for ever.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Where it stands, such as `active` or `reauth_required`.
    pub status: String,
    /// Slugs of the pools that it serves.
    pub pools: Vec<String>,
    /// The provider's account id.
    pub chatgpt_account_id: String,
    /// Address of the login, where known.
    pub email: Option<String>,
    /// Plan, where known.
    pub plan: Option<String>,
    /// The only place where its access token is sent to.
    pub origin: String,
    /// The only place where its refresh token is sent to.
    pub issuer: String,
    /// Made up for a simulator.
    pub simulated: bool,
    /// When its access token ends, where known.
    pub access_expires_at: Option<String>,
    /// What a running gateway knows of its quota.
    #[serde(default)]
    pub quota: Option<QuotaRow>,
    /// How often its tokens were replaced, the first import included.
    pub token_version: u64,
    /// When it was imported first.
    pub created_at: String,
}

/// What is known of an account's quota, and what follows for the order of accounts (docs/routing.md, Quota classes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRow {
    /// `precise`, `credit_backed`, `unknown`, `weekly_only`, `no_windows` or `exhausted`.
    pub class: String,
    /// Why.
    pub reason: String,
    /// When there is quota again, where it is exhausted and that is known.
    pub resets_at: Option<String>,
    /// Whole percent used of the primary window, where known.
    pub primary_used_percent: Option<u64>,
    /// The same of the weekly one.
    pub secondary_used_percent: Option<u64>,
    /// When something was told last.
    pub heard_at: Option<String>,
}

/// A model of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Slug of the pool.
    pub pool: String,
    /// The name that clients use.
    pub model: String,
    /// `listed`, `hidden` (usable by its name, in no list) or `stale` (no account has it any more, not usable).
    pub state: String,
    /// The name that the upstream uses.
    pub upstream_model: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// Whether it takes the lite form of requests.
    pub lite: bool,
    /// Tokens that clients are told of, where known.
    pub context_length: Option<u64>,
    /// Labels of the accounts that have it or have not told yet; none: any account of the pool.
    pub accounts: Option<Vec<String>>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Its id, as the client got it.
    pub request_id: String,
    /// When it came.
    pub at: String,
    /// `open`, `settled` or `lost`.
    pub state: String,
    /// Such as `POST /v1/responses`; none when nothing is known of it.
    pub route: Option<String>,
    /// `http_json`, `http_sse` or `websocket`.
    pub transport: Option<String>,
    /// Whether a stream was asked for.
    pub stream: Option<bool>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The model that answered, as the upstream names it.
    pub served_model: Option<String>,
    /// Slug of the pool, or its id when it is gone.
    pub pool: Option<String>,
    /// The key's public half.
    pub key: Option<String>,
    /// HTTP status that the client got.
    pub status: Option<u16>,
    /// `succeeded`, `failed`, `rejected` or `cancelled`; none while it runs.
    pub outcome: Option<String>,
    /// Code of the error that the client got.
    pub error_code: Option<String>,
    /// `known`, `unknown` (the upstream did not tell, which is not zero) or `pending`.
    pub usage_state: String,
    /// The tokens, when they are known.
    pub usage: Option<UsageRow>,
    /// Estimate from before it ran, in tokens of input and of output.
    pub estimated_tokens: Option<(u64, u64)>,
    /// Label of the account that served it.
    pub account: Option<String>,
    /// That account's id.
    pub account_id: Option<String>,
    /// All accounts that were tried, in order.
    pub attempts: Vec<AttemptRow>,
    /// Reasoning effort.
    pub reasoning_effort: Option<String>,
    /// Service tier that was asked for.
    pub service_tier: Option<String>,
    /// Service tier that served it.
    pub served_tier: Option<String>,
    /// Milliseconds until the client got its first byte.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds until the end.
    pub duration_ms: Option<u64>,
}

/// The tokens of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Input, cached ones included.
    pub input_tokens: u64,
    /// Of the input: from the cache.
    pub cached_tokens: u64,
    /// Of the input: written to the cache.
    pub cache_write_tokens: u64,
    /// Output, reasoning included.
    pub output_tokens: u64,
    /// Of the output: reasoning.
    pub reasoning_tokens: u64,
    /// Input and output.
    pub total_tokens: u64,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// Counts from 1.
    pub n: u32,
    /// Label of the account.
    pub account: String,
    /// Its id.
    pub account_id: String,
    /// What came of it.
    pub result: String,
    /// HTTP status of the upstream.
    pub upstream_status: Option<u16>,
    /// Code of the error.
    pub error_code: Option<String>,
    /// Milliseconds it took.
    pub latency_ms: u64,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Short and fixed, such as `not_found` or `expired_token`.
    pub code: String,
    /// For people; never a secret.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
