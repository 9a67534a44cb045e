//! The catalog: which models each account told that it has, and since when a pool knows a model.

use std::fmt;
use std::sync::Arc;

use pooler_filter::{AccountId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

/// What one account told of its models, the last time that it could be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogSource {
    /// The account.
    pub account: AccountId,
    /// When it told.
    pub fetched_at: Timestamp,
    /// The `etag` of its answer, if it had one.
    pub etag: Option<String>,
    /// The models, each name once.
    pub models: Vec<CatalogModel>,
}

impl CatalogSource {
    /// Most models of one account.
    pub const MAX_MODELS: usize = 100;
}

/// The facts of a model as an account told them; none: it did not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatalogModel {
    /// The name that the upstream uses; not empty, without blanks.
    pub slug: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// Whether it is shown in lists; one that is not can be used by its name.
    pub listed: bool,
    /// Its place in lists: the smallest is first.
    pub priority: Option<i64>,
    /// Context window, in tokens.
    pub context_window: Option<u64>,
    /// How much of the window should be used, in percent: 1 to 100.
    pub effective_percent: Option<u8>,
    /// What it takes, such as `text` and `image`.
    pub input_modalities: Option<Vec<String>>,
    /// Takes the lite form of requests only.
    pub lite: bool,
    /// Reasons.
    pub reasoning: Option<bool>,
    /// Takes `reasoning.summary`.
    pub reasoning_summary: Option<bool>,
    /// Service tiers beyond the default one.
    pub service_tiers: Option<Vec<String>>,
    /// The whole entry as the account wrote it. It is too large to be stored: a new process asks again.
    #[serde(skip)]
    pub entry: Option<CatalogEntry>,
}

/// The entry of a model as an account wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The JSON object, byte for byte.
    pub text: Arc<str>,
    /// SHA-256 of what of it changes how requests are made: entries that differ in other words only are the same here.
    pub behaviour: [u8; 32],
}

impl fmt::Debug for CatalogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CatalogEntry({} bytes)", self.text.len())
    }
}

/// Since when a pool knows a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogSeen {
    /// The pool.
    pub pool: PoolId,
    /// The name that the upstream uses.
    pub model: String,
    /// When an account of the pool told of it for the first time.
    pub at: Timestamp,
}
