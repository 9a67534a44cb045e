//! What filter tests need: an exchange in a few words, ports in memory, a clock that is set by hand.

mod corpus;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use parking_lot::Mutex;

use toml::de::DeTable;

use crate::chain::Link;
use crate::json::JsonObject;
use crate::{
    AccountId, AccountView, Affinity, AffinityKey, Body, BuildError, Catalog, Chain, Clock, Connection, Durable,
    Exchange, Expects, FileFacts, Files, FilesError, FilterContext, FilterFactory, KeyFacts, KeyId, KeyStatus, Keyring,
    Ledger, LedgerError, LocalReply, Logins, ModelFacts, NoUsage, Operation, PoolFacts, PoolId, PoolView, Ports,
    QuotaClass, RawConfig, RequestFacts, RequestHead, RequestId, Route, Secret, SettlementFacts, Slot, Standing,
    Surface, Timestamp, Unobserved, UpstreamRequest,
};

pub use self::corpus::{pieces, replay};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now.as_millis())))
    }

    /// Moves it on.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The time that [`FakePorts`] starts at.
pub const START: Timestamp = Timestamp::from_secs(1_795_000_000);

/// An entry that is durable at once.
#[derive(Debug, Clone, Copy)]
pub struct Done;

#[async_trait]
impl Durable for Done {
    fn is_done(&self) -> bool {
        true
    }

    async fn wait(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// All ports in memory. Fill it, hand out [`FakePorts::ports`], look into it afterwards.
#[derive(Debug)]
pub struct FakePorts {
    /// Keys by their whole text.
    pub keys: Mutex<HashMap<String, Arc<KeyFacts>>>,
    /// Logins by their token: the account, and its usage as far as it is known.
    pub logins: Mutex<HashMap<String, (String, Option<String>)>>,
    /// The accounts of every pool.
    pub accounts: Mutex<Vec<AccountView>>,
    /// Models by the name that clients use.
    pub models: Mutex<HashMap<String, Arc<ModelFacts>>>,
    /// What was reserved.
    pub reserved: Mutex<Vec<RequestFacts>>,
    /// What was settled.
    pub settled: Mutex<Vec<SettlementFacts>>,
    /// Whether the ledger refuses every entry.
    pub ledger_full: Mutex<bool>,
    /// Who served whom.
    pub bindings: Mutex<HashMap<AffinityKey, AccountId>>,
    /// Uploaded files by id, whatever the pool and the key.
    pub files: Mutex<HashMap<String, FileFacts>>,
    /// The clock.
    pub clock: Arc<FakeClock>,
}

impl FakePorts {
    /// Empty ports: no key, no account, the model `gpt-5.5`.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let model = ModelFacts {
            id: "gpt-5.5".into(),
            upstream_id: "gpt-5.5".into(),
            context_window: Some(272_000),
            supports_reasoning_summary: true,
            supports_images: true,
            service_tiers: None,
            lite: false,
            sources: None,
            native_sources: None,
        };
        Arc::new(Self {
            keys: Mutex::default(),
            logins: Mutex::default(),
            accounts: Mutex::default(),
            models: Mutex::new(HashMap::from([("gpt-5.5".into(), Arc::new(model))])),
            reserved: Mutex::default(),
            settled: Mutex::default(),
            ledger_full: Mutex::new(false),
            bindings: Mutex::default(),
            files: Mutex::default(),
            clock: FakeClock::at(START),
        })
    }

    /// The ports to build filters with.
    #[must_use]
    pub fn ports(self: &Arc<Self>) -> Ports {
        let port = Lent(Arc::clone(self));
        let port = Arc::new(port);
        Ports {
            keyring: port.clone(),
            logins: port.clone(),
            pool: port.clone(),
            catalog: port.clone(),
            ledger: port.clone(),
            affinity: port.clone(),
            files: port,
            clock: self.clock.clone(),
        }
    }

    /// Adds a ready account and gives its id.
    pub fn add_account(&self, label: &str) -> AccountId {
        let account = AccountId::generate();
        let (standing, quota) = (Standing::Ready, QuotaClass::default());
        let view = AccountView { account, label: label.into(), standing, quota, demoted: false };
        self.accounts.lock().push(view);
        account
    }

    fn refuse_when_full(&self) -> Result<(), LedgerError> {
        if *self.ledger_full.lock() { Err(LedgerError("full".into())) } else { Ok(()) }
    }
}

/// The fake ports behind the traits.
struct Lent(Arc<FakePorts>);

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakePorts")
    }
}

impl Keyring for Lent {
    fn verify(&self, presented: &Secret) -> Option<Arc<KeyFacts>> {
        self.0.keys.lock().get(presented.expose()).cloned()
    }
}

impl Logins for Lent {
    fn usage(&self, account: &str, token: &Secret) -> Result<LocalReply, NoUsage> {
        let logins = self.0.logins.lock();
        let (owner, usage) = logins.get(token.expose()).ok_or(NoUsage::UnknownLogin)?;
        let usage = usage.clone().ok_or(NoUsage::NothingKnown);
        if owner == account { usage.map(LocalReply::json) } else { Err(NoUsage::OtherAccount) }
    }
}

