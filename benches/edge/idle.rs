//! How often the threads of an idle process wake up: how often each of them went to sleep again (`voluntary_ctxt_switches` of
//! proc_pid_status(5)). Those that had to make room for another one did not sleep, and are not counted.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::servers::{BARE, GATEWAY, Server};
use super::{BENCH, Options, Row, SETTLE};

const CASE: &str = "idle wake-ups";
/// The most that a thread may wake up in a second.
const MOST: f64 = 1.0;
/// Connections that were used have to be given up before a process is idle.
const REST: u32 = 3;

/// Switches of one thread, by its number, with its name.
type Threads = BTreeMap<u32, (String, u64)>;

/// Threads of one name.
#[derive(Default)]
struct Named {
    count: u32,
    /// Wake-ups of all in a second.
    sum: f64,
    /// The rate of the one that woke up most often, at least: so many wake-ups have one interval less between them.
    fastest: f64,
}

pub(super) async fn run(options: &Options) -> io::Result<()> {
    if !options.wants_case(CASE) {
        return Ok(());
    }
    let (_upstream, servers) = options.start(Duration::ZERO, &[BARE, GATEWAY]).await?;
    for server in &servers {
        server.warm_up().await?;
    }
    tokio::time::sleep(SETTLE * REST).await;
    for server in &servers {
        let (before, since) = (threads(server)?, Instant::now());
        tokio::time::sleep(options.rest).await;
        let (after, took) = (threads(server)?, since.elapsed());
        for (name, named) in by_name(&before, &after, took) {
            let case = format!("idle, {name} x {}", named.count);
            Row {
                rate: Some(format!("{:.1}/s", named.sum)),
                target: server.target(named.fastest, MOST, "/s"),
                ..Row::new(BENCH, &case, &server.subject())
            }
            .print()?;
        }
    }
    Ok(())
}

fn by_name(before: &Threads, after: &Threads, took: Duration) -> BTreeMap<String, Named> {
    let mut all: BTreeMap<String, Named> = BTreeMap::new();
    for (id, (name, switches)) in after {
        let earlier = before.get(id).map_or(0, |(_, switches)| *switches);
        let count = u32::try_from(switches.saturating_sub(earlier)).unwrap_or(u32::MAX);
        let rate = |count: u32| f64::from(count) / took.as_secs_f64();
        let named = all.entry(name.clone()).or_default();
        named.count += 1;
        named.fastest = named.fastest.max(rate(count.saturating_sub(1)));
        named.sum += rate(count);
    }
    all
}

fn threads(server: &Server) -> io::Result<Threads> {
    let mut all = Threads::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", server.id()?))? {
        let task = task?;
        let Some(id) = task.file_name().to_str().and_then(|id| id.parse().ok()) else { continue };
        // A thread that has ended since wakes up no more.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
        let told = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let switches = told("voluntary_ctxt_switches:").and_then(|count| count.parse().ok());
        let switches = switches.ok_or_else(|| io::Error::other("the kernel does not tell of switches"))?;
        all.insert(id, (told("Name:").unwrap_or("-").to_owned(), switches));
    }
    Ok(all)
}
