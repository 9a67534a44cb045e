//! Peers on websockets that may send anything: the count of what arrives against tungstenite, and what messages become.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::Bytes;
use http::{HeaderMap, Version};
use pooler_filter::json::{Json, JsonObject, Kind};
use pooler_filter::{Reject, RequestHead};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::arrival::Arrival;
use super::order::{self, Asks, Order};
use super::{client, event, handshake};
use crate::proxy::body::Unread;
use crate::proxy::intake::fuzz::refused;

/// The largest message that is taken.
const MOST: usize = 2048;

pub(in crate::proxy) fn accept(head: &RequestHead, version: Version) -> Result<HeaderMap, Reject> {
    handshake::accept(head, version)
}

pub(in crate::proxy) fn websocket(input: &[u8]) {
    let Some((what, bytes)) = input.split_first() else { return };
    match what % 3 {
        0 => frames(bytes),
        1 => message(&Bytes::copy_from_slice(bytes)),
        _ => told(Bytes::copy_from_slice(bytes)),
    }
}

/// A connection on which so much has come, and where everything can be sent.
#[derive(Debug, Default)]
struct Wire(VecDeque<u8>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            some => Ok(some),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Byte by byte: a message is complete for the count when it is complete for its reader, and what is not counted is bounded.
fn frames(bytes: &[u8]) {
    let mut arrival = Arrival::default();
    let mut whole = Arrival::default();
    whole.feed(bytes);
    let mut socket = WebSocket::from_raw_socket(Wire::default(), Role::Server, Some(client::config(MOST)));
    let mut reads = true;
    for (at, byte) in bytes.iter().enumerate() {
        arrival.feed(&[*byte]);
        assert!(arrival.unfinished() <= at as u64);
        socket.get_mut().0.push_back(*byte);
        while reads {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    assert_eq!(arrival.unfinished(), 0, "its reader has the whole message");
                    message(&text.into());
                }
                Ok(Message::Binary(_)) => assert_eq!(arrival.unfinished(), 0, "its reader has the whole message"),
                Ok(Message::Close(_)) => reads = false,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The connection is closed for it.
                Err(_) => reads = false,
            }
        }
        // A frame that is too large is refused by its head, one that makes its message too large at its end.
        assert!(!reads || arrival.unfinished() <= 2 * MOST as u64);
    }
    assert_eq!(arrival.unfinished(), whole.unfinished(), "the count depends on how the bytes came");
}

/// A message of a client, on both surfaces.
fn message(text: &Bytes) {
    for native in [false, true] {
        let Order { stream_id, asks } = Order::of(JsonObject::parse(text.clone()).map_err(Unread::Json), native);
        let name = stream_id.as_deref();
        assert!(name.is_none_or(|name| (1..=256).contains(&name.len()) && name.is_ascii()));
        match asks {
            Ok(Asks::Create(mut create)) => {
                if let Some(form) = create.form {
                    order::complete(&mut create.body, form);
                }
                let upstream = object(&create.body.to_bytes());
                assert_eq!(upstream["type"], "response.create");
                assert!(upstream.get("stream_id").is_none());
            }
            Ok(Asks::Processed(text)) => assert_eq!(object(&text)["type"], "response.processed"),
            Err(reject) => {
                refused(&reject);
                let error = object(&event::error(&reject, name, native));
                assert_eq!((error["type"].as_str(), error["stream_id"].as_str()), (Some("error"), name));
            }
        }
    }
}

/// A message of the upstream: what is an event goes to the client as one.
fn told(text: Bytes) {
    let Some(frame) = event::frame(text) else { return };
    let id = event::response_id(&frame);
    assert!(id.is_none_or(|id| !id.is_empty()));
    let Some(named) = event::message(&frame, Some("s")) else { return };
    let Ok(json) = Json::parse(frame.data().clone()) else { return };
    assert_eq!(json.root().kind(), Kind::Object);
    let client = Json::parse(named).expect("an object with one more member is an object");
    assert_eq!(client.root().len(), json.root().len() + 1);
    assert!(client.root().get("stream_id").is_some_and(|name| name.is_str("s")));
}

fn object(text: &[u8]) -> serde_json::Value {
    let read = JsonObject::parse(Bytes::copy_from_slice(text)).expect("no name comes twice");
    let members = ["type", "stream_id"].into_iter().filter_map(|name| Some((name, read.get_str(name)?.into_owned())));
    members.collect()
}
