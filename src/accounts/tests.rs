//! Refreshes against the simulated issuer and against one that answers nobody, with a store in memory and a clock that is set by hand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use pooler_filter::testing::FakeClock;
use pooler_filter::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::refresh::RefreshError;
use super::*;
use crate::client::{ClientOptions, Endpoint};
use crate::config::Origin;
use crate::disk::Space;
use crate::secrets::Keyring;
use crate::simulator::{Fault, FaultSpec, Recorded, Simulator, SimulatorConfig, Who};
use crate::store::conformance::fixtures;
use crate::store::records::{AccountStatus, Fence, SealedTokens, TokenRecord};
use crate::store::{AbortKind, Actor, ControlOp, ControlStore as _, ControlTx, MemoryStore, RefreshGrant};

const PATIENCE: Duration = Duration::from_secs(10);
const EXPIRY: RefreshReason = RefreshReason::ProactiveExpiry;
const REFUSAL: RefreshReason = RefreshReason::UnauthorizedRecovery;
const V1: Version = Version(1);

/// Free bytes, as a test wants them.
#[derive(Debug)]
struct Room(AtomicUsize);

impl Space for Room {
    fn free(&self) -> std::io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst) as u64)
    }
}

struct Bench {
    room: Arc<Room>,
    keyring: Keyring,
    store: Arc<MemoryStore>,
    clock: Arc<FakeClock>,
    codex: Simulator,
    accounts: Arc<Accounts>,
}

impl Bench {
    async fn new(timeout: Duration) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::on(store.clone(), store, timeout).await
    }

    async fn on(store: Arc<MemoryStore>, tokens: Arc<dyn TokenStore>, timeout: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (keyring, _) = Keyring::load_or_create(&dir.path().join("root.key"), true).unwrap();
        let clock = FakeClock::at(SystemClock.now());
        let (minute, pool_size) = (Duration::from_secs(60), 8);
        let room = Arc::new(Room(AtomicUsize::new(100)));
        let accounts = Arc::new(Accounts::new(Parts {
            tokens,
            sealer: keyring.sealer(),
            client: Client::new(ClientOptions {
                connect_timeout: minute,
                idle_timeout: minute,
                pool_idle: minute,
                pool_size,
                resolve_ttl: minute,
            }),
            clock: clock.clone(),
            times: RefreshTimes { skew: Duration::from_secs(300), jitter: Duration::ZERO, timeout },
            user_agent: HeaderValue::from_static("test"),
            disk: Arc::new(DiskGuard::new(room.clone(), 100)),
        }));
        let codex = Simulator::start(SimulatorConfig { accounts: 2, ..SimulatorConfig::default() }).await.unwrap();
        Self { room, keyring, store, clock, codex, accounts }
    }

    /// Imports an account of the simulator whose refresh token goes to this issuer.
    async fn import(&self, index: usize, issuer: &str) -> Arc<Account> {
        let record = fixtures::account(self.codex.accounts()[index].label());
        let origin = |text: &str| Endpoint::from(&text.parse::<Origin>().unwrap());
        let account = Arc::new(Account {
            id: record.id,
            label: record.label.as_str().into(),
            status: AccountStatus::Active,
            endpoint: origin(&self.codex.origin()),
            issuer: origin(issuer),
            client_id: "app_EMoamEEZ73f0CkXaXp7hrann".to_owned(),
            chatgpt_account_id: self.codex.accounts()[index].id().to_owned(),
            residency: None,
        });
        self.apply(ControlTx::new().with(ControlOp::PutAccount(record)).with(self.login(
            account.id,
            index,
            Version(0),
        )))
        .await;
        self.accounts.load(std::slice::from_ref(&account)).await;
        account
    }

    fn login(&self, id: AccountId, index: usize, parent: Version) -> ControlOp {
        let login = self.codex.accounts()[index].login();
        let (refresh, access) = (Secret::new(login.refresh_token), Secret::new(login.access_token));
        let ends = import::access_token_expiry(&access);
        let tokens = self.keyring.sealer().seal_tokens(id, parent.next(), &refresh, &access, ends).unwrap();
        ControlOp::ImportTokens { account: id, parent, tokens }
    }

    async fn apply(&self, tx: ControlTx) {
        self.store.apply(tx, &Actor::new("test", self.clock.now())).await.unwrap();
    }

    async fn refresh(&self, account: &Arc<Account>, reason: RefreshReason) -> Result<Version, RefreshError> {
        self.accounts.refresh(account, V1, reason).await.map(|credential| credential.version)
    }

    /// How often the token endpoint was asked.
    fn sent(&self) -> usize {
        self.codex.requests().iter().filter(|request| is_refresh(request)).count()
    }

    /// Delays answers of the token endpoint, and starts a refresh that waits for one.
    async fn sending(&self, account: &Arc<Account>, delay: Duration) -> JoinSet<Result<Version, RefreshError>> {
        self.codex.inject(FaultSpec::new(Who::All, Fault::SlowFirstByte(delay)).on("/oauth/token"));
        let tasks = self.start(account);
        assert!(self.codex.wait_for(|all| all.iter().any(is_refresh), PATIENCE).await);
        tasks
    }

    fn start(&self, account: &Arc<Account>) -> JoinSet<Result<Version, RefreshError>> {
        let (accounts, account) = (Arc::clone(&self.accounts), Arc::clone(account));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { accounts.refresh(&account, V1, EXPIRY).await.map(|credential| credential.version) });
        tasks
    }
}

