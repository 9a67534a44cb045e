//! How a turn asks an account: over the line that is there, or over a new one (docs/websocket.md, Upstream).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pooler_filter::codex::{Failure, Verdict};
use pooler_filter::form::Chunks;
use pooler_filter::{AttemptResult, Cut, Frame, Reject, RejectKind, Verbatim};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::client::config;
use super::counted::Counted;
use super::line::{Limits, Line, MODEL};
use crate::client::{Call, NetError};
use crate::pool::Account;
use crate::proxy::Gateway;
use crate::proxy::dispatch::{Ask, Hold, Lost, Step, Tried, Want};

const BETA: HeaderName = HeaderName::from_static("openai-beta");
/// What the upstream calls the protocol of its messages.
const PROTOCOL: HeaderValue = HeaderValue::from_static("responses_websockets=2026-02-06");
/// The upstream ends every websocket after a while; the next one goes on, but for what was given on this one.
const LIMIT_REACHED: &str = "websocket_connection_limit_reached";

/// The way of one turn.
#[derive(Debug)]
pub(super) struct OverLine<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) tried: Tried<'a>,
    /// Where the line stands; none when there is none.
    pub(super) line: &'a mut Option<Line>,
    /// The turn continues a response that was given on the line.
    pub(super) continues: bool,
    /// Its client gets what the upstream says about the request as it came.
    pub(super) native: bool,
    /// The events are not for the client: a compaction is made of them.
    pub(super) compacts: bool,
}

/// Why a turn got no answer.
enum Failed {
    /// The line broke, or was too old: a new one to the same account may do.
    Line(Lost),
    /// The account gave none.
    Account(Lost),
}

impl Ask for OverLine<'_> {
    /// Its events so far.
    type Answer = Vec<Frame>;

    async fn ask(&mut self, account: &Account, mut call: Call) -> Result<Vec<Frame>, Lost> {
        let text = std::mem::take(&mut call.body).to_bytes();
        let mut again = true;
        loop {
            self.reach(account, &call).await?;
            match self.turn(text.clone()).await {
                Ok(held) => return Ok(held),
                Err(Failed::Line(_)) if self.is_overfed().await => {
                    self.hang_up();
                    return Err(too_large());
                }
                Err(Failed::Line(lost)) => {
                    self.hang_up();
                    if self.continues || !std::mem::take(&mut again) {
                        return Err(if self.continues { forgotten(lost) } else { lost });
                    }
                    tracing::debug!(account = %account.label, "a websocket to the upstream ended early; once more with a new one");
                }
                Err(Failed::Account(lost)) => {
                    if lost.verdict != Verdict::Final {
                        self.hang_up();
                    }
                    return Err(lost);
                }
            }
        }
    }
}

