//! A question of our own to one account, asked once: no retry, and nothing that a peer wrote is quoted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Accounts, RefreshReason};
use crate::client::{Client, NetError};
use crate::config::Upstream;
use crate::pool::Account;
use crate::proxy::{Frozen, Replay};

/// Why an account gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("the account has no usable token")]
    NoToken,
    #[error(transparent)]
    Network(#[from] NetError),
    #[error("there was no whole answer within {0:?}")]
    TimedOut(Duration),
    #[error("the answer has the status {0}")]
    Refused(StatusCode),
}

impl Unanswered {
    /// The word for it in metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Network(NetError::TooLarge(_)) => "unusable",
            Self::Network(_) => "network",
            Self::TimedOut(_) => "timed_out",
            Self::Refused(_) => "refused",
        }
    }
}

/// The limits of a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For everything, from connecting to the last byte.
    pub(crate) time: Duration,
    /// Largest answer, in bytes.
    pub(crate) most: usize,
}

/// A `GET` that can be asked of each account.
#[derive(Debug)]
pub(crate) struct Question {
    client: Arc<Client>,
    accounts: Arc<Accounts>,
    question: Frozen,
    patience: Patience,
}

impl Question {
    /// Asks for this path, under the name that `[upstream]` says.
    pub(crate) fn new(
        client: Arc<Client>,
        accounts: Arc<Accounts>,
        path: String,
        identity: &Upstream,
        patience: Patience,
    ) -> Self {
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
        Self { client, accounts, question: Frozen::get(path, headers), patience }
    }

    /// The headers and the body of a good answer.
    pub(crate) async fn ask(&self, account: &Arc<Account>) -> Result<(HeaderMap, Bytes), Unanswered> {
        let late = Unanswered::TimedOut(self.patience.time);
        tokio::time::timeout(self.patience.time, self.ask_patiently(account)).await.unwrap_or(Err(late))
    }

    async fn ask_patiently(&self, account: &Arc<Account>) -> Result<(HeaderMap, Bytes), Unanswered> {
        let mut credential = self.accounts.credential(account.id).ok_or(Unanswered::NoToken)?;
        if self.accounts.is_expired(&credential) {
            let refreshed = self.accounts.refresh(account, credential.version, RefreshReason::ProactiveExpiry).await;
            credential = refreshed.map_err(|_| Unanswered::NoToken)?;
        }
        let call = self.question.call(account, &credential, Replay::Nothing);
        // Not from the pool, whose connections may be stale: there is no second try.
        let mut connection = self.client.connect_apart(&account.endpoint).await?;
        let status = connection.call(&call).await?;
        if status != StatusCode::OK {
            connection.close().await;
            return Err(Unanswered::Refused(status));
        }
        let headers = connection.headers().cloned().unwrap_or_default();
        let body = connection.read_all(self.patience.most).await;
        connection.close().await;
        Ok((headers, body?))
    }
}
