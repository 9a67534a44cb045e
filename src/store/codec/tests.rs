//! The stored form: what was written comes back, and nothing else ever does.

use pooler_filter::{AccountId, PoolId, RequestId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::store::conformance::fixtures;

fn row(id: [u8; 16]) -> RequestRecord {
    let id = RequestId::from_bytes(id);
    RequestRecord { request_id: id, reserved: None, settled: Some(fixtures::settlement(id, 3)), lost: None }
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_is_corrupt(id: [u8; 16], at: prop::sample::Index, bit in 0..8_u32) {
        let key = key::request(RequestId::from_bytes(id));
        let mut bytes = encode(&key, &row(id)).unwrap();
        prop_assert_eq!(decode::<RequestRecord>(&key, &bytes).unwrap(), row(id));
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(matches!(decode::<RequestRecord>(&key, &bytes), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = key::request(RequestId::from_bytes([1; 16]));
        prop_assert!(matches!(decode::<RequestRecord>(&key, &bytes), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn keys_sort_as_ids_and_revisions_do(a: [u8; 16], b: [u8; 16], x: u64, y: u64) {
        let request = |id| key::request(RequestId::from_bytes(id));
        prop_assert_eq!(request(a).cmp(&request(b)), a.cmp(&b));
        prop_assert_eq!(key::change(x).cmp(&key::change(y)), x.cmp(&y));
    }

    #[test]
    fn a_prefix_covers_exactly_the_ids_that_begin_with_it(id: [u8; 16], other: [u8; 16], digits in 1..=32_usize) {
        let prefix: String = hex::encode(id)[..digits].to_owned();
        let range = key::requests_like(&prefix).unwrap();
        let within = |id: [u8; 16]| range.contains(&key::request(RequestId::from_bytes(id)));
        prop_assert!(within(id));
        prop_assert_eq!(within(other), hex::encode(other).starts_with(&prefix));
    }
}

#[test]
fn a_shortened_value_is_corrupt() {
    let key = key::request(RequestId::from_bytes([1; 16]));
    let bytes = encode(&key, &row([1; 16])).unwrap();
    for length in 0..bytes.len() {
        assert!(decode::<RequestRecord>(&key, &bytes[..length]).is_err(), "{length}");
    }
    assert!(decode::<RequestRecord>(&key, &[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_row_in_a_wrong_place_is_corrupt() {
    let id = RequestId::from_bytes([1; 16]);
    let bytes = encode(&key::request(id), &row([1; 16])).unwrap();
    let elsewhere = key::request(RequestId::from_bytes([2; 16]));
    assert!(matches!(decode::<RequestRecord>(&elsewhere, &bytes), Err(StoreError::Corrupt(_))));
    // The same bytes of key and body, in another table.
    assert!(matches!(decode::<OpenSince>(&key::request(id), &bytes), Err(StoreError::Corrupt(_))));
}

#[test]
fn another_schema_is_corrupt_even_with_a_good_checksum() {
    let key = key::request(RequestId::from_bytes([1; 16]));
    let mut bytes = encode(&key, &row([1; 16])).unwrap();
    bytes[2] = 99;
    let sum = checksum(Table::Requests, [bytes[0], bytes[1], bytes[2]], &key, &bytes[HEADER..]);
    bytes[3..HEADER].copy_from_slice(&sum.to_be_bytes());
    let error = decode::<RequestRecord>(&key, &bytes).unwrap_err();
    assert_eq!(error, StoreError::Corrupt(format!("requests {}: the format is unknown", hex::encode(&key))));
}

#[test]
fn every_table_has_its_own_name_and_number() {
    for (number, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table.index(), number);
        assert_eq!(Table::ALL.iter().filter(|other| other.name() == table.name()).count(), 1);
    }
}

#[test]
fn rows_of_one_pool_stand_together() {
    let pool = |n: u8| PoolId::from_bytes([n; 16]);
    let account = |n: u8| AccountId::from_bytes([n; 16]);
    assert!(key::assignment(pool(1), account(9)) < key::assignment(pool(2), account(0)));
}

#[test]
fn a_moment_cuts_the_ids_made_before_it() {
    let moment = Timestamp::from_millis(1_800_000_000_000);
    let range = key::requests_before(moment);
    let within = |millis| range.contains(&key::request(fixtures::id_at(Timestamp::from_millis(millis), 0)));
    assert!(within(0) && within(1_799_999_999_999));
    assert!(!within(1_800_000_000_000));
    assert!(key::requests_before(Timestamp::from_millis(u64::MAX)).contains(&key::request(RequestId::generate())));
}
