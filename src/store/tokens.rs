//! The trait for tokens: a refresh token is sent by one and never twice, and what came of it is never thrown away.

use std::fmt;

use async_trait::async_trait;
use pooler_filter::{AccountId, Timestamp};

use super::records::{AccountStatus, Fence, SealedTokens, TokenRecord, Version};
use super::{Actor, StoreError};

/// The right to send one refresh.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshGrant {
    /// The account.
    pub account: AccountId,
    /// Proves the right.
    pub fence: Fence,
    /// The version the refresh token is sealed under; the result is sealed under the next one.
    pub version: Version,
    /// The sealed refresh token.
    pub refresh: Vec<u8>,
}

impl fmt::Debug for RefreshGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshGrant")
            .field("account", &self.account)
            .field("fence", &self.fence)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Why a refresh that was begun is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortKind {
    /// No byte was sent. Refused with [`super::Clash::Sent`] once it was marked as sent.
    NotSent,
    /// The provider refused for certain; the token was not used up, or is gone for good.
    Refused,
    /// Nobody knows, and the old access token is at its end: there is nothing left to lose by sending the old one again.
    LastResort,
}

/// Stores the tokens of accounts. Every answer is durable before it is given, `read` included.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// The tokens as they stand on disk.
    async fn read(&self, account: AccountId) -> Result<TokenRecord, StoreError>;

    /// Takes the right to send the refresh token of version `expect`, and records the intent, in one step. Refused while another
    /// intent has no end, also after a restart: see [`TokenRecord::intent`] and [`TokenStore::abort_refresh`].
    async fn begin_refresh(
        &self,
        account: AccountId,
        expect: Version,
        at: Timestamp,
    ) -> Result<RefreshGrant, StoreError>;

    /// To be called before the first byte is written: after a crash, an intent without this mark was certainly not sent.
    async fn mark_sent(&self, account: AccountId, fence: Fence) -> Result<(), StoreError>;

    /// Stores a result. Asks for the version it stems from, not for the fence: a late result may be the only valid token. Can be
    /// repeated with the same sealed bytes. [`super::Clash::Version`]: something newer is stored, park this one.
    async fn commit_refresh(
        &self,
        account: AccountId,
        parent: Version,
        new: SealedTokens,
        at: Timestamp,
    ) -> Result<Version, StoreError>;

    /// Ends an intent without a result. Only for the holder of its fence.
    async fn abort_refresh(&self, account: AccountId, fence: Fence, why: AbortKind) -> Result<(), StoreError>;

    /// Changes the account's status, if its tokens are still at `expect`; a control-plane change with a revision of its own.
    async fn set_state(
        &self,
        account: AccountId,
        expect: Version,
        status: AccountStatus,
        actor: &Actor,
    ) -> Result<(), StoreError>;

    /// Keeps a result that lost against a newer version. Can be repeated.
    async fn park_orphan(
        &self,
        account: AccountId,
        parent: Version,
        tokens: SealedTokens,
        at: Timestamp,
    ) -> Result<(), StoreError>;
}
