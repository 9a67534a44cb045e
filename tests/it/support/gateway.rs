//! A whole gateway in this process: simulated upstream, store in a temporary directory, one pool, one key.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use codex_pooler::admin::{Command, QuotaRow, Reply, Who, prepare_dir};
use codex_pooler::config::{self, Origin, Settings, Tls};
use codex_pooler::disk::Space;
use codex_pooler::server::{Running, Start, State};
use codex_pooler::simulator::{Recorded, Simulator};
use codex_pooler::store::RequestFilter;
use codex_pooler::store::records::{RequestRecord, RequestState};
use codex_pooler::telemetry::Metrics;
use pooler_filter::{Clock, Registry, SystemClock};
use tempfile::TempDir;

use super::client::Client;
use super::{codex, eventually};

/// The name of the pool.
pub const POOL: &str = "team";

/// A gateway that runs, and what stands around it.
pub struct Gateway {
    pub running: Running,
    pub codex: Simulator,
    pub client: Client,
    pub dir: TempDir,
}

/// How to start one.
pub struct Builder {
    toml: String,
    accounts: usize,
    origin: Option<String>,
    settings: Box<dyn FnOnce(&mut Settings)>,
    registry: Registry,
    clock: Arc<dyn Clock>,
    /// Where files may be uploaded to: the simulator is no public address.
    uploads: Vec<Origin>,
    catalog: bool,
    quota: bool,
    tls: Vec<Tls>,
    space: Option<Arc<dyn Space>>,
}

impl Gateway {
    /// With three accounts and everything at its default.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder {
            toml: String::new(),
            accounts: 3,
            origin: None,
            settings: Box::new(|_| {}),
            registry: codex_pooler::builtin_filters(),
            clock: Arc::new(SystemClock),
            uploads: Vec::new(),
            catalog: false,
            quota: false,
            tls: Vec::new(),
            space: None,
        }
    }

    /// Carries out a command of an operator.
    pub async fn execute(&self, command: Command) -> Vec<Reply> {
        let answer = self.running.backend().execute(command, &Who::this_process()).await;
        answer.unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    /// The address of metrics and health.
    pub fn operations(&self) -> SocketAddr {
        self.running.operations().expect("it is enabled")
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> String {
        let client = Client { address: self.operations(), key: String::new() };
        client.get("/metrics").await.text()
    }

    /// Waits until nothing is held for anybody: no request, no connection, no place, no memory.
    pub async fn released(&self) {
        released(self.operations()).await;
    }

    /// All rows of the ledger, newest first.
    pub async fn ledger(&self) -> Vec<RequestRecord> {
        self.running.state().stores().ledger.recent(1000, RequestFilter::default()).await.expect("the ledger answers")
    }

    /// What is known of the quota of each account, in their order.
    pub async fn quota(&self) -> Vec<QuotaRow> {
        let replies = self.execute(Command::AccountList { pool: None }).await;
        let quota = |reply| match reply {
            Reply::Account(row) => row.quota,
            _ => None,
        };
        replies.into_iter().map(|reply| quota(reply).expect("the gateway runs")).collect()
    }

    /// Waits until the ledger has so many rows and none is open, and gives them, newest first.
    pub async fn settled(&self, rows: usize) -> Vec<RequestRecord> {
        eventually("all requests are settled", || async {
            let ledger = self.ledger().await;
            ledger.len() == rows && ledger.iter().all(|row| row.state() != RequestState::Open)
        })
        .await;
        self.ledger().await
    }

    /// How many requests reached each account of the upstream, by index.
    pub fn upstream_counts(&self) -> Vec<usize> {
        let requests = self.codex.requests();
        let reached = |label: &str| {
            let of = |r: &&Recorded| r.path.ends_with("/responses") && r.account.as_deref() == Some(label);
            requests.iter().filter(of).count()
        };
        self.codex.accounts().iter().map(|account| reached(account.label())).collect()
    }

    /// A new key for the pool.
    pub async fn new_key(&self, name: &str, models: Option<Vec<String>>) -> String {
        let create = Command::KeyCreate { pool: POOL.into(), name: name.into(), expires_at: None, models };
        new_key(self.execute(create).await)
    }

    /// A client with another key.
    pub fn client_with(&self, key: &str) -> Client {
        Client { address: self.client.address, key: key.to_owned() }
    }
}

/// The value of a gauge, all its labels together.
pub fn gauge(metrics: &str, name: &str) -> i64 {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if rest.starts_with('{') || rest.starts_with(' ') { rest.rsplit(' ').next()?.parse::<i64>().ok() } else { None }
    });
    let values: Vec<i64> = values.collect();
    assert!(!values.is_empty(), "there is no {name}");
    values.iter().sum()
}

