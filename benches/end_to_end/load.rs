//! The load: connections that stay open, each with one request at a time, as fast as the answers come.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::cases::Subject;
use super::measured::Measured;
use super::servers::Server;
use super::{CONNECTIONS, upstream};

/// What runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// One round.
pub(crate) async fn run(subject: &Subject, server: &Server, time: Duration) -> io::Result<Measured> {
    let request = render(subject, server);
    let begin = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(connection(server.address, request.clone(), begin, begin + time));
    }
    let cpu = async || server.child.as_ref().map(super::Child::cpu).transpose();
    tokio::time::sleep_until(begin.into()).await;
    let (before, since) = (cpu().await?, Instant::now());
    tokio::time::sleep_until((begin + time).into()).await;
    let (after, took) = (cpu().await?, since.elapsed());
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.append(&mut ended??);
    }
    let count = times.len();
    Ok(Measured::of(times, count, took, before.zip(after).map(|(before, after)| after.saturating_sub(before))))
}

fn render(subject: &Subject, server: &Server) -> Vec<u8> {
    let key = server.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let Subject { path, body, .. } = subject;
    format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\n{key}content-type: application/json\r\naccept: */*\r\nuser-agent: OpenAI/Python 2.9.0\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
    .into_bytes()
}

/// One connection; the times of the answers that ended while they were counted.
async fn connection(address: SocketAddr, request: Vec<u8>, from: Instant, to: Instant) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut buffer) = (Vec::new(), Vec::with_capacity(64 << 10));
    loop {
        let since = Instant::now();
        if since >= to {
            return Ok(times);
        }
        stream.write_all(&request).await?;
        tokio::time::timeout(PATIENCE, answer(&mut stream, &mut buffer))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        let now = Instant::now();
        if now >= from && now < to {
            times.push(now - since);
        }
    }
}

/// Reads one answer; anything but a whole answer of the model is an error.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = memmem::find(buffer, b"\r\n\r\n").map(|at| at + 4) else { continue };
        let done = match upstream::length(&buffer[..head]) {
            Some(length) => buffer.len() >= head + length,
            None => buffer.ends_with(b"\r\n0\r\n\r\n"),
        };
        if done {
            let good = buffer.starts_with(b"HTTP/1.1 200 ") && memmem::find(&buffer[head..], b"\"usage\":{").is_some();
            let told = || io::Error::other(String::from_utf8_lossy(buffer).into_owned());
            return if good { Ok(()) } else { Err(told()) };
        }
    }
}
