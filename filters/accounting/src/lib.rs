//! `accounting`: every request that got past the gate leaves exactly one row in the ledger.
//!
//! A request that goes upstream is reserved before it does; what it took is read off the upstream's own terminal event, so this filter
//! stands below whoever translates the answer; at the end it is settled once, whatever the end was (docs/accounting.md).
//! Prompts and answers are never looked at.

mod stage;
mod usage;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pooler_filter::codex::{Facts, sentence};
use pooler_filter::{
    BuildError, Carrier, Contract, Exchange, Filter, FilterContext, FilterFactory, Flow, Intent, Ledger, LedgerError,
    Outcome, OutcomeKind, Port, Principal, Reject, RejectKind, RequestFacts, Reservation, ResponseHead, Route,
    SettlementFacts, Slot, Stage, TokenUsage, Transport, Turn, UpstreamRequest, Usage, async_trait,
};
use serde::Deserialize;

/// Configuration of the filter: it has no keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The filter.
pub struct Accounting {
    ledger: Arc<dyn Ledger>,
}

impl fmt::Debug for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounting")
    }
}

/// The row of this request is still to be closed; true once it is.
struct Settled(AtomicBool);

impl Slot for Settled {
    const NAME: &'static str = "accounting.settled";
}

/// What was reserved, so that the settlement speaks of the same request.
struct Reserved(RequestFacts);

impl Slot for Reserved {
    const NAME: &'static str = "accounting.reserved";
}

impl FilterFactory for Accounting {
    const NAME: &'static str = "accounting";
    const CONTRACT: Contract = Contract::new()
        .on_headers(&[Principal::NAME, Route::NAME], &[Settled::NAME])
        .on_body(&[Principal::NAME, Intent::NAME, Route::NAME], &[Reservation::NAME, Reserved::NAME])
        .on_response(&[Principal::NAME], &[Usage::NAME])
        .ports(&[Port::Ledger]);
    type Config = Config;

    fn build(_: Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self { ledger: cx.ledger()? }))
    }
}

#[async_trait]
impl Filter for Accounting {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        cx.put(Settled(AtomicBool::new(false)))?;
        Ok(Flow::Continue)
    }

    async fn on_request_body(&self, _: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        if cx.get::<Intent>().is_none() {
            // Without an intent the request is answered here: it takes nothing that could be reserved.
            return Ok(Flow::Continue);
        }
        let facts = request_facts(cx)?;
        let entry = self.ledger.reserve(facts.clone()).map_err(not_reserved)?;
        cx.put(Reserved(facts))?;
        cx.put(Reservation(entry))?;
        Ok(Flow::Continue)
    }

    fn on_response(&self, head: &mut ResponseHead, _: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        Ok(match head.carrier {
            Carrier::Sse | Carrier::Json => Some(Box::new(stage::ReadUsage)),
            Carrier::Opaque => None,
        })
    }

    async fn on_done(&self, outcome: &Outcome, cx: &mut Exchange) {
        let Some(settled) = cx.get::<Settled>() else { return };
        if settled.0.swap(true, Ordering::AcqRel) || turned_away(outcome, cx) || opens_a_socket(outcome) {
            return;
        }
        if let Err(error) = self.settle(outcome, cx) {
            tracing::error!(request = %cx.id(), outcome = outcome.kind.as_str(), %error, "a request was not settled");
        }
    }
}

/// A request that an overloaded gateway turned away made no work and leaves no row (docs/decisions.md, E6).
fn turned_away(outcome: &Outcome, cx: &Exchange) -> bool {
    let overloaded = outcome.code.as_ref().is_some_and(|code| code.as_str() == "server_is_overloaded");
    outcome.kind == OutcomeKind::Rejected && overloaded && cx.get::<Reserved>().is_none()
}

/// An accepted handshake asks for nothing: each turn on the websocket has a row of its own.
const fn opens_a_socket(outcome: &Outcome) -> bool {
    outcome.status == 101
}

impl Accounting {
    /// Hands the settlement to the ledger. Nobody waits here until it is durable: a client has its answer already, and a write that fails
    /// later is the ledger's to report.
    fn settle(&self, outcome: &Outcome, cx: &Exchange) -> Result<(), Reject> {
        let request = match cx.get::<Reserved>() {
            Some(Reserved(facts)) => facts.clone(),
            None => request_facts(cx)?,
        };
        let usage = cx.get::<Usage>();
        let facts = SettlementFacts {
            request,
            outcome: outcome.clone(),
            usage: usage.map_or(TokenUsage::Unknown, |u| u.tokens),
            served_model: usage.and_then(|u| u.served_model.clone()),
            served_tier: usage.and_then(|u| u.service_tier.clone()),
        };
        self.ledger.settle(facts).map_err(Reject::internal)?;
        Ok(())
    }
}

/// What is known of the request now; a request that failed before its body was understood has no more than its route.
fn request_facts(cx: &Exchange) -> Result<RequestFacts, Reject> {
    let key = &cx.require::<Principal>()?.0;
    let unread = Intent::default();
    let intent = cx.get::<Intent>().unwrap_or(&unread);
    Ok(RequestFacts {
        request: cx.id(),
        pool: key.pool.id,
        key: key.id.clone(),
        route: cx.require::<Route>()?.name,
        model: intent.model.clone(),
        stream: intent.stream,
        transport: match cx.get::<Turn>() {
            Some(_) => Transport::Websocket,
            None if intent.stream => Transport::HttpSse,
            None => Transport::HttpJson,
        },
        effort: intent.effort.clone(),
        service_tier: intent.service_tier.clone(),
        estimated_input_tokens: intent.estimated_input_tokens,
        estimated_output_tokens: intent.estimated_output_tokens,
        received_at: cx.connection().received_at,
    })
}

/// A request that cannot be counted is not served.
fn not_reserved(error: LedgerError) -> Reject {
    let code = "gateway_reservation_failed";
    Reject::new(RejectKind::Unavailable, code, sentence(code, Facts::default())).because(error)
}

#[cfg(test)]
mod tests;
