//! What a look at all rows finds.

use pooler_filter::{AccountId, PoolId, RequestId, Timestamp};

use super::*;
use crate::store::codec::encode;
use crate::store::conformance::fixtures::{self, NOW, settlement};
use crate::store::records::{Reserved, SealedTokens, Version};

/// Looks at these rows and tells what is wrong with them.
fn findings(rows: &[(Table, Vec<u8>, Vec<u8>)]) -> Vec<(&'static str, bool)> {
    let mut checker = Checker::default();
    for (table, key, value) in rows {
        checker.row(*table, key, value);
    }
    let report = checker.finish();
    assert_eq!(report.rows(), rows.len() as u64);
    assert_eq!(report.damaged() + report.orphans(), report.findings.len() as u64);
    let mut found: Vec<_> = report.findings.iter().map(|finding| (finding.table, finding.damaged)).collect();
    found.sort_unstable();
    found
}

fn row<T: Stored>(key: Vec<u8>, value: &T) -> (Table, Vec<u8>, Vec<u8>) {
    let bytes = encode(&key, value).unwrap();
    (T::TABLE, key, bytes)
}

fn tokens(account: AccountId) -> TokenRecord {
    TokenRecord {
        account,
        version: Version(1),
        tokens: SealedTokens { refresh: vec![1], access: vec![2], access_expires_at: None },
        fence: crate::store::records::Fence(0),
        intent: None,
        orphans: Vec::new(),
        updated_at: NOW,
    }
}

#[test]
fn what_refers_to_nothing_is_an_orphan() {
    let (pool, account) = (fixtures::pool("team"), fixtures::account("a"));
    let pooled = fixtures::key(pool.id, "0123456789ab");
    let serves = fixtures::assignment(pool.id, account.id);
    let seen = CatalogSeen { pool: pool.id, model: "m".to_owned(), at: NOW };
    let source = CatalogSource { account: account.id, fetched_at: NOW, etag: None, models: Vec::new() };
    let whole = vec![
        row(key::meta("rev"), &MetaNumber(3)),
        row(key::pool(pool.id), &pool),
        row(key::pool_key(&pooled.id), &pooled),
        row(key::account(account.id), &account),
        row(key::assignment(pool.id, account.id), &serves),
        row(key::account(account.id), &tokens(account.id)),
        row(key::change(3), &ChangeRecord { rev: 3, actor: "a".to_owned(), at: NOW, changes: Vec::new() }),
        row(key::account(account.id), &source),
        row(key::seen(pool.id, "m"), &seen),
    ];
    assert_eq!(findings(&whole), []);
    let without = |table: Table| -> Vec<_> { whole.iter().filter(|row| row.0 != table).cloned().collect() };
    let orphan = |tables: &[&'static str]| tables.iter().map(|table| (*table, false)).collect::<Vec<_>>();
    assert_eq!(findings(&without(Table::Pools)), orphan(&["assignments", "catalog_seen", "keys"]));
    assert_eq!(findings(&without(Table::Accounts)), orphan(&["assignments", "catalog_sources", "secrets"]));
    assert_eq!(findings(&without(Table::Tokens)), orphan(&["accounts"]));
    assert_eq!(findings(&without(Table::Meta)), orphan(&["changes"]));
    let removed = AccountRecord { status: AccountStatus::Deleted, ..account.clone() };
    let mut gone = without(Table::Accounts);
    gone.push(row(key::account(account.id), &removed));
    assert_eq!(findings(&gone), orphan(&["catalog_sources", "secrets"]));
}

#[test]
fn no_open_request_is_too_old_to_be_found_and_sums_cover_their_rows() {
    let id = RequestId::generate();
    let since = |more: u64| row(key::open_since(), &OpenSince(made_at(id) + more));
    let reserved = Reserved {
        request_id: id,
        subject: fixtures::subject(),
        account: None,
        estimated_input_tokens: 1,
        estimated_output_tokens: 1,
        reasoning_effort: None,
        service_tier: None,
        at: NOW,
    };
    let running = RequestRecord { request_id: id, reserved: Some(reserved), settled: None, lost: None };
    let ended = RequestRecord { settled: Some(settlement(id, 7)), ..running.clone() };
    let place = key::request(id);
    assert_eq!(findings(&[row(place.clone(), &running)]), []);
    assert_eq!(findings(&[row(place.clone(), &running), since(0)]), []);
    assert_eq!(findings(&[row(place.clone(), &running), since(1)]), [("requests", false)]);

    let (who, day) = (fixtures::subject().key.unwrap(), Span::Day.number(NOW));
    let (_, sums) = UsageSums::of(&ended).unwrap();
    let hour = key::usage(&who, Span::Hour.number(NOW));
    let summed = row(hour.clone(), &HourSums(sums));
    assert_eq!(findings(&[row(place.clone(), &ended), summed.clone()]), []);
    assert_eq!(findings(&[row(place.clone(), &ended), row(key::usage(&who, day), &DaySums(sums))]), []);
    assert_eq!(findings(&[row(place.clone(), &ended), summed.clone(), since(1)]), []);
    assert_eq!(findings(&[row(place.clone(), &ended)]), [("usage_days", false)]);
    let less = UsageSums { output: sums.output - 1, ..sums };
    assert_eq!(findings(&[row(place.clone(), &ended), row(hour.clone(), &HourSums(less))]), [("usage_days", false)]);
    let mut damaged = summed.clone();
    damaged.2[10] ^= 1;
    assert_eq!(findings(&[row(place, &ended), damaged]), [("usage_hours", true)], "what is damaged is not compared");
    assert_eq!(findings(&[summed]), [], "rows are thrown away, sums are not");
}

#[test]
fn every_changed_bit_of_a_row_is_damage_and_so_is_a_row_in_a_wrong_place() {
    let pool = fixtures::pool("team");
    let good = row(key::pool(pool.id), &pool);
    for at in 0..good.2.len() {
        let mut bad = good.clone();
        bad.2[at] ^= 1 << (at % 8);
        assert_eq!(findings(&[bad]), [("pools", true)], "byte {at}");
        assert_eq!(findings(&[(good.0, good.1.clone(), good.2[..at].to_vec())]), [("pools", true)], "cut at {at}");
    }
    // Whole in itself, and not what the key says.
    let elsewhere = key::pool(PoolId::generate());
    assert_eq!(findings(&[row(elsewhere, &pool)]), [("pools", true)]);
    let sums = HourSums::default();
    assert_eq!(findings(&[row(vec![1, 200, 3], &sums)]), [("usage_hours", true)]);
    let change = ChangeRecord { rev: 3, actor: "a".to_owned(), at: Timestamp::default(), changes: Vec::new() };
    assert_eq!(findings(&[row(key::meta("rev"), &MetaNumber(9)), row(key::change(4), &change)]), [("changes", true)]);
}
