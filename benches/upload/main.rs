//! What the memory of a gateway does while files go through it, beside their size: how much more it has at the peak, and how much of that it
//! still has when all is done.
//!
//! Gateway and simulated upstream are the stock binary, processes of their own. The largest file that the default configuration takes is
//! uploaded round by round, alone and four at once. The peak is that of the worst round, above what the gateway had before it; what is kept
//! is counted over all rounds. Files are random bytes, and a small one goes first, so that connections and code are there.
//!
//! `cargo bench --bench upload -- [--rounds N] [--rows]`. It needs Linux, where a process tells its memory in `/proc`.

#[path = "../common/child.rs"]
mod child;
#[path = "../common/gateway.rs"]
mod gateway;
#[path = "../common/memory.rs"]
mod memory;
mod send;
#[path = "../common/table.rs"]
mod table;
mod upstream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use self::child::Child;
use self::memory::Memory;
use self::table::Row;

const MIB: usize = 1 << 20;
/// The default of `files.max_size`.
const LARGEST: usize = 25 * MIB;
/// After an answer the gateway still has to end the request and its connection.
const SETTLE: Duration = Duration::from_millis(300);

/// Whom to ask.
struct Gateway {
    child: Child,
    address: SocketAddr,
    key: String,
}

/// What all rounds of a case came to.
struct Measured {
    /// Bytes above what there was before the round; of the worst round.
    peak: usize,
    /// Bytes after the last round above what there was before the first.
    kept: usize,
    /// CPU time for one file.
    cpu: Duration,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let rounds = args.iter().position(|arg| arg == "--rounds").and_then(|at| args.get(at + 1)?.parse().ok());
    let rounds: u32 = rounds.unwrap_or(5).max(1);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let upstream = upstream::start()?;
        let config = format!("[files]\nupload_origins = [\"{}\"]\n", upstream.uploads);
        let (child, address, key) = gateway::start(upstream.address, &config).await?;
        let gateway = Gateway { child, address, key };
        table::header()?;
        let mut file = vec![0; LARGEST];
        getrandom::fill(&mut file).map_err(io::Error::other)?;
        let file = Bytes::from(file);
        upload(&gateway, &file.slice(..64 << 10), 1).await?;
        for (case, at_once) in [("25 MiB", 1), ("25 MiB, 4 at once", 4)] {
            let measured = measure(&gateway, &file, at_once, rounds).await?;
            print(case, LARGEST * at_once, &measured)?;
        }
        Ok(())
    })
}

async fn measure(gateway: &Gateway, file: &Bytes, at_once: usize, rounds: u32) -> io::Result<Measured> {
    let memory = Memory::of(gateway.child.id());
    let (cpu, first) = (gateway.child.cpu()?, memory.now()?);
    let mut peak = 0;
    for _ in 0..rounds {
        memory.forget_peak()?;
        let before = memory.now()?;
        upload(gateway, file, at_once).await?;
        peak = peak.max(memory.peak()?.saturating_sub(before));
    }
    let files = rounds * u32::try_from(at_once).map_err(io::Error::other)?;
    let cpu = gateway.child.cpu()?.saturating_sub(cpu) / files;
    Ok(Measured { peak, kept: memory.now()?.saturating_sub(first), cpu })
}

/// Uploads the file so many times at once and waits until that is over.
async fn upload(gateway: &Gateway, file: &Bytes, at_once: usize) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        tasks.spawn(send::file(gateway.address, gateway.key.clone(), file.clone()));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    tokio::time::sleep(SETTLE).await;
    Ok(())
}

fn print(case: &str, size: usize, measured: &Measured) -> io::Result<()> {
    let row = |subject, bytes: usize, cpu| {
        Row {
            rate: Some(format!("{:.1} MiB", float(bytes) / float(MIB))),
            rate_ratio: Some(float(bytes) / float(size)),
            cpu,
            ..Row::new("upload", case, subject)
        }
        .print()
    };
    row("bytes sent (baseline)", size, None)?;
    row("memory at the peak", measured.peak, Some(measured.cpu))?;
    row("memory kept", measured.kept, None)
}

fn float(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}
