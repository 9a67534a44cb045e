//! What the backend does on a websocket in the course of one turn, one act after the other.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::super::faults::{SocketAct, SocketFault};
use super::super::reply::Step;

/// The most that a reason in a close frame may have.
const REASON: usize = 123;

/// One act.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// An event of the turn.
    Event(Bytes),
    /// The same in frames of one byte.
    Shredded(Bytes),
    /// Any other text message; as invalid as the bytes are.
    Text(Bytes),
    Binary(Bytes),
    Ping,
    Wait(Duration),
    Hang,
    /// The connection ends without a close frame.
    Cut,
    Reset,
    Close(Option<CloseFrame>),
}

impl Act {
    fn is_event(&self) -> bool {
        matches!(self, Act::Event(_) | Act::Shredded(_))
    }

    /// Its frames, if it is a message.
    pub(super) fn messages(self) -> Vec<Message> {
        let text = |bytes, opcode, last| Message::Frame(Frame::message(bytes, OpCode::Data(opcode), last));
        match self {
            Act::Event(bytes) | Act::Text(bytes) => vec![text(bytes, Data::Text, true)],
            Act::Binary(bytes) => vec![Message::Binary(bytes)],
            Act::Ping => vec![Message::Ping(Bytes::from_static(b"simulator"))],
            Act::Shredded(bytes) => (0..bytes.len())
                .map(|at| {
                    let opcode = if at == 0 { Data::Text } else { Data::Continue };
                    text(bytes.slice(at..=at), opcode, at + 1 == bytes.len())
                })
                .collect(),
            Act::Wait(_) | Act::Hang | Act::Cut | Act::Reset | Act::Close(_) => Vec::new(),
        }
    }
}

/// The steps of a stream that sends one event at a time, as acts.
pub(super) fn of(steps: VecDeque<Step>, shred: bool) -> VecDeque<Act> {
    let act = |step| match step {
        Step::Send(bytes) if shred => Act::Shredded(bytes),
        Step::Send(bytes) => Act::Event(bytes),
        // Every message is flushed.
        Step::Flush => Act::Wait(Duration::ZERO),
        Step::Wait(pause) => Act::Wait(pause),
        Step::Hang => Act::Hang,
        Step::Cut => Act::Cut,
        Step::Reset => Act::Reset,
    };
    steps.into_iter().map(act).collect()
}

/// A close frame.
pub(super) fn close(code: u16, reason: &str) -> CloseFrame {
    let end = (0..=REASON.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    CloseFrame { code: CloseCode::from(code), reason: reason[..end].into() }
}

/// Puts the acts of the faults in their places; answers whether the turn still ends as it would have.
pub(super) fn bend(acts: &mut VecDeque<Act>, faults: &[SocketFault], limit: &str) -> bool {
    let mut whole = true;
    for fault in faults {
        let events = acts.iter().enumerate().filter(|(_, act)| act.is_event());
        let at = events.map(|(at, _)| at).nth(fault.after_events).unwrap_or(acts.len());
        let limit = || Act::Text(Bytes::from(limit.to_owned()));
        let (new, ends) = match &fault.act {
            SocketAct::Close { code, reason } => (vec![Act::Close(code.map(|code| close(code, reason)))], true),
            SocketAct::Message { text, ends_turn } => (vec![Act::Text(Bytes::from(text.clone()))], *ends_turn),
            SocketAct::Binary => (vec![Act::Binary(Bytes::from_static(&[0, 159, 146, 150]))], false),
            SocketAct::Ping => (vec![Act::Ping], false),
            SocketAct::ConnectionLimit => (vec![limit(), Act::Close(Some(close(1000, "")))], true),
        };
        let tail = acts.split_off(at);
        acts.extend(new);
        if ends {
            whole = false;
        } else {
            acts.extend(tail);
        }
    }
    whole
}

/// Puts the events of the control plane before the first event; a turn without events has none of them.
pub(super) fn introduce(acts: &mut VecDeque<Act>, events: Vec<String>) {
    if let Some(at) = acts.iter().position(Act::is_event) {
        for (offset, event) in events.into_iter().enumerate() {
            acts.insert(at + offset, Act::Text(Bytes::from(event)));
        }
    }
}
