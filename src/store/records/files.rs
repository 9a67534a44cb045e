//! The uploaded files: what is known of them, never their bytes.

use pooler_filter::{AccountId, KeyId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileStatus {
    /// It is being uploaded, or was given up meanwhile.
    Pending,
    /// The upstream has it and has finished with it.
    Processed,
    /// Its upload failed.
    Failed,
}

/// One file. Its name is what the client calls it: it stands in this record alone and goes with it. `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The upstream's id of it.
    pub id: String,
    /// The pool it belongs to.
    pub pool: PoolId,
    /// The key that made it; no other sees it.
    pub key: KeyId,
    /// The account that has it; no other can read it.
    pub account: AccountId,
    /// Size, in bytes.
    pub bytes: u64,
    /// Name.
    pub filename: String,
    /// What it is for.
    pub purpose: String,
    /// How far it is.
    pub status: FileStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it counts as deleted.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for FileRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileRecord")
            .field("id", &self.id)
            .field("bytes", &self.bytes)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
