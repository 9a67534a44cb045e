//! `auth`: who asks. It takes the client's credential, has the keyring verify it, and says who the key stands for.
//!
//! Everything it refuses is refused before a byte of the body is read (docs/v1.md, Authentication). Whether a text is a key at all is
//! the keyring's business alone, so that a wrong form, an unknown id and a wrong secret cost the same and read the same.
//!
//! The usage routes of Codex CLI also take the login of an account (docs/native.md, Usage). Such a request is answered here: it has no
//! principal, so no later filter and no other route ever meets it.

mod bearer;
mod refusal;

use std::fmt;
use std::sync::Arc;

use pooler_filter::{
    BuildError, Clock, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, KeyFacts, KeyStatus, Keyring,
    LocalReply, Logins, Operation, Port, Principal, Reject, Route, Secret, Slot, Surface, async_trait,
};
use serde::Deserialize;

use crate::refusal::Refusal;

/// Names the account whose login the request brings.
const ACCOUNT_ID: &str = "chatgpt-account-id";

/// Configuration of the filter: it has no keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The filter.
pub struct Auth {
    keyring: Arc<dyn Keyring>,
    logins: Arc<dyn Logins>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth")
    }
}

impl FilterFactory for Auth {
    const NAME: &'static str = "auth";
    const CONTRACT: Contract = Contract::new()
        .on_headers(&[Route::NAME], &[Principal::NAME])
        .ports(&[Port::Keyring, Port::Logins, Port::Clock])
        .takes_credential();
    type Config = Config;

    fn build(_: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self { keyring: cx.keyring()?, logins: cx.logins()?, clock: cx.clock()? }))
    }
}

#[async_trait]
impl Filter for Auth {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        let route = *cx.require::<Route>()?;
        if route.surface == Surface::Other {
            return Ok(Flow::Continue);
        }
        let token = token(cx)?;
        let Some(key) = self.keyring.verify(&token) else {
            return Ok(Flow::Reply(self.by_login(route, cx, &token)?));
        };
        self.admit(&key, route.is_native())?;
        cx.put(Principal(key))?;
        Ok(Flow::Continue)
    }
}

impl Auth {
    /// The answer for a token that is no key: only the native usage routes have one, and only for an account that the client names.
    fn by_login(&self, route: Route, cx: &Exchange, token: &Secret) -> Result<LocalReply, Refusal> {
        let account = cx.head().header(ACCOUNT_ID).map(str::trim).filter(|account| !account.is_empty());
        match account {
            Some(account) if route.operation == Operation::Usage && route.is_native() => {
                Ok(self.logins.usage(account, token)?)
            }
            Some(_) | None => Err(Refusal::Invalid),
        }
    }

    /// Whether that key opens its pool now. The key's own faults are told first: they stay when the pool comes back.
    fn admit(&self, key: &KeyFacts, native: bool) -> Result<(), Refusal> {
        match key.status {
            KeyStatus::Active => {}
            KeyStatus::Paused | KeyStatus::Revoked if !native => return Err(Refusal::Disabled),
            KeyStatus::Paused => return Err(Refusal::Paused),
            KeyStatus::Revoked => return Err(Refusal::Revoked),
        }
        if key.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(Refusal::Expired);
        }
        if key.pool.active { Ok(()) } else { Err(Refusal::PoolDisabled) }
    }
}

/// What the client presents as its bearer token.
fn token(cx: &mut Exchange) -> Result<Secret, Refusal> {
    let credential = cx.take_credential().ok_or(Refusal::Missing)?;
    bearer::token(&credential).ok_or(Refusal::Missing)
}

#[cfg(test)]
mod tests;
