//! Builds the whole gateway and runs it: listeners, services, background work, shutdown.
//!
//! Pingora's listening services run on runtimes of ours rather than under its `Server`: that one sleeps its whole grace period at every
//! SIGTERM and stops all listeners at once, so that nobody could ask `/readyz` while streams drain.

mod background;
mod backups;
mod front;
mod ledger;
mod lifecycle;
mod listen;
mod multiplex;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::server::ShutdownWatch;
use pooler_filter::{Chain, ChainEntry, ChainError, Clock, Observer, Ports, Registry, Unobserved};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::backups::BackupWork;
use self::front::Front;
pub(crate) use self::lifecycle::Lifecycle;
use self::listen::Listener;
pub use self::state::{StartError, State};
use crate::admin::{self, Backend, BackendParts};
use crate::config::Settings;
use crate::disk::DiskGuard;
use crate::endpoints::{AccountLogins, Endpoints};
use crate::files::FileTable;
use crate::operations::Operations;
use crate::pool::AffinityCache;
use crate::proxy::{self, Gateway};
use crate::telemetry::Metrics;
use crate::tls::Certificates;

/// How long commands may hold up the end; they have a shorter deadline of their own.
const LAST_COMMANDS: Duration = Duration::from_secs(10);

/// A gateway that runs. Dropping it stops it at once; [`Running::drain`] does so in good order.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    operations: Option<SocketAddr>,
    certificates: Arc<Certificates>,
    lifecycle: Arc<Lifecycle>,
    accepting: watch::Sender<bool>,
    background: watch::Sender<bool>,
    state: Arc<State>,
    backend: Arc<Backend>,
    work: background::Work,
    admin: JoinHandle<()>,
    backups: BackupWork,
    grace: Duration,
    runtimes: Vec<Runtime>,
}

/// What a start needs.
#[derive(Debug)]
pub struct Start<'a> {
    /// What to run with.
    pub settings: Settings,
    /// The filters in order.
    pub chain: &'a [ChainEntry<'a>],
    /// The filters that there are.
    pub registry: &'a Registry,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The open store with its keys.
    pub state: State,
    /// The table of metrics, which the store reports to already.
    pub metrics: Arc<Metrics>,
}

