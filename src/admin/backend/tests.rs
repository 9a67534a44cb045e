//! Commands against a store in memory: what they change, what they refuse, and that nothing secret is told.

mod accounts;
mod keys;
mod pools;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use pooler_filter::testing::{FakeClock, START};
use pooler_filter::{Secret, Timestamp};
use serde_json::json;

use super::*;
use crate::admin::reply::{AccountRow, KeyRow, NewKey, PoolRow};
use crate::secrets::Keyring;
use crate::store::MemoryStore;

/// Stands in every secret of these tests.
const CANARY: &str = "canary-5d1e";

/// Remembers the revisions that it was told of, and fails on demand.
#[derive(Debug, Default)]
struct Told {
    revs: Mutex<Vec<Rev>>,
    fails: Mutex<bool>,
}

#[async_trait]
impl OnChange for Told {
    async fn changed(&self, rev: Rev) -> Result<(), String> {
        self.revs.lock().push(rev);
        if *self.fails.lock() { Err("no snapshot".to_owned()) } else { Ok(()) }
    }
}

struct Bench {
    keyring: Keyring,
    clock: Arc<FakeClock>,
    told: Arc<Told>,
    backend: Backend,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("root.key");
        let (keyring, _) = Keyring::load_or_create(&path, true).unwrap();
        let (store, clock, told) = (Arc::new(MemoryStore::new()), FakeClock::at(START), Arc::new(Told::default()));
        let backend = Backend::new(BackendParts {
            stores: Stores::of(&store),
            sealer: keyring.sealer(),
            peppers: keyring.peppers(),
            origin: "https://chatgpt.com".parse().unwrap(),
            issuer: "https://auth.openai.com".parse().unwrap(),
            clock: clock.clone(),
            catalog: Arc::new(crate::catalog::ModelCatalog::new(&crate::config::Settings::default())),
            on_change: told.clone(),
            backups: None,
        });
        Self { keyring, clock, told, backend }
    }

    async fn with_pool() -> Self {
        let bench = Self::new();
        bench.run(Command::PoolCreate { slug: "team".to_owned(), name: None }).await.unwrap();
        bench
    }

    async fn run(&self, command: impl Into<Command>) -> Result<Vec<Reply>, Refusal> {
        self.backend.execute(command.into(), &Who::peer(7)).await
    }

    /// The code of the refusal of a command that must be refused and must change nothing.
    async fn refusal(&self, command: impl Into<Command>) -> String {
        let before = self.snapshot().await;
        let refusal = self.run(command).await.unwrap_err();
        assert_eq!(self.snapshot().await, before, "{refusal}");
        assert!(!refusal.to_string().contains(CANARY), "{refusal}");
        refusal.code
    }

    async fn snapshot(&self) -> Snapshot {
        self.backend.load().await.unwrap()
    }
}

fn pool_row(replies: &[Reply]) -> PoolRow {
    let [Reply::Pool(row)] = replies else { panic!("not one pool: {replies:?}") };
    row.clone()
}

fn key_row(replies: &[Reply]) -> KeyRow {
    let [Reply::Key(row)] = replies else { panic!("not one key: {replies:?}") };
    row.clone()
}

fn new_key(replies: &[Reply]) -> NewKey {
    let [Reply::NewKey(new)] = replies else { panic!("not one new key: {replies:?}") };
    new.clone()
}

/// The account and the number of warnings.
fn account_row(replies: &[Reply]) -> (AccountRow, usize) {
    let [Reply::Account(row), warnings @ ..] = replies else { panic!("no account: {replies:?}") };
    assert!(warnings.iter().all(|w| matches!(w, Reply::Warning(_))), "{warnings:?}");
    (row.clone(), warnings.len())
}

