//! The ledger: what happened to each request, as events and as the one row they fold into.

use pooler_filter::{AccountId, KeyId, PoolId, RequestId, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that happened to a request. Each kind has its effect once per request, however often it is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEvent {
    /// It was let in, with an estimate.
    Reserved(Box<Reserved>),
    /// It ended, with the truth.
    Settled(Box<Settled>),
    /// Its process died before it could settle.
    Lost(Lost),
}

impl LedgerEvent {
    /// The request it is about.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        match self {
            Self::Reserved(event) => event.request_id,
            Self::Settled(event) => event.request_id,
            Self::Lost(event) => event.request_id,
        }
    }
}

/// What a request is: known once it is admitted, and for a refused one as far as it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Pool of the key; none when nobody was recognised.
    pub pool: Option<PoolId>,
    /// The key; none when nobody was recognised.
    pub key: Option<KeyId>,
    /// Name of the route, such as `POST /v1/responses`.
    pub route: String,
    /// How it is answered: `http_json`, `http_sse` or `websocket`.
    pub transport: String,
    /// The model that was asked for, when the request got that far.
    pub model: Option<String>,
    /// Whether the answer was asked for as a stream.
    pub stream: bool,
}

/// A request was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The request.
    pub request_id: RequestId,
    /// What it is.
    pub subject: Subject,
    /// The account it was let in for, where that is known so early.
    pub account: Option<AccountId>,
    /// Estimate of the input, in tokens.
    pub estimated_input_tokens: u64,
    /// Estimate of the output, in tokens.
    pub estimated_output_tokens: u64,
    /// Reasoning effort that was asked for.
    pub reasoning_effort: Option<String>,
    /// Service tier that was asked for.
    pub service_tier: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The request.
    pub request_id: RequestId,
    /// What it was, for a request that was never reserved; a reservation's own subject wins over it.
    pub subject: Option<Subject>,
    /// HTTP status the client got; for an answer that failed after its head, the status that was sent.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
    /// The account that served it.
    pub account: Option<AccountId>,
    /// That account's label at the time.
    pub account_label: Option<String>,
    /// Every account that was tried, in order.
    pub attempts: Vec<AttemptRecord>,
    /// The model that served it, as the upstream names it.
    pub served_model: Option<String>,
    /// The service tier that served it.
    pub served_tier: Option<String>,
    /// Code of the error the client got.
    pub error_code: Option<String>,
    /// Milliseconds until the first byte went to the client.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds until the end.
    pub duration_ms: u64,
    /// When.
    pub at: Timestamp,
}

/// A reservation whose process died. Reports charge the estimate and mark it; it is never silently zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The request.
    pub request_id: RequestId,
    /// When that was found out.
    pub at: Timestamp,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The client got the whole answer.
    Succeeded,
    /// The client got an error, or a cut answer.
    Failed,
    /// It was refused before any account was asked.
    Rejected,
    /// The client left first.
    Cancelled,
}

impl Outcome {
    /// The outcome as reports show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome this text names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Succeeded, Self::Failed, Self::Rejected, Self::Cancelled].into_iter().find(|o| o.as_str() == text)
    }
}

/// Tokens of a request as the upstream reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Reported, and consistent.
    Known {
        /// Input tokens, cached ones included.
        input: u64,
        /// Of the input: read from the cache.
        cached: u64,
        /// Of the input: written to the cache.
        cache_write: u64,
        /// Output tokens, reasoning included.
        output: u64,
        /// Of the output: reasoning.
        reasoning: u64,
        /// Input and output.
        total: u64,
    },
    /// Not reported, or not consistent: neither zero nor a guess.
    Unknown,
}

/// One account that was tried for a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Counts from 1.
    pub n: u32,
    /// The account.
    pub account: AccountId,
    /// Its label at the time.
    pub account_label: String,
    /// What came of it, as a short code.
    pub result: String,
    /// HTTP status the upstream gave, when it got that far.
    pub upstream_status: Option<u16>,
    /// Code of the upstream's or the network's error.
    pub error_code: Option<String>,
    /// Milliseconds it took.
    pub latency_ms: u64,
}

/// Where a request stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Reserved, and not yet ended.
    Open,
    /// Ended.
    Settled,
    /// Its process died.
    Lost,
}

impl RequestState {
    /// The state as reports show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::Lost => "lost",
        }
    }
}

/// The row of one request: its events, each at most once. The row is all there is, so nothing has to be rebuilt from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The request.
    pub request_id: RequestId,
    /// The reservation, when there was one.
    pub reserved: Option<Reserved>,
    /// The settlement. A row has this or `lost`, never both.
    pub settled: Option<Settled>,
    /// Set when the process died first.
    pub lost: Option<Lost>,
}

impl RequestRecord {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> RequestState {
        if self.settled.is_some() {
            RequestState::Settled
        } else if self.lost.is_some() {
            RequestState::Lost
        } else {
            RequestState::Open
        }
    }

    /// What it was; none for a row that nobody described.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.reserved.as_ref().map(|r| &r.subject).or_else(|| self.settled.as_ref().and_then(|s| s.subject.as_ref()))
    }

    /// The account that served it, or else the one it was let in for.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        let settled = self.settled.as_ref().and_then(|s| s.account);
        settled.or_else(|| self.reserved.as_ref().and_then(|r| r.account))
    }

    /// When it began, as far as the ledger knows.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        let ended = self.settled.as_ref().map(|s| s.at).or_else(|| self.lost.map(|l| l.at));
        self.reserved.as_ref().map(|r| r.at).or(ended).unwrap_or_default()
    }
}
