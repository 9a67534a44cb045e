//! Records an operator changes: pools, keys, accounts and which account serves which pool.
//!
//! `version` is the record's own counter. A record is put back with the version it was read at (0: it must not exist yet); the
//! store refuses it when somebody else was faster, and writes the next version.

use std::fmt;

use pooler_filter::{AccountId, KeyId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

/// A pool: a group of accounts that its keys share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// Names the pool for ever.
    pub id: PoolId,
    /// Short unique name: lowercase letters and digits with single hyphens inside.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// Whether its keys are let in.
    pub status: PoolStatus,
    /// How it routes.
    pub settings: PoolSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// See the module.
    pub version: u64,
}

/// Whether the keys of a pool are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolStatus {
    /// The only status that lets keys in.
    Active,
    /// Switched off for now.
    Disabled,
    /// Switched off for good; only an archived pool can be deleted.
    Archived,
}

/// How a pool routes. A change counts for new requests only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// Order of the accounts.
    pub routing_strategy: RoutingStrategy,
    /// The most accounts one request may try; at least 1.
    pub bridge_ring_size: u32,
    /// Requests with the same prompt cache key prefer the same account.
    pub prompt_cache_affinity_enabled: bool,
    /// Whether `/v1` answers at all.
    pub v1_compatibility_enabled: bool,
    /// Whether image routes and the image tool are allowed.
    pub allow_image_generation: bool,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            routing_strategy: RoutingStrategy::BridgeRing,
            bridge_ring_size: 3,
            prompt_cache_affinity_enabled: true,
            v1_compatibility_enabled: true,
            allow_image_generation: true,
        }
    }
}

/// Order of the accounts of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingStrategy {
    /// Rendezvous order, cut to the ring size.
    #[default]
    BridgeRing,
}

/// A key of a pool. The secret part is not here: only its keyed digest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The public half, `sk-cxp-<12 hex>`.
    pub id: KeyId,
    /// The pool it opens.
    pub pool: PoolId,
    /// Name for people.
    pub name: String,
    /// Whether it is let in.
    pub status: KeyStatus,
    /// From this moment on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// HMAC-SHA256 of the secret part.
    pub digest: KeyDigest,
    /// Which pepper made the digest.
    pub pepper_id: String,
    /// Goes up with every pause and revocation; work begun under an older epoch is refused.
    pub epoch: u64,
    /// What it may ask for.
    pub policy: KeyPolicy,
    /// See the module.
    pub version: u64,
}

/// Whether a key is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Let in.
    Active,
    /// Refused until it is made active again.
    Paused,
    /// Refused for ever.
    Revoked,
}

/// Keyed digest of a key's secret part; its `Debug` tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(***)")
    }
}

/// What a key may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPolicy {
    /// None: every model. Empty: none. Else only these, in lowercase.
    pub allowed_models: Option<Vec<String>>,
}

/// An upstream account, without its tokens ([`super::TokenRecord`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Names the account for ever.
    pub id: AccountId,
    /// Unique name for people.
    pub label: String,
    /// The provider's account id; unique together with `origin`.
    pub chatgpt_account_id: String,
    /// The provider's user id, when known.
    pub chatgpt_user_id: Option<String>,
    /// Address of the login, when known.
    pub email: Option<String>,
    /// Plan as the provider names it, when known.
    pub plan: Option<String>,
    /// The only origin its access token may be sent to.
    pub origin: String,
    /// The only issuer its refresh token may be sent to.
    pub issuer: String,
    /// OAuth client the tokens belong to.
    pub client_id: String,
    /// Data residency the account asks for, when it has one.
    pub residency: Option<String>,
    /// Made up for the simulator: never sent to a real origin.
    pub simulated: bool,
    /// Where it stands.
    pub status: AccountStatus,
    /// When it was imported.
    pub created_at: Timestamp,
    /// See the module.
    pub version: u64,
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Made, not yet linked.
    Pending,
    /// Serves.
    Active,
    /// A token refresh is on its way; the present access token still serves text.
    Refreshing,
    /// A refresh must happen before it serves again.
    RefreshDue,
    /// The last refresh failed; it is tried again later.
    RefreshFailed,
    /// The login is gone: only a new import helps.
    ReauthRequired,
    /// Paused by an operator.
    Paused,
    /// Switched off by an operator.
    Disabled,
    /// Out of order until an operator acts.
    Errored,
    /// Removed; its tokens are gone.
    Deleted,
}

impl AccountStatus {
    /// Whether text requests may go to it.
    #[must_use]
    pub const fn routes_text(self) -> bool {
        matches!(self, Self::Active | Self::Refreshing)
    }

    /// Whether file requests may go to it.
    #[must_use]
    pub const fn routes_files(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Whether its tokens may be refreshed.
    #[must_use]
    pub const fn refreshes(self) -> bool {
        matches!(self, Self::Active | Self::Refreshing | Self::RefreshDue | Self::RefreshFailed)
    }
}

/// An account serves a pool. One account may serve several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentRecord {
    /// The pool.
    pub pool: PoolId,
    /// The account.
    pub account: AccountId,
    /// Where this assignment stands, apart from the account itself.
    pub status: AccountStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// See the module.
    pub version: u64,
}

/// Texts of the closed sets, as commands, reports and `--json` show them.
macro_rules! texts {
    ($name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $name {
            /// The value as text, as commands and reports show it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value this text names.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

texts!(PoolStatus { Active = "active", Disabled = "disabled", Archived = "archived" });
texts!(KeyStatus { Active = "active", Paused = "paused", Revoked = "revoked" });
texts!(RoutingStrategy { BridgeRing = "bridge_ring" });
texts!(AccountStatus {
    Pending = "pending",
    Active = "active",
    Refreshing = "refreshing",
    RefreshDue = "refresh_due",
    RefreshFailed = "refresh_failed",
    ReauthRequired = "reauth_required",
    Paused = "paused",
    Disabled = "disabled",
    Errored = "errored",
    Deleted = "deleted",
});
