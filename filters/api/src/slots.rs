//! The facts that the host and the built-in filters exchange: each written once, by the one that its line names.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::form::Chunks;
use crate::{AccountId, Code, Durable, KeyFacts, Slot, TokenUsage};

/// Which family of clients a route serves; decides the form of errors and the checks before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `/v1`: the OpenAI-compatible surface.
    V1,
    /// `/backend-api` and friends: the surface of Codex CLI.
    Native,
    /// Neither: nothing but an error is served there.
    Other,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `POST /v1/responses`: translated and sent upstream.
    Responses,
    /// `POST /v1/responses/compact`: translated and sent upstream; never tried on another account.
    Compact,
    /// `POST /v1/chat/completions`: translated and sent upstream.
    Chat,
    /// `POST /v1/images/generations`: becomes a response with the image tool.
    GenerateImage,
    /// `POST /v1/images/edits`: the same, with images given.
    EditImage,
    /// `POST /v1/audio/transcriptions`: a form, sent on as a smaller form.
    Transcribe,
    /// `POST /v1/files`: the file is made upstream, uploaded and finished.
    CreateFile,
    /// `POST /backend-api/files/:id/uploaded`: the file that a native client has uploaded is finished.
    FinishFile,
    /// `GET /v1/files`.
    ListFiles,
    /// `GET /v1/files/:id`.
    GetFile,
    /// `GET /v1/files/:id/content`: refused after the owner was checked.
    FileContent,
    /// `DELETE /v1/files/:id`: refused after the owner was checked.
    DeleteFile,
    /// `GET /v1/models`.
    ListModels,
    /// `GET /v1/models/:id`.
    GetModel,
    /// `GET /v1/usage`.
    Usage,
    /// Known, but answered with `unsupported_endpoint`.
    Unsupported,
}

/// The route of the request. Written by the host before the chain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Method and path template; bounded, so fit for a label.
    pub name: &'static str,
    /// What it does.
    pub operation: Operation,
    /// Whom it serves.
    pub surface: Surface,
    /// Needs the pool's permission for image generation.
    pub images: bool,
}

impl Route {
    /// Whether its clients speak to it as Codex CLI does: bodies pass as they are, and errors have the form that it acts on. The one chat
    /// route of the native surface is that of `/v1` under another name (docs/decisions.md, S17).
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.surface == Surface::Native && self.operation != Operation::Chat
    }
}

impl Slot for Route {
    const NAME: &'static str = "route";
}

/// The request is a turn on a websocket: it has the head of the handshake, and its body came as a message. Written by the host before the chain
/// runs; an HTTP request has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The response that it continues was given on this very socket, whose upstream still has it. False when it names none.
    pub continues: bool,
}

impl Slot for Turn {
    const NAME: &'static str = "turn";
}

/// Who the key stands for. Written by `auth`.
#[derive(Debug, Clone)]
pub struct Principal(pub Arc<KeyFacts>);

impl Slot for Principal {
    const NAME: &'static str = "principal";
}

/// The principal may use this route. Written by `route_gate`.
#[derive(Debug, Clone, Copy)]
pub struct Permit;

impl Slot for Permit {
    const NAME: &'static str = "permit";
}

/// What the request asks for, parsed once. Written by `codex_rewrite`.
#[derive(Debug, Clone, Default)]
pub struct Intent {
    /// The model that the client named.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// The client's cache key: an affinity seed.
    pub prompt_cache_key: Option<String>,
    /// Reasoning effort as sent upstream.
    pub effort: Option<String>,
    /// Service tier as sent upstream.
    pub service_tier: Option<String>,
    /// Estimate of the input, in tokens.
    pub estimated_input_tokens: u64,
    /// Upper estimate of the output, in tokens.
    pub estimated_output_tokens: u64,
    /// Whether the input refers to an uploaded file.
    pub input_file: bool,
    /// Context window of the model, in tokens.
    pub context_window: Option<u64>,
    /// Only the first candidate is tried: a failure is final, except for one refresh of its token (docs/decisions.md, S7).
    pub one_account: bool,
    /// The accounts that have the model; none: every account of the pool.
    pub sources: Option<Arc<[AccountId]>>,
    /// Ids of the uploaded files that the input names: they bind the request to the account that has them.
    pub files: Vec<String>,
    /// The response that the request continues: it binds the request to the account that gave it.
    pub previous_response_id: Option<String>,
    /// Items of the input that only the account that issued them can read, in their order (docs/decisions.md, T19).
    pub replayed: Vec<Replayed>,
    /// The turn state that a message of a websocket brings back, where a request has a header for it.
    pub turn_state: Option<TurnState>,
}

/// A turn state in `client_metadata`. `Debug` tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnState {
    /// The state.
    pub value: String,
    /// Where its member stands in the value of `client_metadata`, in bytes, with one of the commas around it: an account that did not give the
    /// state gets the request without it.
    pub place: Range<usize>,
}

impl fmt::Debug for TurnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TurnState({:?})", self.place)
    }
}

/// An item with `encrypted_content` that the client sends back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// SHA-256 of the decoded `encrypted_content`.
    pub digest: [u8; 32],
    /// Where the item stands in the value of `input` as it goes upstream, in bytes, without the commas around it. None: the item must not be
    /// left out, as without it the conversation would lose its beginning.
    pub place: Option<Range<usize>>,
}

impl Slot for Intent {
    const NAME: &'static str = "intent";
}