impl PoolView for Lent {
    fn accounts(&self, _: PoolId, _: &KeyId, _: &str) -> Vec<AccountView> {
        self.0.accounts.lock().clone()
    }
}

impl Catalog for Lent {
    fn model(&self, _: PoolId, name: &str) -> Option<Arc<ModelFacts>> {
        self.0.models.lock().get(name).cloned()
    }

    fn models(&self, _: PoolId) -> Vec<Arc<ModelFacts>> {
        let mut models: Vec<_> = self.0.models.lock().values().cloned().collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    }

    fn etag(&self, _: &KeyFacts) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("W/\"fake\""))
    }
}

#[async_trait]
impl Files for Lent {
    async fn file(&self, _: PoolId, _: &KeyId, id: &str) -> Result<Option<FileFacts>, FilesError> {
        Ok(self.0.files.lock().get(id).copied())
    }
}

impl Ledger for Lent {
    fn reserve(&self, facts: RequestFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        self.0.refuse_when_full()?;
        self.0.reserved.lock().push(facts);
        Ok(Arc::new(Done))
    }

    fn settle(&self, facts: SettlementFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        self.0.refuse_when_full()?;
        self.0.settled.lock().push(facts);
        Ok(Arc::new(Done))
    }
}

impl Affinity for Lent {
    fn get(&self, key: &AffinityKey) -> Option<AccountId> {
        self.0.bindings.lock().get(key).copied()
    }

    fn put(&self, key: AffinityKey, account: AccountId) {
        self.0.bindings.lock().insert(key, account);
    }
}

/// A key of an active pool that allows everything.
#[must_use]
pub fn key_facts() -> KeyFacts {
    KeyFacts {
        id: KeyId::new("sk-cxp-0123456789ab"),
        status: KeyStatus::Active,
        expires_at: None,
        allowed_models: None,
        pool: Arc::new(PoolFacts {
            id: PoolId::from_bytes([7; 16]),
            slug: "team".into(),
            created_at: START,
            active: true,
            v1_enabled: true,
            images_allowed: true,
            ring_size: 3,
            prompt_cache_affinity: true,
        }),
    }
}

/// Makes an [`Exchange`] in a few words.
#[derive(Debug, Clone)]
pub struct ExchangeBuilder {
    head: RequestHead,
    credential: Option<Secret>,
    route: Route,
    id: RequestId,
}

impl ExchangeBuilder {
    /// A `POST /v1/responses`.
    #[must_use]
    pub fn responses() -> Self {
        let route =
            Route { name: "POST /v1/responses", operation: Operation::Responses, surface: Surface::V1, images: false };
        let head = RequestHead {
            method: Method::POST,
            path: "/v1/responses".into(),
            query: String::new(),
            headers: HeaderMap::new(),
        };
        Self { head, credential: None, route, id: RequestId::from_bytes([9; 16]) }
    }

    /// Another route.
    #[must_use]
    pub const fn route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// The whole value of `authorization`.
    #[must_use]
    pub fn credential(mut self, value: &str) -> Self {
        self.credential = Some(Secret::new(value));
        self
    }

    /// One more header; name and value must be valid.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.head.headers.append(name, value);
        }
        self
    }

    /// The exchange, with its route written.
    #[must_use]
    pub fn build(self) -> Exchange {
        let connection = Connection { client: None, received_at: START };
        let mut cx = Exchange::new(self.id, self.head, connection, self.credential);
        write(&mut cx, self.route);
        cx
    }
}

/// A chain of this filter alone, with its table as it would stand in the configuration file. The filter is held to its contract; what the
/// contract requires is written by the test, with [`write`].
pub fn chain_of<F: FilterFactory>(config: &str, ports: &Ports) -> Result<Chain, BuildError> {
    let table = DeTable::parse(config)
        .map_err(|e| BuildError::Config { message: e.message().into(), span: e.span().unwrap_or_default() })?;
    let filter = F::build(RawConfig::new(table).read()?, &FilterContext::new(ports, &F::CONTRACT))?;
    Ok(Chain::new(vec![Link { name: F::NAME, contract: F::CONTRACT, filter }], Arc::new(Unobserved)))
}

/// Writes a slot as the host would; a slot that is already written stays.
pub fn write<S: Slot>(cx: &mut Exchange, fact: S) {
    if cx.get::<S>().is_none() {
        let written = cx.put(fact);
        debug_assert!(written.is_ok(), "the host may write every slot");
    }
}

/// The request that goes upstream, with this JSON object as its body. An invalid text makes an empty body.
#[must_use]
pub fn upstream_request(body: &str) -> UpstreamRequest {
    let object = JsonObject::parse(Bytes::copy_from_slice(body.as_bytes()));
    UpstreamRequest {
        method: Method::POST,
        path: "/v1/responses".into(),
        headers: HeaderMap::new(),
        body: object.map_or(Body::Empty, Body::Json),
        expects: Expects::Response,
    }
}
