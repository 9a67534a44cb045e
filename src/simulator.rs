//! The Codex backend as a simulator, for demos and tests: as strict as the real one is known to be.
//!
//! It serves `POST /backend-api/codex/responses` (server-sent events), a websocket at the same path, `GET /backend-api/codex/models`,
//! `GET /backend-api/wham/usage`, `POST /oauth/token` and the operations around them (compaction, files, transcription,
//! images) on one plain HTTP/1.1 listener, and takes the bytes of files on another. Its accounts, their tokens and
//! every signature come from a 32-byte seed, so that a second start on the same seed honours the tokens of the first;
//! everything else is in memory. The answers are chosen by a hash of the request: the same request gets the same words.
//! A turn may name the last responses of its own account as `previous_response_id` when it hands in outputs of tools, which
//! then may answer the calls of that response; any other id is refused with `previous_response_not_found`.
//!
//! # Control endpoint
//!
//! With [`SimulatorConfig::control`] set, a second listener on a loopback address takes orders as JSON. Durations are
//! milliseconds. An account is named by its label (`sim-0`), index or account id.
//!
//! | Request | Effect |
//! |---|---|
//! | `GET /state` | accounts with their quota, faults in force, answers in flight |
//! | `POST /faults` | injects faults: one order or a list, see below; answers `{"ids":[..]}` |
//! | `GET /faults` | faults in force, with hits and what is left of their counts |
//! | `DELETE /faults`, `DELETE /faults/{id}` | clears all, or one |
//! | `GET /files` | the files ([`FileSeen`]): sizes, hashes, how far they are; never names or bytes |
//! | `GET /requests`, `DELETE /requests` | the record ([`Recorded`]) as `{"requests":[..]}`; forgets it |
//! | `GET /sockets`, `DELETE /sockets` | the websockets ([`SocketSeen`]) as `{"sockets":[..]}`; forgets those that have ended |
//! | `POST /sockets/limits` | `{"lifetime_ms":1000,"idle_ms":1000}`: how long websockets live |
//! | `POST /accounts/{name}/expire` | refuses the access tokens given out so far (401); refresh works |
//! | `POST /accounts/{name}/revoke` | ends all logins so far: 401, and refresh is refused |
//! | `POST /accounts/{name}/login` | answers Codex's `auth.json` of a new login |
//! | `POST /accounts/{name}/models` | `{"without":["gpt-5.5"]}`: models that the account lacks from now on; `[]` gives all back |
//! | `POST /accounts/{name}/quota` | `{"primary":100,"secondary":5}`: percent used from now on; 100 refuses requests with 429 |
//!
//! An order is `{"fault": FAULT, "account"?: name, "after"?: n, "times"?: n, "path"?: "/prefix"}`: without an account for all of them,
//! without `times` until cleared, after `after` others, without `path` for responses only (oauth faults always hit `/oauth/token`).
//! FAULT is a [`Preset`] by name (`"usage_limit_reached"`), a [`Fault`] without members by its name in snake case
//! (`"no_terminal"`, `"overloaded_in_stream"`), or an object with `kind`:
//!
//! ```json
//! [{"account": "sim-0", "fault": "usage_limit_reached"},
//!  {"account": 1, "fault": {"kind": "cut", "after_events": 3}, "times": 2},
//!  {"fault": {"kind": "status", "status": 503, "body": {"error": {"code": "slow_down"}}, "headers": {"retry-after": "2"}}},
//!  {"fault": {"kind": "usage_limit", "resets_in_ms": 5000}},
//!  {"fault": {"kind": "slow_first_byte", "delay_ms": 500}},
//!  {"fault": {"kind": "silent_after_headers", "for_ms": 500}},
//!  {"fault": {"kind": "stall", "after_events": 4, "for_ms": 500}},
//!  {"fault": {"kind": "reset", "after_events": 3}},
//!  {"fault": {"kind": "hang_up", "reset": false}},
//!  {"fault": {"kind": "terminal_in_stream", "terminal": "failed", "code": "server_is_overloaded", "message": "..",
//!             "after_events": 2}},
//!  {"fault": {"kind": "pace", "pause_ms": 20}},
//!  {"fault": {"kind": "events", "count": 200}},
//!  {"fault": {"kind": "extra_headers", "headers": {"x-models-etag": "other"}}},
//!  {"fault": {"kind": "answer", "with": "parallel_calls"}},
//!  {"fault": {"kind": "image_failed", "type": "invalid_request_error", "code": "moderation_blocked", "message": ".."}},
//!  {"fault": {"kind": "file_retries", "polls": 3}},
//!  {"fault": {"kind": "file_status", "status": "error", "message": ".."}},
//!  {"fault": {"kind": "handshake", "fault": {"kind": "status", "status": 426}}},
//!  {"fault": {"kind": "close_frame", "after_events": 2, "code": 1011}},
//!  {"fault": {"kind": "message", "message": {"type": "error", "status": 500, "error": {"code": "server_error"}}}},
//!  {"fault": "ignore_ping"},
//!  {"fault": {"kind": "refresh_fails", "code": "refresh_token_expired"}},
//!  {"fault": {"kind": "script", "steps": [{"status": 200}, {"header": ["x-test", "1"]}, {"send": "data: {}\n\n"},
//!             {"wait_ms": 50}, "cut"]}}]
//! ```
//!
//! `terminal` is `failed`, `error` or `incomplete`; the last step of a script is `"close"`, `"cut"`, `"reset"`, `"hang"`
//! or nothing. A body that is a string is sent as text. Requests with an `Origin` header are refused, so that no page in a
//! browser reaches it.

