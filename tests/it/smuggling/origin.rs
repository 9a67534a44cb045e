//! A Codex backend on a bare socket that forgives nothing: it keeps the exact bytes of every request, and refuses whatever is not one whole,
//! well-formed request of the gateway's own making.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::codex::event;

/// What the backend does with a request whose prompt is known to the test.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends these bytes and reads on.
    Send(Vec<u8>),
    /// Sends these, and those once the answer was read and its connection may be in the pool.
    Later(Vec<u8>, Vec<u8>),
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends these bytes so many times, or until nobody listens any more.
    Flood(Vec<u8>, usize),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Number of the connection, from 0.
    pub line: usize,
    /// The prompt.
    pub prompt: String,
}

#[derive(Default)]
struct Book {
    lines: usize,
    open: usize,
    late: bool,
    seen: Vec<Seen>,
    faults: Vec<String>,
}

type Acts = dyn Fn(&str) -> Option<Act> + Send + Sync;

/// The backend. It stops when it is dropped.
pub struct Origin {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    accepting: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A good answer that repeats the prompt, so that everybody can tell whose it is.
pub fn good(prompt: &str) -> Vec<u8> {
    let body = events(prompt);
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// The events of such an answer.
pub fn events(prompt: &str) -> String {
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": prompt, "annotations": []}]});
    let response = |status: &str, output: Value| {
        json!({"id": "resp_1", "object": "response", "status": status,
        "output": output, "model": "gpt-5.5", "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
    };
    [
        event(&json!({"type": "response.created", "response": response("in_progress", json!([]))})),
        event(&json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": prompt})),
        event(&json!({"type": "response.output_item.done", "output_index": 0, "item": item})),
        event(&json!({"type": "response.completed", "response": response("completed", json!([item]))})),
    ]
    .concat()
}

impl Origin {
    /// Every answer is good.
    pub async fn start() -> Self {
        Self::acting(|_| None).await
    }

    /// Prompts that are named here are answered so, all others well.
    pub async fn acting(acts: impl Fn(&str) -> Option<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let book = Arc::new(Mutex::new(Book::default()));
        let (acts, shared): (Arc<Acts>, _) = (Arc::new(acts), Arc::clone(&book));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (acts, book) = (Arc::clone(&acts), Arc::clone(&shared));
                tokio::spawn(async move {
                    let line = {
                        let mut book = book.lock();
                        (book.lines, book.open) = (book.lines + 1, book.open + 1);
                        book.lines - 1
                    };
                    if let Err(fault) = serve(stream, line, &*acts, &book).await {
                        book.lock().faults.push(format!("connection {line}: {fault}"));
                    }
                    book.lock().open -= 1;
                });
            }
        });
        Self { address, book, accepting }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.book.lock().seen.clone()
    }

    /// Everything that was no whole request.
    pub fn faults(&self) -> Vec<String> {
        self.book.lock().faults.clone()
    }

    /// Whether something was sent behind an answer that had ended.
    pub fn late(&self) -> bool {
        self.book.lock().late
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.book.lock().open
    }
}

async fn serve(mut stream: TcpStream, line: usize, acts: &Acts, book: &Mutex<Book>) -> Result<(), String> {
    let mut bytes = Vec::new();
    loop {
        let Some((prompt, length)) = judge(&bytes)? else {
            match stream.read_buf(&mut bytes).await {
                Ok(1..) => continue,
                // An end between two requests is one; a client of the gateway may also have left within its own.
                Ok(0) | Err(_) if bytes.is_empty() => return Ok(()),
                Ok(0) | Err(_) => return Err(format!("half a request: {}", text(&bytes))),
            }
        };
        bytes.drain(..length);
        book.lock().seen.push(Seen { line, prompt: prompt.clone() });
        match acts(&prompt).unwrap_or_else(|| Act::Send(good(&prompt))) {
            Act::Send(answer) => drop(stream.write_all(&answer).await),
            Act::Later(answer, rest) => {
                let _ = stream.write_all(&answer).await;
                // Nothing tells this side when the other has put the connection into its pool.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                let _ = stream.write_all(&rest).await;
                book.lock().late = true;
            }
            Act::Close(answer) => {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return Ok(());
            }
            Act::Flood(piece, times) => {
                for _ in 0..times {
                    if stream.write_all(&piece).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().take(2000).collect()
}

/// The prompt of the first request, and how many bytes the request has; none while it is not complete.
fn judge(bytes: &[u8]) -> Result<Option<(String, usize)>, String> {
    let refuse = |why: &str| Err(format!("{why}: {}", text(bytes)));
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.is_empty() || b"POST /".starts_with(&bytes[..bytes.len().min(6)]) {
            Ok(None)
        } else {
            refuse("no request of ours")
        };
    };
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else { return refuse("a head that is no text") };
    let mut lines = head.split("\r\n");
    if lines.next() != Some("POST /backend-api/codex/responses HTTP/1.1") {
        return refuse("another request line");
    }
    let (mut length, mut host) = (None, false);
    for line in lines {
        let Some((name, value)) = line.split_once(": ") else { return refuse("a line that is no header") };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !name.bytes().all(letter) || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return refuse("a strange header");
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_none() => length = value.parse::<usize>().ok(),
            "host" if !host => host = true,
            "content-length" | "host" => return refuse("a header twice"),
            "transfer-encoding" | "expect" | "upgrade" | "te" | "trailer" | "connection" | "cookie" | "x-case" => {
                return refuse("a header of the client");
            }
            _ => {}
        }
    }
    let (Some(length), true) = (length, host) else { return refuse("no length or no host") };
    let whole = end + 4 + length;
    if bytes.len() < whole {
        return Ok(None);
    }
    let Ok(body) = serde_json::from_slice::<Value>(&bytes[end + 4..whole]) else { return refuse("no JSON") };
    let prompt = body["input"][0]["content"][0]["text"].as_str().or_else(|| body["input"][0]["content"].as_str());
    let Some(prompt) = prompt else { return refuse("no prompt") };
    Ok(Some((prompt.to_owned(), whole)))
}
