//! What can be made to go wrong, for whom and how often.

mod board;
mod hold;
mod preset;
mod socket;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::wishes::Manner;

pub(super) use board::{Board, Route};
pub use hold::Hold;
pub use preset::Preset;
pub(super) use preset::{Canned, usage_limit};
pub use socket::{SocketAct, SocketFault};

/// The accounts a fault applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Every account.
    All,
    /// The account with this index.
    Account(usize),
}

/// Names an injected fault, see [`Simulator::inject`](super::Simulator::inject).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub(super) u64);

impl FaultId {
    /// The number that the control endpoint shows.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A fault and its scope.
#[derive(Debug, Clone)]
pub struct FaultSpec {
    /// For which accounts.
    pub who: Who,
    /// What goes wrong.
    pub fault: Fault,
    /// How many requests it lets pass before the first that it hits.
    pub after: u32,
    /// How many requests it hits; `None` means all until it is cleared.
    pub times: Option<u32>,
    /// Prefix of the paths it hits. `None` means exactly `/backend-api/codex/responses`; the oauth faults always hit
    /// `/oauth/token` and the stream faults never anything but responses.
    pub path: Option<String>,
}

impl FaultSpec {
    /// `fault` for `who` on its own path until cleared.
    pub fn new(who: Who, fault: Fault) -> FaultSpec {
        FaultSpec { who, fault, after: 0, times: None, path: None }
    }

    /// Limits the fault to the next `n` requests it applies to.
    #[must_use]
    pub fn times(mut self, n: u32) -> FaultSpec {
        self.times = Some(n);
        self
    }

    /// Lets the next `n` requests it would hit pass.
    #[must_use]
    pub fn after(mut self, n: u32) -> FaultSpec {
        self.after = n;
        self
    }

    /// Moves the fault to all paths that begin with `prefix`.
    #[must_use]
    pub fn on(mut self, prefix: &str) -> FaultSpec {
        self.path = Some(prefix.to_owned());
        self
    }
}

/// Body of [`Fault::Status`].
#[derive(Debug, Clone)]
pub enum FaultBody {
    /// Sent as `application/json`.
    Json(Value),
    /// Sent as `text/plain` unless the headers say otherwise.
    Text(String),
}

/// The event that ends a stream in [`Fault::TerminalInStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalKind {
    /// `response.failed` with the code in `response.error`.
    Failed,
    /// An `error` event.
    Error,
    /// `response.incomplete` with the code as reason.
    Incomplete,
}

/// One step of [`Fault::Script`]. `Status` and `Header` count wherever they stand.
#[derive(Debug, Clone)]
pub enum ScriptStep {
    /// The status, 200 unless given.
    Status(u16),
    /// A response header; `content-type: text/event-stream` unless a script gives one.
    Header(String, String),
    /// These bytes as one body chunk.
    Send(Bytes),
    /// Silence; what was sent before is flushed.
    Wait(Duration),
    /// Silence until the client leaves.
    Hang,
    /// Ends the body properly; so does the end of the script.
    Close,
    /// Closes the connection without the final chunk.
    Cut,
    /// Resets the connection.
    Reset,
}

