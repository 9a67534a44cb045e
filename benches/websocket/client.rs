//! A client: it opens a websocket, and has one turn after the other on it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use memchr::memmem;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

/// No turn takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the events of an answer come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// All at once.
    Burst,
    /// Each by itself.
    Single,
}

impl Pace {
    /// What a turn asks for.
    const fn create(self) -> Utf8Bytes {
        match self {
            Self::Burst => Utf8Bytes::from_static(
                r#"{"type":"response.create","model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Count to fifty"}]}],"tools":[],"tool_choice":"auto","parallel_tool_calls":false,"store":false,"stream":true,"include":[],"prompt_cache_key":"bench"}"#,
            ),
            Self::Single => Utf8Bytes::from_static(
                r#"{"type":"response.create","model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Count one by one"}]}],"tools":[],"tool_choice":"auto","parallel_tool_calls":false,"store":false,"stream":true,"include":[],"prompt_cache_key":"bench"}"#,
            ),
        }
    }
}

/// Where clients go.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) path: &'static str,
    pub(super) key: Option<String>,
}

/// An open websocket.
pub(super) struct Client(WebSocketStream<TcpStream>);

impl Door {
    /// Whether the route is there: a gateway refuses those that it does not serve as unknown.
    pub(super) async fn is_served(&self) -> io::Result<bool> {
        match self.handshake().await? {
            Ok(_) => Ok(true),
            Err(Error::Http(answer)) if answer.status().as_u16() == 404 => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Opens a websocket.
    pub(super) async fn open(&self) -> io::Result<Client> {
        Ok(Client(self.handshake().await?.map_err(io::Error::other)?))
    }

    async fn handshake(&self) -> io::Result<Result<WebSocketStream<TcpStream>, Error>> {
        let mut request = Request::get(format!("ws://{}{}", self.address, self.path))
            .header("host", self.address.to_string())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("openai-beta", "responses_websockets=2026-02-06");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(()).map_err(io::Error::other)?;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let opened = timeout(PATIENCE, client_async(request, stream)).await.map_err(|_| io::ErrorKind::TimedOut)?;
        Ok(opened.map(|(socket, _)| socket))
    }
}

impl Client {
    /// One turn: how many messages its answer had. Anything but a whole answer of the model is an error.
    pub(super) async fn turn(&mut self, pace: Pace) -> io::Result<usize> {
        let turn = async {
            self.0.send(Message::Text(pace.create())).await.map_err(io::Error::other)?;
            let mut count = 0;
            while let Some(message) = self.0.next().await {
                let Message::Text(text) = message.map_err(io::Error::other)? else { continue };
                count += 1;
                if is(&text, "response.completed") {
                    return Ok(count);
                }
                if is(&text, "error") || is(&text, "response.failed") {
                    return Err(io::Error::other(text.to_string()));
                }
            }
            Err(io::ErrorKind::UnexpectedEof.into())
        };
        timeout(PATIENCE, turn).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// Whether a message is this event: no member named so stands before its own type.
fn is(text: &Utf8Bytes, name: &str) -> bool {
    let bytes = text.as_bytes();
    let kind = b"\"type\":\"";
    memmem::find(bytes, kind)
        .and_then(|at| bytes[at + kind.len()..].strip_prefix(name.as_bytes()))
        .is_some_and(|rest| rest.first() == Some(&b'"'))
}
