//! Backups of real stores: one moment in one file, restored row by row; and every way in which a file can be wrong.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use pooler_filter::{RequestId, SystemClock};
use tempfile::TempDir;

use super::*;
use crate::store::codec::encode;
use crate::store::conformance::fixtures::{NOW, actor, assignment, imported, key as pool_key, pool, reserved, settled};
use crate::store::draft::Writes;
use crate::store::{
    ControlOp, ControlStore as _, ControlTx, LedgerStore as _, SledOptions, StoreOpenError, TokenStore as _,
};

type Row = (Table, Vec<u8>, Vec<u8>);

struct Place {
    dir: TempDir,
    backups: Backups,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backups = Backups::new(dir.path().join("backups"), 3);
        Self { dir, backups }
    }

    fn options(&self) -> SledOptions {
        SledOptions::new(self.dir.path().join("store"))
    }

    fn open(&self) -> SledStore {
        SledStore::open(&self.options()).unwrap()
    }

    fn make(&self, store: &SledStore) -> BackupInfo {
        self.backups.make(store, NOW, Pace::Full, &AtomicBool::new(false)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A store with something in each of the tables that matter.
async fn fill(store: &SledStore, requests: u64) {
    let team = pool("team");
    let tx = ControlTx::new()
        .with(ControlOp::PutPool(team.clone()))
        .with(ControlOp::PutKey(pool_key(team.id, "0123456789ab")));
    store.apply(tx, &actor()).await.unwrap();
    let account = imported(store, "a").await;
    store.apply(ControlOp::PutAssignment(assignment(team.id, account)).into(), &actor()).await.unwrap();
    let mut last = None;
    for mark in 1..=requests {
        let id = RequestId::generate();
        last = Some(store.append(reserved(id, mark)));
        if !mark.is_multiple_of(10) {
            last = Some(store.append(settled(id, mark)));
        }
        if mark.is_multiple_of(1000) {
            store.flush().await.unwrap();
        }
    }
    if let Some(last) = last {
        last.wait().await.unwrap();
    }
}

/// All rows but the age, which each opening changes.
fn rows(store: &SledStore) -> Vec<Row> {
    let mut rows = Vec::new();
    let read = store.still(Pace::Full, |still| {
        still.rows(&mut |table, key, value| {
            if key != key::meta("age") {
                rows.push((table, key.to_vec(), value.to_vec()));
            }
            Ok::<(), StoreError>(())
        })
    });
    read.unwrap();
    rows
}

fn assert_clean(report: &Report) {
    assert_eq!((report.damaged(), report.orphans(), &report.findings[..]), (0, 0, &[][..]));
}

#[tokio::test]
async fn a_backup_is_restored_row_by_row_and_the_old_store_stands_aside() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 2500).await;
    let before = rows(&store);
    let made = place.make(&store);
    assert_eq!((made.rows, made.rev, made.made_at), (before.len() as u64 + 1, 3, NOW));
    assert_clean(&BackupInfo::verify(&made.path).unwrap());
    assert_clean(&store.verify().unwrap());
    // What comes after it is not in it.
    store.apply(ControlOp::PutPool(pool("later")).into(), &actor()).await.unwrap();
    let locked = restore(&place.options(), &place.backups, None, true, NOW);
    assert!(matches!(locked, Err(BackupError::Open(StoreOpenError::Locked { .. }))), "{locked:?}");
    store.close();

    let exists = restore(&place.options(), &place.backups, None, false, NOW);
    assert!(matches!(exists, Err(BackupError::Exists(_))), "{exists:?}");
    let restored = restore(&place.options(), &place.backups, None, true, NOW).unwrap();
    assert_eq!((&restored.backup, restored.left_out), (&made, 0));
    let aside = restored.moved_to.unwrap();
    assert_eq!(place.names(), ["backups", "store", aside.file_name().unwrap().to_str().unwrap()]);
    let store = place.open();
    assert_eq!(rows(&store), before);
    assert_eq!(store.load().await.unwrap().rev, 3);
    store.close();
    let old = SledStore::open(&SledOptions::new(&aside)).unwrap();
    assert_eq!(old.load().await.unwrap().rev, 4, "nothing was thrown away");
}

