//! The control endpoint: faults, records and accounts over HTTP on its own loopback listener.

mod orders;
mod sockets;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};

use super::accounts::Account;
use super::faults::{FaultId, Who};
use super::files::FileSeen;
use super::state::State;

const CAP: usize = 8 << 20;

type Answer = (u16, Value);

/// Answers one control request.
pub(super) async fn serve(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let (status, value) = if from_a_browser(&parts.headers) {
        (403, json!({"error": "not for browsers"}))
    } else {
        let segments: Vec<&str> = parts.uri.path().split('/').filter(|part| !part.is_empty()).collect();
        match Limited::new(body, CAP).collect().await {
            Ok(body) => route(state, &parts.method, &segments, &body.to_bytes()),
            Err(_) => (400, json!({"error": "unreadable body"})),
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(value.to_string() + "\n")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A page in a browser on this machine must not reach it: such requests carry an origin.
fn from_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

fn route(state: &State, method: &Method, path: &[&str], body: &[u8]) -> Answer {
    match (method.as_str(), path) {
        ("GET", ["state"]) => (200, overview(state)),
        ("GET", ["files"]) => (200, json!({"files": files(state)})),
        ("GET", ["requests"]) => (200, json!({"requests": state.recorder.all()})),
        ("DELETE", ["requests"]) => {
            state.recorder.forget();
            (200, json!({}))
        }
        ("GET", ["sockets"]) => (200, json!({"sockets": state.sockets.all()})),
        ("DELETE", ["sockets"]) => {
            state.sockets.forget();
            (200, json!({}))
        }
        ("POST", ["sockets", "limits"]) => sockets::limit(state, body),
        ("GET", ["faults"]) => (200, json!({"faults": faults(state)})),
        ("POST", ["faults"]) => inject(state, body),
        ("DELETE", ["faults"]) => {
            state.board.clear();
            (200, json!({}))
        }
        ("DELETE", ["faults", id]) => match id.parse() {
            Ok(id) => {
                state.board.remove(FaultId(id));
                (200, json!({}))
            }
            Err(_) => (404, json!({"error": "no such fault"})),
        },
        ("POST", ["accounts", name, verb]) => account(state, name, verb, body),
        _ => (404, json!({"error": "unknown control path"})),
    }
}

fn inject(state: &State, body: &[u8]) -> Answer {
    match orders::read(body, state) {
        Ok(specs) => {
            let ids: Vec<u64> = specs.into_iter().map(|spec| state.board.add(spec).get()).collect();
            (200, json!({"ids": ids}))
        }
        Err(trouble) => (400, json!({"error": trouble.to_string()})),
    }
}

fn account(state: &State, name: &str, verb: &str, body: &[u8]) -> Answer {
    let Some(account) = state.find(name) else { return (404, json!({"error": "no such account"})) };
    match verb {
        "expire" => state.expire(account.index()),
        "revoke" => state.revoke(account.index()),
        "login" => return (200, account.auth_json()),
        "models" => match orders::models(body, state) {
            Ok(without) => state.withhold_models(account.index(), without),
            Err(trouble) => return (400, json!({"error": trouble.to_string()})),
        },
        "quota" => match orders::quota(body) {
            Ok((primary, secondary)) => state.pin_quota(account.index(), primary, secondary),
            Err(trouble) => return (400, json!({"error": trouble.to_string()})),
        },
        _ => return (404, json!({"error": "unknown control path"})),
    }
    (200, json!({"account": account.label()}))
}

fn overview(state: &State) -> Value {
    let accounts: Vec<Value> = state
        .accounts
        .iter()
        .zip(&state.meters)
        .map(|(account, meter)| {
            json!({
                "index": account.index(),
                "label": account.label(),
                "id": account.id(),
                "email": account.email(),
                "plan": account.plan(),
                "rate_limit": meter.lock().usage(),
            })
        })
        .collect();
    json!({
        "accounts": accounts, "faults": faults(state), "in_flight": *state.in_flight.borrow(),
        "upload_origin": state.upload_origin,
    })
}

fn files(state: &State) -> Vec<Value> {
    let label = |index: usize| state.accounts.get(index).map(Account::label);
    let show = |file: FileSeen| {
        json!({
            "id": file.id, "account": label(file.account), "size": file.size, "uploaded": file.uploaded,
            "sha256": file.sha256, "mime_type": file.mime_type, "polls": file.polls, "ready": file.ready,
        })
    };
    state.files.all().into_iter().map(show).collect()
}

fn faults(state: &State) -> Vec<Value> {
    let who = |who: Who| match who {
        Who::All => None,
        Who::Account(index) => state.accounts.get(index).map(|account| account.label()),
    };
    let show = |(id, spec, left, hits): (FaultId, super::FaultSpec, Option<u32>, u64)| {
        json!({
            "id": id.get(), "account": who(spec.who), "fault": orders::name(&spec.fault), "path": spec.path,
            "left": left, "hits": hits,
        })
    };
    state.board.list().into_iter().map(show).collect()
}
