//! What is known of uploaded files.

use std::fmt;

use async_trait::async_trait;
use pooler_filter::{KeyId, PoolId, Timestamp};

use super::StoreError;
use super::records::FileRecord;

/// Keeps what is known of files, each for the key that made it, until it expires.
#[async_trait]
pub trait FileStore: fmt::Debug + Send + Sync {
    /// Stores a file, in place of what was known of it. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: its id is empty or too long.
    async fn put_file(&self, file: FileRecord) -> Result<(), StoreError>;

    /// The file of that id, whatever its status, if this key of this pool made it and it has not expired at that moment.
    async fn file(&self, pool: PoolId, key: &KeyId, id: &str, now: Timestamp)
    -> Result<Option<FileRecord>, StoreError>;

    /// All files of this key of this pool that have not expired at that moment, newest first; of those made in the same moment, by id.
    async fn files(&self, pool: PoolId, key: &KeyId, now: Timestamp) -> Result<Vec<FileRecord>, StoreError>;

    /// Deletes the files that have expired at that moment, and tells how many they were.
    async fn prune_files(&self, now: Timestamp) -> Result<u64, StoreError>;
}
