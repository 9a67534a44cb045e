//! A file as clients see it.

use serde::Serialize;

use crate::store::records::{FileRecord, FileStatus};

/// The file object of OpenAI; times in unix seconds.
#[derive(Debug, Serialize)]
pub(crate) struct FileObject<'a> {
    pub(crate) id: &'a str,
    object: &'static str,
    bytes: u64,
    created_at: u64,
    filename: &'a str,
    purpose: &'a str,
    status: &'static str,
    expires_at: u64,
}

impl<'a> From<&'a FileRecord> for FileObject<'a> {
    fn from(file: &'a FileRecord) -> Self {
        Self {
            id: &file.id,
            object: "file",
            bytes: file.bytes,
            created_at: file.created_at.as_secs(),
            filename: &file.filename,
            purpose: &file.purpose,
            status: match file.status {
                FileStatus::Pending => "uploaded",
                FileStatus::Processed => "processed",
                FileStatus::Failed => "error",
            },
            expires_at: file.expires_at.as_secs(),
        }
    }
}

impl FileObject<'_> {
    /// The object as JSON.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Writing plain strings and numbers into memory cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
