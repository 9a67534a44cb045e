//! The command line's end of the admin socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufRead, BufReader};
use tokio::net::UnixStream;

use super::command::Command;
use super::reply::{Refusal, Reply};
use super::socket::Near;
use super::wire::{self, Ask, Line, VERSION};

/// How long to wait for each line of the answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for the answer to a command that reads the whole store.
const LONG_PATIENCE: Duration = Duration::from_secs(60 * 60);
/// The one line with a secret is shorter than this.
const ROOM: usize = 4096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No gateway is there: certainly nothing was done.
    #[error("no gateway listens")]
    NobodyListens,
    /// The gateway refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The gateway may be reached by others only: certainly nothing was done.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(io::Error),
    /// The gateway was asked and gave no whole answer.
    #[error("the gateway did not answer to the end, so look whether it was done: {0}")]
    Cut(String),
}

/// Sends one command to the gateway at this socket and collects its answer.
///
/// # Errors
/// [`CallError`], which tells whether something may have been done.
pub async fn call(socket: &Path, command: &Command) -> Result<Vec<Reply>, CallError> {
    let near = Near::of(socket).map_err(unreachable)?;
    let mut stream = UnixStream::connect(&near.path).await.map_err(unreachable)?;
    let (read, mut write) = stream.split();
    // A gateway that turns us away does not take the command but says why: so look for the answer first.
    let sent = wire::write(&mut write, &Ask { version: VERSION, command }).await;
    let patience = if matches!(command, Command::StoreBackup {}) { LONG_PATIENCE } else { PATIENCE };
    let answer = collect(BufReader::new(read), patience).await;
    match (answer, sent) {
        (Err(CallError::Cut(_)), Err(error)) => Err(CallError::Unreachable(error)),
        (answer, _) => answer,
    }
}

async fn collect(mut read: impl AsyncBufRead + Unpin, patience: Duration) -> Result<Vec<Reply>, CallError> {
    let mut replies = Vec::new();
    loop {
        let line = tokio::time::timeout(patience, wire::read(&mut read, ROOM)).await;
        let line = line.map_err(|_| CallError::Cut("it took too long".to_owned()))?;
        let line = line.map_err(|error| CallError::Cut(error.to_string()))?;
        let line = line.ok_or_else(|| CallError::Cut("it closed the connection".to_owned()))?;
        let line = serde_json::from_slice(&line).map_err(|_| CallError::Cut("the answer makes no sense".to_owned()))?;
        match line {
            Line::Reply(reply) => replies.push(*reply),
            Line::Done {} => return Ok(replies),
            Line::Refused(refusal) => return Err(refusal.into()),
        }
    }
}

fn unreachable(error: io::Error) -> CallError {
    let nobody = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    if nobody { CallError::NobodyListens } else { CallError::Unreachable(error) }
}
