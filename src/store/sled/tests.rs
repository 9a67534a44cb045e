//! What only the embedded store can get wrong: locks, permissions, damage, a disk that refuses, a process that dies.

mod damage;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use pooler_filter::{AccountId, PoolId, RequestId};

use super::*;
use crate::store::codec::{HourSums, MetaNumber, Table, encode, key};
use crate::store::conformance::fixtures::{NOW, account, actor, imported, pool, reserved, settled, subject};
use crate::store::durable::Durable;
use crate::store::records::{CatalogModel, CatalogSeen, CatalogSource, FileRecord, FileStatus, Span};
use crate::store::{
    Appended, CatalogStore, ControlOp, ControlStore, ControlTx, FileStore, LedgerStore, RequestFilter, TokenStore,
};

fn options(directory: &tempfile::TempDir) -> SledOptions {
    SledOptions::new(directory.path().join("store"))
}

#[tokio::test]
async fn one_process_at_a_time_has_it_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    assert!(!SledStore::is_locked(&path).unwrap(), "nothing there");
    assert!(!path.exists(), "asking makes nothing");
    let store = SledStore::open(&options(&directory)).unwrap();
    assert!(SledStore::is_locked(&path).unwrap());
    let second = SledStore::open(&options(&directory));
    assert!(matches!(second, Err(StoreOpenError::Locked { .. })), "{second:?}");
    drop(store);
    assert!(!SledStore::is_locked(&path).unwrap());
}

#[tokio::test]
async fn can_be_opened_again_the_moment_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let store = Arc::new(SledStore::open(&options(&directory)).unwrap());
        assert_eq!(store.load().await.unwrap().rev, round);
        store.apply(ControlOp::PutPool(pool(&format!("p{round}"))).into(), &actor()).await.unwrap();
        // A look on its way does not keep the files open.
        let looker = store.clone();
        let looking = tokio::spawn(async move { looker.recent(10, RequestFilter::default()).await });
        tokio::task::yield_now().await;
        store.close();
        assert_eq!(looking.await.unwrap(), Ok(Vec::new()));
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    let last = store.append(settled(RequestId::generate(), 1));
    store.close();
    assert_eq!(last.peek(), Some(Ok(Appended::Recorded)), "what was queued is written");
    let late = store.append(settled(RequestId::generate(), 1));
    assert!(matches!(late.peek(), Some(Err(StoreError::Unavailable(_)))));
    assert!(matches!(store.load().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.get(RequestId::generate()).await, Err(StoreError::Unavailable(_))));
}

#[test]
fn the_directory_is_private_even_if_it_was_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    SledStore::open(&options(&directory)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Changes the bytes of one row behind the store's back.
fn tamper(store: &SledStore, table: Table, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let trees = store.trees.lock().clone().unwrap();
    let mut bytes = trees.raw(table).get(key).unwrap().unwrap().to_vec();
    change(&mut bytes);
    trees.raw(table).insert(key, bytes).unwrap();
}

#[tokio::test]
async fn a_changed_byte_is_corrupt_and_never_wrong_data() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    let corrupt = |error: Option<StoreError>| assert!(matches!(error, Some(StoreError::Corrupt(_))), "{error:?}");

    let id = RequestId::generate();
    store.append(reserved(id, 1)).wait().await.unwrap();
    tamper(&store, Table::Requests, &key::request(id), |bytes| *bytes.last_mut().unwrap() ^= 1);
    corrupt(store.get(id).await.err());
    corrupt(store.recent(10, RequestFilter::default()).await.err());
    corrupt(store.append(settled(id, 1)).wait().await.err());
    // One bad row does not stop the others.
    store.append(settled(RequestId::generate(), 1)).wait().await.unwrap();

    let account = imported(&store, "a").await;
    tamper(&store, Table::Tokens, &key::account(account), |bytes| bytes[20] ^= 0x80);
    corrupt(store.read(account).await.err());
    tamper(&store, Table::Accounts, &key::account(account), |bytes| bytes.truncate(9));
    corrupt(store.load().await.err());
}

