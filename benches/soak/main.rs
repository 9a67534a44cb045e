//! A soak: mixed load with faults for half an hour, then a look at what it left behind. Unlike a bench it fails: the process ends with 1 when
//! something grows, a request is lost, or one was not answered.
//!
//! The gateway is the stock binary, a process of its own, with its default configuration but for idle connections to the upstream, which
//! it closes after two seconds, so that descriptors can be counted at rest. The upstream is the simulator, in this process, whose faults
//! change every three seconds. Load and faults come of a seed, which is printed.
//!
//! `cargo bench --bench soak -- [--seconds N] [--connections N] [--seed N]`; 1,800 seconds, 32 connections. It needs Linux, as `upload` does.

#[path = "../common/child.rs"]
mod child;
mod dice;
mod faults;
#[path = "../common/gateway.rs"]
#[allow(dead_code, reason = "each bench uses its own part")]
mod gateway;
mod load;
#[path = "../common/memory.rs"]
mod memory;
mod sample;
mod socket;
mod tally;
mod verdict;
mod wire;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use codex_pooler::simulator::{Simulator, SimulatorConfig};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::dice::Dice;
use self::gateway::Running;
use self::sample::Sample;
use self::tally::Tally;
use self::verdict::Verdicts;
use self::wire::Door;

/// Between two looks at the gateway.
const EVERY: Duration = Duration::from_secs(5);
/// The fewest looks that say anything.
const LEAST: u64 = 6;
/// Between the end of the load and the last look.
const REST: Duration = Duration::from_secs(10);
const ACCOUNTS: usize = 6;
/// Of the dice of the faults; clients have the numbers from 0 on.
const FAULTS: u64 = u64::MAX;

/// What the command line says.
struct Options {
    time: Duration,
    connections: u64,
    seed: u64,
}

impl Options {
    fn new(args: &[String]) -> Self {
        let number = |name: &str, default: u64| {
            let at = args.iter().position(|arg| arg == name);
            at.map_or(Some(default), |at| args.get(at + 1)?.parse().ok()).expect("a number after each option")
        };
        let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        let time = Duration::from_secs(number("--seconds", 1_800).max(EVERY.as_secs() * LEAST));
        Self { time, connections: number("--connections", 32).max(1), seed: number("--seed", seed) }
    }
}

fn main() -> io::Result<ExitCode> {
    let options = Options::new(&std::env::args().collect::<Vec<_>>());
    let mut verdicts = Verdicts::default();
    let dir = child::directory()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ran = runtime.block_on(soak(&options, &dir, &mut verdicts));
    if verdicts.failed || ran.is_err() {
        writeln!(io::stdout(), "\nFAILED with --seed {}; the store is in {}", options.seed, dir.keep().display())?;
    }
    ran?;
    Ok(if verdicts.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn soak(options: &Options, dir: &TempDir, verdicts: &mut Verdicts) -> io::Result<()> {
    let config = SimulatorConfig { accounts: ACCOUNTS, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config.clone()).await?;
    let settings =
        format!("[upstream]\npool_idle = \"2s\"\n[files]\nupload_origins = [\"{}\"]\n", simulator.upload_origin());
    let gateway = gateway::launch(dir.path(), &config, simulator.address(), &settings).await?;
    let store = dir.path().join("data/store");
    let tally = Arc::new(Tally::default());
    writeln!(
        io::stdout(),
        "soak of {} s on {} connections, --seed {}",
        options.time.as_secs(),
        options.connections,
        options.seed
    )?;
    let first = Sample::take(gateway.child.id(), &store, 0.0, 0)?;
    let faults = faults::run(&simulator, Dice::new(options.seed, FAULTS));
    let samples = tokio::select! {
        samples = load(options, &gateway, &store, &tally) => samples?,
        () = faults => Vec::new(),
    };
    simulator.clear_faults();
    sleep(REST).await;
    let last = Sample::take(gateway.child.id(), &store, 0.0, tally.all_sent())?;
    let metrics = wire::get(gateway.operations, "/metrics").await?;
    // It is asked to end, and waited for.
    drop(gateway.child);
    writeln!(io::stdout())?;
    verdicts.slopes(&samples)?;
    verdicts.load(&tally)?;
    verdicts.rest(&metrics, first, last)?;
    verdicts.ledger(&store, &tally).await
}

/// Runs the load and looks at the gateway while it does.
async fn load(options: &Options, gateway: &Running, store: &Path, tally: &Arc<Tally>) -> io::Result<Vec<Sample>> {
    let since = Instant::now();
    let to = since + options.time;
    let door = Door { address: gateway.address, key: gateway.key.clone() };
    let mut clients = JoinSet::new();
    for lane in 0..options.connections {
        clients.spawn(load::client(door.clone(), Arc::clone(tally), Dice::new(options.seed, lane), to));
    }
    writeln!(
        io::stdout(),
        "{:>7} {:>9} {:>5} {:>8} {:>9} {:>9} {:>8} {:>7} {:>7} {:>7} {:>6} {:>7}",
        "SECONDS",
        "MIB",
        "FDS",
        "THREADS",
        "STORE MIB",
        "REQUESTS",
        "2XX",
        "4XX",
        "429",
        "5XX",
        "CUT",
        "LEFT"
    )?;
    let (mut samples, mut at) = (Vec::new(), since + EVERY);
    while at <= to {
        sleep_until(at).await;
        let sample = Sample::take(gateway.child.id(), store, since.elapsed().as_secs_f64() / 60.0, tally.all_sent())?;
        print(&sample, tally)?;
        samples.push(sample);
        at += EVERY;
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(samples)
}

fn print(sample: &Sample, tally: &Tally) -> io::Result<()> {
    let status = |class: usize| tally.statuses[class].load(Relaxed);
    let mib = |bytes: f64| bytes / 1_048_576.0;
    let Sample { minutes, requests, memory, store, descriptors, threads } = sample;
    let (too_many, cut, left) = (tally.too_many.load(Relaxed), tally.cut.load(Relaxed), tally.left.load(Relaxed));
    writeln!(
        io::stdout(),
        "{:>7.0} {:>9.1} {descriptors:>5} {threads:>8} {:>9.1} {requests:>9} {:>8} {:>7} {too_many:>7} {:>7} {cut:>6} {left:>7}",
        minutes * 60.0,
        mib(*memory),
        mib(*store),
        status(2),
        status(4) - too_many,
        status(5),
    )
}
