//! The load: connections that stay open, each with one request at a time, as fast as the answers come.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::cases::{Case, Subject};
use super::http;
use super::measured::Measured;
use super::servers::Server;

/// What runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// A round is so many times longer where answers take their time: there are few of them, and CPU time is told in steps of 10 ms.
const LONGER: u32 = 3;

/// One round.
pub(crate) async fn run(case: &Case, subject: &Subject, server: &Server, time: Duration) -> io::Result<Measured> {
    let time = if case.slow { time * LONGER } else { time };
    let request = http::request(server, subject.path, &subject.body);
    let start = Instant::now();
    let begin = start + WARM_UP;
    let mut tasks = JoinSet::new();
    for n in 0..case.connections {
        // Answers that take long and equally long would all end at once, and a round count one more or one less of each.
        let delay = if case.slow { WARM_UP * n / case.connections } else { Duration::ZERO };
        tasks.spawn(connection(server.address, request.clone(), start + delay, begin, begin + time));
    }
    let cpu = || server.child.as_ref().map(super::Child::cpu).transpose();
    tokio::time::sleep_until(begin.into()).await;
    let (before, since) = (cpu()?, Instant::now());
    tokio::time::sleep_until((begin + time).into()).await;
    let (after, took) = (cpu()?, since.elapsed());
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.append(&mut ended??);
    }
    let count = times.len();
    Ok(Measured::of(times, count, took, before.zip(after).map(|(before, after)| after.saturating_sub(before))))
}

/// One connection; the times of the answers that ended while they were counted.
async fn connection(
    address: SocketAddr,
    request: Bytes,
    start: Instant,
    from: Instant,
    to: Instant,
) -> io::Result<Vec<Duration>> {
    tokio::time::sleep_until(start.into()).await;
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    loop {
        let since = Instant::now();
        if since >= to {
            return Ok(times);
        }
        http::exchange(&mut stream, &request, &mut buffer).await?;
        let now = Instant::now();
        if now >= from && now < to {
            times.push(now - since);
        }
    }
}
