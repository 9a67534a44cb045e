//! Steps of the ledger: each kind of event has its effect once per request, and a request ends once.

use pooler_filter::Timestamp;

use super::{clipped, usage};
use crate::store::codec::{Table, key};
use crate::store::draft::Draft;
use crate::store::records::{
    AttemptRecord, LedgerEvent, Lost, RequestRecord, RequestState, Reserved, Settled, Subject,
};
use crate::store::{Appended, StoreError};

/// Rows changed per step of a long job, so that live traffic gets its turn in between.
pub(in crate::store) const CHUNK: usize = 500;
/// Longest text in a row, in bytes. Models and codes come from outside and may be of any length.
const MAX_TEXT: usize = 256;
/// Most attempts in a row; a pool's ring is far smaller.
const MAX_ATTEMPTS: usize = 64;

/// Folds an event into the row of its request.
pub(in crate::store) fn record(draft: &mut Draft<'_>, event: LedgerEvent) -> Result<Appended, StoreError> {
    let id = event.request_id();
    let place = key::request(id);
    let found = draft.read::<RequestRecord>(&place)?;
    let new = found.is_none();
    let mut row = found.unwrap_or(RequestRecord { request_id: id, reserved: None, settled: None, lost: None });
    let ended = row.settled.is_some() || row.lost.is_some();
    match event {
        LedgerEvent::Reserved(reserved) => {
            if row.reserved.is_some() {
                return Ok(Appended::Repeated);
            }
            row.reserved = Some(bounded_reservation(*reserved));
            if !ended {
                draft.begin(id);
            }
        }
        LedgerEvent::Settled(settled) => {
            if ended {
                return Ok(Appended::Repeated);
            }
            row.settled = Some(bounded_settlement(*settled));
            end(draft, &row);
        }
        LedgerEvent::Lost(lost) => {
            if row.reserved.is_none() {
                return Err(StoreError::NotFound);
            }
            if ended {
                return Ok(Appended::Repeated);
            }
            row.lost = Some(lost);
            end(draft, &row);
        }
    }
    draft.write(place, &row)?;
    if new {
        draft.count_requests(1);
    }
    Ok(Appended::Recorded)
}

/// The request has just ended: it is not open any more, and counts.
fn end(draft: &mut Draft<'_>, row: &RequestRecord) {
    draft.end(row.request_id);
    usage::count(draft, row);
}

/// Some open reservations of earlier boots become lost; fewer than [`CHUNK`] means none is left.
pub(in crate::store) fn recover(draft: &mut Draft<'_>, at: Timestamp) -> Result<usize, StoreError> {
    let places = draft.open().since().map_or_else(key::all, key::requests_since);
    let stale = draft.stored_keys(Table::Requests, places, CHUNK, is_stale)?;
    for request_id in stale.iter().filter_map(|place| key::request_id(place)) {
        record(draft, LedgerEvent::Lost(Lost { request_id, at }))?;
    }
    if stale.len() < CHUNK {
        draft.recovered();
    }
    Ok(stale.len())
}

/// Whether a row is open, and not of this boot. One that cannot be read has ended as far as anybody can tell.
fn is_stale(draft: &Draft<'_>, place: &[u8]) -> Result<bool, StoreError> {
    Ok(is_open(draft, place)? && !key::request_id(place).is_some_and(|id| draft.open().contains(id)))
}

fn is_open(draft: &Draft<'_>, place: &[u8]) -> Result<bool, StoreError> {
    match draft.read::<RequestRecord>(place) {
        Ok(row) => Ok(row.is_some_and(|row| row.state() == RequestState::Open)),
        Err(error @ StoreError::Corrupt(_)) => {
            tracing::error!(%error, "a damaged row counts as ended");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Deletes some rows that are older; fewer than [`CHUNK`] means none is left.
pub(in crate::store) fn prune(draft: &mut Draft<'_>, before: Timestamp) -> Result<usize, StoreError> {
    let ended = |draft: &Draft<'_>, place: &[u8]| is_open(draft, place).map(|open| !open);
    let old = draft.stored_keys(Table::Requests, key::requests_before(before), CHUNK, ended)?;
    let count = old.len();
    for key in old {
        draft.delete(Table::Requests, key);
        draft.count_requests(-1);
    }
    Ok(count)
}

fn bounded_reservation(mut event: Reserved) -> Reserved {
    event.subject = bounded_subject(event.subject);
    event.reasoning_effort = event.reasoning_effort.map(|text| clipped(text, MAX_TEXT));
    event.service_tier = event.service_tier.map(|text| clipped(text, MAX_TEXT));
    event
}

fn bounded_settlement(mut event: Settled) -> Settled {
    let short = |text: Option<String>| text.map(|text| clipped(text, MAX_TEXT));
    event.subject = event.subject.map(bounded_subject);
    event.account_label = short(event.account_label);
    event.served_model = short(event.served_model);
    event.served_tier = short(event.served_tier);
    event.error_code = short(event.error_code);
    event.attempts.truncate(MAX_ATTEMPTS);
    event.attempts = event.attempts.into_iter().map(bounded_attempt).collect();
    event
}

fn bounded_attempt(mut attempt: AttemptRecord) -> AttemptRecord {
    attempt.account_label = clipped(attempt.account_label, MAX_TEXT);
    attempt.result = clipped(attempt.result, MAX_TEXT);
    attempt.error_code = attempt.error_code.map(|code| clipped(code, MAX_TEXT));
    attempt
}

fn bounded_subject(mut subject: Subject) -> Subject {
    subject.route = clipped(subject.route, MAX_TEXT);
    subject.transport = clipped(subject.transport, MAX_TEXT);
    subject.model = subject.model.map(|model| clipped(model, MAX_TEXT));
    subject
}
