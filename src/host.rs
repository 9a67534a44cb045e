//! What runs until it is told to stop: the gateway, the demo, the simulator.

mod demo;
mod descriptors;
mod signals;
mod simulate;

use std::io::{self, Write};
use std::sync::Arc;

use pooler_filter::{ChainError, Registry, SystemClock};
use tokio::runtime::Runtime;

use crate::admin::prepare_dir;
use crate::cli::{DemoArgs, Failure, Host, SimulateArgs};
use crate::config::{Config, ConfigFile};
use crate::server::{Running, Start, StartError, State, check_chain};
use crate::store::StoreOpenError;
use crate::telemetry::{Metrics, start_log};

/// The program with its filters.
#[derive(Debug)]
pub(crate) struct Program {
    registry: Registry,
}

impl Program {
    pub(crate) const fn new(registry: Registry) -> Self {
        Self { registry }
    }

    /// Opens the store and starts to serve.
    fn start(&self, runtime: &Runtime, config: &Config<'_>) -> Result<Running, Failure> {
        let settings = config.settings.clone();
        descriptors::raise_limit();
        prepare_dir(&settings.data.dir).map_err(|error| Failure::new(error.to_string()))?;
        let metrics = Arc::new(Metrics::new().map_err(|error| Failure::new(error.to_string()))?);
        let observed = Arc::clone(&metrics);
        let on_commit = Arc::new(move |time, _| observed.committed(time));
        let state = runtime.block_on(State::open(&settings, Some(on_commit)))?;
        let clock = Arc::new(SystemClock);
        let start = Start { settings, chain: &config.chain, registry: &self.registry, clock, state, metrics };
        Running::start(start).map_err(|error| {
            // A mistake in the chain or in a certificate has a place in the file.
            match &error {
                StartError::Chain(error) => config.refuse(error).into(),
                StartError::Certificate(error) => config.refuse_certificate(error).into(),
                StartError::Open(_)
                | StartError::Store(_)
                | StartError::Secrets(_)
                | StartError::Listen(..)
                | StartError::Runtime(_)
                | StartError::Setting(_)
                | StartError::Data(_) => error.into(),
            }
        })
    }
}

impl Host for Program {
    fn serve(&self, file: &ConfigFile, out: &mut dyn Write) -> Result<(), Failure> {
        let config = file.load()?;
        start_log(&config.settings.log).map_err(|error| Failure::new(error.to_string()))?;
        let runtime = runtime()?;
        let signals = signals::Signals::listen(&runtime);
        let hangup = signals::Hangup::listen(&runtime);
        let running = self.start(&runtime, &config)?;
        read_or_not(announce(&running, out))?;
        runtime.block_on(signals::run(running, signals, hangup));
        Ok(())
    }

    fn demo(&self, args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
        demo::run(self, args, out)
    }

    fn simulate(&self, args: &SimulateArgs, out: &mut dyn Write) -> Result<(), Failure> {
        simulate::run(args, out)
    }

    fn build_chain(&self, config: &Config<'_>) -> Result<(), ChainError> {
        check_chain(&self.registry, &config.chain, &config.settings)
    }
}

fn announce(running: &Running, out: &mut dyn Write) -> io::Result<()> {
    if let Some(path) = running.state().created_key() {
        writeln!(out, "A new root key was made: {}", path.display())?;
        writeln!(out, "Back it up apart from the store: without it the store cannot be opened again.")?;
    }
    for address in running.addresses() {
        writeln!(out, "listening on http://{address}")?;
    }
    for address in running.tls_addresses() {
        writeln!(out, "listening on https://{address}")?;
    }
    if let Some(address) = running.operations() {
        writeln!(out, "metrics and health on http://{address}")?;
    }
    out.flush()
}

/// What runs goes on running when nobody reads what it says, as behind `| head`.
fn read_or_not(said: io::Result<()>) -> Result<(), Failure> {
    match said {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => Ok(said?),
    }
}

/// The runtime of whoever waits for signals; the gateway has its own.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("main").enable_all().build()?)
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let message = error.to_string();
        let locked = matches!(error, StartError::Open(StoreOpenError::Locked { .. }));
        if locked { Self::locked(message) } else { Self::new(message) }
    }
}