/// The same of the gateway whose metrics stand at this address.
pub async fn released(operations: SocketAddr) {
    const HELD: [&str; 5] = [
        "codex_pooler_in_flight",
        "codex_pooler_connections",
        "codex_pooler_websockets",
        "codex_pooler_body_memory_bytes",
        "codex_pooler_admission",
    ];
    let metrics = || async { Client { address: operations, key: String::new() }.get("/metrics").await.text() };
    eventually("nothing is held for anybody", || async {
        let metrics = metrics().await;
        HELD.iter().all(|name| gauge(&metrics, name) == 0)
    })
    .await;
}

fn new_key(replies: Vec<Reply>) -> String {
    let key = replies.into_iter().find_map(|reply| match reply {
        Reply::NewKey(new) => Some(new.key.expose().to_owned()),
        _ => None,
    });
    key.expect("a new key")
}

impl Builder {
    /// A configuration file; listeners and the data directory are set by the test anyway.
    pub fn toml(mut self, text: &str) -> Self {
        self.toml = text.to_owned();
        self
    }

    /// Asks the accounts for their models, and again every few milliseconds. Otherwise the upstream sees what the test sends and nothing else.
    pub fn catalog(mut self) -> Self {
        self.catalog = true;
        self
    }

    /// Asks the accounts for their quota when they are imported: the quota of all is known when the gateway has started. Otherwise it is known
    /// of those that have answered something, and they come before the others.
    pub fn quota(mut self) -> Self {
        self.quota = true;
        self
    }

    /// Another way to measure the room on the disk.
    pub fn space(mut self, space: Arc<dyn Space>) -> Self {
        self.space = Some(space);
        self
    }

    pub fn accounts(mut self, accounts: usize) -> Self {
        self.accounts = accounts;
        self
    }

    /// Changes settings that no file could say so shortly.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + 'static) -> Self {
        self.settings = Box::new(change);
        self
    }

    /// Accounts are used at another address than that of the simulator, which still refreshes their logins.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A listener with TLS, beside the one without.
    pub fn tls(mut self, files: Tls) -> Self {
        self.tls.push(files);
        self
    }

    pub async fn start(mut self) -> Gateway {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let codex = codex::start(self.accounts).await;
        self.uploads.push(codex.upload_origin().parse().expect("an origin"));
        let (origin, quota) = (self.origin.clone(), self.quota);
        let running = self.run(&dir.path().join("data")).await;
        let client = Client { address: running.addresses()[0], key: String::new() };
        let mut gateway = Gateway { running, codex, client, dir };
        gateway.execute(Command::PoolCreate { slug: POOL.into(), name: None }).await;
        for account in gateway.codex.accounts() {
            let issuer = Some(gateway.codex.origin());
            let origin = origin.clone().or_else(|| issuer.clone());
            let import = Command::AccountImport {
                auth_json: pooler_filter::Secret::new(account.auth_json().to_string()),
                pool: POOL.into(),
                label: Some(account.label().into()),
                origin,
                issuer,
                simulated: true,
            };
            gateway.execute(import).await;
        }
        gateway.client.key = gateway.new_key("test", None).await;
        if quota {
            eventually("the quota of all accounts is known", || async {
                gateway.quota().await.iter().all(|quota| quota.class == "precise")
            })
            .await;
            gateway.codex.forget_requests();
        }
        gateway
    }

    /// Only the gateway, on this data directory: for a second start.
    pub async fn run(self, data: &Path) -> Running {
        let config = config::load(&self.toml, "test.toml", Path::new("")).unwrap_or_else(|e| panic!("{e}"));
        let mut settings = config.settings;
        settings.gateway.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        settings.gateway.tls.extend(self.tls);
        settings.operations.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.data.dir = data.to_owned();
        settings.gateway.shutdown_grace = Duration::from_secs(5);
        settings.files.upload_origins.extend(self.uploads);
        (settings.catalog.sync, settings.catalog.interval) = (self.catalog, Duration::from_millis(20));
        settings.quota.sync = self.quota;
        (self.settings)(&mut settings);
        prepare_dir(data).expect("a private directory");
        let metrics = Arc::new(Metrics::new().expect("each name once"));
        let observed = Arc::clone(&metrics);
        let state = State::open(&settings, Some(Arc::new(move |time, _| observed.committed(time)))).await;
        let mut state = state.unwrap_or_else(|e| panic!("{e}"));
        if let Some(space) = self.space {
            state = state.with_space(space);
        }
        let start =
            Start { settings, chain: &config.chain, registry: &self.registry, clock: self.clock, state, metrics };
        Running::start(start).unwrap_or_else(|e| panic!("{e}"))
    }
}
