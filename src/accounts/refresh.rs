//! The one refresher: an intent that is durable before anything is sent, one send, and a result that is durable before it is used
//! (docs/refresh.md).

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::{AccountId, Secret, Timestamp};

use super::oauth::{Asked, Fresh, RefreshReason, ask, connect};
use super::{Accounts, Credential, credential};
use crate::accounts::import::access_token_expiry;
use crate::pool::Account;
use crate::secrets::{Place, SecretKind};
use crate::store::records::{AccountStatus, Intent, SealedTokens, Version};
use crate::store::{AbortKind, Actor, Clash, RefreshGrant, StoreError};

/// After an unclear end, the old refresh token may be sent again only when this much time has passed and the access token is of no use any
/// more: there is nothing left to lose then.
const LAST_RESORT_AFTER: Duration = Duration::from_secs(30);

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
    /// The store cannot keep what a refresh needs kept.
    #[error("the store does not allow a refresh: {0}")]
    Store(String),
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
        let (this, account) = (Arc::clone(self), Arc::clone(account));
        let task = tokio::spawn(async move {
            let live = this.live(account.id);
            let _only = live.refreshing.lock().await;
            let current = live.credential.lock().clone();
            match current {
                Some(newer) if newer.version > stale => Ok(newer),
                Some(_) | None => this.run(&account, stale, reason).await,
            }
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(RefreshError::Unclear(error.to_string())),
        }
    }

    async fn run(
        &self,
        account: &Account,
        stale: Version,
        reason: RefreshReason,
    ) -> Result<Arc<Credential>, RefreshError> {
        let _alone = self.sending.lock().await;
        tracing::info!(account = %account.label, reason = reason.as_str(), "refreshing the access token");
        let grant = match self.begin(account.id, stale, reason).await? {
            Begun::Grant(grant) => grant,
            Begun::Newer(credential) => return Ok(credential),
        };
        let result = self.send(account, &grant, reason).await;
        if let Err(error) = &result {
            tracing::warn!(account = %account.label, %error, "the access token was not refreshed");
        }
        result
    }

    /// Takes the right to send. An intent that another boot left behind is cleared when it was certainly not sent.
    async fn begin(&self, id: AccountId, stale: Version, reason: RefreshReason) -> Result<Begun, RefreshError> {
        let record = self.tokens.read(id).await?;
        if record.version > stale {
            self.adopt(id, self.read(id).await?);
            if let Some(credential) = self.credential(id) {
                return Ok(Begun::Newer(credential));
            }
        }
        if let Some(intent) = record.intent {
            let why = self.may_abort(intent, record.tokens.access_expires_at, reason)?;
            self.tokens.abort_refresh(id, intent.fence, why).await?;
        }
        Ok(Begun::Grant(self.tokens.begin_refresh(id, record.version, self.clock.now()).await?))
    }

    fn may_abort(
        &self,
        intent: Intent,
        access_ends: Option<Timestamp>,
        reason: RefreshReason,
    ) -> Result<AbortKind, RefreshError> {
        let now = self.clock.now();
        let useless = reason == RefreshReason::UnauthorizedRecovery || access_ends.is_some_and(|end| now >= end);
        if !intent.sent {
            Ok(AbortKind::NotSent)
        } else if useless && now.since(intent.at) >= LAST_RESORT_AFTER {
            Ok(AbortKind::LastResort)
        } else {
            Err(RefreshError::Unclear("an earlier refresh has no known end".to_owned()))
        }
    }

    async fn send(
        &self,
        account: &Account,
        grant: &RefreshGrant,
        reason: RefreshReason,
    ) -> Result<Arc<Credential>, RefreshError> {
        let place = Place { account: account.id, kind: SecretKind::RefreshToken, version: grant.version };
        let opened = self.sealer.open(&place, &grant.refresh).map_err(|e| RefreshError::Store(e.to_string()));
        let connected = match &opened {
            Ok(_) => {
                let connecting = connect(&self.client, account, self.times.timeout).await;
                connecting.map_err(|e| RefreshError::Unreachable(e.to_string()))
            }
            Err(error) => Err(error.clone()),
        };
        let (refresh, connection) = match (opened, connected) {
            (Ok(refresh), Ok(connection)) => (refresh, connection),
            (Err(error), _) | (_, Err(error)) => {
                self.tokens.abort_refresh(account.id, grant.fence, AbortKind::NotSent).await?;
                return Err(error);
            }
        };
        self.tokens.mark_sent(account.id, grant.fence).await?;
        match ask(connection, account, &refresh, reason, &self.user_agent, self.times.timeout).await {
            Asked::Fresh(fresh) => self.keep(account.id, grant, fresh, refresh).await,
            Asked::Refused(code) => self.give_up(account, grant, code).await,
            Asked::Unclear(why) => Err(RefreshError::Unclear(why)),
        }
    }

    /// The new refresh token is durable before the access token that came with it is used.
    async fn keep(
        &self,
        id: AccountId,
        grant: &RefreshGrant,
        fresh: Fresh,
        old_refresh: Secret,
    ) -> Result<Arc<Credential>, RefreshError> {
        let expires_at = access_token_expiry(&fresh.access);
        let refresh = fresh.refresh.unwrap_or(old_refresh);
        let version = grant.version.next();
        let sealed = self
            .sealer
            .seal_tokens(id, version, &refresh, &fresh.access, expires_at)
            .map_err(|e| RefreshError::Store(e.to_string()))?;
        let version = self.commit(id, grant.version, sealed).await?;
        let credential = credential(&fresh.access, version, expires_at)
            .ok_or_else(|| RefreshError::Unclear("the access token is not a valid header value".to_owned()))?;
        self.adopt(id, credential);
        self.credential(id).ok_or_else(|| RefreshError::Unclear("the account is gone".to_owned()))
    }

    /// Stores the result; it may be the only valid token, so an unknown outcome is asked again (the step may be repeated), and a result
    /// that came too late is kept aside.
    async fn commit(&self, id: AccountId, parent: Version, sealed: SealedTokens) -> Result<Version, RefreshError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.tokens.commit_refresh(id, parent, sealed.clone(), self.clock.now()).await {
                Ok(version) => return Ok(version),
                Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err(StoreError::Conflict(Clash::Version)) => {
                    self.tokens.park_orphan(id, parent, sealed, self.clock.now()).await?;
                    return Err(RefreshError::Unclear("newer tokens were stored meanwhile".to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn give_up(
        &self,
        account: &Account,
        grant: &RefreshGrant,
        code: String,
    ) -> Result<Arc<Credential>, RefreshError> {
        self.tokens.abort_refresh(account.id, grant.fence, AbortKind::Refused).await?;
        let actor = Actor::new("refresher", self.clock.now());
        self.tokens.set_state(account.id, grant.version, AccountStatus::ReauthRequired, &actor).await?;
        self.changed.notify_one();
        tracing::error!(account = %account.label, %code, "the login is over: log in again and import it");
        Err(RefreshError::LoginOver(code))
    }
}

enum Begun {
    Grant(RefreshGrant),
    Newer(Arc<Credential>),
}
