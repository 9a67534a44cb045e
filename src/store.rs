//! What must outlive the process: pools, keys, accounts, their tokens, files, the ledger and the catalog, behind one trait for each.
//!
//! Each verb of a trait is one atomic step of the business, so an engine can do it in one transaction and a caller never has to
//! read, change and write back. The request path calls none of them but [`LedgerStore::append`], which never waits, and, for work with
//! files, [`FileStore`].
//!
//! | file | holds |
//! |---|---|
//! | `records` | the stored records and the ledger's events |
//! | `control`, `tokens`, `ledger`, `files`, `catalog` | the traits |
//! | `durable` | the handle that tells when a ledger event is on disk |
//! | `codec`, `draft` | rows as bytes; the changes of one group, before they are written |
//! | `rules` | the steps themselves, the same for every engine |
//! | `engine` | the traits for whatever can run a step |
//! | `memory`, `sled` | the engines |
//! | `backup`, `verify` | every row in one file, and back; whether every row is what was written |

mod backup;
mod catalog;
mod codec;
mod control;
mod draft;
mod durable;
mod engine;
mod error;
mod files;
mod ledger;
mod memory;
mod open;
pub mod records;
mod rules;
mod sled;
mod tokens;
mod verify;

#[cfg(test)]
pub(crate) mod conformance;

use std::sync::Arc;

pub use backup::{BackupError, BackupInfo, BackupKeeper, Backups, Restored, refuse_if_gone, restore};
pub use catalog::{CatalogRows, CatalogStore};
#[cfg(any(test, fuzzing))]
pub(crate) use codec::fuzz;
pub use control::{Actor, Change, ChangeRecord, ControlOp, ControlStore, ControlTx, KeyMark, Rev, Snapshot};
pub use durable::{Appended, Durable};
pub use error::{Clash, StoreError, StoreOpenError};
pub use files::FileStore;
pub use ledger::{CommitStats, LedgerStore, RequestFilter};
pub use memory::MemoryStore;
use sled::FORMAT as STORE_FORMAT;
pub use sled::{CommitFn, FatalFn, Pace, SledOptions, SledStore};
pub use tokens::{AbortKind, RefreshGrant, TokenStore};
pub use verify::{Finding, Report, TableReport, verify};

/// The stores of one process. They are usually one engine seen through all the traits.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Pools, keys, accounts.
    pub control: Arc<dyn ControlStore>,
    /// Tokens of the accounts.
    pub tokens: Arc<dyn TokenStore>,
    /// What happened to requests.
    pub ledger: Arc<dyn LedgerStore>,
    /// Uploaded files.
    pub files: Arc<dyn FileStore>,
    /// What accounts told of their models.
    pub catalog: Arc<dyn CatalogStore>,
}

impl Stores {
    /// One engine for all of them.
    #[must_use]
    pub fn of<S>(store: &Arc<S>) -> Self
    where
        S: ControlStore + TokenStore + LedgerStore + FileStore + CatalogStore + 'static,
    {
        Self {
            control: store.clone(),
            tokens: store.clone(),
            ledger: store.clone(),
            files: store.clone(),
            catalog: store.clone(),
        }
    }
}
