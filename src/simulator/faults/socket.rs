//! What goes wrong on websockets only.

/// A fault of a turn on a websocket, at a place in its events; see [`Fault::Socket`](super::Fault::Socket). Events are
/// counted as in a stream: `response.created` is the first, the `codex.rate_limits` before it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFault {
    /// Events before it; with 0 nothing at all comes before it.
    pub after_events: usize,
    /// What comes then.
    pub act: SocketAct,
}

/// What a [`SocketFault`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketAct {
    /// A close frame. Without a code it is empty.
    Close {
        /// Such as 1000, 1011.
        code: Option<u16>,
        /// Its text, at most 123 bytes.
        reason: String,
    },
    /// A text message, whatever it is.
    Message {
        /// Sent as it is.
        text: String,
        /// The turn is over with it; the socket stays open.
        ends_turn: bool,
    },
    /// A binary message.
    Binary,
    /// A ping of the backend.
    Ping,
    /// The error frame `websocket_connection_limit_reached`, then close 1000.
    ConnectionLimit,
}
