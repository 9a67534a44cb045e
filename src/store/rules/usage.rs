//! Sums per key: what an ended request adds, what is read, and what is too old.

use std::ops::ControlFlow;

use pooler_filter::{KeyId, Timestamp};

use super::ledger::CHUNK;
use crate::store::StoreError;
use crate::store::codec::{DaySums, HourSums, Table, decode, key};
use crate::store::draft::{Draft, Order, Rows, Writes};
use crate::store::records::{RequestRecord, Span, UsageSums};

/// Counts a request that has just ended.
pub(super) fn count(draft: &mut Draft<'_>, row: &RequestRecord) {
    let key = row.subject().and_then(|subject| subject.key.as_ref());
    if let (Some(key), Some((at, sums))) = (key, UsageSums::of(row)) {
        draft.gain(key, Span::Hour.number(at), sums);
    }
}

/// What the key took in the span of `since` and all later ones.
pub(in crate::store) fn read(
    rows: &dyn Rows,
    id: &KeyId,
    span: Span,
    since: Timestamp,
) -> Result<UsageSums, StoreError> {
    let mut sums = UsageSums::default();
    let table = table(span);
    rows.scan(table, key::usage_since(id, span.number(since)), Order::Rising, &mut |key, bytes| {
        sums += match span {
            Span::Hour => decode::<HourSums>(key, bytes)?.0,
            Span::Day => decode::<DaySums>(key, bytes)?.0,
        };
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sums)
}

const fn table(span: Span) -> Table {
    match span {
        Span::Hour => Table::UsageHours,
        Span::Day => Table::UsageDays,
    }
}

/// Deletes some hours that were over before; fewer than [`CHUNK`] means none is left.
pub(in crate::store) fn prune(draft: &mut Draft<'_>, before: Timestamp) -> Result<usize, StoreError> {
    let first_kept = Span::Hour.number(before);
    let old = |_: &Draft<'_>, place: &[u8]| Ok(key::usage_number(place).is_some_and(|number| number < first_kept));
    let old = draft.stored_keys(Table::UsageHours, key::all(), CHUNK, old)?;
    let count = old.len();
    for place in old {
        draft.delete(Table::UsageHours, place);
    }
    Ok(count)
}

/// All sums anew, out of the rows of requests: for a store that was made before there were any. A row that cannot be read is not in them.
pub(in crate::store) fn rebuild(rows: &dyn Rows) -> Result<Writes, StoreError> {
    let mut draft = Draft::new(rows);
    let (mut counted, mut unreadable) = (0_u64, 0_u64);
    rows.scan(Table::Requests, key::all(), Order::Rising, &mut |key, bytes| {
        match decode::<RequestRecord>(key, bytes) {
            Ok(row) => {
                draft.step(|draft| {
                    count(draft, &row);
                    Ok(())
                })?;
                counted += 1;
            }
            Err(_) => unreadable += 1,
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if counted + unreadable > 0 {
        tracing::info!(rows = counted, unreadable, "the sums per key were made out of the rows of requests");
    }
    draft.into_writes()
}