#[test]
fn a_store_from_the_future_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    let key = key::meta("format");
    let future = encode(&key, &MetaNumber(7)).unwrap();
    tamper(&store, Table::Meta, &key, |bytes| *bytes = future);
    drop(store);
    let opened = SledStore::open(&options(&directory));
    assert!(matches!(opened, Err(StoreOpenError::TooNew { found: 7, known: 3, .. })), "{opened:?}");
    // A refusal lets go of the lock.
    assert!(matches!(SledStore::open(&options(&directory)), Err(StoreOpenError::TooNew { .. })));
}

#[test]
fn damaged_files_are_an_error_and_not_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    drop(SledStore::open(&options(&directory)).unwrap());
    let path = directory.path().join("store");
    std::fs::write(path.join("conf"), [0xff; 64]).unwrap();
    std::fs::write(path.join("db"), [0x5a; 1 << 20]).unwrap();
    let error = SledStore::open(&options(&directory)).unwrap_err();
    assert!(matches!(error, StoreOpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("codex-pooler store restore --replace"), "{error}");
}

#[tokio::test]
async fn a_store_from_before_the_sums_gets_them_out_of_its_rows_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    for mark in 1..=500 {
        let id = RequestId::generate();
        store.append(reserved(id, mark));
        store.append(settled(id, mark));
    }
    store.append(reserved(RequestId::generate(), 1));
    store.flush().await.unwrap();
    let key = subject().key.unwrap();
    let sums = async |store: &SledStore| {
        (store.usage(&key, Span::Hour, NOW).await.unwrap(), store.usage(&key, Span::Day, NOW).await.unwrap())
    };
    let made = sums(&store).await;
    assert_eq!((made.0.requests, made.0.input), (500, 500 * 501 / 2));
    {
        let trees = store.trees.lock().clone().unwrap();
        trees.raw(Table::UsageHours).clear().unwrap();
        let format = key::meta("format");
        trees.raw(Table::Meta).insert(&format, encode(&format, &MetaNumber(1)).unwrap()).unwrap();
        trees.flush().unwrap();
    }
    assert_eq!(sums(&store).await.0.requests, 0);
    store.close();
    for _ in 0..2 {
        let store = SledStore::open(&options(&directory)).unwrap();
        assert_eq!(sums(&store).await, made);
        store.close();
    }
}

#[tokio::test]
async fn a_store_from_before_the_moment_of_the_oldest_open_request_loses_none_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    store.recover(NOW).await.unwrap();
    let (open, ended) = (RequestId::generate(), RequestId::generate());
    for id in [open, ended] {
        store.append(reserved(id, 1));
    }
    store.append(settled(ended, 1)).wait().await.unwrap();
    let sums = store.usage(&subject().key.unwrap(), Span::Day, NOW).await.unwrap();
    {
        let trees = store.trees.lock().clone().unwrap();
        trees.raw(Table::OpenRequests).clear().unwrap();
        // As it was then: the key of a request, and something that today's program cannot read.
        trees.raw(Table::OpenRequests).insert(key::request(open), &b"the boot of the request"[..]).unwrap();
        trees.raw(Table::UsageHours).clear().unwrap();
        let format = key::meta("format");
        trees.raw(Table::Meta).insert(&format, encode(&format, &MetaNumber(2)).unwrap()).unwrap();
        trees.flush().unwrap();
    }
    store.close();
    let store = SledStore::open(&options(&directory)).unwrap();
    assert_eq!(store.usage(&subject().key.unwrap(), Span::Hour, NOW).await.unwrap().requests, 0, "sums are left alone");
    assert_eq!((sums.requests, store.recover(NOW).await), (1, Ok(1)));
    assert_eq!(store.get(open).await.unwrap().unwrap().state(), crate::store::records::RequestState::Lost);
    // From now on the moment is known.
    store.append(reserved(RequestId::generate(), 1)).wait().await.unwrap();
    let trees = store.trees.lock().clone().unwrap();
    let rows: Vec<_> = trees.raw(Table::OpenRequests).iter().keys().map(Result::unwrap).collect();
    assert_eq!(rows, [key::open_since()]);
}

