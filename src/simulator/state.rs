//! What all connections of one simulator share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::accounts::Account;
use super::catalog::{Catalog, Model, Page};
use super::faults::Board;
use super::files::Files;
use super::given::Given;
use super::lineage::Lineage;
use super::meter::Meter;
use super::prefixes::Prefixes;
use super::record::{Ended, Recorder};
use super::tokens::Mint;
use super::websocket::{Limits, Log};

/// The shared state. Nothing of it outlives the process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) mint: Arc<Mint>,
    pub(super) accounts: Vec<Account>,
    pub(super) lineages: Vec<Mutex<Lineage>>,
    pub(super) meters: Vec<Mutex<Meter>>,
    /// Models that an account lacks although its plan has them.
    withheld: Vec<RwLock<BTreeSet<String>>>,
    pub(super) prefixes: Prefixes,
    pub(super) given: Given,
    pub(super) files: Files,
    /// Where files are uploaded to.
    pub(super) upload_origin: String,
    pub(super) catalog: Catalog,
    pub(super) board: Board,
    pub(super) recorder: Recorder,
    pub(super) record_bodies: AtomicBool,
    pub(super) revoke_on_replay: AtomicBool,
    pub(super) in_flight: watch::Sender<usize>,
    pub(super) sockets: Log,
    pub(super) socket_limits: watch::Sender<Limits>,
    serial: AtomicU64,
}

impl State {
    pub(super) fn new(mint: Arc<Mint>, accounts: Vec<Account>, upload_origin: String) -> State {
        State {
            lineages: accounts.iter().map(|_| Mutex::default()).collect(),
            meters: accounts.iter().map(|_| Mutex::new(Meter::new())).collect(),
            withheld: accounts.iter().map(|_| RwLock::default()).collect(),
            prefixes: Prefixes::default(),
            given: Given::default(),
            files: Files::default(),
            upload_origin,
            catalog: Catalog::new(),
            board: Board::default(),
            recorder: Recorder::new(),
            record_bodies: AtomicBool::new(false),
            revoke_on_replay: AtomicBool::new(true),
            in_flight: watch::Sender::new(0),
            sockets: Log::default(),
            socket_limits: watch::Sender::new(Limits::default()),
            serial: AtomicU64::new(0),
            mint,
            accounts,
        }
    }

    /// An account by index, label or account id.
    pub(super) fn find(&self, name: &str) -> Option<&Account> {
        let named = |account: &&Account| account.label() == name || account.id() == name;
        name.parse().ok().and_then(|index: usize| self.accounts.get(index)).or_else(|| self.accounts.iter().find(named))
    }

    /// Refuses all access tokens that this account was given so far; refresh goes on working.
    pub(super) fn expire(&self, index: usize) {
        if let Some(lineage) = self.lineages.get(index) {
            lineage.lock().expire_access(self.mint.stamp());
        }
    }

    /// Ends all logins of this account so far, access and refresh.
    pub(super) fn revoke(&self, index: usize) {
        if let Some(lineage) = self.lineages.get(index) {
            lineage.lock().revoke(self.mint.stamp());
        }
    }

    /// Shows these percentages as used from now on; 100 or more refuses requests.
    pub(super) fn pin_quota(&self, index: usize, primary: f64, secondary: f64) {
        if let Some(meter) = self.meters.get(index) {
            meter.lock().pin(primary, secondary);
        }
    }

    /// Takes models away from this account, and gives all others of its plan back.
    pub(super) fn withhold_models(&self, index: usize, without: BTreeSet<String>) {
        if let Some(withheld) = self.withheld.get(index) {
            *withheld.write() = without;
        }
    }

    /// The model called `slug`, if this account has it.
    pub(super) fn model(&self, account: &Account, slug: &str) -> Option<&Model> {
        let withheld = self.withheld.get(account.index()).is_some_and(|without| without.read().contains(slug));
        self.catalog.find(slug, account.plan()).filter(|_| !withheld)
    }

    /// What the models endpoint shows this account.
    pub(super) fn models_page(&self, account: &Account) -> Arc<Page> {
        let without = self.withheld.get(account.index()).map(|without| without.read().clone()).unwrap_or_default();
        self.catalog.page(account.plan(), &without)
    }

    /// 32 hex digits that no other answer has, also after a restart on the same seed.
    pub(super) fn unique(&self) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let stamp = self.mint.stamp().to_le_bytes();
        hex::encode(&self.mint.mac("id", &[&serial, &stamp])[..16])
    }
}

/// Counts one answer as being served until it is dropped, and notes in the record how it ended.
#[derive(Debug)]
pub(super) struct InFlight {
    state: Arc<State>,
    record: u64,
    counted: bool,
    ended: Option<Ended>,
}

impl InFlight {
    /// Watches the answer to the recorded request `record`.
    pub(super) fn new(state: &Arc<State>, record: u64) -> InFlight {
        InFlight { state: Arc::clone(state), record, counted: false, ended: None }
    }

    /// From here the answer counts as in flight.
    pub(super) fn count(&mut self) {
        if !self.counted {
            self.counted = true;
            self.state.in_flight.send_modify(|n| *n += 1);
        }
    }

    /// Says how it ended; the first word counts.
    pub(super) fn end(&mut self, how: Ended) {
        self.ended.get_or_insert(how);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or(Ended::ClientGone);
        if self.counted {
            self.state.in_flight.send_modify(|n| *n = n.saturating_sub(1));
        }
        self.state.recorder.edit(self.record, |recorded| recorded.ended = Some(ended));
    }
}