/// Builds a chain against ports that are never used, to find mistakes.
///
/// # Errors
/// The first mistake, with its place.
pub fn check_chain(registry: &Registry, entries: &[ChainEntry<'_>], settings: &Settings) -> Result<(), ChainError> {
    let chain = registry.build_chain(entries, &state::idle_ports(settings), Arc::new(Unobserved))?;
    usable(&chain, entries)
}

/// Pingora's own timers live in a thread that wakes up a hundred times a second once there is one of them; those of the runtime do not.
fn calm_timers() {
    pingora_timeout::fast_timeout::set_fast_timeout_to_tokio_threshold(Some(Duration::ZERO));
}

fn usable(chain: &Chain, entries: &[ChainEntry<'_>]) -> Result<(), ChainError> {
    Gateway::check_chain(chain).map_err(|reason| ChainError {
        index: entries.len(),
        filter: "end of the chain".to_owned(),
        reason,
        span: entries.last().map_or(0..0, |entry| entry.span.clone()),
    })
}

/// Where clients come in.
struct Doors {
    plain: Vec<Listener>,
    secure: Vec<listen::Secure>,
}

impl Doors {
    fn open(settings: &Settings, certificates: &Certificates) -> Result<Self, StartError> {
        let plain = listen::bind_all(&settings.gateway.listen)?;
        Ok(Self { plain, secure: listen::bind_secure(certificates, &settings.gateway.tls)? })
    }

    /// Those without TLS, and those with it.
    fn addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let secure = self.secure.iter().flat_map(|secure| &secure.listeners).map(Listener::address);
        (self.plain.iter().map(Listener::address).collect(), secure.collect())
    }

    fn serve(self, runtime: &Runtime, gateway: &Arc<Gateway>, stop: &watch::Receiver<bool>) {
        for listen::Secure { certificate, listeners } in self.secure {
            let front = Front::secure(Arc::clone(gateway), certificate);
            listen::serve(runtime, "gateway", front, listeners, stop.clone());
        }
        listen::serve(runtime, "gateway", Front::plain(Arc::clone(gateway)), self.plain, stop.clone());
    }
}

impl Running {
    /// Opens the listeners and starts to serve.
    ///
    /// # Errors
    /// A certificate cannot be used, a listener cannot be opened, the chain cannot be built, or the store cannot be read.
    pub fn start(start: Start<'_>) -> Result<Self, StartError> {
        let Start { settings, chain, registry, clock, state, metrics } = start;
        let certificates = Arc::new(Certificates::load(&settings.gateway.tls)?);
        let settings = Arc::new(settings);
        let state = Arc::new(state);
        calm_timers();
        let serving = runtime("gateway", settings.gateway.threads.get())?;
        let helping = runtime("background", 1)?;
        let lifecycle = Arc::new(Lifecycle::default());

        let disk = Arc::new(DiskGuard::new(state.space(), settings.data.min_free as u64));
        let work = background::Work::new(&state, &settings, clock, disk)?;
        let backups = BackupWork::new(&state, &settings, &work.clock, &metrics);
        helping.block_on_anywhere(work.recover())?;
        helping.block_on_anywhere(work.take_over())?;
        let gateway = Arc::new(gateway(&work, registry, chain, &metrics, &lifecycle)?);

        let doors = Doors::open(&settings, &certificates)?;
        let probes = if settings.operations.enabled { Some(Listener::bind(settings.operations.listen)?) } else { None };
        let socket = admin::Listener::bind(&settings.data.socket(), state.stores())
            .map_err(|error| StartError::Data(format!("{}: {error}", settings.data.socket().display())))?;
        let (addresses, tls_addresses) = doors.addresses();
        let operations = probes.as_ref().map(Listener::address);

        let (accepting, accept_watch) = watch::channel(false);
        let (background, stop) = watch::channel(false);
        doors.serve(&serving, &gateway, &accept_watch);
        if let Some(every) = settings.gateway.certificate_watch.filter(|_| !settings.gateway.tls.is_empty()) {
            helping.spawn(background::until(stop.clone(), Arc::clone(&certificates).watch(every)));
        }
        if let Some(listener) = probes {
            let app = Operations {
                metrics: Arc::clone(&metrics),
                lifecycle: Arc::clone(&lifecycle),
                disk: Arc::clone(&work.disk),
                store: state.store_path().to_owned(),
            };
            listen::serve(&helping, "operations", app, vec![listener], stop.clone());
        }
        let backend =
            Arc::new(Backend::new(backend_parts(&settings, &state, &work, &backups)).running(Arc::clone(&work.pool)));
        work.clone().spawn(&helping, &stop, &metrics);
        helping.spawn(background::until(stop.clone(), backups.clone().run()));
        let admin = helping.spawn(background::administer(socket, Arc::clone(&backend), stop));
        lifecycle.ready();
        let grace = settings.gateway.shutdown_grace;
        let runtimes = vec![serving, helping];
        Ok(Self {
            addresses,
            tls_addresses,
            operations,
            certificates,
            lifecycle,
            accepting,
            background,
            state,
            backend,
            work,
            admin,
            backups,
            grace,
            runtimes,
        })
    }

    /// The addresses that clients use without TLS.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses that clients use with TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// Reads all certificates again. New connections get them; what cannot be used is told in the log and changes nothing.
    pub async fn reload_certificates(&self) {
        let certificates = Arc::clone(&self.certificates);
        if tokio::task::spawn_blocking(move || certificates.reload()).await.is_err() {
            tracing::error!("certificates could not be read again");
        }
    }

    /// The address of metrics and health.
    #[must_use]
    pub const fn operations(&self) -> Option<SocketAddr> {
        self.operations
    }

    /// The store with its keys.
    #[must_use]
    pub const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Carries out what operators command.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Takes over what was changed in the store past [`Running::backend`].
    pub async fn reload(&self) {
        self.work.reload().await;
    }

    /// Stops accepting, lets streams finish for as long as the configuration allows, then a refresh that is on its way and commands that
    /// run, flushes the ledger, makes a last backup, closes the store.
    pub async fn drain(mut self) {
        self.lifecycle.drain();
        self.accepting.send_replace(true);
        if tokio::time::timeout(self.grace, self.lifecycle.idle()).await.is_err() {
            tracing::warn!(in_flight = self.lifecycle.in_flight(), "the grace period is over; what still runs is cut");
        }
        self.work.accounts.close().await;
        self.background.send_replace(true);
        if tokio::time::timeout(LAST_COMMANDS, &mut self.admin).await.is_err() {
            tracing::warn!("the admin socket did not close in time");
        }
        if let Err(error) = self.state.stores().ledger.flush().await {
            tracing::error!(%error, "the ledger could not be flushed");
        }
        self.backups.last().await;
        // One that an operator asked for and that is not done would keep the store open.
        self.backups.keeper.stop();
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_background();
        }
        let state = Arc::clone(&self.state);
        if tokio::task::spawn_blocking(move || state.close()).await.is_err() {
            tracing::error!("the store could not be closed");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.send_replace(true);
        self.background.send_replace(true);
        for runtime in self.runtimes.drain(..) {
            // Waiting is not possible where this may run: inside another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Watches for the end, in the form that Pingora wants.
type Stop = ShutdownWatch;

fn runtime(name: &str, threads: usize) -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(StartError::Runtime)
}

/// Runs a future to its end from anywhere, also from within another runtime.
trait BlockOnAnywhere {
    fn block_on_anywhere<T: Send>(&self, future: impl Future<Output = T> + Send) -> T;
}

impl BlockOnAnywhere for Runtime {
    fn block_on_anywhere<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| self.block_on(future));
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// The gateway itself, with its chain built against the ports of this server.
fn gateway(
    work: &background::Work,
    registry: &Registry,
    entries: &[ChainEntry<'_>],
    metrics: &Arc<Metrics>,
    lifecycle: &Arc<Lifecycle>,
) -> Result<Gateway, StartError> {
    let (settings, clock) = (Arc::clone(&work.settings), Arc::clone(&work.clock));
    let files = Arc::new(FileTable::new(Arc::clone(&work.state.stores().files), Arc::clone(&clock)));
    let routing = &settings.routing;
    let ports = Ports {
        keyring: work.pool.clone(),
        logins: Arc::new(AccountLogins::new(&work.pool, &work.accounts)),
        pool: work.pool.clone(),
        catalog: work.catalog.clone(),
        ledger: Arc::new(ledger::LedgerPort::new(&work.state, Arc::clone(&clock))),
        affinity: Arc::new(AffinityCache::new(routing.affinity_entries, routing.affinity_ttl, Arc::clone(&clock))),
        files: files.clone(),
        clock: Arc::clone(&clock),
    };
    let observer: Arc<dyn Observer> = metrics.clone();
    let chain = registry.build_chain(entries, &ports, observer)?;
    usable(&chain, entries)?;
    Ok(Gateway::new(proxy::Parts {
        settings,
        chain,
        pool: Arc::clone(&work.pool),
        accounts: Arc::clone(&work.accounts),
        client: Arc::clone(&work.client),
        endpoints: Endpoints::new(&work.catalog, Arc::clone(&files), &work.state.stores().ledger, &work.pool, &clock),
        files,
        metrics: Arc::clone(metrics),
        clock,
        lifecycle: Arc::clone(lifecycle),
        disk: Arc::clone(&work.disk),
    }))
}

fn backend_parts(settings: &Settings, state: &State, work: &background::Work, backups: &BackupWork) -> BackendParts {
    BackendParts {
        stores: state.stores().clone(),
        sealer: state.sealer(),
        peppers: state.peppers(),
        origin: settings.accounts.origin.clone(),
        issuer: settings.accounts.issuer.clone(),
        clock: Arc::clone(&work.clock),
        catalog: Arc::clone(&work.catalog),
        on_change: Arc::new(work.clone()),
        backups: Some(Arc::clone(&backups.keeper)),
    }
}