/// Whatever an attempt that was broken off left behind, the sums are those of the rows.
#[tokio::test]
async fn sums_are_made_from_nothing_when_an_earlier_try_was_broken_off() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    for mark in 1..=3 {
        let id = RequestId::generate();
        store.append(reserved(id, mark));
        store.append(settled(id, mark));
    }
    store.flush().await.unwrap();
    let key = subject().key.unwrap();
    let made = store.usage(&key, Span::Hour, NOW).await.unwrap();
    assert_eq!(made.requests, 3);
    // All sums are there, and the number of the format is not.
    let format = key::meta("format");
    let old = encode(&format, &MetaNumber(1)).unwrap();
    tamper(&store, Table::Meta, &format, |bytes| *bytes = old);
    store.close();
    let store = SledStore::open(&options(&directory)).unwrap();
    assert_eq!(store.usage(&key, Span::Hour, NOW).await.unwrap(), made);
}

/// The rows of requests are the truth: a sum that is damaged costs neither a settlement nor the store.
#[tokio::test]
async fn a_damaged_sum_does_not_stop_requests_from_ending() {
    let directory = tempfile::tempdir().unwrap();
    let (report, reports) = mpsc::channel();
    let options = options(&directory).on_fatal(Arc::new(move |what| report.send(what.to_owned()).unwrap()));
    let store = SledStore::open(&options).unwrap();
    let [first, second] = [RequestId::generate(), RequestId::generate()];
    store.append(reserved(first, 1));
    store.append(reserved(second, 2));
    store.append(settled(first, 1)).wait().await.unwrap();
    let place = {
        let trees = store.trees.lock().clone().unwrap();
        let (place, _) = trees.raw(Table::UsageHours).first().unwrap().unwrap();
        place.to_vec()
    };
    tamper(&store, Table::UsageHours, &place, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(store.append(settled(second, 2)).wait().await, Ok(Appended::Recorded));
    assert!(store.get(second).await.unwrap().unwrap().settled.is_some());
    let told = store.usage(&subject().key.unwrap(), Span::Hour, NOW).await;
    assert!(matches!(told, Err(StoreError::Corrupt(_))), "a wrong sum is told to nobody: {told:?}");
    assert!(reports.try_recv().is_err());
}

#[tokio::test]
async fn a_damaged_row_does_not_keep_others_from_being_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    let owner = subject().key.unwrap();
    let file = |id: &str| FileRecord {
        id: id.to_owned(),
        pool: PoolId::from_bytes([1; 16]),
        key: owner.clone(),
        account: AccountId::from_bytes([2; 16]),
        bytes: 1,
        filename: String::new(),
        purpose: String::new(),
        status: FileStatus::Processed,
        created_at: NOW,
        expires_at: NOW,
    };
    for id in ["a", "b", "c"] {
        store.put_file(file(id)).await.unwrap();
    }
    let hour = Span::Hour.number(NOW);
    {
        let trees = store.trees.lock().clone().unwrap();
        for earlier in 1..=3 {
            let place = key::usage(&owner, hour - earlier);
            let sums = encode(&place, &HourSums::default()).unwrap();
            trees.raw(Table::UsageHours).insert(place, sums).unwrap();
        }
    }
    let damage = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    tamper(&store, Table::Files, &key::file(PoolId::from_bytes([1; 16]), &owner, "a"), damage);
    tamper(&store, Table::UsageHours, &key::usage(&owner, hour - 3), damage);
    for left in [2, 0] {
        assert_eq!((store.prune_files(NOW).await, store.prune_usage(NOW).await), (Ok(left), Ok(left)));
    }
}

