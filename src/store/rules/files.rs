//! Steps about uploaded files.

use pooler_filter::Timestamp;

use super::clipped;
use super::ledger::CHUNK;
use crate::store::StoreError;
use crate::store::codec::{Table, key};
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
    file.filename = clipped(&file.filename, MAX_TEXT);
    file.purpose = clipped(&file.purpose, MAX_TEXT);
    draft.write(key::file(file.pool, &file.key, &file.id), &file)
}

/// Deletes some files that have expired; fewer than [`CHUNK`] means none is left.
pub(in crate::store) fn prune(draft: &mut Draft<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let expired =
        |draft: &Draft<'_>, key: &[u8]| Ok(draft.read::<FileRecord>(key)?.is_some_and(|file| file.expires_at <= now));
    let old = draft.stored_keys(Table::Files, key::all(), CHUNK, expired)?;
    let count = old.len();
    for key in old {
        draft.delete(Table::Files, key);
    }
    Ok(count)
}
