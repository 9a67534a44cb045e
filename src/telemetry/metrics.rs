//! The one table of metrics. Labels come from closed vocabularies: no pool, key, account or model.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pooler_filter::{AttemptReport, Hook, Observer, Outcome, Timestamp};
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Buckets for requests and first bytes, in seconds.
const LONG: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Buckets for filters, in seconds.
const SHORT: &[f64] = &[1e-6, 5e-6, 2.5e-5, 1e-4, 5e-4, 2.5e-3, 1e-2, 5e-2];
/// Buckets for commits of the ledger, in seconds.
const COMMIT: &[f64] = &[2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0, 2.5];

/// Tells what is occupied right now; asked when somebody looks.
pub(crate) trait Load: fmt::Debug + Send + Sync {
    /// Bytes of bodies in memory that are counted.
    fn body_memory(&self) -> usize;

    /// Classes of requests, with how many run and how many wait.
    fn admission(&self) -> [(&'static str, usize, usize); 6];
}

/// A connection of a client, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a IntGauge);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    attempts: IntCounterVec,
    duration: HistogramVec,
    first_byte: HistogramVec,
    filters: HistogramVec,
    in_flight: IntGauge,
    websockets: IntGauge,
    connections: IntGauge,
    body_memory: IntGauge,
    admission: IntGaugeVec,
    load: OnceLock<Arc<dyn Load>>,
    ledger_commit: HistogramVec,
    catalog_syncs: IntCounterVec,
    quota_syncs: IntCounterVec,
    backups: IntCounterVec,
    last_backup: IntGauge,
    disk_free: IntGauge,
    store_size: IntGauge,
}

impl Metrics {
    /// The table, all zero.
    ///
    /// # Errors
    /// A name stands in the table twice.
    pub fn new() -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
        };
        let metrics = Self {
            registry: Registry::new(),
            requests: counter(
                "codex_pooler_requests_total",
                "Requests by route, status and outcome",
                &["route", "status", "outcome"],
            )?,
            attempts: counter("codex_pooler_attempts_total", "Tries at upstream accounts by result", &["result"])?,
            duration: histogram("codex_pooler_request_duration_seconds", "From head to end", LONG, &["route"])?,
            first_byte: histogram("codex_pooler_first_byte_seconds", "From head to first byte", LONG, &["route"])?,
            filters: histogram(
                "codex_pooler_filter_seconds",
                "Time in a hook of a filter",
                SHORT,
                &["filter", "hook"],
            )?,
            in_flight: IntGauge::new("codex_pooler_in_flight", "Requests being served now")?,
            websockets: IntGauge::new("codex_pooler_websockets", "Websockets of clients that are open now")?,
            connections: IntGauge::new(
                "codex_pooler_connections",
                "HTTP/1.1 connections of clients that are open now",
            )?,
            body_memory: IntGauge::new("codex_pooler_body_memory_bytes", "Memory that is counted for bodies now")?,
            admission: IntGaugeVec::new(
                Opts::new("codex_pooler_admission", "Requests in a bulkhead now, running or waiting"),
                &["class", "state"],
            )?,
            load: OnceLock::new(),
            ledger_commit: histogram(
                "codex_pooler_ledger_commit_seconds",
                "One durable group of the store",
                COMMIT,
                &[],
            )?,
            catalog_syncs: counter(
                "codex_pooler_catalog_syncs_total",
                "Accounts asked for their models, by result",
                &["result"],
            )?,
            quota_syncs: counter(
                "codex_pooler_quota_syncs_total",
                "Accounts asked for their quota, by result",
                &["result"],
            )?,
            backups: counter("codex_pooler_backups_total", "Backups of the store, by result", &["result"])?,
            last_backup: IntGauge::new(
                "codex_pooler_backup_timestamp_seconds",
                "When the newest backup of the store was made; 0: there is none",
            )?,
            disk_free: IntGauge::new("codex_pooler_disk_free_bytes", "Free room on the disk of the store")?,
            store_size: IntGauge::new("codex_pooler_store_bytes", "Size of the files of the store")?,
        };
        let build = IntGaugeVec::new(Opts::new("codex_pooler_build_info", "Version of this program"), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.register(build)?;
        Ok(metrics)
    }

