//! The load that is recorded: a process that uses a store like a gateway does, and writes down what it was told is stored.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use codex_pooler::store::records::{
    AccountRecord, AccountStatus, LedgerEvent, Outcome, PoolRecord, PoolSettings, PoolStatus, RequestRecord, Reserved,
    SealedTokens, Settled, Subject, Usage, Version,
};
use codex_pooler::store::{
    Actor, ControlOp, ControlStore as _, ControlTx, LedgerStore as _, SledOptions, SledStore, TokenStore as _,
};
use pooler_filter::{AccountId, Clock as _, KeyId, PoolId, RequestId, SystemClock};

/// Variables of the process: where it works, and for how long.
pub const ROOT: &str = "CODEX_POOLER_CUT_ROOT";
pub const SECONDS: &str = "CODEX_POOLER_CUT_LOAD_SECONDS";
/// Rounds of each session, however slow the machine is.
const LEAST: u64 = 40;
/// The file of acknowledgements.
pub const ACKS: &str = "acks";

/// Something that the store has said is stored.
#[derive(Debug)]
pub enum Ack {
    Reserved(RequestId),
    Settled(RequestId, u64),
    Changed(u64, String),
    Refreshed(AccountId, Version),
}

impl Ack {
    fn write(&self) -> String {
        match self {
            Self::Reserved(id) => format!("reserved {id} 0\n"),
            Self::Settled(id, input) => format!("settled {id} {input}\n"),
            Self::Changed(rev, slug) => format!("changed {slug} {rev}\n"),
            Self::Refreshed(account, version) => format!("refreshed {account} {}\n", version.0),
        }
    }

    /// The acknowledgements in one write.
    pub fn read(text: &[u8]) -> Vec<Self> {
        let lines = std::str::from_utf8(text).unwrap().lines();
        let read = lines.map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            let [what, id, number] = parts[..] else { panic!("{line}") };
            let number = number.parse().unwrap();
            match what {
                "reserved" => Self::Reserved(id.parse().unwrap()),
                "settled" => Self::Settled(id.parse().unwrap(), number),
                "changed" => Self::Changed(number, id.to_owned()),
                "refreshed" => Self::Refreshed(id.parse().unwrap(), Version(number)),
                other => panic!("{other}"),
            }
        });
        read.collect()
    }
}

/// The input tokens of an ended request.
pub fn input(row: &RequestRecord) -> Option<u64> {
    row.settled.as_ref().and_then(|settled| match settled.usage {
        Usage::Known { input, .. } => Some(input),
        Usage::Unknown => None,
    })
}

/// Tokens that tell their version.
pub fn sealed(version: Version) -> SealedTokens {
    let refresh = format!("refresh token of version {} {}", version.0, "x".repeat(1500)).into_bytes();
    SealedTokens { refresh, access: vec![7; 1500], access_expires_at: None }
}

fn reserved(id: RequestId, mark: u64) -> LedgerEvent {
    LedgerEvent::Reserved(Box::new(Reserved {
        request_id: id,
        subject: Subject {
            pool: Some(PoolId::from_bytes([1; 16])),
            key: Some(KeyId::new("sk-cxp-0123456789ab")),
            route: "POST /v1/responses".to_owned(),
            transport: "http_sse".to_owned(),
            model: Some("gpt-5.5".to_owned()),
            stream: true,
        },
        account: None,
        estimated_input_tokens: mark,
        estimated_output_tokens: 512,
        reasoning_effort: None,
        service_tier: None,
        at: SystemClock.now(),
    }))
}

fn settled(id: RequestId, input: u64) -> LedgerEvent {
    LedgerEvent::Settled(Box::new(Settled {
        request_id: id,
        subject: None,
        status: 200,
        outcome: Outcome::Succeeded,
        usage: Usage::Known { input, cached: 0, cache_write: 0, output: 5, reasoning: 0, total: input + 5 },
        account: None,
        account_label: Some("a".to_owned()),
        attempts: Vec::new(),
        served_model: Some("gpt-5.5".to_owned()),
        served_tier: None,
        error_code: None,
        first_byte_ms: Some(10),
        duration_ms: 20,
        at: SystemClock.now(),
    }))
}

