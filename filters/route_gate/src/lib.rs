//! `route_gate`: whether the pool of this key lets it use this route.
//!
//! The order of the checks shows in which refusal wins: the gate of `/v1`, then endpoints that are not served, then image permission
//! (docs/v1.md, Order of checks). All of them come before the body, so a refused request costs nothing.

use std::sync::Arc;

use pooler_filter::{
    BuildError, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, Operation, Permit, PoolFacts,
    Principal, Reject, RejectKind, Route, Slot, Surface, async_trait,
};
use serde::Deserialize;

/// Configuration of the filter: it has no keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The filter.
#[derive(Debug, Clone, Copy)]
pub struct RouteGate;

impl FilterFactory for RouteGate {
    const NAME: &'static str = "route_gate";
    const CONTRACT: Contract = Contract::new().on_headers(&[Route::NAME, Principal::NAME], &[Permit::NAME]);
    type Config = Config;

    fn build(_: Config, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Filter for RouteGate {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        check(*cx.require::<Route>()?, &cx.require::<Principal>()?.0.pool)?;
        cx.put(Permit)?;
        Ok(Flow::Continue)
    }
}

/// Why a route is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    V1Disabled,
    Unsupported,
    ImagesDisabled,
}

fn check(route: Route, pool: &PoolFacts) -> Result<(), Refusal> {
    if route.surface == Surface::V1 && !pool.v1_enabled {
        return Err(Refusal::V1Disabled);
    }
    if route.operation == Operation::Unsupported {
        return Err(Refusal::Unsupported);
    }
    if route.images && !pool.images_allowed {
        return Err(Refusal::ImagesDisabled);
    }
    Ok(())
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::V1Disabled => Self::new(
                RejectKind::Forbidden,
                "v1_compatibility_disabled",
                "OpenAI /v1 compatibility is disabled for this pool",
            ),
            Refusal::Unsupported => {
                Self::new(RejectKind::NotFound, "unsupported_endpoint", "Unsupported OpenAI /v1 endpoint")
            }
            Refusal::ImagesDisabled => Self::new(
                RejectKind::Forbidden,
                "image_generation_disabled",
                "Image generation is disabled for this pool",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
