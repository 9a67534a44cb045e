//! How much later the first byte of an answer comes than through the baseline, by size of the request. The upstream thinks 20 ms.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::measured::Measured;
use super::servers::{BARE, GATEWAY, NGINX, Server};
use super::{BENCH, Options, Row, http, wire};

const THINK: Duration = Duration::from_millis(20);
/// Few, so that nobody waits for the clients' own work.
const CONNECTIONS: usize = 4;
/// Sizes of requests in bytes, and the most that the gateway may add, in ms.
const CASES: [(&str, usize, f64); 3] =
    [("first byte, 1 KB", 1 << 10, 0.3), ("first byte, 300 KB", 300 << 10, 1.0), ("first byte, 2 MB", 2 << 20, 5.0)];

pub(super) async fn run(options: &Options) -> io::Result<()> {
    let cases: Vec<_> = CASES.into_iter().filter(|(case, ..)| options.wants_case(case)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let (_upstream, servers) = options.start(THINK, &[NGINX, BARE, GATEWAY]).await?;
    for (case, size, limit) in cases {
        let body = wire::request(size);
        let mut rounds: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                rounds.push(round(server, &server.request(&body), options.time).await?);
            }
        }
        let bare = servers.iter().position(|server| server.name == BARE).map(|at| rounds[at].clone());
        for (server, rounds) in servers.iter().zip(&rounds) {
            let added = bare.as_ref().filter(|_| server.name != BARE).map(|bare| added(rounds, bare));
            let median = Measured::median(rounds);
            Row {
                rate: added.map(|added| format!("{added:+.2} ms")),
                p50: Some(median.p50),
                p99: Some(median.p99),
                target: added.and_then(|added| server.target(added, limit, " ms")),
                ..Row::new(BENCH, case, &server.subject())
            }
            .print()?;
        }
    }
    Ok(())
}

/// Of the differences of each round's p50 the middle one, in ms.
fn added(rounds: &[Measured], bare: &[Measured]) -> f64 {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut all: Vec<f64> = rounds.iter().zip(bare).map(|(round, bare)| ms(round.p50) - ms(bare.p50)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

async fn round(server: &Server, request: &Bytes, time: Duration) -> io::Result<Measured> {
    let mut tasks = JoinSet::new();
    let to = Instant::now() + time;
    for _ in 0..CONNECTIONS {
        tasks.spawn(connection(server.address, request.clone(), to));
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.append(&mut ended??);
    }
    let count = times.len();
    Ok(Measured::of(times, count, time, None))
}

/// Times from the begin of a request to the first byte of its answer.
async fn connection(address: SocketAddr, request: Bytes, to: Instant) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut buffer) = (Vec::new(), Vec::new());
    // The first one pays for connections.
    http::exchange(&mut stream, &request, &mut buffer).await?;
    loop {
        let since = Instant::now();
        times.push(http::exchange(&mut stream, &request, &mut buffer).await? - since);
        if Instant::now() >= to {
            return Ok(times);
        }
    }
}
