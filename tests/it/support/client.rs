//! A client that sends exactly the bytes it is told to, and reads HTTP/1.1 back.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// Speaks to one gateway with one key.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub key: String,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: String,
    pub data: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error object, after a look at the envelope around it.
    pub fn error(&self) -> Value {
        let body = self.json();
        let error = &body["error"];
        for key in ["message", "type", "code", "param"] {
            assert!(error.get(key).is_some(), "the envelope lacks `{key}`: {body}");
        }
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "more than the envelope: {body}");
        error.clone()
    }

    /// Status and code of a refusal.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.error()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The events of a stream that was read to its end.
    pub fn events(&self) -> Vec<Event> {
        self.text().split("\n\n").filter_map(event).collect()
    }
}

/// A block as an event; comments are none.
fn event(block: &str) -> Option<Event> {
    let name = block.lines().find_map(|l| l.strip_prefix("event: "))?;
    let data = block.lines().find_map(|l| l.strip_prefix("data: "))?;
    Some(Event { name: name.to_owned(), data: serde_json::from_str(data).expect("data is JSON") })
}

impl Client {
    /// A request with this key and a JSON body.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if !self.key.is_empty() && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("authorization")) {
            text += &format!("authorization: Bearer {}\r\n", self.key);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            text += &format!("content-length: {}\r\n", body.len());
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Sends and reads the whole answer, on a connection of its own.
    pub async fn send(&self, request: Vec<u8>) -> Answer {
        let mut live = self.open(request).await;
        live.rest().await
    }

    /// Sends and gives the answer as it comes.
    pub async fn open(&self, request: Vec<u8>) -> Live {
        let stream = TcpStream::connect(self.address).await.expect("the gateway listens");
        Live::over(Box::new(stream), &request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, &[], b"")).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()))
            .await
    }

    /// `POST /v1/responses`.
    pub async fn create(&self, body: Value) -> Answer {
        self.post("/v1/responses", &body).await
    }

    /// A short request that wants one answer.
    pub async fn ask(&self) -> Answer {
        self.create(serde_json::json!({"model": "gpt-5.5", "input": "Say hello"})).await
    }

    /// The same as a stream, read to its end.
    pub async fn stream(&self) -> Answer {
        self.create(serde_json::json!({"model": "gpt-5.5", "input": "Say hello", "stream": true})).await
    }

    /// The same as a stream that is still open.
    pub async fn open_stream(&self) -> Live {
        let body = serde_json::json!({"model": "gpt-5.5", "input": "Say hello", "stream": true}).to_string();
        self.open(self.request("POST", "/v1/responses", &[("content-type", "application/json")], body.as_bytes())).await
    }
}

/// What a client reads and writes: with TLS or without.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Duplex for T {}

/// An answer that is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub struct Live {
    stream: BufReader<Box<dyn Duplex>>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    length: Option<usize>,
    chunked: bool,
    buffered: String,
    done: bool,
}

impl Live {
    /// Sends a request on this connection.
    pub async fn over(mut stream: Box<dyn Duplex>, request: &[u8]) -> Self {
        stream.write_all(request).await.expect("the gateway reads");
        stream.flush().await.expect("the gateway reads");
        let mut live = Self {
            stream: BufReader::new(stream),
            status: 0,
            headers: Vec::new(),
            length: None,
            chunked: false,
            buffered: String::new(),
            done: false,
        };
        timeout(PATIENCE, live.head()).await.expect("a head within the patience of the test");
        live
    }

    async fn head(&mut self) {
        loop {
            let status = self.line().await;
            self.status = status.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
            self.headers.clear();
            loop {
                let line = self.line().await;
                let Some((name, value)) = line.split_once(':') else { break };
                self.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if self.status != 100 {
                break;
            }
        }
        let header = |name: &str| self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        self.length = header("content-length").and_then(|v| v.parse().ok());
        self.chunked = header("transfer-encoding").is_some_and(|v| v == "chunked");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }

    /// The next piece of the body; none at its end. A chunked body that is cut off panics.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        if self.chunked {
            let size = self.line().await;
            let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("the body was cut off: {size:?}"));
            let mut piece = vec![0; size + 2];
            self.stream.read_exact(&mut piece).await.expect("a chunk");
            piece.truncate(size);
            self.done = size == 0;
            return (size > 0).then_some(piece);
        }
        self.done = true;
        let mut body = Vec::new();
        match self.length {
            Some(length) => {
                body.resize(length, 0);
                self.stream.read_exact(&mut body).await.expect("the whole body");
            }
            None => {
                self.stream.read_to_end(&mut body).await.expect("the body");
            }
        }
        Some(body)
    }

    /// The next block of the stream, as text without its blank line; none at the end. Comments are blocks too.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.buffered.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffered = rest;
                return Some(block);
            }
            let piece = timeout(PATIENCE, self.piece()).await.expect("a block within the patience of the test")?;
            self.buffered += &String::from_utf8(piece).expect("UTF-8");
        }
    }

    /// The next event; none at the end. Comments are skipped.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = event(&self.block().await?) {
                return Some(event);
            }
        }
    }

    /// Everything that is still to come.
    pub async fn rest(&mut self) -> Answer {
        let mut body = std::mem::take(&mut self.buffered).into_bytes();
        while let Some(piece) = timeout(PATIENCE, self.piece()).await.expect("the end within the patience of the test")
        {
            body.extend(piece);
        }
        Answer { status: self.status, headers: self.headers.clone(), body }
    }

    /// Sends another request on the same connection, after the answer was read to its end.
    pub async fn again(self, request: Vec<u8>) -> Self {
        Self::over(self.stream.into_inner(), &request).await
    }
}
