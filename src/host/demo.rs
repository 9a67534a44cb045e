//! The demo: a simulated upstream, a gateway, a pool and a key, in one process and one directory. Loopback only.

mod file;
mod print;
pub(super) mod seed_file;
mod setup;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::runtime::Runtime;

use self::file::DemoFile;
use self::print::Access;
use super::{Program, signals};
use crate::cli::{DemoArgs, Failure};
use crate::config::{ConfigFile, Log, LogFormat, Origin, OriginError};
use crate::server::Running;
use crate::simulator::{Simulator, SimulatorConfig};
use crate::telemetry::start_log;

/// The demo ends within a second.
const GRACE: Duration = Duration::from_millis(500);
/// The port that the documents name, with metrics where a gateway has them by default.
const USUAL_PORT: u16 = 4000;
const USUAL_METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs the demo until it is told to stop.
pub(super) fn run(program: &Program, args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
    // Only what goes wrong is logged: the terminal belongs to what the demo prints.
    let log = Log {
        filter: std::env::var("CODEX_POOLER_LOG").unwrap_or_else(|_| "warn".to_owned()),
        format: LogFormat::Text,
    };
    start_log(&log).map_err(|error| Failure::new(error.to_string()))?;
    let mut file = DemoFile::open(&args.data)?;
    let runtime = super::runtime()?;
    let mut signals = signals::Signals::listen(&runtime);
    let upstream = Upstream::start(&runtime, args, &mut file)?;
    let running = start_gateway(program, &runtime, args, &upstream)?;
    let accounts = upstream.accounts(args, &file)?;
    let key = runtime.block_on(setup::prepare(&running, &accounts, &upstream.origin(), &mut file))?;
    let access = Access::new(&running, key, upstream.control());
    runtime.block_on(print::wait_until_it_answers(&access))?;
    super::read_or_not(access.print(out, upstream.is_simulated()))?;
    if let Some(path) = &args.env {
        access.write_env(path)?;
    }
    runtime.block_on(async {
        signals.stop().await;
        let stop = async {
            running.drain().await;
            upstream.stop().await;
        };
        signals.last(stop).await;
    });
    Ok(())
}

/// What the accounts of the demo are accounts of.
enum Upstream {
    Simulated(Simulator),
    Given(Origin),
}

impl Upstream {
    /// The simulator comes back on the port where it was, if it can, so that accounts keep their origin.
    fn start(runtime: &Runtime, args: &DemoArgs, file: &mut DemoFile) -> Result<Self, Failure> {
        if let Some(origin) = &args.upstream {
            return Ok(Self::Given(setup::demo_origin(origin)?));
        }
        let config = |port: u16| SimulatorConfig {
            listen: SocketAddr::new(ANY.ip(), port),
            control: Some(ANY),
            accounts: usize::from(args.accounts),
            seed: file.seed,
            ..SimulatorConfig::default()
        };
        let before = config(file.simulator_port);
        let started = runtime.block_on(Simulator::start(before));
        let simulator = match started {
            Ok(simulator) => simulator,
            Err(_) => runtime.block_on(Simulator::start(config(0)))?,
        };
        file.simulator_port = simulator.address().port();
        file.save()?;
        Ok(Self::Simulated(simulator))
    }

    fn origin(&self) -> String {
        match self {
            Self::Simulated(simulator) => simulator.origin(),
            Self::Given(origin) => origin.to_string(),
        }
    }

    /// Where files may be uploaded to, although it is no public address.
    fn upload_origin(&self) -> Result<Origin, Failure> {
        match self {
            Self::Simulated(simulator) => {
                simulator.upload_origin().parse().map_err(|error: OriginError| Failure::new(error.to_string()))
            }
            Self::Given(origin) => Ok(origin.clone()),
        }
    }

    /// The logins to import: of the simulator, or made up.
    fn accounts(&self, args: &DemoArgs, file: &DemoFile) -> Result<Vec<setup::Login>, Failure> {
        match self {
            Self::Simulated(simulator) => Ok(simulator.accounts().iter().map(setup::Login::of).collect()),
            Self::Given(_) => setup::made_up(usize::from(args.accounts), &file.seed),
        }
    }

    fn control(&self) -> Option<String> {
        match self {
            Self::Simulated(simulator) => simulator.control_url(),
            Self::Given(_) => None,
        }
    }

    const fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    async fn stop(self) {
        if let Self::Simulated(simulator) = self {
            simulator.stop().await;
        }
    }
}

fn start_gateway(
    program: &Program,
    runtime: &Runtime,
    args: &DemoArgs,
    upstream: &Upstream,
) -> Result<Running, Failure> {
    let file = ConfigFile::none(Some(args.data.clone()));
    let mut config = file.load()?;
    let settings = &mut config.settings;
    settings.gateway.listen = listeners(args.port);
    settings.gateway.shutdown_grace = GRACE;
    settings.gateway.threads = NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN);
    let usual = args.port == USUAL_PORT && TcpListener::bind(USUAL_METRICS).is_ok();
    settings.operations.listen = if usual { USUAL_METRICS } else { ANY };
    settings.files.upload_origins = vec![upstream.upload_origin()?];
    if !upstream.is_simulated() {
        // One that is not simulated need not know its models.
        settings.catalog.sync = false;
        settings.quota.sync = false;
    }
    program.start(runtime, &config)
}

/// IPv4 loopback, and IPv6 loopback where this machine has it.
fn listeners(port: u16) -> Vec<SocketAddr> {
    let v6 = |port| SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    let mut addresses = vec![SocketAddr::new(ANY.ip(), port)];
    if TcpListener::bind(v6(0)).is_ok() {
        addresses.push(v6(port));
    }
    addresses
}