fn is_refresh(request: &Recorded) -> bool {
    request.path == "/oauth/token"
}

/// An issuer that takes connections and says nothing: with TLS nobody gets as far as sending.
struct Silent {
    origin: String,
    connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Silent {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                open.push(stream);
            }
        });
        Self { origin, connections, _task: task }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn reached(&self) {
        let wait = async {
            while self.connections() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }
}

#[tokio::test]
async fn all_who_wait_share_one_failed_refresh() {
    let (bench, issuer) = (Bench::new(Duration::from_millis(300)).await, Silent::start().await);
    let account = bench.import(0, &issuer.origin).await;
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let (accounts, account) = (Arc::clone(&bench.accounts), Arc::clone(&account));
        asking.spawn(async move { accounts.refresh(&account, V1, EXPIRY).await });
    }
    for result in asking.join_all().await {
        assert!(matches!(result, Err(RefreshError::Unreachable(_))), "{result:?}");
    }
    assert_eq!(issuer.connections(), 1);
}

#[tokio::test]
async fn a_failed_refresh_is_not_repeated_before_its_pause_is_over() {
    let (bench, issuer) = (Bench::new(Duration::from_millis(100)).await, Silent::start().await);
    let account = bench.import(0, &issuer.origin).await;
    for (tries, pause) in [(1, 5), (2, 10), (3, 20)] {
        for _ in 0..2 {
            let result = bench.refresh(&account, REFUSAL).await;
            assert!(matches!(result, Err(RefreshError::Unreachable(_))), "{result:?}");
            assert_eq!(issuer.connections(), tries);
        }
        bench.clock.advance(Duration::from_secs(pause));
    }
}

#[tokio::test]
async fn an_issuer_that_lets_nobody_in_does_not_hold_up_other_accounts() {
    let (bench, issuer) = (Bench::new(PATIENCE).await, Silent::start().await);
    let (held, other) = (bench.import(0, &issuer.origin).await, bench.import(1, &bench.codex.origin()).await);
    let mut waiting = bench.start(&held);
    issuer.reached().await;
    assert_eq!(bench.refresh(&other, EXPIRY).await.unwrap(), V1.next());
    assert!(waiting.try_join_next().is_none(), "the other one still tries to connect");
}

