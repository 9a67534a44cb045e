//! The one refresher of each account: who asks meanwhile shares its result, also when it failed (docs/refresh.md).

mod memory;
mod protocol;

use std::sync::Arc;
use std::time::Instant;

use pooler_filter::AccountId;

pub(super) use self::memory::Memory;
use self::memory::Moment;
use super::oauth::RefreshReason;
use super::{Accounts, Credential};
use crate::pool::Account;
use crate::store::StoreError;
use crate::store::records::Version;

/// Why there is no new token.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum RefreshError {
    /// The issuer cannot be reached; the refresh token was not sent.
    #[error("the issuer cannot be reached: {0}")]
    Unreachable(String),
    /// The login is over: the operator must log in again.
    #[error("the login of the account is over: {0}")]
    LoginOver(String),
    /// Nobody knows whether the refresh token was used up; it is not sent again now.
    #[error("the outcome of a refresh is unclear: {0}")]
    Unclear(String),
    /// The same, of an earlier refresh; nothing was tried.
    #[error("an earlier refresh has no known end")]
    InDoubt,
    /// The token is fresh and was refused all the same: another one would fare no better. Nothing was tried.
    #[error("the token of the account was refused right after its refresh")]
    RefusedAgain,
    /// The store cannot keep what a refresh needs kept.
    #[error("the store does not allow a refresh: {0}")]
    Store(String),
    /// The gateway is about to stop; nothing was sent.
    #[error("the gateway is stopping")]
    Stopping,
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl Accounts {
    /// A token newer than `stale`. Whoever asks meanwhile waits for the same refresh; it goes on when the asker leaves.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        account: &Arc<Account>,
        stale: Version,
        reason: RefreshReason,
    ) -> Result<Arc<Credential>, RefreshError> {
        let asked = Instant::now();
        let (this, account) = (Arc::clone(self), Arc::clone(account));
        let task = tokio::spawn(async move { this.refresh_alone(&account, stale, reason, asked).await });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(RefreshError::Unclear(error.to_string())),
        }
    }

    async fn refresh_alone(
        &self,
        account: &Account,
        stale: Version,
        reason: RefreshReason,
        asked: Instant,
    ) -> Result<Arc<Credential>, RefreshError> {
        let live = self.live(account.id);
        let _only = live.refreshing.lock().await;
        let current = live.credential.lock().clone();
        if let Some(newer) = current.filter(|current| current.version > stale) {
            return Ok(newer);
        }
        let known = live.memory.lock().answer(stale, reason, asked, Moment::now(&*self.clock));
        if let Some(error) = known {
            return Err(error);
        }
        // Taken before the look at `closing`: whoever closes sets that first and then waits for this.
        let running = self.running.try_read();
        if running.is_err() || *self.closing.borrow() {
            return Err(RefreshError::Stopping);
        }
        let result = self.run(account, stale, reason).await;
        let mut memory = live.memory.lock();
        match &result {
            Ok(_) => memory.succeeded(),
            Err(error) => memory.failed(stale, error, Moment::now(&*self.clock)),
        }
        result
    }

    /// The token of this version was refused although it came from a refresh just now: it is not refreshed for that reason again for some
    /// minutes.
    pub(crate) fn refused(&self, id: AccountId, version: Version) {
        self.live(id).memory.lock().refused(version, Moment::now(&*self.clock));
    }
}
