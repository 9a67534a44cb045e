//! The steps of the traits, written once against a draft: every engine gives the same answers because it runs the same steps.

pub(super) mod catalog;
pub(super) mod control;
pub(super) mod files;
pub(super) mod ledger;
pub(super) mod tokens;
pub(super) mod usage;

use pooler_filter::Timestamp;

use super::codec::{MetaNumber, Table, key};
use super::control::{Change, ChangeRecord, Rev};
use super::draft::Draft;
use super::{Actor, StoreError};

/// How many lines the audit trail keeps.
const TRAIL: u64 = 10_000;
const REV: &str = "rev";

/// The revision the draft stands at.
fn revision(draft: &Draft<'_>) -> Result<Rev, StoreError> {
    Ok(draft.read::<MetaNumber>(&key::meta(REV))?.map_or(0, |number| number.0))
}

/// Makes the next revision out of these changes.
fn next_revision(draft: &mut Draft<'_>, changes: Vec<Change>, actor: &Actor) -> Result<Rev, StoreError> {
    let rev = revision(draft)? + 1;
    let at: Timestamp = actor.at;
    draft.write(key::meta(REV), &MetaNumber(rev))?;
    draft.write(key::change(rev), &ChangeRecord { rev, actor: clipped(actor.name.clone(), 128), at, changes })?;
    if let Some(old) = rev.checked_sub(TRAIL).filter(|old| *old > 0) {
        draft.delete(Table::Changes, key::change(old));
    }
    Ok(rev)
}

/// The text, or as much of its beginning as fits into that many bytes.
fn clipped(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}