mod accounts;
mod answer;
mod bearer;
mod body;
mod catalog;
mod check;
mod clock;
mod compact;
mod control;
mod dice;
mod envelope;
mod events;
mod faults;
mod files;
mod form;
mod front;
mod given;
mod head_faults;
mod images;
mod lineage;
mod meter;
mod oauth;
mod picture;
mod prefixes;
mod prose;
mod record;
mod refusal;
mod reply;
mod responses;
mod routes;
mod schema;
mod server;
mod shape;
mod size;
mod state;
mod tokens;
mod transcribe;
mod usage_page;
mod websocket;
mod wire;
mod wishes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use accounts::{Account, Tokens};
pub use faults::{
    Fault, FaultBody, FaultId, FaultSpec, Hold, Preset, ScriptStep, SocketAct, SocketFault, TerminalKind, Who,
};
pub use files::FileSeen;
pub use record::{Ended, Recorded};
use server::Surface;
use state::State;
use tokens::Mint;
pub use websocket::{SocketClosed, SocketSeen};
pub use wishes::Manner;

/// How a simulator is set up.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Address of the backend; port 0 takes any.
    pub listen: SocketAddr,
    /// Address of the storage that files are uploaded to; any port at the address of the backend without one.
    pub uploads: Option<SocketAddr>,
    /// Address of the control endpoint, which has to be a loopback one.
    pub control: Option<SocketAddr>,
    /// Number of accounts.
    pub accounts: usize,
    /// Plans of the accounts, used in turn.
    pub plans: Vec<String>,
    /// Origin of accounts and signatures.
    pub seed: [u8; 32],
    /// Keeps the JSON bodies of responses requests in the record. For tests: bodies hold prompts.
    pub record_bodies: bool,
    /// How long access tokens of logins and refreshes live.
    pub access_token_lifetime: Duration,
    /// Whether a replayed refresh token ends its whole login.
    pub revoke_on_replay: bool,
}

impl Default for SimulatorConfig {
    /// Three accounts (plans pro, plus, team) of a fixed seed on any port of 127.0.0.1, without a control endpoint.
    fn default() -> SimulatorConfig {
        SimulatorConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            uploads: None,
            control: None,
            accounts: 3,
            plans: ["pro", "plus", "team"].map(str::to_owned).to_vec(),
            seed: [7; 32],
            record_bodies: false,
            access_token_lifetime: Duration::from_secs(10 * 24 * 3_600),
            revoke_on_replay: true,
        }
    }
}