#[tokio::test]
async fn a_backup_is_of_one_moment_however_much_changes_while_it_is_made() {
    let place = Place::new();
    let store = Arc::new(place.open());
    fill(&store, 3000).await;
    let before = rows(&store);
    let (mut seen, mut changed) = (Vec::new(), 0);
    let read = store.still(Pace::Full, |still| {
        still.rows(&mut |table, key, value| {
            // In the middle of tables that are read, all of them change: rows come, go and are written anew.
            if seen.len() % 400 == 17 {
                changed += 1;
                let writer = Arc::clone(&store);
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        fill_more(&writer, changed).await;
                    });
                })
                .join()
                .unwrap();
            }
            if key != key::meta("age") {
                seen.push((table, key.to_vec(), value.to_vec()));
            }
            Ok::<(), StoreError>(())
        })
    });
    read.unwrap();
    assert!(changed > 5, "{changed}");
    assert!(seen == before, "{} rows, and {} before", seen.len(), before.len());
    assert!(rows(&store) != before, "it did change");
    assert_clean(&store.verify().unwrap());
}

async fn fill_more(store: &SledStore, round: u64) {
    store.apply(ControlOp::PutPool(pool(&format!("p{round}"))).into(), &actor()).await.unwrap();
    let account = store.load().await.unwrap().accounts[0].id;
    let version = store.read(account).await.unwrap().version;
    store.begin_refresh(account, version, NOW).await.ok();
    for open in store.recent(200, crate::store::RequestFilter::default()).await.unwrap() {
        if open.settled.is_none() {
            store.append(settled(open.request_id, 5));
        }
    }
    for _ in 0..50 {
        let id = RequestId::generate();
        store.append(reserved(id, 1));
        store.append(settled(id, 1));
    }
    // Rows of every age go.
    store.prune(pooler_filter::Clock::now(&SystemClock).plus(Duration::from_secs(60))).await.unwrap();
}

#[tokio::test]
async fn the_newest_backups_are_kept_private_and_complete() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 10).await;
    fs::create_dir(place.backups.dir()).unwrap();
    fs::write(place.backups.dir().join(".store-of-a-dead-process.tmp"), "half").unwrap();
    fs::write(place.backups.dir().join("store-notes.txt"), "mine").unwrap();
    let made: Vec<_> = (0..5).map(|_| place.make(&store)).collect();
    let mut kept = place.backups.files().unwrap();
    kept.reverse();
    assert_eq!(kept, made[2..].iter().map(|info| info.path.clone()).collect::<Vec<_>>());
    assert_eq!(place.backups.newest().unwrap(), made[4]);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.backups.dir()).unwrap().count(), 4, "a stranger's file stays, a half one goes");

    let stopped = place.backups.make(&store, NOW, Pace::Full, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert_eq!(place.backups.files().unwrap().len(), 3);
    assert_eq!(fs::read_dir(place.backups.dir()).unwrap().count(), 4);
}

#[tokio::test]
async fn one_backup_is_made_at_a_time() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 10).await;
    let second =
        store.still(Pace::Full, |_| Ok::<_, StoreError>(store.still(Pace::Full, |_| Ok::<(), StoreError>(())).err()));
    assert!(matches!(second, Ok(Some(StoreError::Unavailable(_)))), "{second:?}");
    assert!(store.verify().is_ok(), "and the next one works");
}

