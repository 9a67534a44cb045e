//! How a websocket ends politely.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};

use super::session::Socket;

/// How long a client gets to go.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of a client that goes on sending after it was refused.
const DRAINED: u64 = 128 << 20;

/// Finishes the close handshake. A client that does not answer is left.
pub(super) async fn farewell(socket: &mut Socket) {
    let rest = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(PATIENCE, rest).await;
}

/// Says that nothing more comes and reads what the client still sends: it may be in the middle of a message, and unread it
/// would lose the close frame to a reset. A client that does not go is left.
pub(super) async fn drain(socket: &mut Socket) {
    let stream = socket.get_mut();
    let drained = async {
        if stream.shutdown().await.is_ok() {
            let mut rest = stream.take(DRAINED);
            // What ends the reading ends the connection too.
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, drained).await;
}

/// Close code and reason for what a client has done; nothing when it is gone.
pub(super) fn answer(error: &Error) -> Option<(u16, &'static str)> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some((1009, "message too big")),
        Error::Utf8(_) => Some((1007, "invalid UTF-8")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((1002, "protocol error")),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::Capacity(CapacityError::TooManyHeaders)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
    }
}
