//! The client's end of a websocket: taken over from Pingora with every byte that has come, written to from two sides, and closed in good order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::counted::{Counted, Moved};
use super::ending::Ending;
use super::toll::{Purse, Toll};
use crate::proxy::budget::Room;
use crate::proxy::downstream::Gone;
use crate::proxy::pace::Pace;

/// Read buffer of each end: memory of idle sockets is mostly this.
const READ_BUFFER: usize = 4096;
/// Messages that are ready together go out together, up to this.
const WRITE_BUFFER: usize = 16 * 1024;
/// How long a client has to take our close frame, and to answer it.
const CLOSING: Duration = Duration::from_secs(1);

pub(super) type Socket = WebSocketStream<Counted<Stream>>;
pub(super) type Reader = SplitStream<Socket>;

/// Sizes of one end. `most`: the largest message and frame that it takes, in bytes. What it sends may be twice as large, and one more.
pub(super) fn config(most: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER.saturating_add(most.saturating_mul(2)).saturating_add(WRITE_BUFFER))
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}

/// Takes the connection over after our 101. What the client sent behind its handshake was read by Pingora already, and is not lost: the first
/// read gives it, and one that would have to wait has taken nothing. None for another protocol than HTTP/1.
pub(super) async fn take_over(session: ServerSession, most: usize, room: Room) -> Option<(Socket, Purse)> {
    let ServerSession::H1(mut session) = session else { return None };
    let early = match tokio::task::unconstrained(session.read_body_bytes()).now_or_never() {
        Some(Ok(Some(bytes))) => bytes.into(),
        Some(Ok(None) | Err(_)) | None => Vec::new(),
    };
    let mut toll = Toll::new(room);
    toll.note(&early);
    let purse = toll.purse();
    let stream = Counted::tolled(session.into_inner(), toll);
    let socket = WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config(most))).await;
    Some((socket, purse))
}

/// Writes to the client: the answers of turns, and between them what does not wait for its turn.
#[derive(Debug)]
pub(super) struct Writer {
    mouth: Mutex<Mouth>,
    moved: Arc<Moved>,
}

/// The side that is written to, and how slowly it may be read.
#[derive(Debug)]
struct Mouth {
    sink: SplitSink<Socket, Message>,
    pace: Pace,
}

impl Writer {
    /// Both sides of a socket. `pace`: how slowly the client may take what it is sent before it counts as gone.
    pub(super) fn split(socket: Socket, pace: Pace) -> (Self, Reader) {
        let moved = socket.get_ref().moved();
        let (sink, reader) = socket.split();
        (Self { mouth: Mutex::new(Mouth { sink, pace }), moved }, reader)
    }

    /// Sends messages, in one piece as far as they fit.
    pub(super) async fn send(&self, texts: impl IntoIterator<Item = Bytes>) -> Result<(), Gone> {
        let mut mouth = self.mouth.lock().await;
        let Mouth { sink, pace } = &mut *mouth;
        let sending = async {
            for text in texts {
                match Utf8Bytes::try_from(text) {
                    Ok(text) => sink.feed(Message::Text(text)).await?,
                    Err(_) => tracing::error!("an event that is not UTF-8 is left out"),
                }
            }
            sink.flush().await
        };
        pace.watch(sending, || self.moved.written()).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    /// Pings the client, unless it is being written to anyway. It need not answer: a client that waits for a tool may not read.
    pub(super) fn ping(&self) {
        if let Ok(mut mouth) = self.mouth.try_lock() {
            // What does not go out at once goes out with the next message.
            let _ = mouth.sink.send(Message::Ping(Bytes::new())).now_or_never();
        }
    }

    /// Tells the client why, and waits a moment until it has hung up: a connection that is closed while bytes of the client are under way
    /// would take our last words with it.
    pub(super) async fn farewell(self, mut reader: Reader, ending: Ending) {
        let Mouth { mut sink, .. } = self.mouth.into_inner();
        if let Some(frame) = ending.frame() {
            let _ = timeout(CLOSING, sink.send(Message::Close(Some(frame)))).await;
            let answer = async { while let Some(Ok(_)) = reader.next().await {} };
            let _ = timeout(CLOSING, answer).await;
        } else {
            // The answer to the client's own close frame.
            let _ = timeout(CLOSING, sink.flush()).await;
        }
        let Ok(socket) = sink.reunite(reader) else { return };
        let mut stream = socket.into_inner();
        let parting = async {
            let _ = stream.shutdown().await;
            let mut rest = [0; READ_BUFFER];
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
        };
        let _ = timeout(CLOSING, parting).await;
    }
}
