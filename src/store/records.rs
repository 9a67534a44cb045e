//! What is stored: plain records, without behaviour of any engine.
//!
//! A record is written with a schema number of its own (`codec`), so a field is only added together with a new number. No record
//! ever holds a prompt, an answer, a header, a key in clear or a token in clear.

pub mod catalog;
pub mod control;
pub mod files;
pub mod ledger;
pub mod tokens;
pub mod usage;

pub use catalog::{CatalogEntry, CatalogModel, CatalogSeen, CatalogSource};
pub use control::{
    AccountRecord, AccountStatus, AssignmentRecord, KeyDigest, KeyPolicy, KeyRecord, KeyStatus, PoolRecord,
    PoolSettings, PoolStatus, RoutingStrategy,
};
pub use files::{FileRecord, FileStatus};
pub use ledger::{
    AttemptRecord, LedgerEvent, Lost, Outcome, RequestRecord, RequestState, Reserved, Settled, Subject, Usage,
};
pub use tokens::{Fence, Intent, Orphan, SealedTokens, TokenRecord, Version};
pub use usage::{Span, UsageSums};
