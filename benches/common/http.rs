//! Requests and answers as a client has them, on a connection that stays open.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::servers::Server;

/// No answer takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request with this body.
pub(crate) fn request(server: &Server, path: &str, body: &[u8]) -> Bytes {
    let key = server.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\n{key}content-type: application/json\r\naccept: */*\r\nuser-agent: OpenAI/Python 2.9.0\r\ncontent-length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    Bytes::from([head.as_bytes(), body].concat())
}

/// Sends a request and reads its answer; when the first byte of that came. Anything but a whole answer of the model is an error.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<Instant> {
    let exchange = async {
        stream.write_all(request).await?;
        answer(stream, buffer).await
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Instant> {
    buffer.clear();
    let mut first = None;
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let first = *first.get_or_insert_with(Instant::now);
        let Some(head) = memmem::find(buffer, b"\r\n\r\n").map(|at| at + 4) else { continue };
        let done = match length(&buffer[..head]) {
            Some(length) => buffer.len() >= head + length,
            None => buffer.ends_with(b"\r\n0\r\n\r\n"),
        };
        if done {
            let good = buffer.starts_with(b"HTTP/1.1 200 ") && memmem::find(&buffer[head..], b"\"usage\":{").is_some();
            let told = || io::Error::other(String::from_utf8_lossy(buffer).into_owned());
            return if good { Ok(first) } else { Err(told()) };
        }
    }
}

/// The content length, whatever the case of its name.
pub(crate) fn length(head: &[u8]) -> Option<usize> {
    let name = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    std::str::from_utf8(&line[name.len()..]).ok()?.trim().parse().ok()
}
