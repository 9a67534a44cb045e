//! Whose request it is: access token and account id have to agree.

use http::{HeaderMap, header};

use super::accounts::{API_AUDIENCE, Account};
use super::clock;
use super::refusal::Refusal;
use super::state::State;

/// The account of a request.
pub(super) fn account<'a>(state: &'a State, headers: &HeaderMap) -> Result<&'a Account, Refusal> {
    let account = holder(state, headers)?;
    let named = headers.get("chatgpt-account-id").map(|value| value.as_bytes());
    match named {
        Some(id) if id == account.id().as_bytes() => Ok(account),
        Some(_) => Err(Refusal::detail(403, "account_mismatch", "chatgpt-account-id does not match the token")),
        None => Err(Refusal::detail(403, "account_missing", "chatgpt-account-id is required")),
    }
}

fn holder<'a>(state: &'a State, headers: &HeaderMap) -> Result<&'a Account, Refusal> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().and_then(|value| value.to_str().ok()).ok_or(Refusal::unauthorized("bearer_missing"))?;
    if all.next().is_some() {
        return Err(Refusal::unauthorized("bearer_twice"));
    }
    let token = value.strip_prefix("Bearer ").ok_or(Refusal::unauthorized("bearer_missing"))?;
    let access = state.mint.read_jwt(API_AUDIENCE, token).ok_or(Refusal::unauthorized("bearer_unknown"))?;
    if access.expires <= clock::unix() {
        return Err(Refusal::unauthorized("bearer_expired"));
    }
    let (Some(account), Some(lineage)) = (state.accounts.get(access.index), state.lineages.get(access.index)) else {
        return Err(Refusal::unauthorized("bearer_unknown"));
    };
    if lineage.lock().accepts(access.stamp) { Ok(account) } else { Err(Refusal::unauthorized("bearer_revoked")) }
}