impl OverLine<'_> {
    fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.hang_up();
        }
    }

    async fn is_overfed(&mut self) -> bool {
        match self.line.as_mut() {
            Some(line) => line.is_overfed().await,
            None => false,
        }
    }

    /// Makes sure that there is a line to this account.
    async fn reach(&mut self, account: &Account, call: &Call) -> Result<(), Lost> {
        if self.line.as_ref().is_some_and(|line| line.account() == account.id) {
            return Ok(());
        }
        self.hang_up();
        if self.continues {
            return Err(forgotten(Lost::cut(Cut::Closed)));
        }
        *self.line = Some(self.dial(account, call).await?);
        Ok(())
    }

    /// Opens a line. The account's credential is in the headers of the call.
    async fn dial(&mut self, account: &Account, call: &Call) -> Result<Line, Lost> {
        let settings = &self.gateway.settings;
        let limit = settings.upstream.connect_timeout;
        let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let Ok(call) = handshake(call, &key) else { return Err(Lost::invalid("a key that is no header")) };
        let mut connection = self.gateway.client.connect_apart(&account.endpoint).await.map_err(|e| Lost::net(&e))?;
        let status = match timeout(limit, connection.call(&call)).await {
            Ok(answered) => answered.map_err(|e| Lost::net(&e))?,
            Err(_) => return Err(Lost::net(&NetError::TimedOut(limit))),
        };
        if let Some(headers) = connection.headers() {
            self.gateway.pool.quota().note(account.id, headers, self.gateway.clock.now());
        }
        match status.as_u16() {
            101 => {}
            // No websockets here: that says nothing about the request.
            426 => {
                connection.close().await;
                return Err(Lost::invalid("the account takes no websockets"));
            }
            400.. => return Err(refused_by(self.tried.refused(account, connection, status).await)),
            _ => {
                connection.close().await;
                return Err(Lost::invalid(format!("status {} to a websocket handshake", status.as_u16())));
            }
        }
        let proof = connection.header(header::SEC_WEBSOCKET_ACCEPT.as_str()).map(str::trim);
        if proof != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(Lost::invalid("the answer to a websocket handshake proves nothing"));
        }
        let model = connection.headers().and_then(|headers| headers.get(MODEL)).cloned();
        let (stream, early) = connection.into_stream();
        let sizes = config(settings.upstream.max_terminal_block);
        let socket = WebSocketStream::from_partially_read(Counted::new(stream), early, Role::Client, Some(sizes)).await;
        let limits = Limits {
            patience: settings.upstream.idle_timeout,
            ping: settings.websocket.ping,
            ordinary: settings.upstream.max_block,
        };
        Ok(Line::new(socket, account.id, model, limits))
    }

    /// Sends the turn, and holds its events back until they are worth committing to (docs/decisions.md, R2).
    async fn turn(&mut self, text: Bytes) -> Result<Vec<Frame>, Failed> {
        let Some(line) = self.line.as_mut() else { return Err(Failed::Line(Lost::cut(Cut::Closed))) };
        line.send(text).await.map_err(broke)?;
        let settings = &self.gateway.settings;
        let mut hold = Hold::new(Want::Stream, settings);
        let mut idle = Instant::now() + settings.upstream.idle_timeout;
        loop {
            let wake = hold.deadline().map_or(idle, |deadline| deadline.min(idle));
            let frame = match line.next(wake).await {
                Ok(frame) => frame,
                Err(Cut::Idle) if Instant::now() < idle => return Ok(hold.into_frames()),
                Err(cut) => return Err(broke(cut)),
            };
            idle = Instant::now() + settings.upstream.idle_timeout;
            self.gateway.pool.hear(line.account(), &frame);
            match hold.take(frame, self.gateway.clock.now()) {
                Step::Hold => {}
                Step::Commit | Step::End => return Ok(hold.into_frames()),
                Step::Fail(failure) if failure.has_code(LIMIT_REACHED) => {
                    return Err(Failed::Line(Lost { verdict: Verdict::NextCandidate, ..Lost::failed(failure) }));
                }
                // Nobody would answer better, and the stream is the upstream's own (docs/decisions.md, S6).
                Step::Fail(failure) if self.native && is_told(&failure) && self.compacts => {
                    let told = hold.into_frames().pop().map(|event| event.data().clone());
                    let told = told.map(|body| Verbatim { content_type: None, body });
                    return Err(Failed::Account(Lost { told, ..Lost::failed(failure) }));
                }
                Step::Fail(failure) if self.native && is_told(&failure) => return Ok(hold.into_frames()),
                Step::Fail(failure) => return Err(Failed::Account(Lost::failed(failure))),
                Step::TooLarge => return Err(Failed::Account(Lost::too_large())),
            }
        }
    }
}

/// Whether a failure is told as it came; one that the client mends by beginning anew has a form of its own, and reasoning that the account
/// refuses is left out first.
fn is_told(failure: &Failure) -> bool {
    failure.verdict() == Verdict::Final && !failure.is_lost_response() && !failure.refuses_encrypted
}

/// A line that was closed says nothing about its account yet.
fn broke(cut: Cut) -> Failed {
    match cut {
        Cut::Closed => Failed::Line(Lost::cut(cut)),
        Cut::Idle | Cut::TooLarge => Failed::Account(Lost::cut(cut)),
    }
}

/// No account takes a message of this size.
fn too_large() -> Lost {
    let reject = Reject::new(RejectKind::TooLarge, "request_too_large", "request is too large for the upstream");
    let result = AttemptResult::Refused;
    Lost { result, verdict: Verdict::Final, failure: None, told: None, reject: Some(reject), why: None }
}

/// A handshake does not say what is asked for: a path that is not there may be there for the next account.
fn refused_by(lost: Lost) -> Lost {
    let missing = lost.failure.as_ref().is_some_and(|failure| failure.status == Some(StatusCode::NOT_FOUND));
    if missing { Lost { verdict: Verdict::NextCandidate, ..lost } } else { lost }
}

/// What the turn continues went with its line: the client begins anew (docs/decisions.md, S16).
fn forgotten(lost: Lost) -> Lost {
    let reject = Some(Reject::previous_response_not_found());
    let result = if lost.result == AttemptResult::Refused { AttemptResult::Refused } else { AttemptResult::Cut };
    Lost { result, verdict: Verdict::Final, reject, ..lost }
}

/// The handshake: what says who asks, and nothing of what is asked.
fn handshake(call: &Call, key: &str) -> Result<Call, InvalidHeaderValue> {
    let mut headers = call.headers.clone();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::ACCEPT] {
        headers.remove(name);
    }
    let key = HeaderValue::from_str(key)?;
    headers.extend(HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (header::SEC_WEBSOCKET_KEY, key),
        (BETA, PROTOCOL),
    ]));
    Ok(Call { method: Method::GET, path: call.path.clone(), headers, body: Chunks::default() })
}
