//! `GET /backend-api/codex/responses`: the handshake of a websocket. Credentials are checked as over HTTP, and every refusal
//! before the 101 is an HTTP answer (docs/simulator.md, Websocket).

mod act;
mod error;
mod frames;
mod log;
mod muzzle;
mod parting;
mod running;
mod session;
mod thread;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Version, header};
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::accounts::Account;
use super::bearer;
use super::faults::{Fault, Route};
use super::front;
use super::head_faults;
use super::refusal::Refusal;
use super::reply::{Payload, Reply};
use super::routes::Call;
use super::state::State;

pub(super) use log::Log;
pub use log::{SocketClosed, SocketSeen};
pub(super) use thread::Thread;

const BETA: &str = "responses_websockets=2026-02-06";

/// How long a websocket may live; both can change while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// From the handshake to the refusal of the next turn.
    pub(super) lifetime: Duration,
    /// Without a frame of the client and without a turn.
    pub(super) idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { lifetime: Duration::from_secs(3_600), idle: Duration::from_secs(600) }
    }
}

/// A websocket that the handshake has agreed to.
#[derive(Debug)]
pub(super) struct Agreed {
    state: Arc<State>,
    account: Account,
    /// The headers of the handshake: every turn is checked against its credentials again.
    headers: HeaderMap,
    /// Id of the handshake in the record; names the socket.
    record: u64,
    upgrade: OnUpgrade,
}

/// Where the handshake leaves the websocket for the task of its connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Agreed>>>);

impl Slot {
    /// What a handshake has left.
    pub(super) fn take(&self) -> Option<Agreed> {
        self.0.lock().take()
    }
}

/// Answers a handshake; the connection's [`Slot`] travels in the extensions of the request.
pub(super) async fn serve(call: &Call<'_>) -> Result<Reply, Refusal> {
    let parts = call.parts;
    let account = bearer::account(call.state, &parts.headers)?;
    call.belongs_to(account);
    let key = key(parts)?;
    if !lists(&parts.headers, &HeaderName::from_static("openai-beta"), BETA) {
        return Err(Refusal::detail(400, "openai_beta", format!("openai-beta: {BETA} is required")));
    }
    front::owned_turn_state(call.state, account, parts.headers.get(front::TURN_STATE))?;
    let (Some(slot), Some(upgrade)) = (parts.extensions.get::<Slot>(), parts.extensions.get::<OnUpgrade>()) else {
        return Err(upgrade_required());
    };
    let faults: Vec<Fault> = call.faults(Some(account), Route::Handshake).into_iter().map(Fault::inner).collect();
    let reply = head_faults::intercept(&faults, account.plan()).await.or(|| Ok(switch(call, account, key)))?;
    if reply.status == 101 && reply.hang_up.is_none() {
        *slot.0.lock() = Some(Agreed {
            state: Arc::clone(call.state),
            account: account.clone(),
            headers: parts.headers.clone(),
            record: call.record,
            upgrade: upgrade.clone(),
        });
    }
    Ok(reply)
}

/// The 101 and what it says about the backend.
fn switch(call: &Call<'_>, account: &Account, key: &str) -> Reply {
    let unique = call.state.unique();
    let mut reply = Reply::new(101, Payload::Steps(std::collections::VecDeque::new()));
    reply.set("connection", "Upgrade");
    reply.set("upgrade", "websocket");
    reply.set("sec-websocket-accept", &derive_accept_key(key.as_bytes()));
    reply.set(front::TURN_STATE, &call.state.mint.turn_state(account.id()));
    reply.set("x-models-etag", &call.state.models_page(account).etag);
    reply.set("x-reasoning-included", "true");
    if let Some(model) = hinted_model(&call.parts.headers)
        && call.state.model(account, model).is_some()
    {
        reply.set("openai-model", model);
    }
    reply.set("x-request-id", &format!("req_{unique}"));
    reply.set("cf-ray", &format!("{}-FRA", &unique[..16]));
    reply
}

/// The model that the client says it will ask for.
fn hinted_model(headers: &HeaderMap) -> Option<&str> {
    let hint = headers.get("x-codex-routing-hint")?.to_str().ok()?;
    hint.split(';').find_map(|part| part.trim().strip_prefix("model="))
}

/// The error frame of a socket that has lived as long as it may.
fn limit_reached() -> String {
    let message =
        "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue.";
    let code = "websocket_connection_limit_reached";
    json!({
        "type": "error", "status": 400,
        "error": {"type": "invalid_request_error", "code": code, "message": message, "param": null},
    })
    .to_string()
}

/// The key of a handshake that RFC 6455, 4.2.1 allows.
fn key(parts: &Parts) -> Result<&str, Refusal> {
    let headers = &parts.headers;
    let upgrades = lists(headers, &header::UPGRADE, "websocket") && lists(headers, &header::CONNECTION, "upgrade");
    if parts.version != Version::HTTP_11 || !upgrades {
        return Err(upgrade_required());
    }
    let text = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    if text(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::detail(400, "websocket_version", "sec-websocket-version must be 13"));
    }
    if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::detail(400, "websocket_body", "A websocket handshake has no body"));
    }
    let key = text(header::SEC_WEBSOCKET_KEY);
    key.filter(|key| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16))
        .ok_or_else(|| Refusal::detail(400, "websocket_key", "sec-websocket-key must be 16 bytes in base64"))
}

fn upgrade_required() -> Refusal {
    Refusal::detail(426, "upgrade_required", "Upgrade Required")
}

/// Whether the comma-separated lists in the headers called `name` have `word`, whatever its case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}
