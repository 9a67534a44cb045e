//! Sums per key: what an ended request adds, what is read, and what is too old.

use std::ops::ControlFlow;

use pooler_filter::{KeyId, Timestamp};

use crate::store::StoreError;
use crate::store::codec::{DaySums, HourSums, Table, decode, key};
use crate::store::draft::{Draft, Order, Rows, Writes};
use crate::store::open::Open;
use crate::store::records::{RequestRecord, Span, UsageSums};

/// Of a day.
const HOURS: u32 = 24;

/// Counts a request that has just ended.
pub(super) fn count(draft: &mut Draft<'_>, row: &RequestRecord) {
    let key = row.subject().and_then(|subject| subject.key.as_ref());
    if let (Some(key), Some((at, sums))) = (key, UsageSums::of(row)) {
        draft.gain(key, Span::Hour.number(at), sums);
    }
}

/// What the key took in the span of `since` and all later ones. Days are made of hours when those are pruned, so both are read for them.
pub(in crate::store) fn read(
    rows: &dyn Rows,
    id: &KeyId,
    span: Span,
    since: Timestamp,
) -> Result<UsageSums, StoreError> {
    let (mut sums, number) = (UsageSums::default(), span.number(since));
    let first_hour = match span {
        Span::Hour => number,
        Span::Day => number.saturating_mul(HOURS),
    };
    rows.scan(Table::UsageHours, key::usage_since(id, first_hour), Order::Rising, &mut |key, bytes| {
        sums += decode::<HourSums>(key, bytes)?.0;
        Ok(ControlFlow::Continue(()))
    })?;
    if span == Span::Day {
        rows.scan(Table::UsageDays, key::usage_since(id, number), Order::Rising, &mut |key, bytes| {
            sums += decode::<DaySums>(key, bytes)?.0;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(sums)
}

/// Whether this row is the sum of an hour that was over before.
pub(in crate::store) fn is_old(place: &[u8], bytes: &[u8], before: Timestamp) -> Result<bool, StoreError> {
    let old = key::usage_parts(place).is_some_and(|(_, hour)| hour < Span::Hour.number(before));
    // Read only to see that it can be.
    if old { decode::<HourSums>(place, bytes).map(|_| true) } else { Ok(false) }
}

/// These hours become part of their days; tells how many they were.
pub(in crate::store) fn prune(draft: &mut Draft<'_>, old: Vec<Vec<u8>>) -> Result<usize, StoreError> {
    let mut count = 0;
    for place in old {
        let (Some((id, hour)), Some(HourSums(gone))) = (key::usage_parts(&place), draft.read(&place)?) else {
            continue;
        };
        let day = key::usage(&id, hour / HOURS);
        let mut sums = draft.read::<DaySums>(&day)?.unwrap_or_default();
        sums.0 += gone;
        draft.write(day, &sums)?;
        draft.delete(Table::UsageHours, place);
        count += 1;
    }
    Ok(count)
}

/// All sums anew, out of the rows of requests: for a store that was made before there were any. Sums that are there all the same count for
/// nothing. A row that cannot be read is not in them.
pub(in crate::store) fn rebuild(rows: &dyn Rows) -> Result<Writes, StoreError> {
    let mut open = Open::default();
    let mut draft = Draft::new(rows, &mut open);
    for table in [Table::UsageHours, Table::UsageDays] {
        let all = draft.stored_keys(table, key::all(), usize::MAX, |_, _| Ok(true))?;
        all.into_iter().for_each(|place| draft.delete(table, place));
    }
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
