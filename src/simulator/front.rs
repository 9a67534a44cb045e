//! What every operation of an account begins and ends with: body, credentials, faults, quota, headers.

use bytes::Bytes;
use http::HeaderValue;
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::accounts::Account;
use super::bearer;
use super::body;
use super::check::{Asker, LITE_HEADER, Turn};
use super::faults::{Fault, Route, usage_limit};
use super::head_faults::{self, canned};
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::Call;
use super::state::State;

pub(super) const TURN_STATE: &str = "x-codex-turn-state";

/// The bytes of a request and whose it is.
pub(super) async fn bytes<'a>(call: &Call<'a>, incoming: Incoming) -> Result<(&'a Account, Bytes), Refusal> {
    // The body first: a refusal must not close the connection on a client that is still sending.
    let wire = body::read(incoming).await?;
    call.received(wire.len());
    let account = bearer::account(call.state, &call.parts.headers)?;
    call.belongs_to(account);
    Ok((account, wire))
}

/// The object of a request and whose it is.
pub(super) async fn object<'a>(
    call: &Call<'a>,
    incoming: Incoming,
) -> Result<(&'a Account, Map<String, Value>), Refusal> {
    let (account, wire) = bytes(call, incoming).await?;
    Ok((account, decoded(call, &wire)?))
}

/// The object in these bytes, kept in the record if bodies are.
pub(super) fn decoded(call: &Call<'_>, wire: &Bytes) -> Result<Map<String, Value>, Refusal> {
    let object = body::object(&call.parts.headers, wire)?;
    call.keep(&object);
    Ok(object)
}

/// Who asks, and in which form.
pub(super) fn asker<'a>(call: &Call<'a>, account: &'a Account) -> Asker<'a> {
    let lite = call.parts.headers.get(LITE_HEADER).map(HeaderValue::as_bytes);
    Asker { state: call.state, account, lite, thread: None }
}

/// A turn state for the first request of a turn; that of another account is refused.
pub(super) fn turn_state(call: &Call<'_>, account: &Account) -> Result<Option<String>, Refusal> {
    let value = call.parts.headers.get(TURN_STATE);
    owned_turn_state(call.state, account, value)?;
    Ok(value.is_none().then(|| call.state.mint.turn_state(account.id())))
}

/// Refuses a turn state that is not of this account.
pub(super) fn owned_turn_state(state: &State, account: &Account, value: Option<&HeaderValue>) -> Result<(), Refusal> {
    match value.map(HeaderValue::to_str) {
        None => Ok(()),
        Some(Ok(value)) if state.mint.owns_turn(account.id(), value) => Ok(()),
        Some(_) => {
            let message = "The turn state is not valid for this account.";
            Err(Refusal::invalid("turn_state", Some("invalid_turn_state"), None, message))
        }
    }
}

/// The answer that `make` gives, unless a fault or a used-up quota stands before it; a good one carries the turn state.
pub(super) async fn answer(
    state: &State,
    account: &Account,
    faults: &[Fault],
    turn_state: Option<String>,
    make: impl FnOnce() -> Result<Reply, Refusal>,
) -> Result<Reply, Refusal> {
    head_faults::intercept(faults, account.plan()).await.or(|| {
        let mut reply = match spent(state, account) {
            Some(refusal) => refusal,
            None => make()?,
        };
        if reply.status == 200
            && let Some(value) = turn_state
        {
            reply.set(TURN_STATE, &value);
        }
        Ok(reply)
    })
}

/// Refuses content that a fault has made unreadable.
pub(super) fn sealed_content_expired(state: &State, account: &Account, turn: &Turn, path: &str) -> Result<(), Refusal> {
    if !turn.has_sealed() || state.board.take(Some(account.index()), Route::Replay, path).is_empty() {
        return Ok(());
    }
    let item = turn.items().iter().find(|item| item["encrypted_content"].is_string());
    Err(Refusal::unreadable(item.and_then(|item| item["id"].as_str())))
}

/// The refusal of an account that has nothing left.
pub(super) fn spent(state: &State, account: &Account) -> Option<Reply> {
    let reading = state.meters.get(account.index())?.lock().exhausted()?;
    Some(canned(usage_limit(account.plan(), std::time::Duration::from_secs(reading.resets_in))))
}

/// Counts what an answer has used and puts the headers of the backend on it; gives the `codex.rate_limits` event.
pub(super) fn stamp(state: &State, account: &Account, unique: &str, tokens: u64, reply: &mut Reply) -> Value {
    reply.set("x-request-id", &format!("req_{unique}"));
    reply.set("cf-ray", &format!("{}-FRA", &unique[..16]));
    reply.set("set-cookie", &format!("__cf_bm={unique}; path=/; HttpOnly; Secure; SameSite=None"));
    reply.set("cache-control", "no-cache");
    let Some(meter) = state.meters.get(account.index()) else { return Value::Null };
    let mut meter = meter.lock();
    meter.spend(tokens);
    meter.stamp(reply, account.plan());
    meter.event(account.plan())
}
