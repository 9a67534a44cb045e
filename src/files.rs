//! Uploaded files: what is known of them, where their bytes may go, and how they are shown (docs/v1.md, Files).
//!
//! The bytes are never kept: they go from the client to where the upstream wants them. `proxy::upload` walks the steps of an upload.

mod object;
mod policy;
mod put;

use std::sync::Arc;

use pooler_filter::{
    Clock, FileFacts, FileStanding, Files, FilesError, KeyFacts, KeyId, PoolId, Reject, RejectKind, Timestamp,
    async_trait,
};

pub(crate) use self::object::FileObject;
pub(crate) use self::policy::Target;
pub(crate) use self::put::{NotUploaded, put};
use crate::store::records::{FileRecord, FileStatus};
use crate::store::{FileStore, StoreError};

/// What is known of the files of all keys.
#[derive(Debug)]
pub(crate) struct FileTable {
    store: Arc<dyn FileStore>,
    clock: Arc<dyn Clock>,
}

impl FileTable {
    pub(crate) fn new(store: Arc<dyn FileStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Stores a file, in place of what was known of it.
    pub(crate) async fn put(&self, file: FileRecord) -> Result<(), StoreError> {
        self.store.put_file(file).await
    }

    /// The file of that id, if this key made it and its upload has ended.
    pub(crate) async fn get(&self, key: &KeyFacts, id: &str) -> Result<FileRecord, Reject> {
        let found = self.store.file(key.pool.id, &key.id, id, self.clock.now()).await.map_err(Reject::internal)?;
        found.filter(is_listed).ok_or_else(not_found)
    }

    /// The file of that id, if this key made it, however far it is and although its time may be over.
    pub(crate) async fn ever(&self, key: &KeyFacts, id: &str) -> Result<FileRecord, Reject> {
        let found = self.store.file(key.pool.id, &key.id, id, Timestamp::default()).await.map_err(Reject::internal)?;
        found.ok_or_else(not_found)
    }

    /// The files of this key whose upload has ended, newest first.
    pub(crate) async fn list(&self, key: &KeyFacts) -> Result<Vec<FileRecord>, Reject> {
        let mut files = self.store.files(key.pool.id, &key.id, self.clock.now()).await.map_err(Reject::internal)?;
        files.retain(is_listed);
        Ok(files)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn is_listed(file: &FileRecord) -> bool {
    file.status != FileStatus::Pending
}

fn not_found() -> Reject {
    Reject::new(RejectKind::NotFound, "file_not_found", "file was not found").at("file_id")
}

#[async_trait]
impl Files for FileTable {
    async fn file(&self, pool: PoolId, key: &KeyId, id: &str) -> Result<Option<FileFacts>, FilesError> {
        let found = self.store.file(pool, key, id, self.clock.now()).await;
        let found = found.map_err(|error| FilesError(error.to_string()))?;
        Ok(found.map(|file| FileFacts {
            account: file.account,
            standing: match file.status {
                FileStatus::Pending => FileStanding::Pending,
                FileStatus::Processed => FileStanding::Ready,
                FileStatus::Failed => FileStanding::Failed,
            },
        }))
    }
}
