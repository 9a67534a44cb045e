//! One try at one account: call it, judge the head, and hold its frames back until they are worth committing to.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use pooler_filter::codex::{EventKind, Failure, Verdict, bare_response, sentence};
use pooler_filter::json::{Json, Kind};
use pooler_filter::sse::Limits as BlockLimits;
use pooler_filter::{AttemptResult, Cut, Expects, Frame, Reject, RejectKind, Timestamp, Verbatim};
use tokio::time::{Instant, timeout};

use super::hold::{Hold, Step};
use super::{Ask, Want};
use crate::client::{Call, Connection, Endpoint, NetError};
use crate::pool::Account;
use crate::proxy::Gateway;
use crate::proxy::budget::Room;
use crate::proxy::frames::{Blocks, response_too_large};

/// Most of an error body that is read to judge it.
const ERROR_BODY: usize = 64 * 1024;
/// What is collected of an answer before it takes memory that is counted: most answers are small.
const COLLECTED: usize = 64 * 1024;
/// How long that may take: the next account should not wait for words about the failure of this one.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);
/// Most stale connections of the pool that are tried before a break counts as one of the upstream.
const STALE: usize = 4;

/// Where the rest of an answer comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) connection: Connection,
    pub(crate) blocks: Blocks,
}

/// An answer worth committing to. `Debug` tells sizes, never contents.
pub(crate) enum Answer {
    /// An event stream: what was held back, and where the rest comes from, unless it is all there.
    Events {
        /// Held back so far.
        held: Vec<Frame>,
        /// The rest; none when the last event was among those held.
        rest: Option<Box<Source>>,
        /// The memory of what was collected, until it is sent.
        room: Option<Room>,
    },
    /// One JSON text, and its memory until it is sent.
    Json(Bytes, Option<Room>),
}

impl Answer {
    fn within(self, within: Room) -> Self {
        match self {
            Self::Events { held, rest, .. } => Self::Events { held, rest, room: Some(within) },
            Self::Json(body, _) => Self::Json(body, Some(within)),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events { held, rest, .. } => write!(f, "Events({} held, rest: {})", held.len(), rest.is_some()),
            Self::Json(body, _) => write!(f, "Json({} bytes)", body.len()),
        }
    }
}

/// A try that did not lead to an answer.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) result: AttemptResult,
    pub(crate) verdict: Verdict,
    /// What the upstream said, if it said something.
    pub(crate) failure: Option<Failure>,
    /// The answer in which the upstream said it, for clients that get it as it came.
    pub(crate) told: Option<Verbatim>,
    /// What the client sees if this is the end, when it does not follow from the failure.
    pub(crate) reject: Option<Reject>,
    /// For the log.
    pub(crate) why: Option<String>,
}

impl Lost {
    pub(crate) fn failed(failure: Failure) -> Self {
        let verdict = failure.verdict();
        let result = if verdict == Verdict::Refresh { AttemptResult::Unauthorized } else { AttemptResult::Refused };
        Self { result, verdict, failure: Some(failure), told: None, reject: None, why: None }
    }

    /// The account cannot read an item with `encrypted_content`.
    pub(super) fn refuses_encrypted(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.refuses_encrypted)
    }

    /// The account has no token that may be tried.
    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        let why = Some(why.into());
        let (result, verdict) = (AttemptResult::Unauthorized, Verdict::NextCandidate);
        Self { result, verdict, failure: None, told: None, reject: None, why }
    }

    pub(crate) fn broken(result: AttemptResult, code: &'static str, why: String) -> Self {
        let reject = Reject::new(RejectKind::BadGateway, code, sentence(code, Default::default()));
        let (verdict, reject, why) = (Verdict::NextCandidate, Some(reject), Some(why));
        Self { result, verdict, failure: None, told: None, reject, why }
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::broken(AttemptResult::Invalid, "invalid_upstream_response", why.into())
    }

    pub(crate) fn net(error: &NetError) -> Self {
        let result = match error {
            NetError::TimedOut(_) => AttemptResult::TimedOut,
            NetError::Connect(..) | NetError::Stale | NetError::Broken(_) | NetError::TooLarge(_) => {
                AttemptResult::Network
            }
        };
        Self::broken(result, "upstream_request_failed", error.to_string())
    }

    pub(crate) fn cut(cut: Cut) -> Self {
        let result = if cut == Cut::Idle { AttemptResult::TimedOut } else { AttemptResult::Cut };
        Self::broken(result, "upstream_request_failed", format!("the answer broke off: {cut:?}"))
    }

    /// There is no memory for more of the answer. Another account would not change that.
    fn no_room(reject: Reject) -> Self {
        let (result, verdict) = (AttemptResult::Invalid, Verdict::Final);
        let why = Some("there was no memory for the whole answer".to_owned());
        Self { result, verdict, failure: None, told: None, reject: Some(reject), why }
    }

    pub(crate) fn too_large() -> Self {
        let reject = Some(response_too_large());
        let (result, verdict) = (AttemptResult::Invalid, Verdict::Final);
        Self { result, verdict, failure: None, told: None, reject, why: None }
    }
}

