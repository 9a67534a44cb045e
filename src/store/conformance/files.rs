//! What is known of files: for the key that made them, until they expire.

use std::time::Duration;

use pooler_filter::{AccountId, KeyId, PoolId, Timestamp};

use super::fixtures::NOW;
use super::{Bench, on_every_engine};
use crate::store::records::{FileRecord, FileStatus};
use crate::store::{FileStore, LedgerStore, StoreError};

on_every_engine!(
    a_file_is_known_to_its_key_and_to_nobody_else,
    a_file_is_replaced_and_survives_a_reboot,
    files_are_listed_newest_first,
    an_expired_file_is_gone_before_it_is_deleted,
    an_id_that_is_no_key_is_refused,
);

const POOL: PoolId = PoolId::from_bytes([1; 16]);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn key() -> KeyId {
    KeyId::new("sk-cxp-0123456789ab")
}

fn file(id: &str) -> FileRecord {
    FileRecord {
        id: id.to_owned(),
        pool: POOL,
        key: key(),
        account: AccountId::from_bytes([2; 16]),
        bytes: 7,
        filename: "notes.txt".to_owned(),
        purpose: "user_data".to_owned(),
        status: FileStatus::Pending,
        created_at: NOW,
        expires_at: NOW.plus(DAY),
    }
}

fn ids(files: &[FileRecord]) -> Vec<&str> {
    files.iter().map(|file| file.id.as_str()).collect()
}

async fn a_file_is_known_to_its_key_and_to_nobody_else<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    store.put_file(file("a")).await.unwrap();
    assert_eq!(store.file(POOL, &key(), "a", NOW).await, Ok(Some(file("a"))));
    let other_pool = PoolId::from_bytes([9; 16]);
    // One that is longer, one that is shorter, and one of the same length.
    for other in ["sk-cxp-0123456789abc", "sk-cxp-0123456789a", "sk-cxp-0123456789ac", ""] {
        let other = KeyId::new(other);
        assert_eq!(store.file(POOL, &other, "a", NOW).await, Ok(None));
        assert_eq!(store.files(POOL, &other, NOW).await, Ok(Vec::new()));
    }
    assert_eq!(store.file(other_pool, &key(), "a", NOW).await, Ok(None));
    assert_eq!(store.files(other_pool, &key(), NOW).await, Ok(Vec::new()));
    for other in ["", "b", "aa"] {
        assert_eq!(store.file(POOL, &key(), other, NOW).await, Ok(None));
    }
}

async fn a_file_is_replaced_and_survives_a_reboot<B: Bench>() {
    let bench = B::fresh();
    bench.store().put_file(file("a")).await.unwrap();
    let ready = FileRecord { status: FileStatus::Processed, ..file("a") };
    bench.store().put_file(ready.clone()).await.unwrap();
    let bench = bench.reboot();
    assert_eq!(bench.store().file(POOL, &key(), "a", NOW).await, Ok(Some(ready.clone())));
    assert_eq!(bench.store().files(POOL, &key(), NOW).await, Ok(vec![ready]));
}

async fn files_are_listed_newest_first<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    for (id, age) in [("c", 1), ("a", 0), ("d", 2), ("b", 1)] {
        let created_at = Timestamp::from_secs(NOW.as_secs() - age);
        store.put_file(FileRecord { created_at, ..file(id) }).await.unwrap();
    }
    assert_eq!(ids(&store.files(POOL, &key(), NOW).await.unwrap()), ["a", "b", "c", "d"]);
}

async fn an_expired_file_is_gone_before_it_is_deleted<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    store.put_file(file("old")).await.unwrap();
    let later = NOW.plus(DAY);
    store.put_file(FileRecord { expires_at: later.plus(DAY), ..file("new") }).await.unwrap();
    let steps = store.commit_stats().operations;
    assert_eq!(store.prune_files(NOW).await, Ok(0));
    assert_eq!(store.commit_stats().operations, steps, "a look that finds nothing holds nobody up");
    assert_eq!(ids(&store.files(POOL, &key(), later).await.unwrap()), ["new"]);
    assert_eq!(store.file(POOL, &key(), "old", later).await, Ok(None));
    assert_eq!(store.prune_files(later).await, Ok(1));
    assert_eq!(ids(&store.files(POOL, &key(), NOW).await.unwrap()), ["new"]);
}

async fn an_id_that_is_no_key_is_refused<B: Bench>() {
    let bench = B::fresh();
    for id in [String::new(), "a".repeat(257)] {
        let refused = bench.store().put_file(file(&id)).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    }
    let long = FileRecord { filename: "n".repeat(100_000), ..file("a") };
    bench.store().put_file(long).await.unwrap();
    assert_eq!(bench.store().files(POOL, &key(), NOW).await.unwrap()[0].filename.len(), 1024);
}
