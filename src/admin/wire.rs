//! Commands and answers as lines of JSON: one line asks, any number of lines answer, the last one says how it ended.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::command::Command;
use super::reply::{Refusal, Reply};

/// What both ends speak; goes up when an older end would misunderstand.
pub(super) const VERSION: u32 = 1;
/// Longest line, in bytes.
pub(super) const MAX_LINE: usize = 1 << 20;

#[derive(Debug, Serialize)]
pub(super) struct Ask<'a> {
    pub(super) version: u32,
    pub(super) command: &'a Command,
}

/// The version is read first, so that a command of another version gets an answer that says so.
#[derive(Debug, Deserialize)]
pub(super) struct Asked<'a> {
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) command: &'a serde_json::value::RawValue,
}

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Reply(Box<Reply>),
    Done {},
    Refused(Refusal),
}

/// Writes a value as one line. What is written may hold a secret, so the copy is wiped.
pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> std::io::Result<()> {
    let mut line = Zeroizing::new(serde_json::to_vec(value)?);
    line.push(b'\n');
    to.write_all(&line).await
}

/// Reads one line, without its end; none at the end of the input. A longer or an unfinished line is an error. Lines up to `room`
/// bytes leave no copy behind.
pub(super) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    room: usize,
) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(room));
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => {
            line.pop();
            Ok(Some(line))
        }
        Some(_) if line.len() > MAX_LINE => Err(std::io::Error::other("the line is too long")),
        Some(_) => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
