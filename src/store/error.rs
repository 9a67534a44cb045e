//! What can go wrong with a store; the caller can tell "not applied" from "nobody knows".

use std::fmt;
use std::path::PathBuf;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else was faster, or a name is taken: read again and decide.
    #[error("conflict: {0}")]
    Conflict(Clash),
    /// There is no such record.
    #[error("not found")]
    NotFound,
    /// The change breaks a rule that no later try can meet.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Certainly not applied; may work later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Perhaps applied: read again, or repeat a step that may be repeated.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// What is stored is not what was written.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The store takes no changes now.
    #[error("read only")]
    ReadOnly,
}

/// What a change met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// The record is not at the version the change was made for.
    Version,
    /// Another pool has this slug.
    Slug,
    /// Another account has this label.
    Label,
    /// Another account is this login at this origin.
    Login,
    /// The pool is not archived, or still has keys or accounts; or the account still serves a pool.
    InUse,
    /// A refresh of this account is already on its way.
    Refreshing,
    /// The account is in a state that does not allow it.
    State,
    /// The right to send was given to somebody else since.
    Fence,
    /// A byte of the refresh token may have left already.
    Sent,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "it was changed meanwhile",
            Self::Slug => "this slug is taken",
            Self::Label => "this label is taken",
            Self::Login => "this login is already imported",
            Self::InUse => "it is still in use",
            Self::Refreshing => "a refresh is on its way",
            Self::State => "its state does not allow it",
            Self::Fence => "another refresh began since",
            Self::Sent => "the refresh token may have been sent",
        })
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// A process has it open.
    #[error("the store {} is in use by another process", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The engine cannot make sense of its files.
    #[error(
        "the store {} is damaged: {detail}. Nothing was thrown away. `codex-pooler store restore --replace` moves it aside and \
         brings the last backup back",
        path.display()
    )]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What the engine said.
        detail: String,
    },
    /// There is none, where there was one.
    #[error(
        "there is no store {}, and there was one: {} is still there. `codex-pooler store restore` brings the last backup back; to begin \
         anew, move that away first",
        path.display(),
        trace.display()
    )]
    Gone {
        /// The store's directory.
        path: PathBuf,
        /// What an earlier one left.
        trace: PathBuf,
    },
    /// It was written by a newer version of this program.
    #[error("the store {} has format {found}, this program knows formats up to {known}", path.display())]
    TooNew {
        /// The store's directory.
        path: PathBuf,
        /// Format of the store.
        found: u32,
        /// Newest format this program knows.
        known: u32,
    },
    /// The file system said no.
    #[error("the store {}: {source}", path.display())]
    Io {
        /// The store's directory, or the file in it.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
}