/// A running simulator. Dropping it ends its listeners and connections.
#[derive(Debug)]
pub struct Simulator {
    state: Arc<State>,
    address: SocketAddr,
    uploads: SocketAddr,
    control: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// Binds and starts serving on the current tokio runtime.
    ///
    /// # Errors
    /// An address cannot be bound, or the control address is not a loopback one.
    pub async fn start(config: SimulatorConfig) -> io::Result<Simulator> {
        if config.control.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the control endpoint is for loopback only"));
        }
        let backend = server::bind(config.listen)?;
        let uploads = server::bind(config.uploads.unwrap_or(SocketAddr::new(config.listen.ip(), 0)))?;
        let control = config.control.map(server::bind).transpose()?;
        let (address, upload_address) = (backend.local_addr()?, uploads.local_addr()?);
        let control_address = control.as_ref().map(tokio::net::TcpListener::local_addr).transpose()?;
        let state = Arc::new(new_state(&config, origin_of(upload_address)));
        let run = |listener, surface| tokio::spawn(server::run(listener, Arc::clone(&state), surface));
        let mut tasks = vec![run(backend, Surface::Backend), run(uploads, Surface::Uploads)];
        tasks.extend(control.map(|one| run(one, Surface::Control)));
        Ok(Simulator { state, address, uploads: upload_address, control: control_address, tasks })
    }

    /// Base of `/backend-api` and `/oauth`, such as `http://127.0.0.1:4321`.
    pub fn origin(&self) -> String {
        origin_of(self.address)
    }

    /// Origin of the URLs that files are uploaded to: another port of the same machine.
    pub fn upload_origin(&self) -> String {
        origin_of(self.uploads)
    }

    /// What is known of the last some thousand files, oldest first.
    pub fn files(&self) -> Vec<FileSeen> {
        self.state.files.all()
    }

    /// Where the backend listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base of the control endpoint, if there is one.
    pub fn control_url(&self) -> Option<String> {
        self.control.map(|address| format!("http://{address}"))
    }

    /// The accounts, by index.
    pub fn accounts(&self) -> &[Account] {
        &self.state.accounts
    }

    /// Injects a fault on its own path until it is cleared.
    pub fn fault(&self, who: Who, fault: Fault) -> FaultId {
        self.inject(FaultSpec::new(who, fault))
    }

    /// Injects a fault.
    pub fn inject(&self, spec: FaultSpec) -> FaultId {
        self.state.board.add(spec)
    }

    /// How many requests a fault has hit; 0 once it is cleared.
    pub fn fault_hits(&self, id: FaultId) -> u64 {
        self.state.board.hits(id)
    }

    /// Clears one fault.
    pub fn clear_fault(&self, id: FaultId) {
        self.state.board.remove(id);
    }

    /// Clears all faults.
    pub fn clear_faults(&self) {
        self.state.board.clear();
    }

    /// Refuses all access tokens that the account was given so far, with 401; refresh goes on working.
    pub fn expire_access(&self, account: usize) {
        self.state.expire(account);
    }

    /// Ends all logins of the account so far: 401, and refresh is refused with `refresh_token_invalidated`.
    pub fn revoke(&self, account: usize) {
        self.state.revoke(account);
    }

    /// Shows these percentages as used from now on; at 100 requests are refused with 429 `usage_limit_reached`.
    pub fn set_quota(&self, account: usize, primary: f64, secondary: f64) {
        self.state.pin_quota(account, primary, secondary);
    }

    /// Takes these models away from the account, and gives all others of its plan back.
    pub fn withhold_models(&self, account: usize, slugs: &[&str]) {
        self.state.withhold_models(account, slugs.iter().map(|slug| (*slug).to_owned()).collect());
    }

    /// Switches on or off that JSON bodies are kept in the record.
    pub fn record_bodies(&self, on: bool) {
        self.state.record_bodies.store(on, Ordering::Relaxed);
    }

    /// Chooses whether a replayed refresh token ends its whole login.
    pub fn revoke_on_replay(&self, on: bool) {
        self.state.revoke_on_replay.store(on, Ordering::Relaxed);
    }

    /// The last some thousand requests to the backend, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.all()
    }

    /// Forgets the record.
    pub fn forget_requests(&self) {
        self.state.recorder.forget();
    }

    /// Waits until `f` holds for the record; false when it did not within `timeout`.
    pub async fn wait_for(&self, f: impl Fn(&[Recorded]) -> bool, timeout: Duration) -> bool {
        self.state.recorder.wait_for(f, timeout).await
    }

    /// The last some thousand websockets, oldest first.
    pub fn sockets(&self) -> Vec<SocketSeen> {
        self.state.sockets.all()
    }

    /// Waits until `f` holds for the websockets; false when it did not within `timeout`.
    pub async fn wait_for_sockets(&self, f: impl Fn(&[SocketSeen]) -> bool, timeout: Duration) -> bool {
        self.state.sockets.wait_for(f, timeout).await
    }

    /// Sets how long websockets live, those that are open too: 60 minutes unless set.
    pub fn set_socket_lifetime(&self, lifetime: Duration) {
        self.state.socket_limits.send_modify(|limits| limits.lifetime = lifetime);
    }

    /// Sets how long websockets live on which nothing comes and no turn runs: 10 minutes unless set.
    pub fn set_socket_idle(&self, idle: Duration) {
        self.state.socket_limits.send_modify(|limits| limits.idle = idle);
    }

    /// Answers to responses requests being served, from the check of the credentials to the last byte.
    pub fn in_flight(&self) -> usize {
        *self.state.in_flight.borrow()
    }

    /// Waits until [`in_flight`](Self::in_flight) is `n`; false when it was not within `timeout`.
    pub async fn wait_in_flight(&self, n: usize, timeout: Duration) -> bool {
        let mut watch = self.state.in_flight.subscribe();
        tokio::time::timeout(timeout, watch.wait_for(|now| *now == n)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Ends listeners and connections, and waits until they have ended.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Aborted is how it is meant to end.
            let _ = task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The accounts that a simulator of this set-up has, without one that runs.
pub fn derive_accounts(config: &SimulatorConfig) -> Vec<Account> {
    accounts_of(config, &Arc::new(Mint::new(config.seed)))
}

fn accounts_of(config: &SimulatorConfig, mint: &Arc<Mint>) -> Vec<Account> {
    let plan = |index: usize| config.plans.get(index % config.plans.len().max(1)).map_or("pro", String::as_str);
    (0..config.accounts).map(|index| Account::derive(index, plan(index), config.access_token_lifetime, mint)).collect()
}

fn origin_of(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn new_state(config: &SimulatorConfig, upload_origin: String) -> State {
    let mint = Arc::new(Mint::new(config.seed));
    let accounts = accounts_of(config, &mint);
    let state = State::new(mint, accounts, upload_origin);
    state.record_bodies.store(config.record_bodies, Ordering::Relaxed);
    state.revoke_on_replay.store(config.revoke_on_replay, Ordering::Relaxed);
    state
}

#[cfg(test)]
mod tests;
