//! Orders that are about websockets.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::faults::{Class, Fault, SocketAct, SocketFault};
use super::super::state::State;
use super::Answer;
use super::orders::{self, Trouble};

const KINDS: [&str; 7] =
    ["handshake", "close_frame", "message", "binary_message", "ping", "connection_limit", "ignore_ping"];

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Kind {
    Handshake {
        fault: Value,
    },
    CloseFrame {
        #[serde(default)]
        after_events: usize,
        code: Option<u16>,
        #[serde(default)]
        reason: String,
    },
    Message {
        #[serde(default)]
        after_events: usize,
        message: Value,
        #[serde(default = "yes")]
        ends_turn: bool,
    },
    BinaryMessage {
        #[serde(default)]
        after_events: usize,
    },
    Ping {
        #[serde(default)]
        after_events: usize,
    },
    ConnectionLimit {
        #[serde(default)]
        after_events: usize,
    },
    IgnorePing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    lifetime_ms: Option<u64>,
    idle_ms: Option<u64>,
}

fn yes() -> bool {
    true
}

/// The fault of an order that is about websockets.
pub(super) fn fault(order: &Value) -> Option<Result<Fault, Trouble>> {
    let kind = order.as_str().or_else(|| order.get("kind")?.as_str())?;
    if !KINDS.contains(&kind) {
        return None;
    }
    let order = if order.is_string() { json!({ "kind": kind }) } else { order.clone() };
    Some(serde_json::from_value(order).map_err(Trouble::from).and_then(read))
}

fn read(kind: Kind) -> Result<Fault, Trouble> {
    let at = |after_events, act| Ok(Fault::Socket(SocketFault { after_events, act }));
    match kind {
        Kind::Handshake { fault } => {
            let inner = orders::fault(fault)?;
            if inner.class() != Class::Head {
                return Err(Trouble::NotForHandshakes(orders::name(&inner)));
            }
            Ok(Fault::Handshake(Box::new(inner)))
        }
        Kind::CloseFrame { after_events, code, reason } => at(after_events, SocketAct::Close { code, reason }),
        Kind::Message { after_events, message, ends_turn } => {
            let text = if let Value::String(text) = message { text } else { message.to_string() };
            at(after_events, SocketAct::Message { text, ends_turn })
        }
        Kind::BinaryMessage { after_events } => at(after_events, SocketAct::Binary),
        Kind::Ping { after_events } => at(after_events, SocketAct::Ping),
        Kind::ConnectionLimit { after_events } => at(after_events, SocketAct::ConnectionLimit),
        Kind::IgnorePing => Ok(Fault::IgnorePing),
    }
}

/// Sets how long websockets live, those that are open too.
pub(super) fn limit(state: &State, body: &[u8]) -> Answer {
    let order: Limits = match serde_json::from_slice(body) {
        Ok(order) => order,
        Err(error) => return (400, json!({"error": format!("malformed order: {error}")})),
    };
    state.socket_limits.send_modify(|limits| {
        limits.lifetime = order.lifetime_ms.map_or(limits.lifetime, Duration::from_millis);
        limits.idle = order.idle_ms.map_or(limits.idle, Duration::from_millis);
    });
    (200, json!({}))
}
