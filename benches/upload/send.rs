//! One upload, as a client sends it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BOUNDARY: &str = "7MA4YWxkTrZu0gW7MA4YWxkTrZu0gW";
/// No upload takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Uploads a file on a connection of its own; anything but a file that is ready is an error.
pub(super) async fn file(address: SocketAddr, key: String, file: Bytes) -> io::Result<()> {
    let begin = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n\
         --{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"random.bin\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        begin.len() + file.len() + end.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        for piece in [head.as_bytes(), begin.as_bytes(), &file, end.as_bytes()] {
            stream.write_all(piece).await?;
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let good = answer.starts_with(b"HTTP/1.1 200 ") && memmem::find(&answer, b"\"processed\"").is_some();
        if good { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())) }
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::ErrorKind::TimedOut)?
}
