//! The upstream's end of a websocket: one turn after the other, watched in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use pooler_filter::codex::EventKind;
use pooler_filter::{AccountId, Cut, Frame};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::client::Socket;
use super::counted::Moved;
use super::event;

/// How many of its responses are remembered: each can be continued on this line alone.
const MOST_RESPONSES: usize = 128;
/// How long an upstream may take to let itself be closed in good order.
const PARTING: Duration = Duration::from_secs(1);

/// Names the model that serves.
pub(super) const MODEL: HeaderName = HeaderName::from_static("openai-model");

/// The limits of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest time without a byte taken of what is sent.
    pub(super) patience: Duration,
    /// How often it is pinged; none: never.
    pub(super) ping: Option<Duration>,
    /// Most bytes of an event that does not end a response.
    pub(super) ordinary: usize,
}

/// A websocket to one account.
pub(super) struct Line {
    socket: Socket,
    moved: Arc<Moved>,
    account: AccountId,
    responses: VecDeque<Box<str>>,
    /// The model that the handshake told of.
    model: Option<HeaderValue>,
    limits: Limits,
    /// When it is pinged next, and what had come when it was pinged last.
    beat: Option<Instant>,
    heard: Option<u64>,
    /// It was closed because a message of ours was too large.
    overfed: bool,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("account", &self.account)
            .field("responses", &self.responses.len())
            .finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn new(socket: Socket, account: AccountId, model: Option<HeaderValue>, limits: Limits) -> Self {
        let moved = socket.get_ref().moved();
        let beat = limits.ping.map(|every| Instant::now() + every);
        let responses = VecDeque::new();
        Self { socket, moved, account, responses, model, limits, beat, heard: None, overfed: false }
    }

    /// The headers of its handshake that say something about a turn.
    pub(super) fn told(&self) -> HeaderMap {
        self.model.iter().map(|model| (MODEL, model.clone())).collect()
    }

    pub(super) const fn account(&self) -> AccountId {
        self.account
    }

    /// Whether the upstream has closed it because a message of ours was too large for it. It may say so while it is still being written to.
    pub(super) async fn is_overfed(&mut self) -> bool {
        let deadline = Instant::now() + PARTING;
        while !self.overfed && self.next(deadline).await.is_ok() {}
        self.overfed
    }

    /// Whether a response was given here.
    pub(super) fn gave(&self, response: &str) -> bool {
        self.responses.iter().any(|known| **known == *response)
    }

    /// Remembers a response that was given here.
    pub(super) fn note(&mut self, response: Box<str>) {
        if self.responses.len() >= MOST_RESPONSES {
            self.responses.pop_front();
        }
        self.responses.push_back(response);
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, text: Bytes) -> Result<(), Cut> {
        let text = Utf8Bytes::try_from(text).map_err(|_| Cut::Closed)?;
        let sent = self.moved.patiently(self.limits.patience, self.socket.send(Message::Text(text))).await;
        sent.map_err(|_| Cut::Idle)?.map_err(|_| Cut::Closed)
    }

    /// The next event. What is no event is left out. May be dropped while it waits.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Frame, Cut> {
        loop {
            let beat = async {
                match self.beat {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = self.socket.next() => if let Some(frame) = self.read(message)? {
                    return Ok(frame);
                },
                () = beat => self.ping()?,
                () = sleep_until(deadline) => return Err(Cut::Idle),
            }
        }
    }

    /// An event that is there already.
    pub(super) fn ready(&mut self) -> Option<Result<Frame, Cut>> {
        loop {
            let message = tokio::task::unconstrained(self.socket.next()).now_or_never()?;
            if let Some(read) = self.read(message).transpose() {
                return Some(read);
            }
        }
    }

    /// Between two turns: returns when the line is of no use any more. Late events of the turn before are dropped. May be dropped.
    pub(super) async fn watch(&mut self) {
        loop {
            let far = Instant::now() + Duration::from_secs(60 * 60);
            match self.next(far).await {
                Ok(_) | Err(Cut::Idle) => {}
                Err(Cut::Closed | Cut::TooLarge) => return,
            }
        }
    }

    fn read(&mut self, message: Option<Result<Message, Error>>) -> Result<Option<Frame>, Cut> {
        match message {
            Some(Ok(Message::Text(text))) => {
                let frame = event::frame(text.into());
                let fits = |frame: &Frame| {
                    let last = frame.name().is_none_or(|name| EventKind::of(name).is_terminal());
                    last || frame.data().len() <= self.limits.ordinary
                };
                if frame.as_ref().is_none_or(fits) { Ok(frame) } else { Err(Cut::TooLarge) }
            }
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Err(Error::Capacity(_))) => Err(Cut::TooLarge),
            Some(Ok(Message::Close(frame))) => {
                self.overfed |= frame.is_some_and(|frame| frame.code == CloseCode::Size);
                Err(Cut::Closed)
            }
            Some(Err(_)) | None => Err(Cut::Closed),
        }
    }

    /// Pings. An upstream from which nothing came since the last ping is dead.
    fn ping(&mut self) -> Result<(), Cut> {
        let heard = self.moved.read();
        if self.heard.replace(heard) == Some(heard) {
            return Err(Cut::Closed);
        }
        self.beat = self.limits.ping.map(|every| Instant::now() + every);
        // What does not go out at once goes out with the next read or write.
        match self.socket.send(Message::Ping(Bytes::new())).now_or_never() {
            Some(Err(_)) => Err(Cut::Closed),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Closes it, so that the upstream stops working for us. Nobody waits for that.
    pub(super) fn hang_up(mut self) {
        tokio::spawn(async move {
            let _ = timeout(PARTING, self.socket.close(None)).await;
        });
    }
}