/// What an account told of its models can be asked again, so it is not worth a start.
#[tokio::test]
async fn a_damaged_row_of_the_catalog_costs_that_row_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(&options(&directory)).unwrap();
    let (team, accounts) = (pool("team"), [account("a"), account("b")]);
    let mut tx = ControlTx::new().with(ControlOp::PutPool(team.clone()));
    for account in &accounts {
        tx = tx.with(ControlOp::PutAccount(account.clone()));
    }
    store.apply(tx, &actor()).await.unwrap();
    for account in &accounts {
        let models = vec![CatalogModel { slug: "m".to_owned(), ..CatalogModel::default() }];
        store.put_source(CatalogSource { account: account.id, fetched_at: NOW, etag: None, models }).await.unwrap();
    }
    let seen = ["m", "n"].map(|model| CatalogSeen { pool: team.id, model: model.to_owned(), at: NOW });
    store.see(seen.to_vec()).await.unwrap();
    let damage = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    tamper(&store, Table::CatalogSources, &key::account(accounts[0].id), damage);
    tamper(&store, Table::CatalogSeen, &key::seen(team.id, "m"), damage);
    let rows = store.load_catalog().await.unwrap();
    assert_eq!(rows.sources.iter().map(|source| source.account).collect::<Vec<_>>(), [accounts[1].id]);
    assert_eq!(rows.seen, seen[1..]);
    store.see(seen.to_vec()).await.unwrap();
    assert_eq!(store.load_catalog().await.unwrap().seen, seen, "it is written anew");
}

/// A store whose disk refuses at the given sync; the reports of its end.
fn failing(directory: &tempfile::TempDir, at: usize) -> (SledStore, mpsc::Receiver<String>) {
    let (report, reports) = mpsc::channel();
    let options = options(directory).on_fatal(Arc::new(move |what| report.send(what.to_owned()).unwrap()));
    let mut syncs = 0;
    let store = open::open_with(&options, |_| {
        Ok(Box::new(move || {
            syncs += 1;
            if syncs == at { Err(std::io::Error::other("disk on fire")) } else { Ok(()) }
        }))
    });
    (store.unwrap(), reports)
}

#[tokio::test]
async fn a_failing_fsync_is_unknown_fatal_and_never_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (store, reports) = failing(&directory, 2);
    store.append(settled(RequestId::generate(), 1)).wait().await.unwrap();
    let second = store.append(settled(RequestId::generate(), 1)).wait().await;
    assert_eq!(second, Err(StoreError::Unknown("fsync: disk on fire".to_owned())));
    assert_eq!(reports.recv().unwrap(), "fsync: disk on fire");
    let late = store.append(settled(RequestId::generate(), 1)).wait().await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.load().await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.commit_stats().commits, 1);
}

#[tokio::test]
async fn a_panic_while_committing_is_unknown_and_fatal() {
    let directory = tempfile::tempdir().unwrap();
    let (store, reports) = failing(&directory, usize::MAX);
    let (durable, resolver) = Durable::pending();
    let job = Work::Job(Box::new(move |_| {
        let _held = resolver;
        panic!("the engine met damage")
    }));
    assert!(store.enqueue(job).is_ok());
    assert!(matches!(durable.wait().await, Err(StoreError::Unknown(_))));
    assert_eq!(reports.recv().unwrap(), "the engine panicked");
}

#[tokio::test]
async fn many_events_share_a_sync() {
    let directory = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let count = move |took: Duration, operations| {
        assert!(took > Duration::ZERO);
        counted.fetch_add(operations, Ordering::SeqCst);
    };
    let store = SledStore::open(&options(&directory).on_commit(Arc::new(count))).unwrap();
    let all: Vec<_> = (0..5000).map(|_| store.append(settled(RequestId::generate(), 1))).collect();
    for durable in &all {
        durable.wait().await.unwrap();
    }
    let stats = store.commit_stats();
    assert!(stats.commits < 500, "{stats:?}");
    assert_eq!((stats.operations, seen.load(Ordering::SeqCst)), (5000, 5000));
    assert!(stats.last > Duration::ZERO && stats.max >= stats.last && stats.total >= stats.max, "{stats:?}");
}

