//! A burst of connections: 64 are always busy, for two seconds there are 1,000, and then 64 again. Nothing may be lost, and answers have to
//! come as fast as before a second later at the latest.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::measured::{Measured, told};
use super::servers::{BARE, GATEWAY, NGINX, Server};
use super::{BENCH, Options, Row, SAY_HELLO, http};

/// Connections that are always there, and those in the burst.
const FEW: usize = 64;
const MANY: usize = 1000;
/// What runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);
const BURST: Duration = Duration::from_secs(2);
/// How long is looked at what comes after it.
const AFTER: Duration = Duration::from_secs(3);
/// The pieces of that which are looked at.
const WINDOW: Duration = Duration::from_millis(100);
/// So many of them in a row have to be normal: one may be so by chance.
const ROW: u32 = 3;
/// Times that are not normal are above so many times those before the burst.
const NORMAL: u32 = 2;
/// The longest that they may be so, in seconds.
const MOST: f64 = 1.0;
const CASE: &str = "burst, 64 to 1,000";
const PHASES: [&str; 3] = ["before", "during", "first second after"];

/// An answer that ended, or none.
struct Ended {
    at: Instant,
    took: Duration,
    good: bool,
}

/// One round.
struct Round {
    /// Before, during, in the first second after.
    phases: [Measured; 3],
    /// From the end of the burst until times were normal.
    normal_after: Duration,
    lost: usize,
    all: usize,
}

pub(super) async fn run(options: &Options) -> io::Result<()> {
    if !options.wants_case(CASE) {
        return Ok(());
    }
    let (_upstream, servers) = options.start(Duration::ZERO, &[NGINX, BARE, GATEWAY]).await?;
    let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (server, rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(round(server, options.time).await?);
        }
    }
    for (phase, name) in PHASES.into_iter().enumerate() {
        let case = format!("burst, {name}");
        let median =
            |rounds: &Vec<Round>| Measured::median(&rounds.iter().map(|round| round.phases[phase]).collect::<Vec<_>>());
        let bare = servers.iter().position(|server| server.name == BARE).map(|at| median(&rounds[at]));
        for (server, rounds) in servers.iter().zip(&rounds) {
            let median = median(rounds);
            Row {
                rate: Some(format!("{:.0}/s", median.per_second)),
                rate_ratio: bare.map(|bare| median.per_second / bare.per_second),
                p50: told(median.p50),
                p99: told(median.p99),
                ..Row::new(BENCH, &case, &server.subject())
            }
            .print()?;
        }
    }
    for (server, rounds) in servers.iter().zip(&rounds) {
        let mut after: Vec<Duration> = rounds.iter().map(|round| round.normal_after).collect();
        after.sort_unstable();
        let after = after[after.len() / 2].as_secs_f64();
        Row {
            rate: Some(format!("{after:.1} s")),
            target: server.target(after, MOST, " s"),
            ..Row::new(BENCH, "burst, normal after", &server.subject())
        }
        .print()?;
    }
    for (server, rounds) in servers.iter().zip(&rounds) {
        let (lost, all) = rounds.iter().fold((0, 0), |(lost, all), round| (lost + round.lost, all + round.all));
        let figure = f64::from(u32::try_from(lost).unwrap_or(u32::MAX));
        Row {
            rate: Some(format!("{lost} of {all}")),
            target: server.target(figure, 0.0, ""),
            ..Row::new(BENCH, "burst, lost answers", &server.subject())
        }
        .print()?;
    }
    Ok(())
}

/// `time`: how long normal times are measured.
async fn round(server: &Server, time: Duration) -> io::Result<Round> {
    let request = server.request(SAY_HELLO.as_bytes());
    let from = Instant::now() + WARM_UP;
    let burst = from + time;
    let after = burst + BURST;
    let (mut few, mut many) = (JoinSet::new(), JoinSet::new());
    for _ in 0..FEW {
        few.spawn(connection(server.address, request.clone(), after + AFTER));
    }
    tokio::time::sleep_until(burst.into()).await;
    for _ in FEW..MANY {
        many.spawn(connection(server.address, request.clone(), after));
    }
    let mut all = Vec::new();
    while let Some(ended) = few.join_next().await {
        all.append(&mut ended.map_err(io::Error::other)?);
    }
    let steady = all.len();
    while let Some(ended) = many.join_next().await {
        all.append(&mut ended.map_err(io::Error::other)?);
    }
    let second = Duration::from_secs(1);
    let before = measure(&all[..steady], from, time);
    let phases = [before, measure(&all, burst, BURST), measure(&all[..steady], after, second)];
    let normal_after = normal_after(&all[..steady], after, before.p50 * NORMAL);
    Ok(Round { phases, normal_after, lost: all.iter().filter(|ended| !ended.good).count(), all: all.len() })
}

/// The good answers that ended in this time.
fn measure(all: &[Ended], from: Instant, time: Duration) -> Measured {
    let ended = all.iter().filter(|ended| ended.good && ended.at >= from && ended.at < from + time);
    let times: Vec<Duration> = ended.map(|ended| ended.took).collect();
    let count = times.len();
    Measured::of(times, count, time, None)
}

/// Where the first windows in a row begin in which half of the answers took no longer than this; a window without any is not one.
fn normal_after(all: &[Ended], from: Instant, longest: Duration) -> Duration {
    let (mut window, mut row) = (Duration::ZERO, 0);
    while window < AFTER {
        let measured = measure(all, from + window, WINDOW);
        row = if measured.p50.is_zero() || measured.p50 > longest { 0 } else { row + 1 };
        window += WINDOW;
        if row == ROW {
            return window - WINDOW * ROW;
        }
    }
    AFTER
}

/// One request after the other, on one connection, and on a new one after one that failed.
async fn connection(address: SocketAddr, request: Bytes, to: Instant) -> Vec<Ended> {
    let (mut all, mut open, mut buffer) = (Vec::new(), None, Vec::new());
    loop {
        let since = Instant::now();
        if since >= to {
            return all;
        }
        let exchanged = exchange(&mut open, address, &request, &mut buffer).await;
        let at = Instant::now();
        if exchanged.is_err() {
            open = None;
        }
        all.push(Ended { at, took: at - since, good: exchanged.is_ok() });
    }
}

async fn exchange(
    open: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &Bytes,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    let stream = match open {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            open.insert(stream)
        }
    };
    http::exchange(stream, request, buffer).await.map(drop)
}
