//! What the client hears of one turn, and when it first heard something.

use std::time::{Duration, Instant};

use http::StatusCode;
use pooler_filter::{Frame, Reject};

use super::client::Writer;
use super::event;
use crate::proxy::downstream::Gone;
use crate::proxy::finish::Sent;

/// The voice of one turn.
#[derive(Debug)]
pub(super) struct Speaker<'a> {
    writer: &'a Writer,
    stream_id: Option<String>,
    since: Instant,
    native: bool,
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
}

impl<'a> Speaker<'a> {
    /// `since`: when the message of the turn had arrived. `native`: errors have headers.
    pub(super) const fn new(writer: &'a Writer, stream_id: Option<String>, since: Instant, native: bool) -> Self {
        Self { writer, stream_id, since, native, status: None, first_byte: None }
    }

    /// Whether the client has heard anything of the turn.
    pub(super) const fn has_spoken(&self) -> bool {
        self.status.is_some()
    }

    /// Sends frames as messages.
    pub(super) async fn events(&mut self, frames: &mut Vec<Frame>) -> Result<(), Gone> {
        let stream_id = self.stream_id.as_deref();
        let mut messages = frames.drain(..).filter_map(|frame| event::message(&frame, stream_id)).peekable();
        if messages.peek().is_none() {
            return Ok(());
        }
        self.writer.send(messages).await?;
        self.spoke(StatusCode::OK);
        Ok(())
    }

    /// Sends an error in place of a status.
    pub(super) async fn refuse(&mut self, reject: &Reject) -> Result<(), Gone> {
        self.writer.send([event::error(reject, self.stream_id.as_deref(), self.native)]).await?;
        self.spoke(reject.status());
        Ok(())
    }

    /// The turn ends with its websocket, whose close frame says why.
    pub(super) const fn close(&mut self, reject: &Reject) {
        if self.status.is_none() {
            self.status = Some(reject.status());
        }
    }

    fn spoke(&mut self, status: StatusCode) {
        self.status.get_or_insert(status);
        self.first_byte.get_or_insert_with(|| self.since.elapsed());
    }

    /// What the client was sent.
    pub(super) fn sent(&self) -> Sent {
        Sent { status: self.status, first_byte: self.first_byte, elapsed: self.since.elapsed() }
    }
}