#[tokio::test]
async fn any_damage_to_a_backup_is_found_and_the_one_before_it_is_taken() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 30).await;
    let (older, newer) = (place.make(&store), place.make(&store));
    store.close();
    let good = fs::read(&newer.path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&newer.path, bytes).unwrap();
        let report = BackupInfo::verify(&newer.path);
        assert!(matches!(report, Err(BackupError::Damaged { .. })), "{what}: {report:?}");
    };
    for at in (0..good.len()).step_by(61).chain(0..60) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        refused(&bad, &format!("byte {at}"));
        refused(&good[..at], &format!("cut at {at}"));
    }
    refused(&[&good[..], &[0]].concat(), "a byte too many");
    // Two frames in each other's place are whole, and not where they belong.
    let restored = restore(&place.options(), &place.backups, None, true, NOW).unwrap();
    assert_eq!(restored.backup, older);
    fs::write(&older.path, "x").unwrap();
    let none = restore(&place.options(), &place.backups, None, true, NOW);
    assert!(matches!(none, Err(BackupError::None(_))), "{none:?}");
    drop(place.open());
}

#[tokio::test]
async fn damaged_rows_are_left_out_and_counted() {
    let place = Place::new();
    let store = place.open();
    fill(&store, 20).await;
    store.close();
    let fresh = place.options().at(&place.dir.path().join("tampered"));
    let bad = (Table::Requests, key::request(RequestId::generate()));
    let made = SledStore::write_rows(&fresh, |write| {
        let row = encode(&key::meta("format"), &MetaNumber(2)).unwrap();
        let rows = [((Table::Meta, key::meta("format")), Some(row)), (bad.clone(), Some(vec![1; 40]))];
        write(Writes::from(rows)).map_err(BackupError::from)
    });
    made.unwrap();
    let store = SledStore::open(&fresh).unwrap();
    assert_eq!(store.verify().unwrap().damaged(), 1);
    let made = place.make(&store);
    store.close();
    let report = BackupInfo::verify(&made.path).unwrap();
    assert_eq!((report.damaged(), report.findings.len()), (1, 1));
    assert!(report.findings[0].damaged && report.findings[0].table == "requests");
    let restored = restore(&place.options(), &place.backups, Some(&made.path), true, NOW).unwrap();
    assert_eq!(restored.left_out, 1);
    assert_clean(&place.open().verify().unwrap());
}

#[tokio::test]
async fn no_new_store_is_made_where_there_was_one() {
    let place = Place::new();
    let gone = || refuse_if_gone(place.options().path(), &place.backups);
    assert!(gone().is_ok(), "a first start");
    let store = place.open();
    fill(&store, 1).await;
    let made = place.make(&store);
    store.close();
    assert!(gone().is_ok());
    fs::rename(place.dir.path().join("store"), place.dir.path().join("elsewhere")).unwrap();
    let refused = gone().unwrap_err();
    assert!(refused.to_string().contains(made.path.to_str().unwrap()), "{refused}");
    assert!(refused.to_string().contains("codex-pooler store restore"), "{refused}");
    // An empty directory is no store.
    fs::create_dir(place.dir.path().join("store")).unwrap();
    assert!(gone().is_err());
    for name in ["store.bad-20260101", "store.new-20260101"] {
        fs::remove_dir_all(place.backups.dir()).ok();
        fs::create_dir(place.dir.path().join(name)).unwrap();
        assert!(matches!(gone(), Err(StoreOpenError::Gone { trace, .. }) if trace.ends_with(name)));
        fs::remove_dir(place.dir.path().join(name)).unwrap();
    }
    assert!(gone().is_ok());
}

#[tokio::test]
async fn the_keeper_makes_one_only_when_something_was_stored() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let keeper = BackupKeeper::new(store.clone(), place.backups.clone(), Arc::new(SystemClock));
    assert!(keeper.backup_if_changed(Pace::Full).await.unwrap().is_some(), "none yet");
    assert!(keeper.backup_if_changed(Pace::Half).await.unwrap().is_none());
    fill(&store, 1).await;
    assert!(keeper.backup_if_changed(Pace::Half).await.unwrap().is_some());
    keeper.backup(Pace::Full).await.unwrap();
    assert_eq!(place.backups.files().unwrap().len(), 3);
    keeper.stop();
    assert!(matches!(keeper.backup(Pace::Full).await, Err(BackupError::Stopped)));
}
