//! What may be asked.

use pooler_filter::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::records::PoolStatus;

/// A command. Pools are named by slug or id, accounts by label or id, keys by id or name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a pool.
    PoolCreate {
        /// Its short name; put into lower case.
        slug: String,
        /// Its name for people; default: the slug.
        name: Option<String>,
    },
    /// Lists all pools.
    PoolList {},
    /// Shows one pool.
    PoolShow {
        /// Which.
        pool: String,
    },
    /// Changes a pool.
    PoolSet {
        /// Which.
        pool: String,
        /// What.
        change: PoolChange,
    },
    /// Makes a key. Its text is in the answer and nowhere else.
    KeyCreate {
        /// The pool that it opens.
        pool: String,
        /// Its name for people.
        name: String,
        /// When it ends.
        expires_at: Option<Timestamp>,
        /// The models that it may use; none: every model.
        models: Option<Vec<String>>,
    },
    /// Lists keys.
    KeyList {
        /// Of this pool only.
        pool: Option<String>,
    },
    /// Refuses a key for ever.
    KeyRevoke {
        /// Which.
        key: String,
    },
    /// Imports a login, or replaces the tokens of an account.
    AccountImport {
        /// Content of an `auth.json`.
        #[serde(with = "secret")]
        auth_json: Secret,
        /// The pool that it serves.
        pool: String,
        /// Its name for people; default: its address.
        label: Option<String>,
        /// Where its access token may be sent; default: as configured.
        origin: Option<String>,
        /// Where its refresh token may be sent; default: as the file says, or else as configured.
        issuer: Option<String>,
        /// Made up for a simulator.
        simulated: bool,
    },
    /// Lists accounts.
    AccountList {
        /// Of this pool only.
        pool: Option<String>,
    },
    /// Takes an account out of service.
    AccountPause {
        /// Which.
        account: String,
    },
    /// Takes it back.
    AccountResume {
        /// Which.
        account: String,
    },
    /// Removes an account and its tokens.
    AccountRemove {
        /// Which.
        account: String,
    },
    /// Lists models, as pools offer them.
    ModelList {
        /// Of this pool only.
        pool: Option<String>,
    },
    /// Lists the last requests, newest first.
    RequestList {
        /// At most so many.
        limit: usize,
    },
    /// Shows one request.
    RequestShow {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Makes a backup of the store.
    StoreBackup {},
}

/// What to change of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolChange {
    /// Its name for people.
    pub name: Option<String>,
    /// Whether its keys are let in.
    pub status: Option<PoolStatus>,
    /// Whether `/v1` answers.
    pub v1_compatibility: Option<bool>,
    /// Whether images may be made.
    pub images: Option<bool>,
    /// The most accounts that one request may try.
    pub ring_size: Option<u32>,
    /// Whether requests with the same prompt cache key prefer the same account.
    pub prompt_cache_affinity: Option<bool>,
}

impl Command {
    /// The command as a person types it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PoolCreate { .. } => "pool create",
            Self::PoolList {} => "pool list",
            Self::PoolShow { .. } => "pool show",
            Self::PoolSet { .. } => "pool set",
            Self::KeyCreate { .. } => "key create",
            Self::KeyList { .. } => "key list",
            Self::KeyRevoke { .. } => "key revoke",
            Self::AccountImport { .. } => "account import",
            Self::AccountList { .. } => "account list",
            Self::AccountPause { .. } => "account pause",
            Self::AccountResume { .. } => "account resume",
            Self::AccountRemove { .. } => "account remove",
            Self::ModelList { .. } => "models",
            Self::RequestList { .. } => "requests list",
            Self::RequestShow { .. } => "requests show",
            Self::StoreBackup {} => "store backup",
        }
    }

    /// What it is about, for the audit trail; never a secret.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::PoolCreate { slug, .. } => slug,
            Self::PoolShow { pool } | Self::PoolSet { pool, .. } => pool,
            Self::KeyCreate { pool, .. } | Self::AccountImport { pool, .. } => pool,
            Self::KeyList { pool } | Self::AccountList { pool } | Self::ModelList { pool } => {
                pool.as_deref().unwrap_or_default()
            }
            Self::KeyRevoke { key } => public_half(key),
            Self::AccountPause { account } | Self::AccountResume { account } | Self::AccountRemove { account } => {
                account
            }
            Self::RequestShow { id } => id,
            Self::PoolList {} | Self::RequestList { .. } | Self::StoreBackup {} => "",
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::PoolCreate { .. }
            | Self::PoolSet { .. }
            | Self::KeyCreate { .. }
            | Self::KeyRevoke { .. }
            | Self::AccountImport { .. }
            | Self::AccountPause { .. }
            | Self::AccountResume { .. }
            | Self::AccountRemove { .. } => true,
            Self::PoolList {}
            | Self::PoolShow { .. }
            | Self::KeyList { .. }
            | Self::AccountList { .. }
            | Self::ModelList { .. }
            | Self::RequestList { .. }
            | Self::RequestShow { .. }
            | Self::StoreBackup {} => false,
        }
    }
}

/// The public half of what may be a whole key: people paste whole keys where an id is asked for.
pub(super) fn public_half(key: &str) -> &str {
    const LENGTH: usize = "sk-cxp-".len() + 12;
    let key = key.trim();
    if key.starts_with("sk-") { &key[..key.floor_char_boundary(LENGTH)] } else { key }
}

/// A secret on the wire is its text; everywhere else it cannot be printed.
pub(super) mod secret {
    use pooler_filter::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.expose())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}