fn actor() -> Actor {
    Actor::new("test", SystemClock.now())
}

fn pool(slug: &str) -> PoolRecord {
    PoolRecord {
        id: PoolId::generate(),
        slug: slug.to_owned(),
        name: slug.to_owned(),
        status: PoolStatus::Active,
        settings: PoolSettings::default(),
        created_at: SystemClock.now(),
        version: 0,
    }
}

async fn import(store: &SledStore) -> AccountId {
    let account = AccountRecord {
        id: AccountId::generate(),
        label: "a".to_owned(),
        chatgpt_account_id: "acc".to_owned(),
        chatgpt_user_id: None,
        email: None,
        plan: None,
        origin: "https://chatgpt.example".to_owned(),
        issuer: "https://auth.example".to_owned(),
        client_id: "app_test".to_owned(),
        residency: None,
        simulated: true,
        status: AccountStatus::Active,
        created_at: SystemClock.now(),
        version: 0,
    };
    let id = account.id;
    let import = ControlOp::ImportTokens { account: id, parent: Version(0), tokens: sealed(Version(1)) };
    store.apply(ControlTx::new().with(ControlOp::PutAccount(account)).with(import), &actor()).await.unwrap();
    id
}

/// The whole way of a refresh.
async fn refresh(store: &SledStore, account: AccountId) -> Version {
    let version = store.read(account).await.unwrap().version;
    let grant = store.begin_refresh(account, version, SystemClock.now()).await.unwrap();
    store.mark_sent(account, grant.fence).await.unwrap();
    store.commit_refresh(account, version, sealed(version.next()), SystemClock.now()).await.unwrap()
}

/// Opens the store, loads it for a while, and closes it.
async fn session(root: &Path, acks: &mut File, account: &mut Option<AccountId>, time: Duration) {
    let store = SledStore::open(&SledOptions::new(root.join("store"))).unwrap();
    store.recover(SystemClock.now()).await.unwrap();
    let account = match account {
        Some(account) => *account,
        None => *account.insert(import(&store).await),
    };
    let (until, mut round) = (Instant::now() + time, 0_u64);
    while Instant::now() < until || round < LEAST {
        round += 1;
        let batch: Vec<RequestId> = (0..1 + round % 24).map(|_| RequestId::generate()).collect();
        let waiting: Vec<_> = batch.iter().map(|id| store.append(reserved(*id, round))).collect();
        for (id, durable) in batch.iter().zip(waiting) {
            durable.wait().await.unwrap();
            acks.write_all(Ack::Reserved(*id).write().as_bytes()).unwrap();
        }
        // Some never end.
        let ended = &batch[..batch.len() - usize::from(round.is_multiple_of(3))];
        let waiting: Vec<_> = ended.iter().map(|id| store.append(settled(*id, round))).collect();
        for (id, durable) in ended.iter().zip(waiting) {
            durable.wait().await.unwrap();
            acks.write_all(Ack::Settled(*id, round).write().as_bytes()).unwrap();
        }
        if round.is_multiple_of(20) {
            let slug = format!("p{}", SystemClock.now().as_millis());
            let rev = store.apply(ControlOp::PutPool(pool(&slug)).into(), &actor()).await.unwrap();
            acks.write_all(Ack::Changed(rev, slug).write().as_bytes()).unwrap();
        }
        if round.is_multiple_of(15) {
            let version = refresh(&store, account).await;
            acks.write_all(Ack::Refreshed(account, version).write().as_bytes()).unwrap();
        }
    }
    store.close();
}

#[tokio::test]
#[ignore = "the process whose writes are recorded; the tests of `powercut` start it"]
async fn writer() {
    let root = std::path::PathBuf::from(std::env::var(ROOT).unwrap());
    let seconds: u64 = std::env::var(SECONDS).unwrap().parse().unwrap();
    let (mut acks, mut account) = (File::create(root.join(ACKS)).unwrap(), None);
    for _ in 0..2 {
        session(&root, &mut acks, &mut account, Duration::from_millis(seconds * 500)).await;
    }
}
