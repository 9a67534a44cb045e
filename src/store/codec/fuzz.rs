//! Values of a store that may hold anything: what is read is written so that it reads the same, and damage is found out.

use pooler_filter::{AccountId, PoolId, RequestId};

use super::{
    AccountRecord, AssignmentRecord, CatalogSeen, CatalogSource, ChangeRecord, DaySums, FORMAT, FileRecord, HEADER,
    HourSums, KeyMark, KeyRecord, MetaNumber, OpenSince, PoolRecord, RequestRecord, StoreError, Stored, TokenRecord,
    checksum, decode, encode, key,
};

/// A byte that names the table, one that says where the value is damaged, and the body of the value.
///
/// # Panics
/// When a property does not hold.
pub fn codec(input: &[u8]) {
    keys(input);
    let [table, place, body @ ..] = input else { return };
    let check = match table % 15 {
        0 => check::<MetaNumber>,
        1 => check::<PoolRecord>,
        2 => check::<KeyRecord>,
        3 => check::<AccountRecord>,
        4 => check::<AssignmentRecord>,
        5 => check::<TokenRecord>,
        6 => check::<ChangeRecord>,
        7 => check::<RequestRecord>,
        8 => check::<OpenSince>,
        9 => check::<KeyMark>,
        10 => check::<FileRecord>,
        11 => check::<CatalogSource>,
        12 => check::<CatalogSeen>,
        13 => check::<HourSums>,
        _ => check::<DaySums>,
    };
    check(*place, body);
}

fn check<T: Stored>(place: u8, body: &[u8]) {
    let own = key::request(RequestId::from_bytes([place; 16]));
    assert!(is_corrupt::<T>(&own, body), "no value has a wrong checksum");
    let schema = T::SCHEMA.to_be_bytes();
    let mut value = vec![FORMAT, schema[0], schema[1], 0, 0, 0, 0];
    value.extend_from_slice(body);
    let sum = checksum(T::TABLE, [FORMAT, schema[0], schema[1]], &own, body);
    value[3..HEADER].copy_from_slice(&sum.to_be_bytes());
    // A body that is no record is damage, whatever its checksum says.
    let Ok(record) = decode::<T>(&own, &value) else { return assert!(is_corrupt::<T>(&own, &value)) };
    let Ok(written) = encode(&own, &record) else { return assert!(value.len() > super::MAX_VALUE / 2) };
    let again = decode::<T>(&own, &written).expect("what was written is read");
    assert_eq!(encode(&own, &again).as_ref(), Ok(&written));
    let mut damaged = written.clone();
    let at = usize::from(place) * 7 % damaged.len();
    damaged[at] ^= 1 << (place % 8);
    assert!(is_corrupt::<T>(&own, &damaged), "damage at byte {at} is not found out");
    assert!(is_corrupt::<T>(&own, &written[..at]));
    let elsewhere = key::request(RequestId::from_bytes([place ^ 1; 16]));
    assert!(is_corrupt::<T>(&elsewhere, &written), "it is read in another place");
}

fn is_corrupt<T: Stored>(key: &[u8], value: &[u8]) -> bool {
    matches!(decode::<T>(key, value), Err(StoreError::Corrupt(_)))
}

/// Keys of rows are read without trust too.
fn keys(bytes: &[u8]) {
    if let Some((id, number)) = key::usage_parts(bytes) {
        let again = key::usage(&id, number);
        assert_eq!(key::usage_parts(&again), Some((id, number)));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(range) = key::requests_like(&text) {
        assert!(range.start < range.end);
    }
    let [pool, account, ..] = bytes else { return };
    let place = key::assignment(PoolId::from_bytes([*pool; 16]), AccountId::from_bytes([*account; 16]));
    assert!(key::all().contains(&place));
}
