//! `auth`: who asks. It takes the client's credential, has the keyring verify it, and says who the key stands for.
//!
//! Everything it refuses is refused before a byte of the body is read (docs/v1.md, Authentication). Whether a text is a key at all is
//! the keyring's business alone, so that a wrong form, an unknown id and a wrong secret cost the same and read the same.

mod bearer;
mod refusal;

use std::fmt;
use std::sync::Arc;

use pooler_filter::{
    BuildError, Clock, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, KeyFacts, KeyStatus, Keyring,
    Port, Principal, Reject, Route, Slot, Surface, async_trait,
};
use serde::Deserialize;

use crate::refusal::Refusal;

/// Configuration of the filter: it has no keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The filter.
pub struct Auth {
    keyring: Arc<dyn Keyring>,
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
        .ports(&[Port::Keyring, Port::Clock])
        .takes_credential();
    type Config = Config;

    fn build(_: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self { keyring: cx.keyring()?, clock: cx.clock()? }))
    }
}

#[async_trait]
impl Filter for Auth {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        let route = *cx.require::<Route>()?;
        if route.surface == Surface::Other {
            return Ok(Flow::Continue);
        }
        let key = self.authenticate(cx)?;
        self.admit(&key, route.is_native())?;
        cx.put(Principal(key))?;
        Ok(Flow::Continue)
    }
}

impl Auth {
    /// The key that the client presents, whatever its status.
    fn authenticate(&self, cx: &mut Exchange) -> Result<Arc<KeyFacts>, Refusal> {
        let credential = cx.take_credential().ok_or(Refusal::Missing)?;
        let token = bearer::token(&credential).ok_or(Refusal::Missing)?;
        self.keyring.verify(&token).ok_or(Refusal::Invalid)
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

#[cfg(test)]
mod tests;
