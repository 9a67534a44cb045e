//! One account is asked for its models, once.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{self, BadPage, Page};
use crate::accounts::{Accounts, Patience, Question, Unanswered};
use crate::client::Client;
use crate::config::{Catalog, Upstream};
use crate::pool::Account;

const PATH: &str = "/backend-api/codex/models";
/// The real answer has about 300 KiB: each entry carries long instructions.
const PATIENCE: Patience = Patience { time: Duration::from_secs(30), most: 8 << 20 };
/// Longest etag that is kept, in bytes.
const MAX_ETAG: usize = 128;

/// Why an account did not tell its models.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    Unusable(#[from] BadPage),
}

impl Failed {
    /// The word for it in metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Unanswered(unanswered) => unanswered.as_str(),
            Self::Unusable(_) => "unusable",
        }
    }
}

/// What is the same in all questions.
#[derive(Debug)]
pub(super) struct Fetch(Question);

impl Fetch {
    pub(super) fn new(client: Arc<Client>, accounts: Arc<Accounts>, catalog: &Catalog, identity: &Upstream) -> Self {
        let path = format!("{PATH}?client_version={}", catalog.client_version);
        Self(Question::new(client, accounts, path, identity, PATIENCE))
    }

    /// The models of the account, and the etag of the answer.
    pub(super) async fn ask(&self, account: &Arc<Account>) -> Result<(Page, Option<String>), Failed> {
        let (headers, body) = self.0.ask(account).await?;
        let etag = headers.get(http::header::ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG).map(str::to_owned);
        Ok((entry::read(&body)?, etag))
    }
}
