//! `POST /oauth/token`: refresh tokens are used up and rotated, a replay is noticed.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::accounts::{Account, CLIENT_ID};
use super::body;
use super::faults::{Fault, Route};
use super::head_faults;
use super::lineage::Denied;
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::Call;
use super::tokens::Refresh;

const SCOPE: &str = "openid profile email offline_access";

/// Answers a token request.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming) -> Result<Reply, Refusal> {
    let wire = body::read(incoming).await?;
    call.state.recorder.edit(call.record, |recorded| recorded.body_bytes = wire.len());
    let fields = fields(&call.parts.headers, &wire)?;
    let token = presented(call, &fields)?;
    let account = call.state.accounts.get(token.index).ok_or_else(unknown_token)?;
    call.belongs_to(account);
    let faults = call.faults(Some(account), Route::Token);
    // An injected answer comes before the token is used up: only `RefreshCut` loses one.
    let intercepted = head_faults::intercept(&faults, account.plan()).await;
    intercepted.or(|| {
        for fault in &faults {
            if let Fault::RefreshFails { code } = fault {
                return Err(refused("refresh_fault", code));
            }
            if matches!(fault, Fault::Refresh500) {
                return Ok(Reply::json(500, &json!({"error": {"message": "Internal error", "code": "server_error"}})));
            }
        }
        let reply = rotate(call, account, token)?;
        let cut = faults.iter().any(|fault| matches!(fault, Fault::RefreshCut));
        Ok(if cut { Reply::hang_up(false) } else { reply })
    })
}

fn rotate(call: &Call<'_>, account: &Account, token: Refresh) -> Result<Reply, Refusal> {
    let lineage = call.state.lineages.get(token.index).ok_or_else(unknown_token)?;
    let revoke = call.state.revoke_on_replay.load(std::sync::atomic::Ordering::Relaxed);
    let generation = match lineage.lock().consume(token, revoke) {
        Ok(generation) => generation,
        Err(Denied::Reused) => return Err(refused("refresh_reused", "refresh_token_reused")),
        Err(Denied::Revoked) => return Err(refused("refresh_revoked", "refresh_token_invalidated")),
    };
    let tokens = account.tokens(token.family, generation);
    let mut reply = Reply::json(
        200,
        &json!({
            "id_token": tokens.id_token,
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "token_type": "Bearer",
            "expires_in": account.lifetime().as_secs(),
            "scope": SCOPE,
        }),
    );
    reply.set("cache-control", "no-store");
    Ok(reply)
}

fn presented(call: &Call<'_>, fields: &BTreeMap<String, String>) -> Result<Refresh, Refusal> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != CLIENT_ID {
        return Err(bad_request("client_id", "invalid_client", "Unknown client_id"));
    }
    if field("grant_type") != "refresh_token" {
        return Err(bad_request("grant_type", "unsupported_grant_type", "grant_type must be refresh_token"));
    }
    call.state.mint.read_refresh(field("refresh_token")).ok_or_else(unknown_token)
}

/// The string fields of a JSON or form body.
fn fields(headers: &HeaderMap, wire: &Bytes) -> Result<BTreeMap<String, String>, Refusal> {
    if body::media_type(headers) == "application/x-www-form-urlencoded" {
        let text = std::str::from_utf8(wire).map_err(|_| bad_request("form", "invalid_request", "Malformed form"))?;
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        return pairs
            .map(|(name, value)| Some((unescape(name)?, unescape(value)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| bad_request("form", "invalid_request", "Malformed form"));
    }
    let object = body::object(headers, wire)?;
    let string = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    Ok(object.into_iter().filter_map(string).collect())
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                out.extend(hex::decode(digits).ok()?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

fn unknown_token() -> Refusal {
    refused("refresh_unknown", "invalid_refresh_token")
}

/// A permanent failure; `invalid_grant` has the shape of RFC 6749.
fn refused(reason: &'static str, code: &str) -> Refusal {
    if code == "invalid_grant" {
        return Refusal { status: 400, reason, body: json!({"error": "invalid_grant"}) };
    }
    let message = "Your refresh token can no longer be used. Please log in again.";
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    Refusal { status: 401, reason, body: json!({"error": error}) }
}

fn bad_request(reason: &'static str, code: &str, message: &str) -> Refusal {
    Refusal { status: 400, reason, body: json!({"error": code, "error_description": message}) }
}
