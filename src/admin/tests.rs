//! The socket between a command and a gateway.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pooler_filter::SystemClock;
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::server::{admits, serve_those};
use super::*;
use crate::secrets::Keyring;
use crate::store::{MemoryStore, Rev, Stores};

/// Holds every change back until it is let go.
#[derive(Debug, Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

#[async_trait]
impl OnChange for Gate {
    async fn changed(&self, _: Rev) -> Result<(), String> {
        self.reached.notify_one();
        self.open.notified().await;
        Ok(())
    }
}

struct Gateway {
    dir: TempDir,
    socket: PathBuf,
    stores: Stores,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Gateway {
    fn start() -> Self {
        Self::start_with(Arc::new(Nobody), "admin.sock", |uid| admits(uid, uid))
    }

    fn start_with(on_change: Arc<dyn OnChange>, socket: &str, admits: fn(u32) -> bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join(socket);
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let (keyring, _) = Keyring::load_or_create(&dir.path().join("root.key"), true).unwrap();
        let stores = Stores::of(&Arc::new(MemoryStore::new()));
        let listener = Listener::bind(&socket, &stores).unwrap();
        let backend = Backend::new(BackendParts {
            stores: stores.clone(),
            sealer: keyring.sealer(),
            peppers: keyring.peppers(),
            origin: "https://chatgpt.com".parse().unwrap(),
            issuer: "https://auth.openai.com".parse().unwrap(),
            clock: Arc::new(SystemClock),
            catalog: Arc::new(crate::catalog::ModelCatalog::new(&crate::config::Settings::default())),
            on_change,
            backups: None,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve_those(listener, Arc::new(backend), shutdown, admits));
        Self { dir, socket, stores, stop, task }
    }

    async fn stop(self) -> (TempDir, PathBuf) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        (self.dir, self.socket)
    }
}

fn create(slug: &str) -> Command {
    Command::PoolCreate { slug: slug.to_owned(), name: None }
}

/// Sends these bytes and returns all that comes back.
async fn raw(socket: &Path, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    // A gateway that has heard enough does not read on.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_command_is_carried_out_by_the_gateway() {
    let gateway = Gateway::start();
    let replies = call(&gateway.socket, &create("team")).await.unwrap();
    assert!(matches!(replies.as_slice(), [Reply::Pool(row)] if row.slug == "team"), "{replies:?}");
    assert_eq!(gateway.stores.control.load().await.unwrap().pools.len(), 1);
    let Err(CallError::Refused(refusal)) = call(&gateway.socket, &create("team")).await else { panic!("not refused") };
    assert_eq!(refusal.code, "conflict");
    assert!(call(&gateway.socket, &Command::KeyList { pool: None }).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_survives_the_wire() {
    let gateway = Gateway::start();
    call(&gateway.socket, &create("team")).await.unwrap();
    let command = Command::KeyCreate { pool: "team".to_owned(), name: "k".to_owned(), expires_at: None, models: None };
    let replies = call(&gateway.socket, &command).await.unwrap();
    let [Reply::NewKey(new)] = replies.as_slice() else { panic!("{replies:?}") };
    let (id, _) = crate::secrets::parse_pool_key(new.key.expose()).unwrap();
    assert_eq!(id.as_str(), new.row.id);
}

#[tokio::test]
async fn the_socket_is_for_its_owner_only_and_goes_with_the_gateway() {
    let gateway = Gateway::start();
    let mode = fs::metadata(&gateway.socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let (_dir, socket) = gateway.stop().await;
    assert!(!socket.exists());
    assert!(matches!(call(&socket, &create("team")).await, Err(CallError::NobodyListens)));
}

#[tokio::test]
async fn without_a_directory_nobody_listens() {
    let nowhere = Path::new("/nonexistent-data-directory/admin.sock");
    assert!(matches!(call(nowhere, &create("team")).await, Err(CallError::NobodyListens)));
}

#[tokio::test]
async fn what_a_dead_gateway_left_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let stores = Stores::of(&Arc::new(MemoryStore::new()));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(matches!(call(&socket, &create("team")).await, Err(CallError::NobodyListens)));
    let first = Listener::bind(&socket, &stores).unwrap();
    let refused = Listener::bind(&socket, &stores).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    assert!(StdStream::connect(&socket).is_ok(), "the first one still listens");
    drop(first);
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_listener_leaves_the_socket_of_its_successor_alone() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let stores = Stores::of(&Arc::new(MemoryStore::new()));
    let first = Listener::bind(&socket, &stores).unwrap();
    fs::rename(&socket, dir.path().join("moved")).unwrap();
    let _second = Listener::bind(&socket, &stores).unwrap();
    drop(first);
    assert!(StdStream::connect(&socket).is_ok());
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_works() {
    let long = format!("{}/admin.sock", "d".repeat(150));
    let gateway = Gateway::start_with(Arc::new(Nobody), &long, |_| true);
    assert!(gateway.socket.as_os_str().len() > 108);
    assert_eq!(call(&gateway.socket, &create("team")).await.unwrap().len(), 1);
    let (_dir, socket) = gateway.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn another_user_is_turned_away_and_nothing_is_done() {
    let gateway = Gateway::start_with(Arc::new(Nobody), "admin.sock", |_| false);
    let Err(CallError::Refused(refusal)) = call(&gateway.socket, &create("team")).await else { panic!("let in") };
    assert_eq!(refusal.code, "forbidden");
    assert_eq!(gateway.stores.control.load().await.unwrap().rev, 0);
}

#[test]
fn the_owner_and_root_are_let_in() {
    assert!(admits(1000, 1000) && admits(0, 1000) && admits(0, 0));
    assert!(!admits(1001, 1000) && !admits(1000, 0));
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_never_repeated() {
    let gateway = Gateway::start();
    let too_long = format!("{{\"version\":1,\"command\":\"{}\"}}\n", "canary".repeat(200_000));
    for (line, code) in [
        ("canary\n", "bad_request"),
        ("{\"version\":1}\n", "bad_request"),
        ("{\"version\":1,\"command\":{\"canary\":{}}}\n", "bad_request"),
        ("{\"version\":1,\"command\":{\"pool_create\":{\"slug\":[\"canary\"],\"name\":null}}}\n", "bad_request"),
        ("{\"version\":2,\"command\":{\"pool_list\":{}}}\n", "version"),
        ("{\"version\":1,\"command\":{\"pool_list\":{}}}", "bad_request"),
        (too_long.as_str(), "bad_request"),
    ] {
        let answer = raw(&gateway.socket, line.as_bytes()).await;
        let start = &line[..line.len().min(60)];
        // The kernel drops the answer to a line that was not read to its end.
        let dropped = answer.is_empty() && line.len() > wire::MAX_LINE;
        assert!(dropped || answer.contains(&format!("\"code\":\"{code}\"")), "{start}: {answer}");
        assert!(!answer.contains("canary"), "{start}: {answer}");
    }
    assert_eq!(raw(&gateway.socket, b"").await, "");
    assert_eq!(call(&gateway.socket, &create("team")).await.unwrap().len(), 1, "the gateway is still there");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_who_says_nothing() {
    let gateway = Gateway::start();
    let mut silent = StdStream::connect(&gateway.socket).unwrap();
    silent.write_all(b"{").unwrap();
    // Served after the silent one, so the silent one is being waited for by now.
    call(&gateway.socket, &create("team")).await.unwrap();
    let before = std::time::Instant::now();
    gateway.stop().await;
    assert!(before.elapsed() < std::time::Duration::from_secs(2));
}

#[tokio::test]
async fn a_running_command_is_finished_at_shutdown() {
    let gate = Arc::new(Gate::default());
    let gateway = Gateway::start_with(gate.clone(), "admin.sock", |_| true);
    let socket = gateway.socket.clone();
    let running = tokio::spawn(async move { call(&socket, &create("team")).await });
    gate.reached.notified().await;
    gateway.stop.send(()).unwrap();
    while gateway.socket.exists() {
        tokio::task::yield_now().await;
    }
    gate.open.notify_one();
    assert_eq!(running.await.unwrap().unwrap().len(), 1);
    gateway.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_that_dies_in_the_middle_leaves_the_outcome_open() {
    let gate = Arc::new(Gate::default());
    let gateway = Gateway::start_with(gate.clone(), "admin.sock", |_| true);
    let socket = gateway.socket.clone();
    let running = tokio::spawn(async move { call(&socket, &create("team")).await });
    gate.reached.notified().await;
    gateway.task.abort();
    assert!(matches!(running.await.unwrap(), Err(CallError::Cut(_))));
}

#[test]
fn the_data_directory_is_closed_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let new = dir.path().join("a/b");
    prepare_dir(&new).unwrap();
    assert_eq!(mode(&new), 0o700);
    prepare_dir(&new).unwrap();

    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
    prepare_dir(&empty).unwrap();
    assert_eq!(mode(&empty), 0o700);

    fs::write(empty.join("file"), "").unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(prepare_dir(&empty), Err(DirError::Open { mode: 0o750, .. })));
    assert_eq!(mode(&empty), 0o750, "a directory with files in it is left as it is");
    assert!(matches!(prepare_dir(&empty.join("file")), Err(DirError::Io { .. })));
}

#[test]
fn the_data_directory_of_another_user_is_refused() {
    let (root, own) = (fs::metadata("/").unwrap().uid(), rustix::process::geteuid().as_raw());
    let foreign = if own == root {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(own + 1), None).unwrap();
        dir.keep()
    } else {
        PathBuf::from("/")
    };
    assert!(matches!(prepare_dir(&foreign), Err(DirError::Foreign { owner, .. }) if owner != own));
    if own == root {
        fs::remove_dir(foreign).unwrap();
    }
}
