//! One account is asked for its models, once: no retry, and nothing that a peer wrote is quoted.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::entry::{self, BadPage, Page};
use crate::accounts::{Accounts, RefreshReason};
use crate::client::{Client, NetError};
use crate::config::{Catalog, Upstream};
use crate::pool::Account;
use crate::proxy::{Frozen, Replay};

const PATH: &str = "/backend-api/codex/models";
/// For everything, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer. The real one has about 300 KiB: each entry carries long instructions.
const MOST: usize = 8 << 20;
/// Longest etag that is kept, in bytes.
const MAX_ETAG: usize = 128;

/// Why an account did not tell its models.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the account has no usable token")]
    NoToken,
    #[error(transparent)]
    Network(#[from] NetError),
    #[error("there was no whole answer within {PATIENCE:?}")]
    TimedOut,
    #[error("the answer has the status {0}")]
    Refused(StatusCode),
    #[error(transparent)]
    Unusable(#[from] BadPage),
}

impl Failed {
    /// The word for it in metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Network(NetError::TooLarge(_)) | Self::Unusable(_) => "unusable",
            Self::Network(_) => "network",
            Self::TimedOut => "timed_out",
            Self::Refused(_) => "refused",
        }
    }
}

/// What is the same in all questions.
#[derive(Debug)]
pub(super) struct Fetch {
    client: Arc<Client>,
    accounts: Arc<Accounts>,
    question: Frozen,
}

impl Fetch {
    pub(super) fn new(client: Arc<Client>, accounts: Arc<Accounts>, catalog: &Catalog, identity: &Upstream) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let ours = [
            (HeaderName::from_static("originator"), Some(&identity.originator)),
            (header::USER_AGENT, Some(&identity.user_agent)),
            (HeaderName::from_static("version"), identity.version.as_ref()),
        ];
        for (name, value) in ours {
            // They were checked when the file was read.
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        let question = Frozen::get(format!("{PATH}?client_version={}", catalog.client_version), headers);
        Self { client, accounts, question }
    }

    /// The models of the account, and the etag of the answer.
    pub(super) async fn ask(&self, account: &Arc<Account>) -> Result<(Page, Option<String>), Failed> {
        tokio::time::timeout(PATIENCE, self.ask_patiently(account)).await.unwrap_or(Err(Failed::TimedOut))
    }

    async fn ask_patiently(&self, account: &Arc<Account>) -> Result<(Page, Option<String>), Failed> {
        let mut credential = self.accounts.credential(account.id).ok_or(Failed::NoToken)?;
        if self.accounts.is_expired(&credential) {
            let refreshed = self.accounts.refresh(account, credential.version, RefreshReason::ProactiveExpiry).await;
            credential = refreshed.map_err(|_| Failed::NoToken)?;
        }
        let call = self.question.call(account, &credential, Replay::Nothing);
        // Not from the pool, whose connections may be stale: there is no second try.
        let mut connection = self.client.connect_apart(&account.endpoint).await?;
        let status = connection.call(&call).await?;
        if status != StatusCode::OK {
            connection.close().await;
            return Err(Failed::Refused(status));
        }
        let etag = connection.header("etag").filter(|etag| etag.len() <= MAX_ETAG).map(str::to_owned);
        let body = connection.read_all(MOST).await;
        connection.close().await;
        Ok((entry::read(&body?)?, etag))
    }
}
