//! Care of the store from outside: backups of a running gateway, restoring, damage, and a disk that is almost full.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use codex_pooler::admin::Reply;
use codex_pooler::disk::Space;
use codex_pooler::simulator::{Fault, Who};
use codex_pooler::store::BackupInfo;
use codex_pooler::store::records::RequestState;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{POOL, Site};
use crate::support::socket::{Socket, create};
use crate::support::{Gateway, eventually};

/// Free bytes, as the test wants them.
#[derive(Debug)]
struct Room(AtomicU64);

impl Space for Room {
    fn free(&self) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

const ENOUGH: u64 = 1 << 30;

#[tokio::test]
async fn a_disk_that_is_almost_full_takes_no_new_work_and_ends_what_runs() {
    let room = Arc::new(Room(AtomicU64::new(ENOUGH)));
    let gateway = Gateway::builder().toml("[data]\nmin_free = \"64MiB\"").space(room.clone()).start().await;
    let mut socket = Socket::open(&gateway.client).await;
    gateway.codex.fault(Who::All, Fault::Events(20));
    gateway.codex.fault(Who::All, Fault::Pace(Duration::from_millis(100)));
    let mut stream = gateway.client.open_stream().await;
    assert_eq!(stream.event().await.unwrap().name, "response.created");

    room.0.store((64 << 20) - 1, Ordering::SeqCst);
    eventually("it is noticed", || async { gateway.client.ask().await.status == 503 }).await;
    let rows = gateway.ledger().await.len();
    let refused = gateway.client.ask().await;
    assert_eq!(refused.refusal(), (503, "server_is_overloaded".to_owned()));
    assert_eq!((refused.error()["type"].as_str(), refused.header("retry-after")), (Some("server_error"), Some("30")));
    assert!(refused.error()["message"].as_str().unwrap().contains("disk"), "{}", refused.text());
    let native = gateway
        .client
        .post("/backend-api/codex/responses", &json!({ "model": "gpt-5.5", "input": [], "stream": true }))
        .await;
    assert_eq!((native.status, native.header("retry-after")), (503, None));
    assert_eq!(gateway.client.get("/v1/models").await.status, 503, "it would leave a row");
    assert_eq!(socket.refuse(&create("Say hello")).await, (503, "server_is_overloaded".to_owned()));
    let probe = crate::support::Client { address: gateway.operations(), key: String::new() };
    assert_eq!(probe.get("/readyz").await.status, 503);
    assert_eq!(probe.get("/healthz").await.status, 200);
    assert!(gateway.metrics().await.contains("\ncodex_pooler_disk_free_bytes 67108863\n"));
    assert_eq!(gateway.ledger().await.len(), rows, "what was turned away leaves no row");

    let mut last = String::new();
    while let Some(event) = stream.event().await {
        last = event.name;
    }
    assert_eq!(last, "response.completed", "what runs goes on");
    let rows = gateway.settled(rows).await;
    assert!(rows.iter().all(|row| row.state() == RequestState::Settled));

    gateway.codex.clear_faults();
    room.0.store(ENOUGH, Ordering::SeqCst);
    eventually("work is taken again", || async { gateway.client.ask().await.status == 200 }).await;
    assert_eq!(probe.get("/readyz").await.status, 200);
    assert!(gateway.metrics().await.contains("\ncodex_pooler_store_bytes "));
}

fn backups(site: &Site) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(site.data().join("backups")) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn moved_aside(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.data()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("store.bad-")).collect()
}

fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_running_gateway_is_backed_up_and_what_was_backed_up_is_restored() {
    let site = Site::with("", "[backup]\ninterval = \"0\"").await;
    let key = site.furnish().await;
    let server = site.serve().await;
    for _ in 0..3 {
        assert_eq!(server.client(&key).ask().await.status, 200);
    }
    let rows = ids(&site.settled(3).await);
    let made = site.json(&["store", "backup"]).await;
    let file = made[0]["file"].as_str().unwrap().to_owned();
    assert_eq!(backups(&site), [PathBuf::from(&file)]);
    assert_eq!(server.client(&key).ask().await.status, 200);
    for busy in [vec!["store", "verify"], vec!["store", "restore", "--replace"]] {
        let refused = site.run(&busy).await;
        assert_eq!((refused.code, refused.err.contains("in use")), (Some(75), true), "{refused:?}");
    }
    let verified = site.json(&["store", "verify", &file]).await;
    let total = |member: &str| verified.iter().filter_map(|line| line[member].as_u64()).sum::<u64>();
    assert_eq!((total("damaged"), total("orphans"), Some(total("rows"))), (0, 0, made[0]["rows"].as_u64()));
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert_eq!(backups(&site).len(), 1, "none at the end where none is wanted");
    assert!(site.run(&["store", "verify"]).await.ok().out.contains("requests"));

    let refused = site.run(&["store", "restore"]).await;
    assert_eq!((refused.code, refused.err.contains("--replace")), (Some(1), true), "{refused:?}");
    let restored = site.json(&["store", "restore", "--replace"]).await;
    assert_eq!(restored[0]["backup"], made[0]);
    assert_eq!(moved_aside(&site), [PathBuf::from(restored[0]["moved_to"].as_str().unwrap())]);
    let server = site.serve().await;
    assert_eq!(ids(&site.ledger().await), rows, "as it was when it was backed up");
    assert_eq!(server.client(&key).ask().await.status, 200, "the same key, the same logins");
}

