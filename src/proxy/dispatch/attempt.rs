//! One try at one account: call it, judge the head, and hold its frames back until they are worth committing to.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use pooler_filter::codex::{EventKind, Failure, Verdict, bare_response, sentence};
use pooler_filter::json::{Json, Kind};
use pooler_filter::sse::Limits as BlockLimits;
use pooler_filter::{AttemptResult, Cut, Expects, Frame, Reject, RejectKind, Timestamp};
use tokio::time::{Instant, timeout};

use super::hold::{Hold, Step};
use super::{Ask, Want};
use crate::client::{Call, Connection, Endpoint, NetError};
use crate::pool::Account;
use crate::proxy::Gateway;
use crate::proxy::frames::{Blocks, response_too_large};

/// Most of an error body that is read to judge it.
const ERROR_BODY: usize = 64 * 1024;
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
    },
    /// One JSON text.
    Json(Bytes),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events { held, rest } => write!(f, "Events({} held, rest: {})", held.len(), rest.is_some()),
            Self::Json(body) => write!(f, "Json({} bytes)", body.len()),
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
    /// What the client sees if this is the end, when it does not follow from the failure.
    pub(crate) reject: Option<Reject>,
    /// For the log.
    pub(crate) why: Option<String>,
}

impl Lost {
    pub(crate) fn failed(failure: Failure) -> Self {
        let verdict = failure.verdict();
        let result = if verdict == Verdict::Refresh { AttemptResult::Unauthorized } else { AttemptResult::Refused };
        Self { result, verdict, failure: Some(failure), reject: None, why: None }
    }

    /// The account cannot read an item with `encrypted_content`.
    pub(super) fn refuses_encrypted(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.refuses_encrypted)
    }

    /// The account has no token that may be tried.
    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        let why = Some(why.into());
        Self { result: AttemptResult::Unauthorized, verdict: Verdict::NextCandidate, failure: None, reject: None, why }
    }

    pub(crate) fn broken(result: AttemptResult, code: &'static str, why: String) -> Self {
        let reject = Reject::new(RejectKind::BadGateway, code, sentence(code, Default::default()));
        Self { result, verdict: Verdict::NextCandidate, failure: None, reject: Some(reject), why: Some(why) }
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

    pub(crate) fn too_large() -> Self {
        let reject = Some(response_too_large());
        Self { result: AttemptResult::Invalid, verdict: Verdict::Final, failure: None, reject, why: None }
    }
}

/// One try.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) want: Want,
    pub(super) expects: Expects,
    pub(super) blocks: BlockLimits,
}

impl Ask for Tried<'_> {
    type Answer = Answer;

    async fn ask(&mut self, account: &Account, call: Call) -> Result<Answer, Lost> {
        self.run(&account.endpoint, &call).await
    }
}

impl Tried<'_> {
    async fn run(&self, endpoint: &Endpoint, call: &Call) -> Result<Answer, Lost> {
        let (connection, status) = self.call(endpoint, call).await.map_err(|e| Lost::net(&e))?;
        if status != StatusCode::OK {
            return Err(self.refused(connection, status).await);
        }
        let kind = connection.header(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
        if kind.starts_with("text/event-stream") && self.expects == Expects::Response {
            return self.hold(connection).await;
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

    pub(crate) async fn refused(&self, mut connection: Connection, status: StatusCode) -> Lost {
        let wait = connection.header(header::RETRY_AFTER.as_str()).and_then(|v| v.trim().parse().ok());
        let body = match timeout(ERROR_BODY_TIME, connection.read_all(ERROR_BODY)).await {
            Ok(Ok(body)) => {
                connection.release().await;
                body
            }
            Ok(Err(_)) | Err(_) => {
                connection.close().await;
                Bytes::new()
            }
        };
        if !status.is_client_error() && !status.is_server_error() {
            return Lost::invalid(format!("status {}", status.as_u16()));
        }
        Lost::failed(Failure::of_answer(status, &body, wait.map(Duration::from_secs), self.gateway.clock.now()))
    }

    async fn whole(&self, mut connection: Connection) -> Result<Answer, Lost> {
        match connection.read_all(self.gateway.settings.upstream.max_response).await {
            Ok(body) => {
                connection.release().await;
                match self.fault_in(&body) {
                    Some(lost) => Err(lost),
                    None => Ok(Answer::Json(body)),
                }
            }
            Err(NetError::TooLarge(_)) => Err(Lost::too_large()),
            Err(error) => Err(Lost::net(&error)),
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
    async fn hold(&self, mut connection: Connection) -> Result<Answer, Lost> {
        let mut blocks = Blocks::new(self.blocks);
        let mut hold = Hold::new(self.want, &self.gateway.settings);
        let mut idle = connection.next_deadline();
        loop {
            while let Some(frame) = blocks.next().map_err(|_| Lost::cut(Cut::TooLarge))? {
                match hold.take(frame, self.gateway.clock.now()) {
                    Step::Hold => {}
                    Step::Commit => return Ok(hold.answer(Source { connection, blocks })),
                    Step::End => return Ok(hold.whole(Source { connection, blocks })),
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