/// One try.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) want: Want,
    pub(super) native: bool,
    pub(super) expects: Expects,
    pub(super) blocks: BlockLimits,
}

impl Ask for Tried<'_> {
    type Answer = (Answer, HeaderMap);

    async fn ask(&mut self, account: &Account, call: Call) -> Result<Self::Answer, Lost> {
        self.run(account, &call).await
    }
}

impl Tried<'_> {
    /// The answer, and the headers that it came with.
    async fn run(&self, account: &Account, call: &Call) -> Result<(Answer, HeaderMap), Lost> {
        let endpoint = &account.endpoint;
        let (connection, status) = self.call(endpoint, call).await.map_err(|e| Lost::net(&e))?;
        let headers = connection.headers().cloned().unwrap_or_default();
        self.gateway.pool.quota().note(account.id, &headers, self.gateway.clock.now());
        if status != StatusCode::OK {
            return Err(self.refused(account, connection, status).await);
        }
        Ok((self.answer(account, connection).await?, headers))
    }

    async fn answer(&self, account: &Account, connection: Connection) -> Result<Answer, Lost> {
        let kind = connection.header(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        if kind.starts_with("text/event-stream") && self.expects == Expects::Response {
            return self.hold(account, connection).await;
        }
        if kind.split(';').next().is_some_and(|essence| essence.trim() == "application/json") {
            return self.whole(connection).await;
        }
        connection.close().await;
        Err(Lost::invalid(format!("not what was asked for: {:?}", self.expects)))
    }

    /// A pooled connection may have gone stale unseen: then nobody has answered the request, and another connection is tried.
    async fn call(&self, endpoint: &Endpoint, call: &Call) -> Result<(Connection, StatusCode), NetError> {
        let mut stale = 0;
        loop {
            let mut connection = self.gateway.client.connect(endpoint).await?;
            match connection.call(call).await {
                Ok(status) => return Ok((connection, status)),
                Err(NetError::Stale) if stale < STALE => stale += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn refused(&self, account: &Account, mut connection: Connection, status: StatusCode) -> Lost {
        if status.is_informational() {
            // Another protocol that nobody has asked for: it has no end.
            connection.close().await;
            return Lost::invalid(format!("status {}", status.as_u16()));
        }
        let wait = connection.header(header::RETRY_AFTER.as_str()).and_then(|v| v.trim().parse().ok());
        let content_type = connection.headers().and_then(|headers| headers.get(header::CONTENT_TYPE)).cloned();
        // A native client gets all of it, anybody else a sentence of ours.
        let most = if self.native { self.gateway.settings.upstream.max_response } else { ERROR_BODY };
        let body = match timeout(ERROR_BODY_TIME, connection.read_all(most)).await {
            Ok(Ok(body)) => {
                connection.release().await;
                Some(body)
            }
            Ok(Err(_)) | Err(_) => {
                connection.close().await;
                None
            }
        };
        if !status.is_client_error() && !status.is_server_error() {
            return Lost::invalid(format!("status {}", status.as_u16()));
        }
        let (wait, now) = (wait.map(Duration::from_secs), self.gateway.clock.now());
        let failure = Failure::of_answer(status, body.as_deref().unwrap_or_default(), wait, now);
        if let Some(body) = body.as_ref().filter(|_| status == StatusCode::TOO_MANY_REQUESTS) {
            self.gateway.pool.quota().note_refusal(account.id, body, now);
        }
        let told = body.filter(|_| self.native).map(|body| Verbatim { content_type, body });
        Lost { told, ..Lost::failed(failure) }
    }

    async fn whole(&self, mut connection: Connection) -> Result<Answer, Lost> {
        let mut room = self.gateway.budget.open();
        let body = self.collect(&mut connection, &mut room).await?;
        connection.release().await;
        match self.fault_in(&body) {
            Some(lost) => Err(lost),
            None => Ok(Answer::Json(body, Some(room))),
        }
    }

    /// Reads a whole body, with room for it as it comes.
    async fn collect(&self, connection: &mut Connection, room: &mut Room) -> Result<Bytes, Lost> {
        let (most, mut body) = (self.gateway.settings.upstream.max_response, BytesMut::new());
        loop {
            let deadline = connection.next_deadline();
            let chunk = connection.chunk(deadline).await.map_err(|error| Lost::net(&error))?;
            let Some(chunk) = chunk else { return Ok(body.freeze()) };
            let len = body.len() + chunk.len();
            if len > most {
                return Err(Lost::too_large());
            }
            room.grow_now(len.saturating_sub(COLLECTED)).map_err(Lost::no_room)?;
            body.extend_from_slice(&chunk);
        }
    }

    /// Why a JSON answer is worth nothing.
    fn fault_in(&self, body: &Bytes) -> Option<Lost> {
        let json = Json::parse(body.clone()).ok().filter(|json| json.root().kind() == Kind::Object);
        let Some(json) = json else { return Some(Lost::invalid("the body is not a JSON object")) };
        match self.expects {
            Expects::Json => None,
            Expects::Response => fault_in_response(&json, self.gateway.clock.now()),
        }
    }

    /// Reads events until they are worth committing to (docs/decisions.md, R2 and R3).
    async fn hold(&self, account: &Account, mut connection: Connection) -> Result<Answer, Lost> {
        let mut blocks = Blocks::new(self.blocks);
        let mut hold = Hold::new(self.want, &self.gateway.settings);
        let mut room = self.gateway.budget.open();
        let mut idle = connection.next_deadline();
        loop {
            while let Some(frame) = blocks.next().map_err(|_| Lost::cut(Cut::TooLarge))? {
                self.gateway.pool.hear(account.id, &frame);
                let step = hold.take(frame, self.gateway.clock.now());
                room.grow_now(hold.collected().saturating_sub(COLLECTED)).map_err(Lost::no_room)?;
                match step {
                    Step::Hold => {}
                    Step::Commit => return Ok(hold.answer(Source { connection, blocks })),
                    Step::End => return Ok(hold.whole(Source { connection, blocks }).within(room)),
                    // Nobody would answer better, and the stream is the upstream's own (docs/decisions.md, S6).
                    Step::Fail(failure) if self.native && failure.verdict() == Verdict::Final => {
                        return Ok(hold.whole(Source { connection, blocks }));
                    }
                    Step::Fail(failure) => {
                        connection.close().await;
                        return Err(Lost::failed(failure));
                    }
                    Step::TooLarge => return Err(Lost::too_large()),
                }
            }
            let wake = hold.deadline().map_or(idle, |deadline| deadline.min(idle));
            match connection.chunk(wake).await {
                Ok(Some(chunk)) => {
                    blocks.push(chunk);
                    idle = connection.next_deadline();
                }
                Ok(None) => return Err(hold.ended_early().map_or_else(|| Lost::cut(Cut::Closed), missing)),
                Err(NetError::TimedOut(_)) if Instant::now() < idle => {
                    return Ok(hold.answer(Source { connection, blocks }));
                }
                Err(NetError::TimedOut(_)) => return Err(Lost::cut(Cut::Idle)),
                Err(_) => return Err(Lost::cut(Cut::Closed)),
            }
        }
    }
}

/// A JSON answer is a bare response object, and stands for the event that would have ended a stream.
fn fault_in_response(json: &Json, now: Timestamp) -> Option<Lost> {
    let Some(event) = bare_response(json) else {
        let why = "the body is no response".to_owned();
        return Some(Lost::broken(AttemptResult::Invalid, "upstream_response_missing", why));
    };
    let kind = event.root().get("type").and_then(|kind| kind.as_str().map(|kind| EventKind::of(&kind)))?;
    Failure::in_event(kind, event.root(), now).map(Lost::failed)
}

fn missing(code: &'static str) -> Lost {
    Lost::broken(AttemptResult::Cut, code, "the stream ended without a response".to_owned())
}
