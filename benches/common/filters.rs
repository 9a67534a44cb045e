//! The built-in chain with ports in memory, without sockets and without a store.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, StatusCode};
use pooler_filter::json::JsonObject;
use pooler_filter::testing::{ExchangeBuilder, FakePorts, key_facts};
use pooler_filter::{
    Body, Carrier, Chain, ChainEntry, Delivery, Exchange, Expects, Flow, Observer, Plan, RawConfig, Reached, Registry,
    ResponseHead, Served, Stages, UpstreamRequest,
};
use toml::de::DeTable;

const KEY: &str = "sk-cxp-0123456789ab-bench";

/// The filters of the default chain.
pub(crate) const BUILTIN: [&str; 5] = ["auth", "route_gate", "codex_rewrite", "pool_select", "accounting"];

/// The filters that come with the program. They are named here one by one, so that a bench is linked with them and with nothing else.
pub(crate) fn builtin() -> Registry {
    Registry::new()
        .with::<pooler_filter_auth::Auth>()
        .with::<pooler_filter_route_gate::RouteGate>()
        .with::<pooler_filter_codex_rewrite::CodexRewrite>()
        .with::<pooler_filter_pool_select::PoolSelect>()
        .with::<pooler_filter_accounting::Accounting>()
}

/// A chain and what stands behind it.
pub(crate) struct Bench {
    chain: Chain,
    ports: Arc<FakePorts>,
}

/// One request on its way.
pub(crate) struct Journey {
    pub(crate) cx: Exchange,
    pub(crate) reached: Reached,
    pub(crate) request: UpstreamRequest,
}

impl Bench {
    /// These filters, with three accounts.
    pub(crate) fn new(registry: &Registry, names: &[&str], observer: Arc<dyn Observer>) -> Self {
        let ports = FakePorts::new();
        ports.keys.lock().insert(KEY.to_owned(), Arc::new(key_facts()));
        for label in ["a", "b", "c"] {
            ports.add_account(label);
        }
        let table = || RawConfig::new(DeTable::parse("").expect("an empty table is a table"));
        let entry = |name: &&str| ChainEntry { filter: (*name).to_owned(), span: 0..0, config: table() };
        let entries: Vec<ChainEntry<'_>> = names.iter().map(entry).collect();
        let chain = registry.build_chain(&entries, &ports.ports(), observer).expect("the default chain is valid");
        Self { chain, ports }
    }

    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Down the chain, with this body.
    pub(crate) fn down(&self, body: &Bytes) -> Journey {
        let mut cx = ExchangeBuilder::responses()
            .credential(&format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .header("user-agent", "OpenAI/Python 2.9.0")
            .build();
        let mut reached = Reached::default();
        let flow = self.chain.request_headers(&mut cx, &mut reached).now_or_never();
        assert!(matches!(flow, Some(Ok(Flow::Continue))), "the request is good");
        let body = JsonObject::parse(body.clone()).expect("the body is an object");
        let (path, headers) = (cx.head().path.clone(), HeaderMap::new());
        let mut request =
            UpstreamRequest { method: Method::POST, path, headers, body: Body::Json(body), expects: Expects::Response };
        let flow = self.chain.request_body(&mut request, &mut cx).now_or_never();
        assert!(matches!(flow, Some(Ok(Flow::Continue))), "the body is good");
        Journey { cx, reached, request }
    }

    /// Turns round at the first account of the plan; the backend answers with a stream.
    pub(crate) fn up(&self, journey: &mut Journey) -> Stages {
        let first = journey.cx.require::<Plan>().expect("pool_select made a plan").0[0].clone();
        let served = Served { account: first.account, label: first.label, attempt: 1 };
        journey.cx.put(served).expect("nobody has written it");
        let mut head = ResponseHead::new(StatusCode::OK, Carrier::Sse, Delivery::Stream);
        self.chain.response(&mut head, &mut journey.cx).expect("the answer is good")
    }

    /// Forgets what the ledger was told.
    pub(crate) fn forget(&self) {
        self.ports.reserved.lock().clear();
        self.ports.settled.lock().clear();
    }
}