    fn register(&self, build: IntGaugeVec) -> prometheus::Result<()> {
        self.registry.register(Box::new(self.requests.clone()))?;
        self.registry.register(Box::new(self.attempts.clone()))?;
        self.registry.register(Box::new(self.duration.clone()))?;
        self.registry.register(Box::new(self.first_byte.clone()))?;
        self.registry.register(Box::new(self.filters.clone()))?;
        self.registry.register(Box::new(self.in_flight.clone()))?;
        self.registry.register(Box::new(self.websockets.clone()))?;
        self.registry.register(Box::new(self.connections.clone()))?;
        self.registry.register(Box::new(self.body_memory.clone()))?;
        self.registry.register(Box::new(self.admission.clone()))?;
        self.registry.register(Box::new(self.ledger_commit.clone()))?;
        self.registry.register(Box::new(self.catalog_syncs.clone()))?;
        self.registry.register(Box::new(self.quota_syncs.clone()))?;
        self.registry.register(Box::new(self.backups.clone()))?;
        self.registry.register(Box::new(self.last_backup.clone()))?;
        self.registry.register(Box::new(self.disk_free.clone()))?;
        self.registry.register(Box::new(self.store_size.clone()))?;
        self.registry.register(Box::new(build))
    }

    /// A request began or ended.
    pub(crate) const fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// A websocket was opened or closed.
    pub(crate) const fn websockets(&self) -> &IntGauge {
        &self.websockets
    }

    /// A connection of a client was opened.
    pub(crate) fn connection(&self) -> Open<'_> {
        self.connections.inc();
        Open(&self.connections)
    }

    /// Whom to ask what is occupied; the first one counts.
    pub(crate) fn watch(&self, load: Arc<dyn Load>) {
        let _ = self.load.set(load);
    }

    fn look(&self) {
        let Some(load) = self.load.get() else { return };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.body_memory.set(number(load.body_memory()));
        for (class, running, waiting) in load.admission() {
            self.admission.with_label_values(&[class, "running"]).set(number(running));
            self.admission.with_label_values(&[class, "waiting"]).set(number(waiting));
        }
    }

    /// A try at an account ended.
    pub(crate) fn attempted(&self, attempt: &AttemptReport) {
        self.attempts.with_label_values(&[attempt.result.as_str()]).inc();
    }

    /// A request ended.
    pub(crate) fn ended(&self, route: &str, outcome: &Outcome) {
        let status = itoa::Buffer::new().format(outcome.status).to_owned();
        self.requests.with_label_values(&[route, status.as_str(), outcome.kind.as_str()]).inc();
        self.duration.with_label_values(&[route]).observe(outcome.duration.as_secs_f64());
        if let Some(first_byte) = outcome.first_byte {
            self.first_byte.with_label_values(&[route]).observe(first_byte.as_secs_f64());
        }
    }

    /// An account was asked for its models.
    pub(crate) fn catalog_sync(&self, result: &'static str) {
        self.catalog_syncs.with_label_values(&[result]).inc();
    }

    /// An account was asked for its quota.
    pub(crate) fn quota_sync(&self, result: &'static str) {
        self.quota_syncs.with_label_values(&[result]).inc();
    }

    /// A backup was made, or could not be made.
    pub(crate) fn backup(&self, result: &'static str) {
        self.backups.with_label_values(&[result]).inc();
    }

    /// The newest backup is of this moment.
    pub(crate) fn last_backup(&self, at: Timestamp) {
        self.last_backup.set(i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
    }

    /// Bytes that are free on the disk of the store, and bytes that the store takes, as far as they are known.
    pub(crate) fn disk(&self, free: Option<u64>, store: Option<u64>) {
        for (gauge, bytes) in [(&self.disk_free, free), (&self.store_size, store)] {
            if let Some(bytes) = bytes {
                gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
        }
    }

    /// A group of the store became durable.
    pub fn committed(&self, time: Duration) {
        self.ledger_commit.with_label_values::<&str>(&[]).observe(time.as_secs_f64());
    }

    /// Everything in the text format 0.0.4.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        self.look();
        let mut out = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

impl Observer for Metrics {
    fn took(&self, filter: &'static str, hook: Hook, time: Duration) {
        self.filters.with_label_values(&[filter, hook.as_str()]).observe(time.as_secs_f64());
    }
}