#[test]
fn a_full_queue_refuses_at_once_and_keeps_room_for_endings() {
    let queue = Queue::default();
    let event = |event| Work::Event(event, Durable::pending().1);
    for _ in 0..queue::MAX_EVENTS {
        assert!(queue.push(event(reserved(RequestId::generate(), 1))).is_ok());
    }
    let refused = queue.push(event(reserved(RequestId::generate(), 1))).err().unwrap().1;
    assert!(matches!(refused, StoreError::Unavailable(_)));
    for _ in queue::MAX_EVENTS..queue::MAX_ENDINGS {
        assert!(queue.push(event(settled(RequestId::generate(), 1))).is_ok());
    }
    assert!(queue.push(event(settled(RequestId::generate(), 1))).is_err());
    let job = || Work::Job(Box::new(|_| Box::new(|_| {})));
    for _ in 0..queue::MAX_JOBS {
        assert!(queue.push(job()).is_ok());
    }
    assert!(queue.push(job()).is_err());

    assert_eq!(queue.events(), queue::MAX_ENDINGS);
    assert_eq!(queue.take(None).unwrap().len(), queue::GROUP);
    assert_eq!(queue.events(), queue::MAX_ENDINGS - queue::GROUP);
    queue.close();
    assert!(queue.push(job()).is_err());
    let rest = std::iter::from_fn(|| queue.take(None)).map(|group| group.len()).sum::<usize>();
    assert_eq!(rest, queue::MAX_ENDINGS + queue::MAX_JOBS - queue::GROUP);
}

const CHILD: &str = "CODEX_POOLER_TEST_STORE";

/// The process that is killed: writes, and names what it was told is stored.
#[tokio::test]
#[ignore = "the other half of nothing_acknowledged_is_lost_when_the_process_is_killed, which starts it"]
async fn writer_to_be_killed() {
    let store = SledStore::open(&SledOptions::new(std::env::var(CHILD).unwrap())).unwrap();
    store.recover(NOW).await.unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let batch: Vec<_> = (0..40).map(|_| RequestId::generate()).collect();
        let stored: Vec<_> =
            batch.iter().map(|id| (store.append(reserved(*id, 1)), store.append(settled(*id, 2)))).collect();
        for (id, (reservation, settlement)) in batch.iter().zip(stored) {
            reservation.wait().await.unwrap();
            settlement.wait().await.unwrap();
            writeln!(out, "stored {id}").unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut stored: Vec<RequestId> = Vec::new();
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sled::tests::writer_to_be_killed", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The last line may be cut: then nobody was told.
        let mut acknowledged =
            lines.filter_map(|line| line.rsplit_once("stored ").and_then(|(_, id)| id.parse::<RequestId>().ok()));
        let before = stored.len();
        stored.extend(acknowledged.by_ref().take(100 * round));
        assert_eq!(stored.len(), before + 100 * round, "the writer ended by itself");
        child.kill().unwrap();
        // What it still said before it died counts too.
        stored.extend(acknowledged);
        child.wait().unwrap();
        let store = SledStore::open(&SledOptions::new(&path)).unwrap();
        store.recover(NOW).await.unwrap();
        for id in &stored {
            let row = store.get(*id).await.unwrap().unwrap();
            assert!(row.reserved.is_some() && row.settled.is_some(), "{id} in round {round}");
        }
        let ended = store.recent(usize::MAX, RequestFilter::default()).await.unwrap().len();
        let sums = store.usage(&subject().key.unwrap(), Span::Hour, NOW).await.unwrap();
        assert_eq!(sums.requests, ended as u64, "each row once, in round {round}");
    }
}