/// Something that goes wrong. Counts of events start with `response.created`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// This status instead of an answer.
    Status {
        /// HTTP status.
        status: u16,
        /// Body, if any.
        body: FaultBody,
        /// Further headers; invalid ones are left out.
        headers: BTreeMap<String, String>,
    },
    /// One of the answers known from the real backend.
    Preset(Preset),
    /// 429 `usage_limit_reached`, the reset this far away.
    UsageLimit {
        /// Time until the reset, in whole seconds.
        resets_in: Duration,
    },
    /// An HTML page with status 200.
    Html,
    /// Status 200 of a stream and no body.
    EmptyBody,
    /// Status 200, `application/json`, and a body that is not JSON.
    InvalidJson200,
    /// Exact bytes, see [`ScriptStep`].
    Script(Vec<ScriptStep>),
    /// The connection ends without an answer.
    HangUp {
        /// Reset instead of an orderly close.
        reset: bool,
    },
    /// The head of the answer comes this late.
    SlowFirstByte(Duration),
    /// The answer to a turn begins once the fault is cleared.
    Hold(Hold),
    /// Head at once, then silence for this long, then the stream.
    SilentAfterHeaders(Duration),
    /// Silence inside the stream.
    Stall {
        /// Events before it.
        after_events: usize,
        /// Length of the silence.
        pause: Duration,
    },
    /// Connection closed without the final chunk.
    Cut {
        /// Events before it.
        after_events: usize,
    },
    /// Connection reset.
    Reset {
        /// Events before it.
        after_events: usize,
    },
    /// The stream ends with a refusal; an overload that comes inside a 200 has 2 events before it.
    TerminalInStream {
        /// The event.
        kind: TerminalKind,
        /// Its code (for `Incomplete` the reason).
        code: String,
        /// Its message.
        message: String,
        /// Events before it; the proper terminal is never sent.
        after_events: usize,
    },
    /// The stream ends properly without a terminal event.
    NoTerminal,
    /// A block whose data is not JSON follows the first event.
    GarbageBlock,
    /// `response.completed` has an empty `output`.
    NoOutputInCompleted,
    /// `response.completed` has `usage: null`.
    MissingUsage,
    /// `usage` lacks `total_tokens`.
    UsageWithoutTotal,
    /// `response.completed` says `end_turn: false`.
    EndTurnFalse,
    /// The header `openai-model` names another model.
    OpenAiModelMismatch,
    /// The terminal is the legacy `response.done`.
    DoneInsteadOfCompleted,
    /// A `codex.rate_limits` event comes first.
    RateLimitsEvent,
    /// Further response headers, replacing those of the same name; invalid ones are left out.
    ExtraHeaders(BTreeMap<String, String>),
    /// Every body byte is a chunk and a write of its own.
    OneByteChunks,
    /// Lines end in CR LF.
    CrLf,
    /// This pause between events.
    Pace(Duration),
    /// The text comes in exactly this many deltas, as far as it has characters; plain text is made as long as that needs.
    Events(usize),
    /// The answer is of this kind, as far as the tools of the request allow it.
    Answer(Manner),
    /// The hosted image tool fails; the response is completed all the same.
    ImageFailed {
        /// `type` of the error: `invalid_request_error` or `server_error`.
        kind: String,
        /// Its code.
        code: String,
        /// Its message.
        message: String,
    },
    /// `encrypted_content` in the input is refused by the account that gave it, too. Hits only requests that carry some.
    EncryptedContentExpired,
    /// A file is not ready for this many questions about it, 1 without the fault.
    FileRetries(u32),
    /// A file that is asked about has this status.
    FileStatus {
        /// Such as `error`; `success` without a `download_url` is one of them.
        status: String,
        /// Its `error_message`.
        message: Option<String>,
    },
    /// Refresh is refused with this code; the token stays usable.
    RefreshFails {
        /// Such as `refresh_token_expired`, `invalid_grant`.
        code: String,
    },
    /// Refresh answers 500; the token stays usable.
    Refresh500,
    /// The refresh token is used up, then the connection ends without an answer.
    RefreshCut,
    /// The fault hits the handshake of websockets instead of requests; one that replaces or delays an answer.
    Handshake(Box<Fault>),
    /// Something at a place in a turn on a websocket.
    Socket(SocketFault),
    /// A ping of the client on a websocket gets no pong.
    IgnorePing,
}

/// The part of the simulator that a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Replaces or delays an answer on any path.
    Head,
    /// Shapes a responses stream.
    Stream,
    /// Belongs to content that is sent back.
    Replay,
    /// Belongs to the end of an upload.
    File,
    /// Belongs to token refresh.
    Refresh,
    /// Hits the handshake of a websocket.
    Handshake,
    /// Hits a turn on a websocket.
    Socket,
    /// Hits a ping on a websocket.
    Ping,
}

impl Fault {
    /// Overload inside a 200 stream, after `response.created` and `response.in_progress`.
    pub fn overloaded_in_stream() -> Fault {
        Fault::TerminalInStream {
            kind: TerminalKind::Failed,
            code: "server_is_overloaded".to_owned(),
            message: "Our servers are currently overloaded. Please try again later.".to_owned(),
            after_events: 2,
        }
    }

    /// `body` byte for byte as an event stream with status 200.
    pub fn sse(body: impl Into<Bytes>) -> Fault {
        Fault::Script(vec![ScriptStep::Send(body.into())])
    }

    /// What a handshake meets.
    pub(super) fn inner(self) -> Fault {
        if let Fault::Handshake(inner) = self { *inner } else { self }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Fault::Status { .. }
            | Fault::Preset(_)
            | Fault::UsageLimit { .. }
            | Fault::Html
            | Fault::EmptyBody
            | Fault::InvalidJson200
            | Fault::Script(_)
            | Fault::HangUp { .. }
            | Fault::SlowFirstByte(_)
            | Fault::ExtraHeaders(_) => Class::Head,
            Fault::EncryptedContentExpired => Class::Replay,
            Fault::FileRetries(_) | Fault::FileStatus { .. } => Class::File,
            Fault::RefreshFails { .. } | Fault::Refresh500 | Fault::RefreshCut => Class::Refresh,
            Fault::Handshake(_) => Class::Handshake,
            Fault::Socket(_) => Class::Socket,
            Fault::IgnorePing => Class::Ping,
            Fault::Hold(_)
            | Fault::SilentAfterHeaders(_)
            | Fault::Stall { .. }
            | Fault::Cut { .. }
            | Fault::Reset { .. }
            | Fault::TerminalInStream { .. }
            | Fault::NoTerminal
            | Fault::GarbageBlock
            | Fault::NoOutputInCompleted
            | Fault::MissingUsage
            | Fault::UsageWithoutTotal
            | Fault::EndTurnFalse
            | Fault::OpenAiModelMismatch
            | Fault::DoneInsteadOfCompleted
            | Fault::RateLimitsEvent
            | Fault::OneByteChunks
            | Fault::CrLf
            | Fault::Pace(_)
            | Fault::Events(_)
            | Fault::Answer(_)
            | Fault::ImageFailed { .. } => Class::Stream,
        }
    }
}
