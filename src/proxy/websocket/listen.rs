//! Reads what a client sends, for as long as its websocket lives, also while a turn runs.

use bytes::Bytes;
use futures_util::StreamExt as _;
use pooler_filter::{Outcome, OutcomeKind, Reject, Route, Timestamp};
use std::time::Instant;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::client::{Reader, Writer};
use super::ending::Ending;
use super::event;
use super::inbox::Inbox;
use super::order::{self, Order};
use super::toll::Purse;
use crate::proxy::Gateway;
use crate::proxy::body;
use crate::proxy::budget::Room;

/// A message that waits for its turn.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) text: Bytes,
    /// The memory that it takes; a refusal when there was none.
    pub(super) room: Result<Room, Reject>,
    pub(super) arrived: Instant,
    pub(super) received_at: Timestamp,
}

/// The ear of one websocket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ear<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) inbox: &'a Inbox<Item>,
    pub(super) writer: &'a Writer,
    pub(super) purse: &'a Purse,
    pub(super) route: Route,
}

impl Ear<'_> {
    /// Listens until the client is gone, or says what it must not.
    pub(super) async fn listen(self, reader: &mut Reader) -> Ending {
        let every = self.gateway.settings.websocket.ping;
        let mut beat = every.map(|every| {
            let mut beat = interval(every);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beat.reset();
            beat
        });
        loop {
            let tick = async {
                match &mut beat {
                    Some(beat) => beat.tick().await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                biased;
                message = reader.next() => message,
                _ = tick => {
                    self.writer.ping();
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    if self.hear(text).await.is_err() {
                        return Ending::Left;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => return Ending::Binary,
                Some(Ok(Message::Close(_))) | None => return Ending::Left,
                Some(Err(error)) => return Ending::of(&error),
            }
        }
    }

    /// Puts a message into the inbox. Reading goes on only when there is memory for it, or none is to be had.
    async fn hear(self, text: Utf8Bytes) -> Result<(), crate::proxy::downstream::Gone> {
        let (arrived, received_at) = (Instant::now(), self.gateway.clock.now());
        let text = Bytes::from(text);
        let mut room = self.purse.take(self.gateway.budget.open());
        let room = room.grow_to(text.len()).await.map(|()| room);
        match self.inbox.put(Item { text, room, arrived, received_at }) {
            Ok(()) => Ok(()),
            Err(item) => self.overflow(item).await,
        }
    }

    /// Nobody has worked for such a message: it leaves no row in the ledger.
    async fn overflow(self, mut item: Item) -> Result<(), crate::proxy::downstream::Gone> {
        let native = self.route.is_native();
        let reject = self.gateway.told_on(self.route, order::overflow());
        let mut nowhere = Room::nowhere();
        let parsed = body::index(item.text, item.room.as_mut().unwrap_or(&mut nowhere)).await;
        let stream_id = Order::of(parsed, native).stream_id;
        let mut outcome = Outcome::new(OutcomeKind::Rejected, reject.status().as_u16());
        outcome.code = reject.code.clone();
        outcome.duration = item.arrived.elapsed();
        self.gateway.metrics.ended(self.route.name, &outcome);
        tracing::info!(route = self.route.name, status = outcome.status, code = reject.code_str(), "a turn too many");
        self.writer.send([event::error(&reject, stream_id.as_deref(), native)]).await
    }
}
