//! A client on a websocket: one that behaves, and one that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::client::Duplex;
use super::{Client, PATIENCE};

/// Where public clients open their websockets.
pub const PATH: &str = "/v1/responses";
/// The key of every handshake here, and what proves that it was read.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a client receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event(Value),
    /// A close frame, with its code and reason.
    Closed(u16, String),
    /// The connection ended without one.
    Gone,
}

/// A client that behaves.
#[derive(Debug)]
pub struct Socket {
    inner: WebSocketStream<Box<dyn Duplex>>,
    pub headers: Vec<(String, String)>,
}

/// Small buffers, so that hundreds of sockets fit into a test.
pub fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4096)
}

/// The handshake as bytes.
pub fn handshake(client: &Client, headers: &[(&str, &str)]) -> Vec<u8> {
    handshake_at(PATH, client, headers)
}

/// The same on another route.
pub fn handshake_at(path: &str, client: &Client, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    client.request("GET", path, &all, b"")
}

/// A turn with this input.
pub fn create(input: impl Into<Value>) -> Value {
    json!({"type": "response.create", "model": "gpt-5.5", "input": input.into()})
}

/// A turn that goes on after a response.
pub fn go_on(previous: &str, input: impl Into<Value>) -> Value {
    let mut turn = create(input);
    turn["previous_response_id"] = previous.into();
    turn
}

impl Socket {
    pub async fn open(client: &Client) -> Self {
        Self::open_with(client, &[]).await
    }

    pub async fn open_with(client: &Client, headers: &[(&str, &str)]) -> Self {
        Self::open_at(PATH, client, headers).await
    }

    pub async fn open_at(path: &str, client: &Client, headers: &[(&str, &str)]) -> Self {
        let mut raw = Raw::open(client.address, &handshake_at(path, client, headers)).await;
        let (status, headers) = raw.head().await;
        assert_eq!(status, 101, "{headers:?}");
        Self::over(raw, headers).await
    }

    /// On a connection that has become a websocket.
    pub async fn over(raw: Raw, headers: Vec<(String, String)>) -> Self {
        Self { inner: WebSocketStream::from_raw_socket(raw.stream, Role::Client, Some(small())).await, headers }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub async fn send(&mut self, message: &Value) {
        self.text(&message.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    pub async fn message(&mut self, message: Message) {
        self.inner.send(message).await.expect("the gateway reads");
    }

    /// What comes next. Pings are answered on the way.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let next = timeout(PATIENCE, self.inner.next()).await.expect("something within the patience of the test");
            match next {
                Some(Ok(Message::Text(text))) => return Heard::Event(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.expect("a code");
                    return Heard::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return Heard::Gone,
            }
        }
    }

    /// The next event.
    pub async fn event(&mut self) -> Value {
        match self.hear().await {
            Heard::Event(event) => event,
            other => panic!("no event: {other:?}"),
        }
    }

    /// All events up to the one that ends a turn.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.event().await);
            let kind = events.last().map_or("", |event| event["type"].as_str().unwrap_or_default());
            if matches!(kind, "response.completed" | "response.incomplete" | "response.failed" | "error") {
                return events;
            }
        }
    }

    /// A whole turn.
    pub async fn turn(&mut self, message: &Value) -> Vec<Value> {
        self.send(message).await;
        self.rest().await
    }

    /// A turn that must succeed; the id of its response.
    pub async fn succeed(&mut self, message: &Value) -> String {
        let events = self.turn(message).await;
        let last = events.last().expect("at least one");
        assert_eq!(last["type"], "response.completed", "{last}");
        last["response"]["id"].as_str().expect("an id").to_owned()
    }

    /// A turn that must be refused; status and code.
    pub async fn refuse(&mut self, message: &Value) -> (u64, String) {
        self.send(message).await;
        refusal(&self.event().await)
    }

    /// Whether nothing comes for a while.
    pub async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.inner.next()).await.is_err()
    }
}

/// Status and code of an error frame, after a look at its form.
pub fn refusal(event: &Value) -> (u64, String) {
    assert_eq!(event["type"], "error", "{event}");
    for key in ["message", "type", "code", "param"] {
        assert!(event["error"].get(key).is_some(), "the error lacks `{key}`: {event}");
    }
    (event["status"].as_u64().expect("a status"), event["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// A client that sends exactly the bytes it is told to.
#[derive(Debug)]
pub struct Raw {
    pub stream: Box<dyn Duplex>,
}

/// One frame: opcode, payload.
pub type Frame = (u8, Vec<u8>);

/// A masked frame. `first`: FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

impl Raw {
    pub async fn open(address: SocketAddr, bytes: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        Self::over(Box::new(stream), bytes).await
    }

    /// Sends on a connection that is there.
    pub async fn over(mut stream: Box<dyn Duplex>, bytes: &[u8]) -> Self {
        stream.write_all(bytes).await.expect("the gateway reads");
        stream.flush().await.expect("the gateway reads");
        Self { stream }
    }

    /// Opens a websocket.
    pub async fn upgrade(client: &Client) -> Self {
        let mut raw = Self::open(client.address, &handshake(client, &[])).await;
        assert_eq!(raw.head().await.0, 101);
        raw
    }

    /// The head of an answer; not a byte behind it is read.
    pub async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let read = async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.stream.read_u8().await.expect("a head"));
            }
            String::from_utf8(head).expect("ASCII")
        };
        let head = timeout(PATIENCE, read).await.expect("a head within the patience of the test");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
        (status, lines.filter_map(pair).collect())
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the gateway reads");
    }

    /// The next frame; none at the end of the connection.
    pub async fn frame(&mut self) -> Option<Frame> {
        let read = async {
            let first = self.stream.read_u8().await.ok()?;
            assert_eq!(first & 0x70, 0, "no extension was agreed to");
            let second = self.stream.read_u8().await.ok()?;
            assert_eq!(second & 0x80, 0, "servers do not mask");
            let len = match second {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(len).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((first & 0x0f, payload))
        };
        timeout(PATIENCE, read).await.expect("a frame or the end within the patience of the test")
    }

    /// The code of the close frame that ends the connection, after whatever comes before it.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let (opcode, payload) = self.frame().await?;
            if opcode == 8 {
                return Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
    }

    /// The texts of a turn, up to its last event.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let (opcode, payload) = self.frame().await.expect("a frame");
            if opcode != 1 {
                continue;
            }
            events.push(serde_json::from_slice(&payload).expect("JSON"));
            let kind = events.last().map_or("", |event| event["type"].as_str().unwrap_or_default());
            if matches!(kind, "response.completed" | "response.failed" | "error") {
                return events;
            }
        }
    }
}