#[tokio::test]
async fn one_refresh_token_at_a_time_is_on_its_way() {
    let bench = Bench::new(PATIENCE).await;
    let origin = bench.codex.origin();
    let (first, second) = (bench.import(0, &origin).await, bench.import(1, &origin).await);
    let mut sending = bench.sending(&first, Duration::from_millis(300)).await;
    assert_eq!(bench.refresh(&second, EXPIRY).await.unwrap(), V1.next());
    assert_eq!(sending.try_join_next().unwrap().unwrap().unwrap(), V1.next(), "the first one was over before");
}

#[tokio::test]
async fn a_refresh_token_is_not_sent_again_soon_after_an_unclear_end() {
    let timeout = Duration::from_secs(5);
    let bench = Bench::new(timeout).await;
    let account = bench.import(0, &bench.codex.origin()).await;
    let fault = bench.codex.fault(Who::All, Fault::Refresh500);
    assert!(matches!(bench.refresh(&account, REFUSAL).await, Err(RefreshError::Unclear(_))));
    bench.codex.clear_fault(fault);
    let second = Duration::from_secs(1);
    bench.clock.advance(Duration::from_secs(30) + timeout * 2 - second);
    assert!(matches!(bench.refresh(&account, REFUSAL).await, Err(RefreshError::InDoubt)));
    assert_eq!(bench.sent(), 1);
    bench.clock.advance(second);
    assert!(matches!(bench.refresh(&account, EXPIRY).await, Err(RefreshError::InDoubt)), "its access token serves");
    assert_eq!(bench.refresh(&account, REFUSAL).await.unwrap(), V1.next());
}

#[tokio::test]
async fn a_token_that_is_refused_right_after_its_refresh_is_left_alone_for_minutes() {
    let bench = Bench::new(PATIENCE).await;
    let account = bench.import(0, &bench.codex.origin()).await;
    bench.accounts.refused(account.id, V1);
    bench.clock.advance(Duration::from_secs(299));
    assert!(matches!(bench.refresh(&account, REFUSAL).await, Err(RefreshError::RefusedAgain)));
    assert_eq!(bench.sent(), 0);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.refresh(&account, REFUSAL).await.unwrap(), V1.next());
}

