//! The trait for the ledger: events go in without waiting, each with a handle that tells when it is on disk.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};

use super::records::{LedgerEvent, Outcome, RequestRecord, RequestState, Span, UsageSums};
use super::{Durable, StoreError};

/// Which rows to list. Empty fields match all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only of this pool.
    pub pool: Option<PoolId>,
    /// Only of this key.
    pub key: Option<KeyId>,
    /// Only served by, or let in for, this account.
    pub account: Option<AccountId>,
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
}

impl RequestFilter {
    /// Whether the row is one of them.
    #[must_use]
    pub fn matches(&self, row: &RequestRecord) -> bool {
        let subject = row.subject();
        self.pool.is_none_or(|pool| subject.and_then(|s| s.pool) == Some(pool))
            && self.key.as_ref().is_none_or(|key| subject.and_then(|s| s.key.as_ref()) == Some(key))
            && self.account.is_none_or(|account| row.account() == Some(account))
            && self.state.is_none_or(|state| row.state() == state)
            && self.outcome.is_none_or(|outcome| row.settled.as_ref().is_some_and(|s| s.outcome == outcome))
    }
}

/// What the group commits of a store took so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommitStats {
    /// Groups made durable.
    pub commits: u64,
    /// Operations in them.
    pub operations: u64,
    /// Time of the last group, from the write to the end of fsync.
    pub last: Duration,
    /// Longest time of a group.
    pub max: Duration,
    /// Sum of all times; divided by `commits` it is the mean.
    pub total: Duration,
    /// Ledger events that wait now.
    pub queued: usize,
}

/// Stores what happened to requests.
#[async_trait]
pub trait LedgerStore: fmt::Debug + Send + Sync {
    /// Queues the event and returns at once. When the queue is full the handle has failed already with
    /// [`StoreError::Unavailable`]; the room for endings is larger than for reservations, so that what was let in can settle.
    fn append(&self, event: LedgerEvent) -> Durable;

    /// The newest rows first, by the time in their ids.
    async fn recent(&self, limit: usize, filter: RequestFilter) -> Result<Vec<RequestRecord>, StoreError>;

    /// The row of a request.
    async fn get(&self, id: RequestId) -> Result<Option<RequestRecord>, StoreError>;

    /// Up to `limit` rows whose id begins with these hex digits; hyphens are ignored. Other text matches nothing.
    async fn find(&self, prefix: &str, limit: usize) -> Result<Vec<RequestRecord>, StoreError>;

    /// Open reservations of earlier boots become lost; the answer is how many. To be called before the first `append`.
    async fn recover(&self, at: Timestamp) -> Result<u64, StoreError>;

    /// Returns when everything that was queued before is durable.
    async fn flush(&self) -> Result<(), StoreError>;

    /// Deletes rows whose id was made before this moment, in small steps; open ones stay. The answer is how many.
    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// What the key took in the hour (or day) of `since` and in all later ones. A request is in the sums of the moment when it ended, once.
    async fn usage(&self, key: &KeyId, span: Span, since: Timestamp) -> Result<UsageSums, StoreError>;

    /// Sums of hours that were over before this moment become part of the sums of their days, which are kept for ever. The answer is how
    /// many hours.
    async fn prune_usage(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// How the group commits are doing.
    fn commit_stats(&self) -> CommitStats;
}
