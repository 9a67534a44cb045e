//! An upstream that costs as little as possible: it answers every request with the same bytes, chunked, one event a chunk, in one write.

use std::io::{self, Write as _};

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{child, wire};

/// The two answers.
#[derive(Clone)]
struct Answers {
    short: Bytes,
    fifty: Bytes,
}

/// Serves until the parent is gone.
pub(super) fn run() -> io::Result<()> {
    child::end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let answers = Answers { short: render(9), fifty: render(50) };
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks is the other side's business.
            tokio::spawn(serve(stream, answers.clone()));
        }
    })
}

fn render(events: usize) -> Bytes {
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for block in wire::blocks(events) {
        answer.extend_from_slice(format!("{:x}\r\n{block}\r\n", block.len()).as_bytes());
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    Bytes::from(answer)
}

async fn serve(mut stream: TcpStream, answers: Answers) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    loop {
        let end = loop {
            if let Some(end) = request_end(&buffer) {
                break end;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let fifty = memmem::find(&buffer[..end], b"fifty").is_some();
        buffer.advance(end);
        stream.write_all(if fifty { &answers.fifty } else { &answers.short }).await?;
    }
}

/// Where the first request ends, once it is there.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let end = head + length(&bytes[..head]).unwrap_or(0);
    (bytes.len() >= end).then_some(end)
}

/// The content length, whatever the case of its name.
pub(super) fn length(head: &[u8]) -> Option<usize> {
    let name = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    std::str::from_utf8(&line[name.len()..]).ok()?.trim().parse().ok()
}