/// An `auth.json` whose access token ends then.
fn auth_json(account: &str, ends: Timestamp) -> Secret {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = json!({
        "exp": ends.as_secs(),
        "email": format!("{account}@example.com"),
        "https://api.openai.com/auth": { "chatgpt_account_id": account, "chatgpt_plan_type": "pro" },
    });
    let token = format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part(CANARY));
    let file = json!({
        "auth_mode": "chatgpt",
        "tokens": { "id_token": token, "access_token": token, "refresh_token": format!("rt-{CANARY}"), "account_id": account },
    });
    Secret::new(file.to_string())
}

/// The arguments of an import.
struct Import {
    auth_json: Secret,
    pool: &'static str,
    label: Option<&'static str>,
    origin: Option<&'static str>,
    issuer: Option<&'static str>,
    simulated: bool,
}

impl Import {
    /// A good login of this account, for the pool `team`.
    fn of(account: &str) -> Self {
        let auth_json = auth_json(account, START.plus(std::time::Duration::from_secs(600)));
        Self { auth_json, pool: "team", label: None, origin: None, issuer: None, simulated: false }
    }
}

impl From<Import> for Command {
    fn from(import: Import) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let Import { auth_json, pool, label, origin, issuer, simulated } = import;
        let (label, origin, issuer) = (owned(label), owned(origin), owned(issuer));
        Self::AccountImport { auth_json, pool: pool.to_owned(), label, origin, issuer, simulated }
    }
}

/// Takes what is logged.
#[derive(Debug, Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_who_did_what_and_never_a_secret() {
    let log = LogBuffer::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    // With one subscriber alive, an event that a test on another thread meets first would count as unwanted by all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let bench = Bench::with_pool().await;
    bench.run(Import::of("a")).await.unwrap();
    let create = Command::KeyCreate { pool: "team".to_owned(), name: "k".to_owned(), expires_at: None, models: None };
    let made = new_key(&bench.run(create).await.unwrap());
    bench.run(Command::KeyRevoke { key: made.key.expose().to_owned() }).await.unwrap();
    bench.refusal(Import { pool: "nobody", ..Import::of("b") }).await;
    bench.run(Command::KeyRevoke { key: made.key.expose().to_owned() }).await.unwrap_err();

    let log = String::from_utf8(log.0.lock().clone()).unwrap();
    for told in ["cli uid 7", "pool create", "account import", "key revoke", &made.row.id, "not_found"] {
        assert!(log.contains(told), "{told} is not in\n{log}");
    }
    let secret = made.key.expose().strip_prefix(&made.row.id).unwrap();
    assert!(!log.contains(CANARY) && !log.contains(secret), "{log}");
    assert!(!format!("{:?}", Command::from(Import::of("a"))).contains(CANARY));
    assert!(!format!("{made:?}").contains(secret));
}

#[tokio::test]
async fn the_gateway_learns_of_each_change_before_the_answer() {
    let bench = Bench::with_pool().await;
    assert_eq!(*bench.told.revs.lock(), [1]);
    bench.run(Command::PoolList {}).await.unwrap();
    bench.run(Command::PoolShow { pool: "nobody".to_owned() }).await.unwrap_err();
    assert_eq!(*bench.told.revs.lock(), [1], "neither reading nor a refusal is a change");
    bench.run(Import::of("a")).await.unwrap();
    assert_eq!(*bench.told.revs.lock(), [1, 2]);
}

#[tokio::test]
async fn a_change_that_the_gateway_cannot_take_over_is_made_and_warned_of() {
    let bench = Bench::new();
    *bench.told.fails.lock() = true;
    let replies = bench.run(Command::PoolCreate { slug: "team".to_owned(), name: None }).await.unwrap();
    let [Reply::Pool(_), Reply::Warning(warning)] = replies.as_slice() else { panic!("{replies:?}") };
    assert!(warning.contains("no snapshot"), "{warning}");
    assert_eq!(bench.snapshot().await.pools.len(), 1);
}

#[tokio::test]
async fn every_change_is_in_the_trail_with_its_actor() {
    let bench = Bench::with_pool().await;
    let changes = bench.backend.parts.stores.control.changes(10).await.unwrap();
    assert_eq!(changes[0].actor, "cli uid 7");
    assert_eq!(changes[0].at, START);
}
