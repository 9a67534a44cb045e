//! Memory of a process that has just begun, and of streams that have begun and stay silent.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::PATIENCE;
use super::memory::Memory;
use super::servers::{BARE, GATEWAY, Server};
use super::{BENCH, Options, Row, SETTLE};

const IDLE: &str = "memory, idle";
const STREAM: &str = "memory of a silent stream";
/// The most that an idle gateway may have, in MiB, and a stream may take, in KiB.
const MOST_IDLE: f64 = 25.0;
const MOST_STREAM: f64 = 64.0;
/// Streams that are opened at the same time.
const AT_ONCE: usize = 64;
const REQUEST: &str = r#"{"model":"gpt-5.5","input":"Say hello, then wait","stream":true}"#;

/// Bytes.
struct Measured {
    server: Server,
    idle: f64,
    stream: Option<f64>,
}

pub(super) async fn run(options: &Options) -> io::Result<()> {
    let (idle, stream) = (options.wants_case(IDLE), options.wants_case(STREAM));
    if !idle && !stream {
        return Ok(());
    }
    let mut all = Vec::new();
    for name in [BARE, GATEWAY] {
        let (upstream, servers) = options.start(Duration::ZERO, &[name]).await?;
        for server in servers {
            tokio::time::sleep(SETTLE).await;
            let idle = Memory::of(server.id()?).now()?;
            let stream = if stream { Some(memory_of_stream(&server, options.streams).await?) } else { None };
            all.push(Measured { server, idle: float(idle)?, stream });
        }
        drop(upstream);
    }
    if idle {
        let figures = all.iter().map(|one| (&one.server, Some(one.idle)));
        print(IDLE, figures, (1 << 20, " MiB", MOST_IDLE))?;
    }
    if stream {
        let figures = all.iter().map(|one| (&one.server, one.stream));
        print(STREAM, figures, (1 << 10, " KiB", MOST_STREAM))?;
    }
    Ok(())
}

/// `target`: a unit, its name, and the most in it.
fn print<'a>(
    case: &str,
    figures: impl Iterator<Item = (&'a Server, Option<f64>)>,
    (size, unit, most): (u32, &'static str, f64),
) -> io::Result<()> {
    let mut baseline = None;
    for (server, bytes) in figures {
        let Some(bytes) = bytes else { continue };
        if server.name == BARE {
            baseline = Some(bytes);
        }
        let figure = bytes / f64::from(size);
        Row {
            rate: Some(format!("{figure:.1}{unit}")),
            rate_ratio: baseline.map(|baseline| bytes / baseline),
            target: server.target(figure, most, unit),
            ..Row::new(BENCH, case, &server.subject())
        }
        .print()?;
    }
    Ok(())
}

/// Bytes of a stream whose first piece of text has come.
async fn memory_of_stream(server: &Server, count: u32) -> io::Result<f64> {
    server.warm_up().await?;
    let memory = Memory::of(server.id()?);
    let before = memory.now()?;
    let request = server.request(REQUEST.as_bytes());
    let (mut streams, count_left) = (Vec::new(), usize::try_from(count).map_err(io::Error::other)?);
    while streams.len() < count_left {
        let next = AT_ONCE.min(count_left - streams.len());
        streams.extend(try_join_all((0..next).map(|_| open(server.address, &request))).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let grown = memory.now()?.saturating_sub(before);
    drop(streams);
    Ok(float(grown)? / f64::from(count))
}

/// Opens a stream and reads until the model has said something.
async fn open(address: SocketAddr, request: &Bytes) -> io::Result<TcpStream> {
    let open = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        while memmem::find(&answer, b"\"delta\":").is_none() {
            let ended = stream.read_buf(&mut answer).await? == 0;
            if ended || (answer.len() > 12 && !answer.starts_with(b"HTTP/1.1 200")) {
                return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
            }
        }
        Ok(stream)
    };
    tokio::time::timeout(PATIENCE, open).await.map_err(|_| io::ErrorKind::TimedOut)?
}

fn float(bytes: usize) -> io::Result<f64> {
    // In KiB, as the kernel tells it, it fits.
    let kilobytes = u32::try_from(bytes / 1024).map_err(io::Error::other)?;
    Ok(f64::from(kilobytes) * 1024.0)
}