#[tokio::test]
async fn closing_waits_for_the_refresh_that_is_sending_and_begins_no_other() {
    let bench = Bench::new(PATIENCE).await;
    let origin = bench.codex.origin();
    let (account, other) = (bench.import(0, &origin).await, bench.import(1, &origin).await);
    let mut sending = bench.sending(&account, Duration::from_millis(300)).await;
    bench.accounts.close().await;
    assert_eq!(bench.store.read(account.id).await.unwrap().version, V1.next());
    assert_eq!(sending.join_next().await.unwrap().unwrap().unwrap(), V1.next());
    assert!(matches!(bench.refresh(&other, EXPIRY).await, Err(RefreshError::Stopping)));
    assert_eq!(bench.sent(), 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_refresh_that_sent_nothing() {
    let (bench, issuer) = (Bench::new(Duration::from_secs(60)).await, Silent::start().await);
    let account = bench.import(0, &issuer.origin).await;
    let mut waiting = bench.start(&account);
    issuer.reached().await;
    let since = Instant::now();
    bench.accounts.close().await;
    assert!(since.elapsed() < PATIENCE);
    assert!(matches!(waiting.join_next().await.unwrap().unwrap(), Err(RefreshError::Stopping)));
    assert_eq!(bench.store.read(account.id).await.unwrap().intent, None);
}

#[tokio::test]
async fn a_short_lived_token_is_due_near_its_end_only() {
    let bench = Bench::new(PATIENCE).await;
    let id = AccountId::from_bytes([0; 16]);
    let now = bench.clock.now();
    let due = |lifetime: u64, age: u64| {
        let since = Timestamp::from_millis(now.as_millis() - age * 1000);
        let end = since.plus(Duration::from_secs(lifetime));
        bench.accounts.is_due(id, &credential(&Secret::new("x"), V1, Some(end), since).unwrap())
    };
    assert!(!due(100, 79) && due(100, 80), "its last fifth");
    assert!(!due(7200, 6899) && due(7200, 6900), "its last five minutes");
}

#[tokio::test]
async fn a_token_that_has_ended_when_it_comes_is_used_until_it_is_refused() {
    let bench = Bench::new(PATIENCE).await;
    let account = bench.import(0, &bench.codex.origin()).await;
    bench.clock.advance(Duration::from_secs(50 * 365 * 24 * 60 * 60));
    let fresh = bench.accounts.refresh(&account, V1, EXPIRY).await.unwrap();
    assert!(!bench.accounts.is_due(account.id, &fresh) && !bench.accounts.is_expired(&fresh), "{fresh:?}");
}

/// A store that is away for a moment when a late result is to be kept.
#[derive(Debug)]
struct Absent {
    store: Arc<MemoryStore>,
    refusals: parking_lot::Mutex<Vec<StoreError>>,
}

#[async_trait]
impl TokenStore for Absent {
    async fn read(&self, account: AccountId) -> Result<TokenRecord, StoreError> {
        self.store.read(account).await
    }

    async fn begin_refresh(&self, id: AccountId, v: Version, at: Timestamp) -> Result<RefreshGrant, StoreError> {
        self.store.begin_refresh(id, v, at).await
    }

    async fn mark_sent(&self, account: AccountId, fence: Fence) -> Result<(), StoreError> {
        self.store.mark_sent(account, fence).await
    }

    async fn commit_refresh(
        &self,
        account: AccountId,
        parent: Version,
        new: SealedTokens,
        at: Timestamp,
    ) -> Result<Version, StoreError> {
        self.store.commit_refresh(account, parent, new, at).await
    }

    async fn abort_refresh(&self, account: AccountId, fence: Fence, why: AbortKind) -> Result<(), StoreError> {
        self.store.abort_refresh(account, fence, why).await
    }

    async fn set_state(
        &self,
        account: AccountId,
        expect: Version,
        status: AccountStatus,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.store.set_state(account, expect, status, actor).await
    }

    async fn park_orphan(
        &self,
        account: AccountId,
        parent: Version,
        tokens: SealedTokens,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let refusal = self.refusals.lock().pop();
        match refusal {
            Some(refusal) => Err(refusal),
            None => self.store.park_orphan(account, parent, tokens, at).await,
        }
    }
}

#[tokio::test]
async fn a_late_result_is_kept_aside_although_the_store_was_away_for_a_moment() {
    let store = Arc::new(MemoryStore::new());
    let away = vec![StoreError::Unknown("x".to_owned()), StoreError::Unavailable("x".to_owned())];
    let tokens = Arc::new(Absent { store: store.clone(), refusals: away.into() });
    let bench = Bench::on(store, tokens, PATIENCE).await;
    let account = bench.import(0, &bench.codex.origin()).await;
    let mut sending = bench.sending(&account, Duration::from_millis(300)).await;
    bench.apply(ControlTx::new().with(bench.login(account.id, 0, V1))).await;
    assert!(matches!(sending.join_next().await.unwrap().unwrap(), Err(RefreshError::Unclear(_))));
    let record = bench.store.read(account.id).await.unwrap();
    assert_eq!((record.version, record.orphans.len(), record.orphans[0].parent), (V1.next(), 1, V1));
}

/// The answer to a refresh is the only valid token there is: none is asked for while it might not be possible to store it.
#[tokio::test]
async fn no_refresh_is_begun_while_the_disk_is_almost_full() {
    let bench = Bench::new(PATIENCE).await;
    let account = bench.import(0, &bench.codex.origin()).await;
    bench.room.0.store(99, Ordering::SeqCst);
    let refused = bench.accounts.refresh(&account, V1, EXPIRY).await;
    assert!(matches!(&refused, Err(RefreshError::Store(why)) if why.contains("disk")), "{refused:?}");
    assert!(bench.codex.requests().is_empty(), "nothing was sent");
    let record = bench.store.read(account.id).await.unwrap();
    assert_eq!((record.version, record.intent), (V1, None), "and nothing was written");
}
