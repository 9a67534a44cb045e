//! `pool_select`: which accounts may serve this request, in which order, and why.
//!
//! It looks at a snapshot and answers with a [`Plan`]; it tries nothing. The order is made in `order` out of the seeds that `seed`
//! reads (docs/routing.md, Ordering). Who served a session is remembered when it is known to have worked, never before; and before the client
//! knows it too, so that its next turn finds the account.

mod order;
mod refusal;
mod remember;
mod seed;

use std::fmt;
use std::sync::Arc;

use pooler_filter::{
    AccountId, AccountView, Affinity, AffinityKey, BuildError, Clock, Contract, Exchange, Filter, FilterContext,
    FilterFactory, Flow, Intent, Outcome, OutcomeKind, Plan, PoolView, Port, Principal, Reject, ResponseHead, Served,
    Slot, Stage, Standing, UpstreamRequest, async_trait,
};
use serde::Deserialize;

use crate::order::Order;
use crate::refusal::Refusal;
use crate::remember::Remember;
use crate::seed::{Bindings, Seeds};

/// Configuration of the filter: it has no keys; how a pool orders its accounts is a setting of the pool.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The filter.
pub struct PoolSelect {
    pool: Arc<dyn PoolView>,
    affinity: Arc<dyn Affinity>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for PoolSelect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolSelect")
    }
}

impl FilterFactory for PoolSelect {
    const NAME: &'static str = "pool_select";
    const CONTRACT: Contract = Contract::new()
        .on_body(&[Principal::NAME, Intent::NAME], &[Plan::NAME, Bindings::NAME])
        .ports(&[Port::PoolView, Port::Affinity, Port::Clock]);
    type Config = Config;

    fn build(_: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self { pool: cx.pool_view()?, affinity: cx.affinity()?, clock: cx.clock()? }))
    }
}

#[async_trait]
impl Filter for PoolSelect {
    async fn on_request_body(&self, _: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        // A request without an intent is answered here and needs no account.
        let Some(intent) = cx.get::<Intent>() else { return Ok(Flow::Continue) };
        let key = &cx.require::<Principal>()?.0;
        let accounts = self.pool.accounts(key.pool.id, &key.id, &intent.model);
        let ready: Vec<&AccountView> = accounts.iter().filter(|a| a.standing == Standing::Ready).collect();
        if ready.is_empty() {
            return Err(Refusal::of(&accounts, self.clock.now()).into());
        }
        let seeds = Seeds::read(cx, key, intent);
        let bindings = seeds.bindings();
        let plan = Order {
            seed: seeds.strategy(),
            locality: seeds.locality(),
            prompt_cache: self.bound(bindings.prompt_cache.as_ref()),
            session: self.bound(bindings.session.as_ref()),
            ring_size: key.pool.ring_size,
        }
        .plan(&ready);
        cx.put(bindings)?;
        cx.put(plan)?;
        Ok(Flow::Continue)
    }

    fn on_response(&self, _: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        let (Some(served), Some(bindings)) = (cx.get::<Served>(), cx.get::<Bindings>()) else { return Ok(None) };
        let keys: Vec<AffinityKey> = [bindings.session, bindings.prompt_cache].into_iter().flatten().collect();
        if keys.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(Remember::new(Arc::clone(&self.affinity), keys, served.account))))
    }

    /// For an end that the stage could not recognise by its label.
    async fn on_done(&self, outcome: &Outcome, cx: &mut Exchange) {
        let (OutcomeKind::Succeeded, Some(served)) = (outcome.kind, cx.get::<Served>()) else { return };
        let Some(bindings) = cx.get::<Bindings>() else { return };
        for key in [bindings.session, bindings.prompt_cache].into_iter().flatten() {
            self.affinity.put(key, served.account);
        }
    }
}

impl PoolSelect {
    fn bound(&self, key: Option<&pooler_filter::AffinityKey>) -> Option<AccountId> {
        self.affinity.get(key?)
    }
}

#[cfg(test)]
mod tests;
