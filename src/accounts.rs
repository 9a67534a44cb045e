//! The life of an account's login: its access token in memory, and the one refresher that replaces it.

pub mod import;
mod oauth;
mod question;
mod refresh;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use parking_lot::RwLock;
use pooler_filter::{AccountId, Clock, Secret, Timestamp};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

pub(crate) use self::oauth::RefreshReason;
pub(crate) use self::question::{Patience, Question, Unanswered};
use self::refresh::Memory;
use crate::client::Client;
use crate::disk::DiskGuard;
use crate::pool::Account;
use crate::secrets::{Place, Sealer, SecretKind};
use crate::store::records::Version;
use crate::store::{StoreError, TokenStore};

/// A token is due in the last fifth of its life at the earliest.
const LAST_SHARE: u32 = 5;

/// What stands before the token in a header.
const SCHEME: &[u8] = b"Bearer ";

/// Deadlines of refreshing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefreshTimes {
    /// How long before its end an access token is refreshed.
    pub(crate) skew: Duration,
    /// Up to this much earlier still, different for each account.
    pub(crate) jitter: Duration,
    /// For one refresh, from connecting to the last byte.
    pub(crate) timeout: Duration,
}

/// An access token that may be used, and the version of the lineage that it is from.
#[derive(Debug)]
pub(crate) struct Credential {
    /// `Bearer <token>`, marked as sensitive.
    pub(crate) authorization: HeaderValue,
    pub(crate) version: Version,
    pub(crate) expires_at: Option<Timestamp>,
    /// When it was stored; with its end it tells how long it lives.
    since: Timestamp,
}

/// One account's place in memory.
#[derive(Debug, Default)]
struct Live {
    credential: parking_lot::Mutex<Option<Arc<Credential>>>,
    /// Held by the one refresh of this account.
    refreshing: tokio::sync::Mutex<()>,
    /// What refreshes of this account came to.
    memory: parking_lot::Mutex<Memory>,
}

/// The logins of all accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    tokens: Arc<dyn TokenStore>,
    sealer: Sealer,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    times: RefreshTimes,
    user_agent: HeaderValue,
    disk: Arc<DiskGuard>,
    live: RwLock<HashMap<AccountId, Arc<Live>>>,
    /// Held from the sent mark to the durable result: a power cut then finds at most one refresh token that may be used up. Connecting
    /// happens outside of it and the send has a deadline, so an issuer that swallows everything holds up other accounts for one
    /// [`RefreshTimes::timeout`] a try, and its own account is not tried again before its pause is over.
    sending: tokio::sync::Mutex<()>,
    changed: tokio::sync::Notify,
    /// Tells refreshes that nothing has left for yet to give up.
    closing: watch::Sender<bool>,
    /// Read by each refresh as long as it runs.
    running: tokio::sync::RwLock<()>,
}

/// What [`Accounts`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) tokens: Arc<dyn TokenStore>,
    pub(crate) sealer: Sealer,
    pub(crate) client: Arc<Client>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) times: RefreshTimes,
    pub(crate) user_agent: HeaderValue,
    pub(crate) disk: Arc<DiskGuard>,
}

impl Accounts {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { tokens, sealer, client, clock, times, user_agent, disk } = parts;
        let live = RwLock::default();
        let (sending, changed) = (tokio::sync::Mutex::default(), tokio::sync::Notify::new());
        let (closing, running) = (watch::Sender::new(false), tokio::sync::RwLock::default());
        Self { tokens, sealer, client, clock, times, user_agent, disk, live, sending, changed, closing, running }
    }

    /// Begins no refresh any more, and waits for the one whose refresh token may have left: its answer may be the only valid token.
    /// At once when there is none, and after two timeouts in any case.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        if tokio::time::timeout(self.times.timeout * 2, self.running.write()).await.is_err() {
            tracing::error!("a refresh did not end in time; its outcome is unclear");
        }
    }

    /// Returns when the state of an account was changed in the store by a refresh.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn live(&self, id: AccountId) -> Arc<Live> {
        if let Some(live) = self.live.read().get(&id) {
            return Arc::clone(live);
        }
        Arc::clone(self.live.write().entry(id).or_default())
    }

    /// The access token, whether or not it is near its end.
    pub(crate) fn credential(&self, id: AccountId) -> Option<Arc<Credential>> {
        self.live(id).credential.lock().clone()
    }

    /// Whether this text is the access token of the account that is in use now. Its time tells no more than the length of the token.
    pub(crate) fn is_access_token(&self, id: AccountId, text: &Secret) -> bool {
        let Some(credential) = self.credential(id).filter(|credential| !self.is_expired(credential)) else {
            return false;
        };
        let token = credential.authorization.as_bytes().strip_prefix(SCHEME).unwrap_or_default();
        !token.is_empty() && token.ct_eq(text.expose().as_bytes()).into()
    }

    /// Brings memory in line with the store: tokens that were imported are taken over, accounts that are gone are forgotten.
    pub(crate) async fn load(&self, accounts: &[Arc<Account>]) {
        self.live.write().retain(|id, _| accounts.iter().any(|a| a.id == *id));
        for account in accounts {
            match self.read(account.id).await {
                Ok(credential) => self.adopt(account.id, credential),
                Err(StoreError::NotFound) => {}
                Err(error) => {
                    tracing::error!(account = %account.label, %error, "the tokens of this account cannot be read")
                }
            }
        }
    }

    async fn read(&self, id: AccountId) -> Result<Credential, StoreError> {
        let record = self.tokens.read(id).await?;
        let place = Place { account: id, kind: SecretKind::AccessToken, version: record.version };
        let access = self.sealer.open(&place, &record.tokens.access).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        credential(&access, record.version, record.tokens.access_expires_at, record.updated_at)
            .ok_or_else(|| StoreError::Corrupt("the access token is not a valid header value".to_owned()))
    }

    /// Takes a token into use unless a newer one is in use already.
    fn adopt(&self, id: AccountId, credential: Credential) {
        let live = self.live(id);
        let mut current = live.credential.lock();
        if current.as_ref().is_none_or(|c| c.version < credential.version) {
            *current = Some(Arc::new(credential));
        }
    }

    /// Whether the token should be replaced soon; a different moment for each account, and never before most of its life is over: a
    /// short-lived one would be due from its first moment on.
    pub(crate) fn is_due(&self, id: AccountId, credential: &Credential) -> bool {
        let Some(end) = credential.expires_at else { return false };
        let spread = u64::from(id.as_bytes()[15]) * u64::try_from(self.times.jitter.as_millis()).unwrap_or(0) / 255;
        let early = self.times.skew + Duration::from_millis(spread);
        self.clock.now().plus(early.min(end.since(credential.since) / LAST_SHARE)) >= end
    }

    /// Whether the token cannot be used any more.
    pub(crate) fn is_expired(&self, credential: &Credential) -> bool {
        credential.expires_at.is_some_and(|end| self.clock.now() >= end)
    }
}

fn credential(
    access: &Secret,
    version: Version,
    expires_at: Option<Timestamp>,
    since: Timestamp,
) -> Option<Credential> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", access.expose())).ok()?;
    authorization.set_sensitive(true);
    Some(Credential { authorization, version, expires_at, since })
}

#[cfg(test)]
mod tests;
