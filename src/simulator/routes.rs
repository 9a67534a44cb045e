//! One request to the simulated provider: record, route, answer, and the faults on the way out.

use std::io;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, Response, header};
use hyper::body::Incoming;

use super::accounts::Account;
use super::bearer;
use super::faults::{Fault, Route};
use super::head_faults;
use super::oauth;
use super::record::Ended;
use super::refusal::Refusal;
use super::reply::{Payload, Player, Reply};
use super::responses;
use super::state::{InFlight, State};
use super::usage_page;
use super::wire::Line;

const RESPONSES: &str = "/backend-api/codex/responses";
const MODELS: &str = "/backend-api/codex/models";
const USAGE: &str = "/backend-api/wham/usage";
const TOKEN: &str = "/oauth/token";

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

    /// The faults that hit this request now.
    pub(super) fn faults(&self, account: Option<&Account>, route: Route) -> Vec<Fault> {
        self.state.board.take(account.map(Account::index), route, self.parts.uri.path())
    }
}

/// Answers one request. An error ends the connection without an answer.
pub(super) async fn serve(
    state: Arc<State>,
    line: Arc<Line>,
    request: Request<Incoming>,
) -> Result<Response<Player>, io::Error> {
    let (parts, body) = request.into_parts();
    let record = state.recorder.open(&parts);
    let mut flight = InFlight::new(&state, record);
    let call = Call { state: &state, parts: &parts, record };
    let reply = route(&call, body, &mut flight).await;
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
    let answer = match (&call.parts.method, call.parts.uri.path()) {
        (&Method::POST, RESPONSES) => responses::serve(call, body, flight).await,
        (&Method::GET, MODELS) => models(call).await,
        (&Method::GET, USAGE) => usage(call).await,
        (&Method::POST, TOKEN) => oauth::serve(call, body).await,
        (_, RESPONSES | TOKEN) => Err(method_not_allowed()),
        (_, MODELS | USAGE) => Err(method_not_allowed()),
        _ => Err(Refusal::detail(404, "unknown_path", "Not Found")),
    };
    answer.unwrap_or_else(Reply::from)
}

async fn models(call: &Call<'_>) -> Result<Reply, Refusal> {
    let account = bearer::account(call.state, &call.parts.headers)?;
    call.belongs_to(account);
    let faults = call.faults(Some(account), Route::Other);
    head_faults::intercept(&faults, account.plan()).await.or(|| {
        let page = call.state.catalog.page(account.plan());
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
