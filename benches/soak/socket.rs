//! A client on a websocket: one turn after the other, each to its last event, whichever that is.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::wire::{Door, End, NATIVE_BODY};

/// As for answers over HTTP.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open websocket.
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one.
    pub(super) async fn open(door: &Door, path: &str) -> io::Result<Self> {
        let request = Request::get(format!("ws://{}{path}", door.address))
            .header("host", door.address.to_string())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("openai-beta", "responses_websockets=2026-02-06")
            .header("authorization", format!("Bearer {}", door.key))
            .body(())
            .map_err(io::Error::other)?;
        let opened = timeout(PATIENCE, client_async(request, door.connect().await?));
        let (socket, _) = opened.await.map_err(|_| io::ErrorKind::TimedOut)?.map_err(io::Error::other)?;
        Ok(Self(socket))
    }

    /// One turn: whether the model answered it, and how it ended. One that ended otherwise is `Whole`, too.
    pub(super) async fn turn(&mut self) -> (bool, End) {
        let create = format!(r#"{{"type":"response.create",{}"#, &NATIVE_BODY[1..]);
        let turn = async {
            if self.0.send(Message::text(create)).await.is_err() {
                return (false, End::None);
            }
            let mut begun = false;
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Text(text) = message else { continue };
                begun = true;
                let event: Value = serde_json::from_str(&text).unwrap_or_default();
                match event["type"].as_str() {
                    Some("response.completed" | "response.done") => return (true, End::Whole),
                    Some("error" | "response.failed" | "response.incomplete") => return (false, End::Whole),
                    Some(_) => {}
                    None => return (false, End::Whole),
                }
            }
            (false, if begun { End::Cut } else { End::None })
        };
        timeout(PATIENCE, turn).await.unwrap_or((false, End::Hangs))
    }
}
