//! A small HTTP/1.1 client that shows how an answer ended.

use std::io::ErrorKind;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Account, Simulator};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The body was complete.
    Whole,
    /// The connection ended before that.
    Cut,
    /// It was reset before that.
    Reset,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
    pub(super) chunks: usize,
    pub(super) close: Close,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The events of an SSE body; labels have to agree with the data.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = self.text().replace("\r\n", "\n");
        let blocks = text.split("\n\n").filter(|block| !block.is_empty());
        blocks
            .filter_map(|block| {
                let (label, data) = block.split_once('\n').unwrap();
                let data: Value = serde_json::from_str(data.strip_prefix("data: ")?).ok()?;
                assert_eq!(label.strip_prefix("event: "), data["type"].as_str());
                Some(data)
            })
            .collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The `response` of the last event.
    pub(super) fn response(&self) -> Value {
        self.events().last().unwrap()["response"].clone()
    }

    pub(super) fn error_code(&self) -> Value {
        self.json()["error"]["code"].clone()
    }
}

/// Opens a connection and sends a request, without reading.
pub(super) async fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

pub(super) async fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    read(send(to, method, path, headers, body).await).await.expect("an answer")
}

/// Reads an answer; nothing when the connection ends before a head.
pub(super) async fn read(mut stream: TcpStream) -> Option<Answer> {
    let mut raw = Vec::new();
    let mut buffer = vec![0; 65_536];
    let reset = loop {
        if let Some(answer) = parse(&raw) {
            return Some(answer);
        }
        match stream.read(&mut buffer).await {
            Ok(0) => break false,
            Ok(n) => raw.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break true,
            Err(error) => panic!("{error}"),
        }
    };
    let mut answer = head(&raw)?;
    answer.close = if reset { Close::Reset } else { Close::Cut };
    Some(answer)
}

fn split(raw: &[u8]) -> Option<(&str, &[u8])> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&raw[..end]).unwrap(), &raw[end + 4..]))
}

/// What there is of an answer.
fn head(raw: &[u8]) -> Option<Answer> {
    let (head, rest) = split(raw)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head: head.to_owned(), body: Vec::new(), chunks: 0, close: Close::Whole };
    (answer.body, answer.chunks, _) = dechunk(rest);
    Some(answer)
}

/// A complete answer.
fn parse(raw: &[u8]) -> Option<Answer> {
    let mut answer = head(raw)?;
    let (_, rest) = split(raw)?;
    if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().unwrap();
        answer.body = rest.get(..length)?.to_vec();
        return Some(answer);
    }
    dechunk(rest).2.then_some(answer)
}

/// The bytes in the chunks, their number, and whether the final one is there.
fn dechunk(mut rest: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut out, mut chunks) = (Vec::new(), 0);
    while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
        let Ok(size) = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap_or("x"), 16) else { break };
        if size == 0 {
            return (out, chunks, true);
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break };
        out.extend_from_slice(chunk);
        chunks += 1;
        let Some(after) = rest.get(line + 4 + size..) else { break };
        rest = after;
    }
    (out, chunks, false)
}

/// A request body that the backend accepts, asking `prompt`.
pub(super) fn turn(prompt: &str) -> Value {
    json!({
        "model": "gpt-5.5", "store": false, "stream": true,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}],
    })
}

/// Puts `value` at `key` of a turn.
pub(super) fn with(key: &str, value: Value) -> Value {
    let mut body = turn("hello");
    body[key] = value;
    body
}

pub(super) fn bearer(account: &Account) -> String {
    format!("Bearer {}", account.login().access_token)
}

/// A request body in the lite form, which all models but `gpt-5.5` want.
pub(super) fn lite_turn(prompt: &str, tools: &Value) -> Value {
    let mut body = turn(prompt);
    body["model"] = json!("gpt-6-sol");
    body["parallel_tool_calls"] = json!(false);
    body["reasoning"] = json!({"context": "all_turns"});
    let item = json!({"type": "additional_tools", "role": "developer", "tools": tools});
    body["input"].as_array_mut().unwrap().insert(0, item);
    body
}

/// Sends a turn without reading the answer; one whose reasoning spans all turns is sent in the lite form.
pub(super) async fn begin(simulator: &Simulator, account: usize, body: &Value) -> TcpStream {
    let lite: &[(&str, &str)] = if body["reasoning"]["context"] == "all_turns" {
        &[("x-openai-internal-codex-responses-lite", "true")]
    } else {
        &[]
    };
    start(simulator, account, "/backend-api/codex/responses", lite, body).await
}

async fn start(simulator: &Simulator, account: usize, path: &str, more: &[(&str, &str)], body: &Value) -> TcpStream {
    let account = &simulator.accounts()[account];
    let bearer = bearer(account);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("chatgpt-account-id", account.id()),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(more);
    send(simulator.address(), "POST", path, &headers, body.to_string().as_bytes()).await
}

/// Posts an object to any path.
pub(super) async fn call(simulator: &Simulator, account: usize, path: &str, body: &Value) -> Answer {
    call_with(simulator, account, path, &[], body).await
}

/// The same with further headers.
pub(super) async fn call_with(
    simulator: &Simulator,
    account: usize,
    path: &str,
    more: &[(&str, &str)],
    body: &Value,
) -> Answer {
    read(start(simulator, account, path, more, body).await).await.expect("an answer")
}

pub(super) async fn post(simulator: &Simulator, account: usize, body: &Value) -> Answer {
    read(begin(simulator, account, body).await).await.expect("an answer")
}

pub(super) async fn get(simulator: &Simulator, account: usize, path: &str) -> Answer {
    let account = &simulator.accounts()[account];
    let bearer = bearer(account);
    let headers = [("authorization", bearer.as_str()), ("chatgpt-account-id", account.id())];
    request(simulator.address(), "GET", path, &headers, b"").await
}

pub(super) fn text_of(answer: &Answer) -> String {
    let response = answer.response();
    let items = response["output"].as_array().unwrap();
    let message = items.iter().find(|item| item["type"] == "message").expect("a message");
    message["content"][0]["text"].as_str().unwrap().to_owned()
}

pub(super) fn call_of(answer: &Answer) -> Value {
    let response = answer.response();
    let items = response["output"].as_array().unwrap();
    items.iter().find(|item| item["type"].as_str().unwrap().ends_with("_call")).cloned().expect("a call")
}

pub(super) fn joined(answer: &Answer, event: &str) -> String {
    let events = answer.events();
    events.iter().filter(|one| one["type"] == event).map(|one| one["delta"].as_str().unwrap()).collect()
}

pub(super) fn weather() -> Value {
    json!({"type": "function", "name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}, "days": {"type": "integer",
        "minimum": 1, "maximum": 3}}, "required": ["city", "days"], "additionalProperties": false}})
}
