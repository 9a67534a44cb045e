//! Steps about uploaded files.

use pooler_filter::Timestamp;

use super::clipped;
use crate::store::StoreError;
use crate::store::codec::{Table, decode, key};
use crate::store::draft::Draft;
use crate::store::records::FileRecord;

/// Longest id, in bytes, as it is part of a key; longest other text.
const MAX_ID: usize = 256;
const MAX_TEXT: usize = 1024;

/// Stores a file in place of what was known of it.
pub(in crate::store) fn put(draft: &mut Draft<'_>, mut file: FileRecord) -> Result<(), StoreError> {
    if file.id.is_empty() || file.id.len() > MAX_ID {
        return Err(StoreError::Invalid("the id of a file has 1 to 256 bytes".to_owned()));
    }
    file.filename = clipped(file.filename, MAX_TEXT);
    file.purpose = clipped(file.purpose, MAX_TEXT);
    draft.write(key::file(file.pool, &file.key, &file.id), &file)
}

/// Whether this row is of a file that has expired.
pub(in crate::store) fn is_old(key: &[u8], bytes: &[u8], now: Timestamp) -> Result<bool, StoreError> {
    Ok(decode::<FileRecord>(key, bytes)?.expires_at <= now)
}

/// Deletes those of these files that have expired, and tells how many they were.
pub(in crate::store) fn prune(draft: &mut Draft<'_>, old: Vec<Vec<u8>>, now: Timestamp) -> Result<usize, StoreError> {
    let mut count = 0;
    for key in old {
        if draft.read::<FileRecord>(&key)?.is_some_and(|file| file.expires_at <= now) {
            draft.delete(Table::Files, key);
            count += 1;
        }
    }
    Ok(count)
}