/// The file that the client uploads. Written by `codex_rewrite`; the host takes it to where the upstream wants it. `Debug` tells its size
/// alone.
#[derive(Clone, Default)]
pub struct Upload {
    /// The last segment of the client's name for it, at most 255 characters; never empty.
    pub filename: String,
    /// Media type: a valid header value.
    pub content_type: String,
    /// What it is for, one of the purposes of docs/v1.md, Files.
    pub purpose: &'static str,
    /// The bytes.
    pub data: Chunks,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("bytes", &self.data.len()).finish_non_exhaustive()
    }
}

impl Slot for Upload {
    const NAME: &'static str = "upload";
}

/// Why a candidate stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It served this session before.
    Session,
    /// It issued the reasoning that the request brings back.
    Issuer,
    /// It gave the turn state, or the response, that a header of the request brings back.
    Turn,
    /// No other account can serve the request: it has the file, or gave the response that is continued.
    Pinned,
    /// It is first by the client's cache key.
    PromptCache,
    /// By rendezvous hashing of the request.
    Rendezvous,
    /// Failed lately for this key and model, so it stands last.
    Demoted,
}

impl Reason {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Issuer => "issuer",
            Self::Turn => "turn",
            Self::Pinned => "pinned",
            Self::PromptCache => "prompt_cache",
            Self::Rendezvous => "rendezvous",
            Self::Demoted => "demoted",
        }
    }
}

/// One account that could serve the request.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The account.
    pub account: AccountId,
    /// Its name for people.
    pub label: Arc<str>,
    /// Why it stands where it stands.
    pub reason: Reason,
}

/// The candidates, best first; at least one. Written by `pool_select`, walked by dispatch alone.
#[derive(Debug, Clone)]
pub struct Plan(pub Vec<Candidate>);

impl Slot for Plan {
    const NAME: &'static str = "plan";
}

/// For each of [`Intent::replayed`], the account that issued it, if that is known. Written by `pool_select`; without it nobody is known, and
/// dispatch leaves the items out.
#[derive(Debug, Clone)]
pub struct Issuers(pub Vec<Option<AccountId>>);

impl Slot for Issuers {
    const NAME: &'static str = "issuers";
}

/// The account that gave the turn state which the request brings back, if that is known: no other account gets to see it. Written by
/// `pool_select`.
#[derive(Debug, Clone, Copy)]
pub struct TurnOwner(pub Option<AccountId>);

impl Slot for TurnOwner {
    const NAME: &'static str = "turn_owner";
}

/// The request is counted; its first byte to the client waits until that is durable. Written by `accounting`.
pub struct Reservation(pub Arc<dyn Durable>);

impl Slot for Reservation {
    const NAME: &'static str = "reservation";
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation(durable: {})", self.0.is_done())
    }
}

/// The account whose answer the client gets. Written by the host when it commits to an attempt.
#[derive(Debug, Clone)]
pub struct Served {
    /// The account.
    pub account: AccountId,
    /// Its name for people.
    pub label: Arc<str>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

impl Slot for Served {
    const NAME: &'static str = "served";
}

/// The headers of the upstream's answer, for routes that relay some of them: a filter copies those that it knows to be harmless, and never all
/// of them. Written by the host when it commits to an attempt. `Debug` tells no values.
#[derive(Clone)]
pub struct UpstreamHeaders(pub HeaderMap);

impl Slot for UpstreamHeaders {
    const NAME: &'static str = "upstream_headers";
}

impl fmt::Debug for UpstreamHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamHeaders({})", self.0.len())
    }
}

/// What the upstream says that it took. Written by `accounting` when the terminal event passes.
#[derive(Debug, Clone)]
pub struct Usage {
    /// The tokens.
    pub tokens: TokenUsage,
    /// The model that the upstream names.
    pub served_model: Option<String>,
    /// The service tier that the upstream names.
    pub service_tier: Option<String>,
}

impl Slot for Usage {
    const NAME: &'static str = "usage";
}

/// How one try at an account went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptResult {
    /// Its answer went to the client, whole.
    Served,
    /// The answer went to the client and broke off or failed there.
    FailedAfterCommit,
    /// Refused, before anything went to the client.
    Refused,
    /// The token was refused.
    Unauthorized,
    /// No connection, or it broke before an answer.
    Network,
    /// Nothing came in time.
    TimedOut,
    /// The answer broke off before anything went to the client.
    Cut,
    /// The answer was unusable.
    Invalid,
    /// The client left meanwhile.
    Cancelled,
}

impl AttemptResult {
    /// Whether the client got bytes of this attempt's answer.
    #[must_use]
    pub const fn reached_client(self) -> bool {
        matches!(self, Self::Served | Self::FailedAfterCommit)
    }

    /// The word for logs, metrics and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::FailedAfterCommit => "failed_after_commit",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Network => "network",
            Self::TimedOut => "timed_out",
            Self::Cut => "cut",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One try at an account, for the ledger and the log.
#[derive(Debug, Clone)]
pub struct AttemptReport {
    /// Number, from 1.
    pub number: u32,
    /// The account.
    pub account: AccountId,
    /// Its name for people.
    pub label: Arc<str>,
    /// How it went.
    pub result: AttemptResult,
    /// Status that the upstream answered with, if it did.
    pub upstream_status: Option<StatusCode>,
    /// Code of the failure.
    pub code: Option<Code>,
    /// From the start of the attempt to its result.
    pub latency: Duration,
}
