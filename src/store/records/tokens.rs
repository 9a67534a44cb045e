//! The tokens of an account and where a refresh of them stands.
//!
//! Two counters with two meanings: the fence says who may send the refresh token, the version says what may be stored. A result
//! that stems from the stored version is always kept, because it may be the only valid token there is.

use std::fmt;

use pooler_filter::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

/// Lineage of an account's tokens: goes up by one with each stored import or refresh. 0: none stored yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version a result that stems from this one is stored, and sealed, under.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The right to send one refresh; goes up with each begun refresh and each import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// A pair of tokens, each sealed for its account, its kind and the version it is stored under.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTokens {
    /// Sealed refresh token.
    pub refresh: Vec<u8>,
    /// Sealed access token.
    pub access: Vec<u8>,
    /// When the access token ends, if it says so.
    pub access_expires_at: Option<Timestamp>,
}

impl fmt::Debug for SealedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedTokens").field("access_expires_at", &self.access_expires_at).finish_non_exhaustive()
    }
}

/// All that is stored about the tokens of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Whose tokens.
    pub account: AccountId,
    /// Lineage of `tokens`.
    pub version: Version,
    /// The tokens to use, sealed under `version`.
    pub tokens: SealedTokens,
    /// The last right to send that was given out.
    pub fence: Fence,
    /// A refresh that was begun and has no known end.
    pub intent: Option<Intent>,
    /// Results that lost against a newer version; the newest last, at most [`TokenRecord::MAX_ORPHANS`].
    pub orphans: Vec<Orphan>,
    /// When this record last changed.
    pub updated_at: Timestamp,
}

impl TokenRecord {
    /// How many parked results are kept; the oldest goes first.
    pub const MAX_ORPHANS: usize = 4;
}

/// A refresh that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The version whose refresh token is, or was, to be sent.
    pub version: Version,
    /// The right to send it.
    pub fence: Fence,
    /// When it began.
    pub at: Timestamp,
    /// A byte of it may have left: from then on the refresh token may be used up.
    pub sent: bool,
}

/// A refresh result that could not become the current one, kept for repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The version it stems from; it is sealed under the next one.
    pub parent: Version,
    /// The tokens.
    pub tokens: SealedTokens,
    /// When it was parked.
    pub at: Timestamp,
}
