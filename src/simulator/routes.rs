//! One request to the simulated provider: record, route, answer, and the faults on the way out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::request::Parts;
use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::accounts::Account;
use super::bearer;
use super::check::Turn;
use super::compact;
use super::faults::{Fault, Route};
use super::files;
use super::front;
use super::head_faults;
use super::images;
use super::oauth;
use super::record::Ended;
use super::refusal::Refusal;
use super::reply::{Payload, Player, Reply};
use super::responses;
use super::server::Surface;
use super::state::{InFlight, State};
use super::transcribe;
use super::usage_page;
use super::websocket;
use super::wire::Line;

pub(super) const RESPONSES: &str = "/backend-api/codex/responses";
const MODELS: &str = "/backend-api/codex/models";
const USAGE: &str = "/backend-api/wham/usage";
const TOKEN: &str = "/oauth/token";
const COMPACT: &str = "/backend-api/codex/responses/compact";
const GENERATIONS: &str = "/backend-api/codex/images/generations";
const EDITS: &str = "/backend-api/codex/images/edits";
const TRANSCRIBE: &str = "/backend-api/transcribe";
const FILES: &str = "/backend-api/files";

/// What a handler works with.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) state: &'a Arc<State>,
    pub(super) parts: &'a Parts,
    /// Id in the record.
    pub(super) record: u64,
}

impl Call<'_> {
    /// Notes whose request it is.
    pub(super) fn belongs_to(&self, account: &Account) {
        let label = account.label();
        self.state.recorder.edit(self.record, |recorded| {
            recorded.account = Some(label.to_owned());
            if let Some(value) = recorded.headers.get_mut("authorization") {
                label.clone_into(value);
            }
        });
    }

    /// Notes the size of the body as it came.
    pub(super) fn received(&self, bytes: usize) {
        self.state.recorder.edit(self.record, |recorded| recorded.body_bytes = bytes);
    }

    /// Keeps the body in the record, if bodies are kept.
    pub(super) fn keep(&self, object: &Map<String, Value>) {
        if self.state.record_bodies.load(Ordering::Relaxed) {
            self.state.recorder.edit(self.record, |recorded| recorded.body = Some(Value::Object(object.clone())));
        }
    }

    /// Refuses content that a fault has made unreadable.
    pub(super) fn sealed_content_expired(&self, account: &Account, turn: &Turn) -> Result<(), Refusal> {
        front::sealed_content_expired(self.state, account, turn, self.parts.uri.path())
    }

    /// The faults that hit this request now.
    pub(super) fn faults(&self, account: Option<&Account>, route: Route) -> Vec<Fault> {
        self.state.board.take(account.map(Account::index), route, self.parts.uri.path())
    }
}

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn serve(
    state: Arc<State>,
    line: Arc<Line>,
    surface: Surface,
    request: Request<Incoming>,
) -> Result<Response<Player>, io::Error> {
    let (parts, body) = request.into_parts();
    let record = state.recorder.open(&parts);
    let mut flight = InFlight::new(&state, record);
    let call = Call { state: &state, parts: &parts, record };
    let reply = match surface {
        Surface::Uploads => files::upload(&call, body).await.unwrap_or_else(Reply::from),
        Surface::Backend | Surface::Control => route(&call, body, &mut flight).await,
    };
    if let Some(how) = reply.hang_up {
        flight.end(Ended::Broken);
        if how.reset {
            line.reset_on_close();
        }
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    }
    state.recorder.edit(record, |recorded| {
        recorded.status = Some(reply.status.as_u16());
        recorded.refused = reply.refused.map(str::to_owned);
    });
    Ok(respond(reply, line, flight))
}

async fn route(call: &Call<'_>, body: Incoming, flight: &mut InFlight) -> Reply {
    let finalized = call.parts.uri.path().strip_prefix(FILES).and_then(|rest| rest.strip_suffix("/uploaded"));
    if let Some(id) = finalized.and_then(|rest| rest.strip_prefix('/')).filter(|id| !id.contains('/')) {
        let answer = match call.parts.method {
            Method::POST => files::uploaded(call, id, body).await,
            _ => Err(method_not_allowed()),
        };
        return answer.unwrap_or_else(Reply::from);
    }
    let answer = match (&call.parts.method, call.parts.uri.path()) {
        (&Method::POST, RESPONSES) => responses::serve(call, body, flight).await,
        (&Method::GET, RESPONSES) => websocket::serve(call).await,
        (&Method::GET, MODELS) => models(call).await,
        (&Method::GET, USAGE) => usage(call).await,
        (&Method::POST, TOKEN) => oauth::serve(call, body).await,
        (&Method::POST, FILES) => files::create(call, body).await,
        (&Method::POST, COMPACT) => compact::serve(call, body, flight).await,
        (&Method::POST, GENERATIONS) => images::serve(call, body, false).await,
        (&Method::POST, EDITS) => images::serve(call, body, true).await,
        (&Method::POST, TRANSCRIBE) => transcribe::serve(call, body).await,
        (_, RESPONSES | COMPACT | GENERATIONS | EDITS | TRANSCRIBE | TOKEN | FILES | MODELS | USAGE) => {
            Err(method_not_allowed())
        }
        _ => Err(Refusal::detail(404, "unknown_path", "Not Found")),
    };
    answer.unwrap_or_else(Reply::from)
}

async fn models(call: &Call<'_>) -> Result<Reply, Refusal> {
    let account = bearer::account(call.state, &call.parts.headers)?;
    call.belongs_to(account);
    let faults = call.faults(Some(account), Route::Other);
    head_faults::intercept(&faults, account.plan()).await.or(|| {
        let page = call.state.models_page(account);
        let mut reply = Reply::whole(200, "application/json", page.body.clone());
        reply.set("etag", &page.etag);
        Ok(reply)
    })
}

async fn usage(call: &Call<'_>) -> Result<Reply, Refusal> {
    let account = bearer::account(call.state, &call.parts.headers)?;
    call.belongs_to(account);
    let faults = call.faults(Some(account), Route::Other);
    let intercepted = head_faults::intercept(&faults, account.plan()).await;
    intercepted.or(|| Ok(Reply::json(200, &usage_page::render(call.state, account))))
}

fn method_not_allowed() -> Refusal {
    Refusal::detail(405, "method", "Method Not Allowed")
}

fn respond(reply: Reply, line: Arc<Line>, flight: InFlight) -> Response<Player> {
    let steps = matches!(reply.payload, Payload::Steps(_));
    let mut response = Response::new(Player::new(reply.payload, line, flight));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    if steps {
        // The length of a stream is not known, whatever a scripted header says about it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}
