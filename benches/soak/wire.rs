//! Requests as clients send them, and answers read to whatever end they come to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use memchr::memmem;
use pooler_filter::RequestId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any answer takes under these faults: one that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A turn as Codex has it.
pub(super) const NATIVE_BODY: &str = r#"{"model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Say hello"}]}],"tools":[],"tool_choice":"auto","parallel_tool_calls":false,"store":false,"stream":true,"include":[]}"#;

/// Whom to ask, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    pub(super) key: String,
}

impl Door {
    /// The bytes of a request.
    pub(super) fn request(&self, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        let Self { address, key } = self;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The answer is whole.
    Whole,
    /// It began, and the connection ended before it did.
    Cut,
    /// We had as much of it as we wanted.
    Enough,
    /// The connection ended and there was no answer.
    None,
    /// It was not over after a minute.
    Hangs,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) end: End,
    /// 0 without a head.
    pub(super) status: u16,
    pub(super) id: Option<RequestId>,
    /// Whether the connection can take another request.
    pub(super) open: bool,
}

/// Sends a request and reads its answer, at most about `enough` bytes of it.
pub(super) async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    buffer: &mut Vec<u8>,
    enough: Option<usize>,
) -> Told {
    buffer.clear();
    let read = async {
        // A refusal may come while the body is on its way: then writing fails and there is still something to read.
        let _ = stream.write_all(request).await;
        loop {
            if enough.is_some_and(|enough| buffer.len() >= enough) {
                return End::Enough;
            }
            if matches!(stream.read_buf(buffer).await, Ok(0) | Err(_)) {
                return if buffer.is_empty() { End::None } else { End::Cut };
            }
            if is_whole(buffer) {
                return End::Whole;
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, read).await.unwrap_or(End::Hangs);
    let head = memmem::find(buffer, b"\r\n\r\n").map(|at| String::from_utf8_lossy(&buffer[..at]).to_ascii_lowercase());
    let head = head.unwrap_or_default();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Told {
        end,
        status: head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0),
        id: field("x-request-id:").and_then(|id| id.parse().ok()),
        open: end == End::Whole && field("connection:") != Some("close"),
    }
}

fn is_whole(buffer: &[u8]) -> bool {
    let Some(head) = memmem::find(buffer, b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.map_or_else(|| buffer.ends_with(b"\r\n0\r\n\r\n"), |length| buffer.len() >= head + 4 + length)
}

/// The body of `GET` at an address that answers one request a connection.
pub(super) async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(answer)
}
