//! Files that are really damaged: bits that flip, files that are cut, emptied or gone. Whatever it is, nothing panics out of the store, and
//! what opens has every row or says that it has not.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::store::{ControlStore as _, Report, verify};

/// A closed store with a few thousand rows; its directory and how many rows of requests it has.
async fn made(directory: &tempfile::TempDir) -> (PathBuf, u64) {
    let store = SledStore::open(&options(directory)).unwrap();
    store.apply(ControlOp::PutPool(pool("team")).into(), &actor()).await.unwrap();
    imported(&store, "a").await;
    for round in 0..10 {
        for mark in 0..200 {
            let id = RequestId::generate();
            store.append(reserved(id, mark));
            store.append(settled(id, round));
        }
        store.flush().await.unwrap();
    }
    store.close();
    (directory.path().join("store"), 2000)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Refused,
    Reported,
    Whole,
}

/// Opens what was damaged. Stops the test if rows are missing and nobody says so.
fn look(path: &Path, requests: u64, what: &str) -> Found {
    let report: Report = match verify(&SledOptions::new(path)) {
        Err(StoreOpenError::Damaged { .. }) => return Found::Refused,
        Err(other) => panic!("{what}: {other:?}"),
        Ok(report) => report,
    };
    if report.damaged() + report.orphans() > 0 {
        return Found::Reported;
    }
    let rows = |table: &str| report.tables[table].rows;
    assert_eq!((rows("requests"), rows("pools"), rows("secrets"), rows("changes")), (requests, 1, 1, 2), "{what}");
    Found::Whole
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_damage_to_the_files_is_a_panic_or_a_store_that_silently_lost_rows() {
    let directory = tempfile::tempdir().unwrap();
    let (good, requests) = made(&directory).await;
    let bad = directory.path().join("bad/store");
    let names: Vec<_> = fs::read_dir(&good).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let mut found = Vec::new();
    for name in names {
        let bytes = match fs::read(good.join(&name)) {
            Ok(bytes) => bytes,
            Err(_) => continue,
        };
        let mut damages: Vec<(String, Option<Vec<u8>>)> = vec![("gone".to_owned(), None)];
        let length = bytes.len();
        let spread = |count: usize| (0..count).map(move |n| n * length / count);
        for at in spread(12) {
            damages.push((format!("cut at {at}"), Some(bytes[..at].to_vec())));
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            damages.push((format!("bit at {at}"), Some(flipped)));
            let mut zeroed = bytes.clone();
            let end = (at + 4096).min(bytes.len());
            zeroed[at..end].fill(0);
            damages.push((format!("page at {at} zeroed"), Some(zeroed)));
        }
        for (what, damaged) in damages {
            let what = format!("{}: {what}", name.display());
            if bad.exists() {
                fs::remove_dir_all(&bad).unwrap();
            }
            copy(&good, &bad);
            match damaged {
                Some(bytes) => fs::write(bad.join(&name), bytes).unwrap(),
                None => fs::remove_file(bad.join(&name)).unwrap(),
            }
            found.push(look(&bad, requests, &what));
        }
    }
    let count = |wanted: &Found| found.iter().filter(|found| *found == wanted).count();
    println!(
        "{} refused, {} reported, {} whole",
        count(&Found::Refused),
        count(&Found::Reported),
        count(&Found::Whole)
    );
    // Else the damage would not have been any.
    assert!(found.iter().filter(|found| **found == Found::Refused).count() >= 5, "{found:?}");
}

#[tokio::test]
async fn an_emptied_store_is_not_taken_for_a_new_one() {
    for emptied in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = made(&directory).await;
        if emptied {
            fs::write(path.join("db"), []).unwrap()
        } else {
            fs::remove_file(path.join("db")).unwrap()
        }
        for _ in 0..2 {
            let error = SledStore::open(&options(&directory)).unwrap_err();
            assert!(matches!(error, StoreOpenError::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("codex-pooler store restore --replace"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_store_grows_older_with_each_opening_and_closing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    for age in [1, 3, 5] {
        let store = SledStore::open(&options(&directory)).unwrap();
        assert_eq!(age::noted(&path).unwrap(), Some(age));
        store.close();
        assert_eq!(age::noted(&path).unwrap(), Some(age + 1));
    }
    // A note that cannot be read is not held against the store.
    fs::write(path.join("age"), "?").unwrap();
    drop(SledStore::open(&options(&directory)).unwrap());
    assert_eq!(age::noted(&path).unwrap(), Some(8));
}
