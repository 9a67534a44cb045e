//! One refresh: an intent that is durable before anything is sent, one send, and a result that is durable before it is used
//! (docs/refresh.md, Protocol).

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::{AccountId, Secret, Timestamp};
use tokio::sync::MutexGuard;

use super::RefreshError;
use crate::accounts::import::access_token_expiry;
use crate::accounts::oauth::{Asked, Fresh, RefreshReason, ask, connect};
use crate::accounts::{Accounts, Credential, credential};
use crate::client::Connection;
use crate::pool::Account;
use crate::secrets::{Place, SecretKind};
use crate::store::records::{AccountStatus, Intent, SealedTokens, Version};
use crate::store::{AbortKind, Actor, Clash, RefreshGrant, StoreError};

/// After an unclear end, the old refresh token may be sent again only when the access token is of no use any more, there is nothing left to
/// lose then, and so much time after the latest moment at which the unclear refresh can have ended.
const LAST_RESORT_AFTER: Duration = Duration::from_secs(30);

enum Begun {
    Grant(RefreshGrant),
    Newer(Arc<Credential>),
}

/// All that sending takes.
struct Ready<'a> {
    refresh: Secret,
    connection: Connection,
    /// The turn among all accounts.
    _turn: MutexGuard<'a, ()>,
}

impl Accounts {
    pub(super) async fn run(
        &self,
        account: &Account,
        stale: Version,
        reason: RefreshReason,
    ) -> Result<Arc<Credential>, RefreshError> {
        if self.disk.is_low() {
            // A new refresh token that cannot be stored would be lost.
            return Err(RefreshError::Store("the disk is almost full".to_owned()));
        }
        let grant = match self.begin(account.id, stale, reason).await? {
            Begun::Grant(grant) => grant,
            Begun::Newer(credential) => return Ok(credential),
        };
        tracing::info!(account = %account.label, reason = reason.as_str(), "refreshing the access token");
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
        // One timeout to get ready and one for the call: later than that it was not on its way any more.
        let ended = self.times.timeout * 2;
        if !intent.sent {
            Ok(AbortKind::NotSent)
        } else if useless && now.since(intent.at) >= ended + LAST_RESORT_AFTER {
            Ok(AbortKind::LastResort)
        } else {
            Err(RefreshError::InDoubt)
        }
    }

    async fn send(
        &self,
        account: &Account,
        grant: &RefreshGrant,
        reason: RefreshReason,
    ) -> Result<Arc<Credential>, RefreshError> {
        let Ready { refresh, connection, _turn } = match self.ready(account, grant).await {
            Ok(ready) => ready,
            Err(error) => {
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

    /// Everything that comes before the send, within one timeout, or until the gateway stops.
    async fn ready(&self, account: &Account, grant: &RefreshGrant) -> Result<Ready<'_>, RefreshError> {
        let place = Place { account: account.id, kind: SecretKind::RefreshToken, version: grant.version };
        let refresh = self.sealer.open(&place, &grant.refresh).map_err(|e| RefreshError::Store(e.to_string()))?;
        let mut closing = self.closing.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => Err(RefreshError::Stopping),
            connected = tokio::time::timeout(self.times.timeout, self.connected(account)) => {
                let late = |_| RefreshError::Unreachable("no connection, or no turn to use it, in time".to_owned());
                let (connection, turn) = connected.map_err(late)??;
                Ok(Ready { refresh, connection, _turn: turn })
            }
        }
    }

    /// A connection, and the turn to send something on it.
    async fn connected(&self, account: &Account) -> Result<(Connection, MutexGuard<'_, ()>), RefreshError> {
        let connect = || async {
            let connecting = connect(&self.client, account, self.times.timeout).await;
            connecting.map_err(|e| RefreshError::Unreachable(e.to_string()))
        };
        let connection = connect().await?;
        if let Ok(turn) = self.sending.try_lock() {
            return Ok((connection, turn));
        }
        // The issuer might give up on a connection that waits, and the token would leave in vain.
        connection.close().await;
        let turn = self.sending.lock().await;
        Ok((connect().await?, turn))
    }

    /// The new refresh token is durable before the access token that came with it is used.
    async fn keep(
        &self,
        id: AccountId,
        grant: &RefreshGrant,
        fresh: Fresh,
        old_refresh: Secret,
    ) -> Result<Arc<Credential>, RefreshError> {
        let now = self.clock.now();
        // One that has ended before it came only tells that the clocks differ; believed, it would be replaced again at once, for ever.
        let expires_at = access_token_expiry(&fresh.access).filter(|end| *end > now);
        let refresh = fresh.refresh.unwrap_or(old_refresh);
        let version = grant.version.next();
        let sealed = self
            .sealer
            .seal_tokens(id, version, &refresh, &fresh.access, expires_at)
            .map_err(|e| RefreshError::Store(e.to_string()))?;
        let version = self.commit(id, grant.version, sealed).await?;
        let credential = credential(&fresh.access, version, expires_at, now)
            .ok_or_else(|| RefreshError::Unclear("the access token is not a valid header value".to_owned()))?;
        self.adopt(id, credential);
        self.credential(id).ok_or_else(|| RefreshError::Unclear("the account is gone".to_owned()))
    }

    /// Stores the result, or keeps it aside when it came too late.
    async fn commit(&self, id: AccountId, parent: Version, sealed: SealedTokens) -> Result<Version, RefreshError> {
        let now = self.clock.now();
        match insist(|| self.tokens.commit_refresh(id, parent, sealed.clone(), now)).await {
            Ok(version) => Ok(version),
            Err(StoreError::Conflict(Clash::Version)) => {
                insist(|| self.tokens.park_orphan(id, parent, sealed.clone(), now)).await?;
                Err(RefreshError::Unclear("newer tokens were stored meanwhile".to_owned()))
            }
            Err(error) => Err(error.into()),
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

/// Repeats a step of the store, which must allow that, until its outcome is known: what it is to keep may be the only valid token.
async fn insist<T, F: Future<Output = Result<T, StoreError>>>(step: impl Fn() -> F) -> Result<T, StoreError> {
    let mut pause = Duration::from_millis(50);
    loop {
        match step().await {
            Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            known => return known,
        }
    }
}
