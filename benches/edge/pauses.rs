//! Gaps in a stream that pauses: each event tells when the upstream sent it, so what the client waits longer between two of them than the
//! upstream did was added on the way.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http::PATIENCE;
use super::servers::{BARE, GATEWAY, NGINX};
use super::{BENCH, Options, Row, table};

const CASE: &str = "paused stream, added gap";
const CONNECTIONS: usize = 8;
/// The most that may be added, in ms.
const MOST: f64 = 5.0;
const REQUEST: &str = r#"{"model":"gpt-5.5","input":"Count with pauses","stream":true}"#;
/// What stands before the time in an event.
const STAMP: &[u8] = b"\"delta\":\"@";

pub(super) async fn run(options: &Options) -> io::Result<()> {
    if !options.wants_case(CASE) {
        return Ok(());
    }
    let (_upstream, servers) = options.start(Duration::ZERO, &[NGINX, BARE, GATEWAY]).await?;
    let mut gaps: Vec<Vec<Duration>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (server, gaps) in servers.iter().zip(&mut gaps) {
            let mut tasks = JoinSet::new();
            let to = Instant::now() + options.time;
            for _ in 0..CONNECTIONS {
                tasks.spawn(connection(server.address, server.request(REQUEST.as_bytes()), to));
            }
            while let Some(ended) = tasks.join_next().await {
                gaps.append(&mut ended??);
            }
        }
    }
    gaps.iter_mut().for_each(|gaps| gaps.sort_unstable());
    let largest = |gaps: &Vec<Duration>| gaps.last().copied().unwrap_or_default();
    let baseline = servers.iter().position(|server| server.name == BARE).map(|at| largest(&gaps[at]));
    for (server, gaps) in servers.iter().zip(&gaps) {
        let largest = largest(gaps);
        let at = |percent: usize| gaps.get(gaps.len() * percent / 100).copied();
        Row {
            rate: Some(format!("max {}", table::show(largest))),
            rate_ratio: baseline.map(|baseline| largest.as_secs_f64() / baseline.as_secs_f64()),
            p50: at(50),
            p99: at(99),
            target: server.target(largest.as_secs_f64() * 1e3, MOST, " ms"),
            ..Row::new(BENCH, CASE, &server.subject())
        }
        .print()?;
    }
    Ok(())
}

/// One stream after the other; what was added to each gap.
async fn connection(address: SocketAddr, request: Bytes, to: Instant) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut gaps = Vec::new();
    while Instant::now() < to {
        stream.write_all(&request).await?;
        let delays =
            tokio::time::timeout(PATIENCE, delays(&mut stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        gaps.extend(delays.windows(2).map(|pair| pair[1].saturating_sub(pair[0])));
    }
    Ok(gaps)
}

/// Reads one stream: how long each event was on its way.
async fn delays(stream: &mut TcpStream) -> io::Result<Vec<Duration>> {
    let (mut delays, mut buffer, mut seen) = (Vec::new(), Vec::new(), 0);
    while !buffer.ends_with(b"\r\n0\r\n\r\n") {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        while let Some((sent, length)) = stamp(&buffer[seen..]) {
            delays.push(now.saturating_sub(sent));
            seen += length;
        }
        if buffer.starts_with(b"HTTP/1.1 ") && !buffer.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
        }
    }
    if delays.len() < 2 { Err(io::Error::other("no event tells when it was sent")) } else { Ok(delays) }
}

/// The next time that an event tells, and where that ends.
fn stamp(bytes: &[u8]) -> Option<(Duration, usize)> {
    let begin = memmem::find(bytes, STAMP)? + STAMP.len();
    let digits = memchr::memchr(b'@', &bytes[begin..])?;
    let nanos = std::str::from_utf8(&bytes[begin..begin + digits]).ok()?.parse().ok()?;
    Some((Duration::from_nanos(nanos), begin + digits + 1))
}
