//! The admin interface: commands over a Unix socket in the data directory, and the code that carries them out.
//!
//! A running gateway [`serve`]s them; the command line [`call`]s. Where no gateway runs, the command line opens the store and
//! runs the same [`Backend`] itself.
//!
//! | file | holds |
//! |---|---|
//! | `command`, `reply` | what may be asked and answered; the same types on both sides |
//! | `wire` | both as lines of JSON, bounded and versioned |
//! | `backend` | carries commands out against the stores |
//! | `socket` | the data directory and the socket in it |
//! | `server`, `client` | the two ends |
//! | `time` | moments as RFC 3339 |

mod backend;
mod client;
mod command;
mod reply;
mod server;
mod socket;
pub mod time;
mod wire;

#[cfg(test)]
mod tests;

pub use backend::{Backend, BackendParts, Nobody, OnChange, Who};
pub use client::{CallError, call};
pub use command::{Command, PoolChange};
pub use reply::{
    AccountRow, AttemptRow, BackupRow, KeyRow, ModelRow, NewKey, PoolRow, QuotaRow, Refusal, Reply, RequestRow,
    UsageRow,
};
pub use server::serve;
pub use socket::{DirError, Listener, prepare_dir};
