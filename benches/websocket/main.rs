//! A gateway between two websockets, beside the least that can stand there: a relay of tungstenite that reads no message.
//!
//! Upstream, relays and gateway are processes of their own, on the same cores as the load: 32 sockets that each begin a turn as soon as they
//! have the whole answer to the last one. An answer is 50 events, one by one as a model makes them, or in one burst. An operation is
//! one event, with its part of whatever else a turn costs; times are of whole turns. One relay sends each message on by itself, the other what
//! is ready together, as the gateway does. Rounds take turns, and the table has their medians. A route of the gateway that is not served has
//! no row.
//!
//! Memory is that of a pair of sockets, to the client and to the upstream, which have had a turn and rest: 500 of them, in a process that has
//! served a few turns before. The relay beside it has read buffers as small as those of the gateway.
//!
//! `cargo bench --bench websocket -- [--rounds N] [--seconds N] [--case CASE] [--only SUBJECT] [--rows]`. It needs Linux, as `upload` does.

#[path = "../common/child.rs"]
mod child;
mod client;
#[path = "../common/descriptors.rs"]
mod descriptors;
#[path = "../common/gateway.rs"]
mod gateway;
mod load;
#[path = "../common/measured.rs"]
mod measured;
#[path = "../common/memory.rs"]
mod memory;
mod relay;
mod rest;
#[path = "../common/table.rs"]
mod table;
mod upstream;
#[path = "../common/wire.rs"]
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use self::child::Child;
use self::client::{Door, Pace};
use self::measured::Measured;
use self::table::{Row, Target};

const RELAY: &str = "relay";
const BURSTS: &str = "relay, bursts";
const SMALL: &str = "small relay";
const CASES: [(&str, Pace); 2] = [("50 events, one by one", Pace::Single), ("50 events, one burst", Pace::Burst)];
const MEMORY: &str = "memory of an idle pair";
/// The most that a pair may take of the gateway's memory, in KiB.
const MOST: f64 = 80.0;
/// Where the backend and the gateway take websockets.
const BACKEND: &str = "/backend-api/codex/responses";
const ROUTES: [(&str, &str); 2] = [("codex-pooler", "/v1/responses"), ("codex-pooler, native", BACKEND)];

/// A process that stands between client and upstream, and its doors.
struct Server {
    child: Child,
    doors: Vec<Door>,
}

fn main() -> io::Result<()> {
    descriptors::raise()?;
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let told = || args.last().and_then(|arg| arg.parse().ok()).expect("an address");
    match after("--role").map(String::as_str) {
        Some("upstream") => return upstream::run(),
        Some(RELAY) => return relay::run(told(), relay::Flush::Each, None),
        Some(BURSTS) => return relay::run(told(), relay::Flush::Burst, None),
        Some(SMALL) => return relay::run(told(), relay::Flush::Each, Some(relay::SMALL)),
        Some(_) | None => {}
    }
    let number = |name: &str, default: u64| after(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (rounds, time) = (number("--rounds", 5).max(1), Duration::from_secs(number("--seconds", 2).max(1)));
    let is = |option: &str, name: &str| after(option).is_none_or(|only| only == name);
    let wanted = |name: &str| is("--only", name);

    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (_upstream, address) = child::role("upstream", &[])?;
        table::header()?;
        let cases: Vec<_> = CASES.into_iter().filter(|(name, _)| is("--case", name)).collect();
        if !cases.is_empty() {
            speed(address, &cases, rounds, time, wanted).await?;
        }
        if is("--case", MEMORY) { memory(address, wanted).await } else { Ok(()) }
    })
}

async fn speed(
    upstream: SocketAddr,
    cases: &[(&str, Pace)],
    rounds: u64,
    time: Duration,
    wanted: impl Fn(&str) -> bool,
) -> io::Result<()> {
    let servers = [relay(RELAY, upstream)?, relay(BURSTS, upstream)?, gateway(upstream).await?];
    for (case, pace) in cases {
        let pairs = servers.iter().flat_map(|server| server.doors.iter().map(move |door| (server, door)));
        let mut subjects: Vec<_> =
            pairs.filter(|(_, door)| wanted(door.name)).map(|pair| (pair, Vec::<Measured>::new())).collect();
        for _ in 0..rounds {
            for ((server, door), measured) in &mut subjects {
                measured.push(load::run(&server.child, door, *pace, time).await?);
            }
        }
        let median = |((_, door), rounds): &((_, &Door), Vec<Measured>)| (door.name, Measured::median(rounds));
        measured::print("websocket", case, RELAY, None, &subjects.iter().map(median).collect::<Vec<_>>())?;
    }
    Ok(())
}

async fn memory(upstream: SocketAddr, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut baseline = None;
    let names = [SMALL].into_iter().chain(ROUTES.map(|(name, _)| name));
    for name in names.filter(|name| wanted(name)) {
        // Each in a process of its own: what another one has left would be used again, and not be counted.
        let server = if name == SMALL { relay(name, upstream)? } else { gateway(upstream).await? };
        let Some(door) = server.doors.iter().find(|door| door.name == name) else { continue };
        let bytes = rest::memory_of_pair(&server.child, door).await?;
        if name == SMALL {
            baseline = Some(bytes);
        }
        let mark = if name == SMALL { " (baseline)" } else { "" };
        Row {
            rate: Some(format!("{:.1} KiB", bytes / 1024.0)),
            rate_ratio: baseline.map(|baseline| bytes / baseline),
            target: (name != SMALL).then_some(Target { figure: Some(bytes / 1024.0), limit: MOST, unit: " KiB" }),
            ..Row::new("websocket", MEMORY, &format!("{name}{mark}"))
        }
        .print()?;
    }
    Ok(())
}

fn relay(name: &'static str, upstream: SocketAddr) -> io::Result<Server> {
    let (child, address) = child::role(name, &[upstream.to_string()])?;
    Ok(Server { child, doors: vec![Door { name, address, path: BACKEND, key: None }] })
}

/// The stock binary, and those of its routes that agree to a websocket.
async fn gateway(upstream: SocketAddr) -> io::Result<Server> {
    let (child, address, key) = gateway::start(upstream, "").await?;
    let mut doors = Vec::new();
    for (name, path) in ROUTES {
        let door = Door { name, address, path, key: Some(key.clone()) };
        if door.is_served().await? {
            doors.push(door);
        }
    }
    Ok(Server { child, doors })
}
