//! Memory of sockets that rest.

use std::io;
use std::time::Duration;

use super::child::Child;
use super::client::{Client, Door, Pace};
use super::memory::Memory;

const PAIRS: u16 = 500;
/// Turns that go before, so that code and tables are there.
const WARM_UP: usize = 50;
/// After a turn the process still has to write it down.
const SETTLE: Duration = Duration::from_millis(500);

/// Bytes of a pair of sockets that has had one turn.
pub(super) async fn memory_of_pair(child: &Child, door: &Door) -> io::Result<f64> {
    let mut first = door.open().await?;
    for _ in 0..WARM_UP {
        first.turn(Pace::Burst).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let memory = Memory::of(child.id());
    let before = memory.now()?;
    let mut pairs: Vec<Client> = Vec::with_capacity(PAIRS.into());
    for _ in 0..PAIRS {
        let mut client = door.open().await?;
        client.turn(Pace::Burst).await?;
        pairs.push(client);
    }
    tokio::time::sleep(SETTLE).await;
    let grown = memory.now()?.saturating_sub(before);
    Ok(f64::from(u32::try_from(grown).map_err(io::Error::other)?) / f64::from(PAIRS))
}
