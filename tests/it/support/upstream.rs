//! A Codex backend that speaks over websockets what a test tells it to, turn by turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderMap;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// What a connection has seen so far.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Number of the connection, from 0.
    pub line: usize,
    /// Number of the message on it, from 0.
    pub n: usize,
    /// The access token of the account.
    pub token: String,
    /// The message.
    pub message: Value,
}

/// What the backend does next.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends an event.
    Event(Value),
    /// Sends a text.
    Text(String),
    /// Sends bytes.
    Binary,
    /// Waits for so long.
    Wait(Duration),
    /// Closes in good order.
    Close,
    /// Drops the connection.
    Cut,
}

/// A handshake, as it came.
#[derive(Debug, Clone)]
pub struct Handshake {
    pub path: String,
    pub headers: HeaderMap,
}

type Answers = dyn Fn(&Turn) -> Vec<Act> + Send + Sync;
type Refuses = dyn Fn(usize, &Handshake) -> Option<(u16, Value)> + Send + Sync;

/// The backend.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    handshakes: Vec<Handshake>,
    turns: Vec<Turn>,
    open: usize,
    pings: usize,
}

struct Shared {
    answers: Box<Answers>,
    refuses: Box<Refuses>,
    seen: Mutex<Seen>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The id of the response that a good turn gives.
pub fn id(turn: &Turn) -> String {
    format!("resp_{}_{}", turn.line, turn.n)
}

/// The events of a good turn.
pub fn good(turn: &Turn) -> Vec<Act> {
    let warm_up = turn.message["generate"] == false;
    let response = |status: &str, output: Value| json!({"id": id(turn), "object": "response", "status": status, "output": output, "model": "gpt-5.5"});
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "hello", "annotations": []}]});
    let mut acts = vec![
        json!({"type": "codex.rate_limits", "plan_type": "pro"}),
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
    ];
    if !warm_up {
        acts.push(json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": []}}));
        acts.push(json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "hello"}));
        acts.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    }
    let mut done = response("completed", if warm_up { json!([]) } else { json!([item]) });
    done["usage"] = json!({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5});
    acts.push(json!({"type": "response.completed", "response": done}));
    acts.into_iter().map(Act::Event).collect()
}

/// An error event.
pub fn error(status: u16, code: &str) -> Vec<Act> {
    let error = json!({"type": "invalid_request_error", "code": code, "message": "PROVIDER WORDS"});
    vec![Act::Event(json!({"type": "error", "status": status, "error": error}))]
}

impl Upstream {
    /// Every turn is good.
    pub async fn start() -> Self {
        Self::answering(good).await
    }

    /// Turns are answered so.
    pub async fn answering(answers: impl Fn(&Turn) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::with(|_, _| None, answers).await
    }

    /// Handshakes are refused so, and turns answered so.
    pub async fn with(
        refuses: impl Fn(usize, &Handshake) -> Option<(u16, Value)> + Send + Sync + 'static,
        answers: impl Fn(&Turn) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let shared =
            Arc::new(Shared { answers: Box::new(answers), refuses: Box::new(refuses), seen: Mutex::default() });
        let server = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, Arc::clone(&server)));
            }
        });
        Self { address, shared, accepting }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn handshakes(&self) -> Vec<Handshake> {
        self.shared.seen.lock().handshakes.clone()
    }

    pub fn turns(&self) -> Vec<Turn> {
        self.shared.seen.lock().turns.clone()
    }

    /// How many connections are open now.
    pub fn open(&self) -> usize {
        self.shared.seen.lock().open
    }

    pub fn pings(&self) -> usize {
        self.shared.seen.lock().pings
    }
}

#[allow(clippy::result_large_err, reason = "the form that the library wants")]
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut line = 0;
    let mut token = String::new();
    let shake = |request: &Request, response: Response| {
        let handshake = Handshake { path: request.uri().path().to_owned(), headers: request.headers().clone() };
        let bearer = handshake.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        token = bearer.trim_start_matches("Bearer ").to_owned();
        let mut seen = shared.seen.lock();
        line = seen.handshakes.len();
        seen.handshakes.push(handshake.clone());
        drop(seen);
        match (shared.refuses)(line, &handshake) {
            None => Ok(response),
            Some((status, body)) => {
                let text = body.to_string();
                let refusal = Response::builder()
                    .status(status)
                    .header("content-type", "application/json")
                    .header("content-length", text.len());
                Err(refusal.body(Some(text)).unwrap_or_else(|_| ErrorResponse::new(None)))
            }
        }
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async_with_config(stream, shake, Some(super::socket::small())).await
    else {
        return;
    };
    shared.seen.lock().open += 1;
    converse(socket, &shared, line, token).await;
    shared.seen.lock().open -= 1;
}

async fn converse(mut socket: WebSocketStream<TcpStream>, shared: &Shared, line: usize, token: String) {
    let mut n = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            shared.seen.lock().pings += usize::from(message.is_ping());
            continue;
        };
        let turn = Turn { line, n, token: token.clone(), message: serde_json::from_str(&text).expect("JSON") };
        n += 1;
        shared.seen.lock().turns.push(turn.clone());
        for act in (shared.answers)(&turn) {
            let sent = match act {
                Act::Event(event) => socket.send(Message::text(event.to_string())).await,
                Act::Text(text) => socket.send(Message::text(text)).await,
                Act::Binary => socket.send(Message::binary(vec![1, 2, 3])).await,
                Act::Wait(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Act::Close => socket.close(None).await,
                Act::Cut => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}
