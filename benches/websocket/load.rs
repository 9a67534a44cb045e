//! The load: sockets that stay open, each with one turn at a time, as fast as the answers come.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::child::Child;
use super::client::{Door, Pace};
use super::measured::Measured;

/// Sockets that are always busy.
const SOCKETS: usize = 32;
/// What runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// What one socket had while it was counted.
#[derive(Default)]
struct Counted {
    times: Vec<Duration>,
    messages: usize,
}

/// One round; operations are the messages that came.
pub(super) async fn run(child: &Child, door: &Door, pace: Pace, time: Duration) -> io::Result<Measured> {
    let begin = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for _ in 0..SOCKETS {
        tasks.spawn(socket(door.clone(), pace, begin, begin + time));
    }
    tokio::time::sleep_until(begin.into()).await;
    let (before, since) = (child.cpu()?, Instant::now());
    tokio::time::sleep_until((begin + time).into()).await;
    let (after, took) = (child.cpu()?, since.elapsed());
    let mut all = Counted::default();
    while let Some(ended) = tasks.join_next().await {
        let mut one = ended??;
        all.times.append(&mut one.times);
        all.messages += one.messages;
    }
    Ok(Measured::of(all.times, all.messages, took, Some(after.saturating_sub(before))))
}

async fn socket(door: Door, pace: Pace, from: Instant, to: Instant) -> io::Result<Counted> {
    let mut client = door.open().await?;
    let mut counted = Counted::default();
    loop {
        let since = Instant::now();
        if since >= to {
            return Ok(counted);
        }
        let messages = client.turn(pace).await?;
        let now = Instant::now();
        if now >= from && now < to {
            counted.times.push(now - since);
            counted.messages += messages;
        }
    }
}