#[tokio::test]
async fn a_backup_holds_no_root_key_and_no_token_in_clear() {
    let site = Site::new().await;
    site.furnish().await;
    let made = site.json(&["store", "backup"]).await;
    let bytes = fs::read(made[0]["file"].as_str().unwrap()).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(site.codex.accounts()[0].label().as_bytes()), "it does hold the accounts");
    let root = fs::read(site.data().join("secrets.key")).unwrap();
    assert!(!holds(root.trim_ascii()));
    for account in site.codex.accounts() {
        let tokens = account.auth_json();
        for token in ["access_token", "refresh_token", "id_token"] {
            let token = tokens["tokens"][token].as_str().unwrap();
            assert!(!holds(token.as_bytes()) && !holds(&token.as_bytes()[..24]), "{token}");
        }
    }
}

#[tokio::test]
async fn backups_are_made_from_time_to_time_and_at_the_end() {
    let every = Duration::from_millis(50);
    let gateway = Gateway::builder().settings(move |settings| settings.backup.interval = Some(every)).start().await;
    let files = |dir: PathBuf| fs::read_dir(dir).map(|entries| entries.count()).unwrap_or_default();
    let dir = gateway.dir.path().join("data/backups");
    eventually("a first backup", || async { files(dir.clone()) > 0 }).await;
    eventually("three are there", || async { gateway.client.ask().await.status == 200 && files(dir.clone()) == 3 })
        .await;
    let rows = gateway.ledger().await.len();
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("codex_pooler_backups_total{result=\"made\"}"), "{metrics}");
    assert!(!metrics.contains("\ncodex_pooler_backup_timestamp_seconds 0\n"), "{metrics}");
    assert_eq!(gateway.client.ask().await.status, 200);
    gateway.settled(rows + 1).await;
    gateway.running.drain().await;
    let backups = codex_pooler::store::Backups::new(&dir, 3);
    let last = backups.newest().unwrap();
    let report = BackupInfo::verify(&last.path).unwrap();
    assert_eq!(
        (report.tables["requests"].rows, report.damaged(), report.orphans()),
        (rows as u64 + 1, 0, 0),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_damaged_store_stops_the_start_until_somebody_says_what_to_do() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    assert_eq!(server.client(&key).ask().await.status, 200);
    site.settled(1).await;
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert_eq!(backups(&site).len(), 1, "made at the end");
    let data = site.data().join("store/db");
    let whole = fs::read(&data).unwrap();
    fs::write(&data, &whole[..4096]).unwrap();
    for command in [&["serve"][..], &["pool", "list"], &["store", "verify"], &["store", "backup"]] {
        let refused = site.run(command).await;
        assert_eq!(refused.code, Some(1), "{command:?}: {refused:?}");
        assert!(refused.err.contains("codex-pooler store restore --replace"), "{refused:?}");
    }
    assert!(moved_aside(&site).is_empty());

    // The operator has said so beforehand.
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), format!("{config}\n[backup]\nrestore_damaged = true\n")).unwrap();
    let server = site.serve().await;
    assert_eq!(moved_aside(&site).len(), 1);
    assert_eq!(site.ledger().await.len(), 1);
    assert_eq!(server.client(&key).ask().await.status, 200);
    let ended = server.program.stop(Signal::TERM).await.0;
    assert!(ended.err.contains("the backup is restored") && ended.err.contains("store.bad-"), "{ended:?}");
}

#[tokio::test]
async fn a_damaged_store_without_a_backup_and_one_that_is_gone_never_become_an_empty_one() {
    let site = Site::with("", "[backup]\nrestore_damaged = true").await;
    site.furnish().await;
    let data = site.data().join("store/db");
    fs::write(&data, []).unwrap();
    for _ in 0..2 {
        let refused = site.run(&["serve"]).await;
        assert_eq!((refused.code, refused.err.contains("no usable backup")), (Some(1), true), "{refused:?}");
    }
    assert!(data.exists() && moved_aside(&site).is_empty(), "it stays as it is");

    let site = Site::new().await;
    site.furnish().await;
    site.json(&["store", "backup"]).await;
    fs::remove_dir_all(site.data().join("store")).unwrap();
    for command in [&["serve"][..], &["pool", "create", "new"]] {
        let refused = site.run(command).await;
        assert_eq!((refused.code, refused.err.contains("codex-pooler store restore")), (Some(1), true), "{refused:?}");
    }
    assert!(!site.data().join("store").exists());
    site.run(&["store", "restore"]).await.ok();
    assert_eq!(site.json(&["pool", "list"]).await[0]["slug"], POOL);
}

#[tokio::test]
async fn the_running_gateway_answers_about_its_backup() {
    let gateway = Gateway::start().await;
    let replies = gateway.execute(codex_pooler::admin::Command::StoreBackup {}).await;
    let [Reply::Backup(row)] = &replies[..] else { panic!("{replies:?}") };
    assert!(row.rows > 0 && row.bytes > 0 && row.file.ends_with(".backup"), "{row:?}");
}
