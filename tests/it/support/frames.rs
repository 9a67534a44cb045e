//! A client that sends exactly the HTTP/2 frames it is told to, without TLS.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Client, PATIENCE};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a reset or of the end of a connection.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// Headers as a block: each one literally, nothing is remembered.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        out.push(0);
        for text in [name, value] {
            let mut length = text.len();
            if length < 127 {
                out.push(u8::try_from(length).unwrap());
            } else {
                out.push(127);
                length -= 127;
                while length >= 128 {
                    out.push(u8::try_from(length % 128).unwrap() | 128);
                    length /= 128;
                }
                out.push(u8::try_from(length).unwrap());
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    pub stream: TcpStream,
    authority: String,
    bearer: String,
}

impl Wire {
    /// Connects and sends these settings.
    pub async fn open(client: &Client, settings: &[(u16, u32)]) -> Self {
        let mut wire = Self::silent(client.address).await;
        wire.authority = client.address.to_string();
        wire.bearer = format!("Bearer {}", client.key);
        let values: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &values)].concat()).await;
        wire
    }

    /// Only connects.
    pub async fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, authority: String::new(), bearer: String::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the gateway reads");
    }

    /// Headers of a request, with further ones.
    pub fn head(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
        let mut headers = vec![
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", self.authority.as_str()),
            ("authorization", self.bearer.as_str()),
        ];
        headers.extend_from_slice(more);
        block(&headers)
    }

    /// A request without a body, in one frame.
    pub fn get(&self, stream: u32, path: &str) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &self.head("GET", path, &[]))
    }

    /// A request for a response, or for a stream of it.
    pub fn ask(&self, stream: u32, streams: bool) -> Vec<u8> {
        let body = format!("{{\"model\":\"gpt-5.5\",\"input\":\"Say hello\",\"stream\":{streams}}}");
        let head = self.head("POST", "/v1/responses", &[("content-type", "application/json")]);
        let mut out = frame(HEADERS, END_HEADERS, stream, &head);
        out.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
        out
    }

    /// The next frame; none at the end of the connection. Settings are acknowledged on the way.
    pub async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        let next = timeout(PATIENCE, read).await.expect("a frame or the end within the patience of the test")?;
        if next.kind == SETTINGS && next.flags & ACK == 0 {
            // The other end may be gone already.
            let _ = self.stream.write_all(&frame(SETTINGS, ACK, 0, b"")).await;
        }
        Some(next)
    }

    /// The next frame of one of these kinds; none at the end of the connection.
    pub async fn until(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let next = self.next().await?;
            if kinds.contains(&next.kind) {
                return Some(next);
            }
        }
    }

    /// Waits until the other end has read everything so far.
    pub async fn sync(&mut self) -> Option<()> {
        self.stream.write_all(&frame(PING, 0, 0, b"are here")).await.ok()?;
        loop {
            let next = self.next().await?;
            match next.kind {
                PING if next.flags & ACK == ACK => return Some(()),
                GOAWAY => return None,
                _ => {}
            }
        }
    }

    /// The code of the frame that ends the connection, and then its end.
    pub async fn ends(&mut self) -> u32 {
        let goaway = self.until(&[GOAWAY]).await.expect("the end is told");
        let code = goaway.code();
        while self.next().await.is_some() {}
        code
    }
}
