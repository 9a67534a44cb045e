//! `pool_select`: which accounts may serve this request, in which order, and why.
//!
//! A request that refers to what one account has, a file or an earlier response, is bound to that account by `pin`.
//!
//! It looks at a snapshot and answers with a [`Plan`]; it tries nothing. The order is made in `order` out of the seeds that `seed`
//! reads (docs/routing.md, Ordering). Who served a session is remembered when it is known to have worked, never before; and before the client
//! knows it too, so that its next turn finds the account.

mod order;
mod pin;
mod refusal;
mod remember;
mod seed;

use std::fmt;
use std::sync::Arc;

use pooler_filter::{
    AccountId, AccountView, Affinity, AffinityKey, BuildError, Candidate, Clock, Contract, Exchange, Files, Filter,
    FilterContext, FilterFactory, Flow, Intent, Issuers, KeyFacts, Operation, Outcome, OutcomeKind, Plan, PoolView,
    Port, Principal, Reason, Reject, Replayed, ResponseHead, Route, Served, Slot, Stage, Standing, TurnOwner,
    UpstreamHeaders, UpstreamRequest, async_trait,
};
use serde::Deserialize;

use crate::order::Order;
use crate::pin::Pin;
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
    files: Arc<dyn Files>,
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
        .on_body(&[Principal::NAME, Intent::NAME], &[Plan::NAME, Bindings::NAME, Issuers::NAME, TurnOwner::NAME])
        .on_response(&[Principal::NAME, Route::NAME], &[])
        .ports(&[Port::PoolView, Port::Affinity, Port::Files, Port::Clock]);
    type Config = Config;

    fn build(_: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self { pool: cx.pool_view()?, affinity: cx.affinity()?, files: cx.files()?, clock: cx.clock()? }))
    }
}

#[async_trait]
impl Filter for PoolSelect {
    async fn on_request_body(&self, _: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        // A request without an intent is answered here and needs no account.
        let Some(intent) = cx.get::<Intent>() else { return Ok(Flow::Continue) };
        let key = &cx.require::<Principal>()?.0;
        let pin = Pin::of(intent, key, &*self.files, &*self.affinity).await?;
        let accounts = self.pool.accounts(key.pool.id, &key.id, &intent.model);
        let issuers = self.issuers(intent, key, &accounts);
        let seeds = Seeds::read(cx, key, intent);
        let bindings = seeds.bindings();
        let head = cx.head();
        let state = intent.turn_state.as_ref().map(|state| state.value.as_str()).or_else(|| seed::turn_in(head));
        let turn = state.and_then(|state| {
            let bound = seed::turn(key, state);
            // No account gave a state that may well be our own.
            if seed::may_be_ours(state) {
                self.bound(Some(&bound))
            } else {
                self.only_or_bound(&accounts, Some(&bound))
            }
        });
        let before = self.bound(seed::response_in(head, key).as_ref());
        let plan = match pin {
            Some(pin) => pinned(pin.among(&accounts, intent)?),
            None => {
                let capable = capable(accounts, intent);
                let ready: Vec<&AccountView> = capable.iter().filter(|a| a.standing == Standing::Ready).collect();
                if ready.is_empty() {
                    return Err(Refusal::of(&capable, self.clock.now()).into());
                }
                Order {
                    seed: seeds.strategy(),
                    locality: seeds.locality(),
                    prompt_cache: self.bound(bindings.prompt_cache.as_ref()),
                    session: self.bound(bindings.session.as_ref()),
                    // The newest item says where the conversation went on last.
                    issuer: issuers.iter().rev().flatten().next().copied(),
                    turn: turn.or(before),
                    ring_size: if intent.one_account { 1 } else { key.pool.ring_size },
                }
                .plan(&ready)
            }
        };
        cx.put(Issuers(issuers))?;
        cx.put(TurnOwner(turn))?;
        cx.put(bindings)?;
        cx.put(plan)?;
        Ok(Flow::Continue)
    }

    fn on_response(&self, _: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        let (Some(served), Some(bindings)) = (cx.get::<Served>(), cx.get::<Bindings>()) else { return Ok(None) };
        // Nobody else gets to see it, so nobody else brings it back.
        if cx.require::<Route>()?.is_native()
            && let Some(UpstreamHeaders(headers)) = cx.get()
            && let Some(state) = headers.get(seed::TURN_STATE).and_then(|state| state.to_str().ok())
        {
            self.affinity.put(seed::turn(&cx.require::<Principal>()?.0, state.trim()), served.account);
        }
        let native = cx.require::<Route>()?.is_native();
        let keys: Vec<AffinityKey> = [bindings.session, bindings.prompt_cache].into_iter().flatten().collect();
        // Only these answers hold what a client can bring back.
        let continued = matches!(cx.require::<Route>()?.operation, Operation::Responses | Operation::Compact);
        if keys.is_empty() && !continued {
            return Ok(None);
        }
        let issued = if continued { Some(Arc::clone(&cx.require::<Principal>()?.0)) } else { None };
        Ok(Some(Box::new(Remember::new(Arc::clone(&self.affinity), keys, served.account, issued, native))))
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

    /// Who issued each of the items that come back.
    fn issuers(&self, intent: &Intent, key: &KeyFacts, accounts: &[AccountView]) -> Vec<Option<AccountId>> {
        let issuer = |item: &Replayed| self.only_or_bound(accounts, Some(&seed::issuer(key, &item.digest)));
        intent.replayed.iter().map(issuer).collect()
    }

    /// Who gave something. With one account in the pool there is nobody else who could have.
    fn only_or_bound(&self, accounts: &[AccountView], key: Option<&AffinityKey>) -> Option<AccountId> {
        let only = match accounts {
            [only] => Some(only.account),
            _ => None,
        };
        self.affinity.get(key?).or(only)
    }
}

/// The accounts that have the model.
fn capable(mut accounts: Vec<AccountView>, intent: &Intent) -> Vec<AccountView> {
    if let Some(sources) = &intent.sources {
        accounts.retain(|view| sources.contains(&view.account));
    }
    accounts
}

fn pinned(view: &AccountView) -> Plan {
    Plan(vec![Candidate { account: view.account, label: Arc::clone(&view.label), reason: Reason::Pinned }])
}

#[cfg(test)]
mod tests;
