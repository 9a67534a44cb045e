//! The trait for what operators change: pools, keys, accounts and assignments, in one revision after the other.

use std::fmt;

use async_trait::async_trait;
use pooler_filter::{AccountId, KeyId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::records::{AccountRecord, AssignmentRecord, KeyRecord, PoolRecord, SealedTokens, Version};

/// Counts the changes of the control plane, without gaps. 0: nothing was ever changed.
pub type Rev = u64;

/// Everything operators change, as it stood at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The revision.
    pub rev: Rev,
    /// All pools, by id.
    pub pools: Vec<PoolRecord>,
    /// All keys, by id.
    pub keys: Vec<KeyRecord>,
    /// All accounts, by id.
    pub accounts: Vec<AccountRecord>,
    /// All assignments, by pool and account.
    pub assignments: Vec<AssignmentRecord>,
}

/// Who changes something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Such as `cli uid 0` or `refresher`.
    pub name: String,
    /// When.
    pub at: Timestamp,
}

impl Actor {
    /// This actor, now.
    #[must_use]
    pub fn new(name: impl Into<String>, at: Timestamp) -> Self {
        Self { name: name.into(), at }
    }
}

/// Changes that happen together or not at all, in this order.
#[derive(Debug, Clone, Default)]
pub struct ControlTx {
    pub(super) ops: Vec<ControlOp>,
}

impl ControlTx {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, op: ControlOp) -> Self {
        self.ops.push(op);
        self
    }
}

impl From<ControlOp> for ControlTx {
    fn from(op: ControlOp) -> Self {
        Self::new().with(op)
    }
}

/// One change. A record is put with the `version` it was read at (0: it must not exist), and stored with the next one.
#[derive(Debug, Clone)]
pub enum ControlOp {
    /// Makes or replaces a pool. Its slug must be well formed and no other pool's.
    PutPool(PoolRecord),
    /// Deletes an archived pool that has neither keys nor accounts (any more, at the end of the transaction).
    DeletePool(PoolId, u64),
    /// Makes or replaces a key of an existing pool.
    PutKey(KeyRecord),
    /// Deletes a key.
    DeleteKey(KeyId, u64),
    /// Makes or replaces an account. Put as deleted, it loses its tokens in the same step.
    PutAccount(AccountRecord),
    /// Deletes an account that serves no pool, and its tokens.
    DeleteAccount(AccountId, u64),
    /// Lets an account serve a pool; both must exist.
    PutAssignment(AssignmentRecord),
    /// Ends that.
    DeleteAssignment(PoolId, AccountId, u64),
    /// Stores tokens that an operator brought, sealed under the version after `parent` (0: the account has none yet). Ends
    /// every refresh on its way: its result can only be parked.
    ImportTokens {
        /// The account, which must exist.
        account: AccountId,
        /// The version to be replaced.
        parent: Version,
        /// The tokens.
        tokens: SealedTokens,
    },
}

/// A line of the audit trail: what one revision changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The revision it made.
    pub rev: Rev,
    /// Who.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What, in order.
    pub changes: Vec<Change>,
}

/// One changed record: its kind, its id and whether it was put or deleted. Never its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Such as `put pool`.
    pub verb: String,
    /// Id of the record.
    pub id: String,
}

/// Proof that a root key once opened this store: a known text that it sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMark {
    /// Id of the root key.
    pub key_id: String,
    /// The sealed text.
    pub check: Vec<u8>,
}

impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMark").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Stores what operators change. Not for the request path: that reads snapshots.
#[async_trait]
pub trait ControlStore: fmt::Debug + Send + Sync {
    /// Everything, as it stands on disk now.
    async fn load(&self) -> Result<Snapshot, StoreError>;

    /// Makes all changes durable, or none; the answer is the revision they made.
    async fn apply(&self, tx: ControlTx, actor: &Actor) -> Result<Rev, StoreError>;

    /// The last changes, newest first. The trail keeps the last 10,000.
    async fn changes(&self, limit: usize) -> Result<Vec<ChangeRecord>, StoreError>;

    /// The root keys this store was used with. Empty: never with any.
    async fn key_marks(&self) -> Result<Vec<KeyMark>, StoreError>;

    /// Remembers a root key, durably. A mark that exists already stays as it is.
    async fn add_key_mark(&self, mark: KeyMark) -> Result<(), StoreError>;
}
