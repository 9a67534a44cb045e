//! Memory for a message that arrives: it is taken while the message comes, as for a body over HTTP, and not only when it is complete.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use pooler_filter::Reject;

use super::arrival::Arrival;
use crate::proxy::budget::Room;

/// What a message may have before it is counted, and how much is taken at once afterwards.
const FREE: u64 = 64 * 1024;

/// There was no room for the rest of a message.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no memory is left for a message that arrives")]
pub(super) struct NoRoom;

/// The room of the message that arrives; whoever gets the message takes it.
#[derive(Debug, Clone)]
pub(super) struct Purse(Arc<Mutex<Room>>);

impl Purse {
    /// The room so far; `next` is for the next message.
    pub(super) fn take(&self, next: Room) -> Room {
        std::mem::replace(&mut *self.0.lock(), next)
    }
}

type Paying = Pin<Box<dyn Future<Output = (Room, Result<(), Reject>)> + Send>>;

/// Stands before the reading of one socket.
pub(super) struct Toll {
    arrival: Arrival,
    paid: u64,
    purse: Purse,
    paying: Option<Paying>,
}

impl fmt::Debug for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toll").field("paid", &self.paid).finish_non_exhaustive()
    }
}

impl Toll {
    pub(super) fn new(room: Room) -> Self {
        let purse = Purse(Arc::new(Mutex::new(room)));
        Self { arrival: Arrival::default(), paid: FREE, purse, paying: None }
    }

    pub(super) fn purse(&self) -> Purse {
        self.purse.clone()
    }

    /// Bytes have come.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.arrival.feed(bytes);
        let unfinished = self.arrival.unfinished();
        if unfinished == 0 {
            self.paid = FREE;
        } else if unfinished > self.paid {
            self.paid = unfinished.next_multiple_of(FREE);
            let wanted = usize::try_from(self.paid).unwrap_or(usize::MAX);
            // Nobody takes it meanwhile: the message is not complete.
            let mut room = self.purse.take(Room::nowhere());
            self.paying = Some(Box::pin(async move {
                let paid = room.grow_to(wanted).await;
                (room, paid)
            }));
        }
    }

    /// Whether more may be read.
    pub(super) fn poll_paid(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(paying) = &mut self.paying else { return Poll::Ready(Ok(())) };
        let (room, paid) = ready!(paying.as_mut().poll(cx));
        self.paying = None;
        // What was paid for a message that will never be complete goes back at once, not with the socket.
        paid.map_err(|_| io::Error::other(NoRoom))?;
        self.purse.take(room);
        Poll::Ready(Ok(()))
    }
}
