//! The ledger as filters see it: facts become events of the store, queued without waiting.

use std::sync::Arc;
use std::time::Duration;

use pooler_filter::{
    AttemptReport, AttemptResult, Code, Durable, Ledger, LedgerError, OutcomeKind, RequestFacts, SettlementFacts,
    TokenUsage, async_trait,
};

use super::State;
use crate::store::records::{self, AttemptRecord, LedgerEvent, Reserved, Settled, Subject};
use crate::store::{self, LedgerStore};
use pooler_filter::Clock;

/// Queues events.
#[derive(Debug)]
pub(super) struct LedgerPort {
    store: Arc<dyn LedgerStore>,
    clock: Arc<dyn Clock>,
}

impl LedgerPort {
    pub(super) fn new(state: &State, clock: Arc<dyn Clock>) -> Self {
        Self { store: Arc::clone(&state.stores().ledger), clock }
    }

    fn append(&self, event: LedgerEvent) -> Result<Arc<dyn Durable>, LedgerError> {
        let durable = self.store.append(event);
        match durable.peek() {
            Some(Err(error)) => Err(LedgerError(error.to_string())),
            Some(Ok(_)) | None => Ok(Arc::new(Queued(durable))),
        }
    }
}

struct Queued(store::Durable);

#[async_trait]
impl Durable for Queued {
    fn is_done(&self) -> bool {
        self.0.is_done()
    }

    async fn wait(&self) -> Result<(), LedgerError> {
        self.0.wait().await.map(|_| ()).map_err(|error| LedgerError(error.to_string()))
    }
}

impl Ledger for LedgerPort {
    fn reserve(&self, facts: RequestFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        self.append(LedgerEvent::Reserved(Box::new(Reserved {
            request_id: facts.request,
            subject: subject(&facts),
            account: None,
            estimated_input_tokens: facts.estimated_input_tokens,
            estimated_output_tokens: facts.estimated_output_tokens,
            reasoning_effort: facts.effort,
            service_tier: facts.service_tier,
            at: facts.received_at,
        })))
    }

    fn settle(&self, facts: SettlementFacts) -> Result<Arc<dyn Durable>, LedgerError> {
        let SettlementFacts { request, outcome, usage, served_model, served_tier } = facts;
        // Whoever was at work when the client left is told too: it may have cost its tokens.
        let worked = |a: &&AttemptReport| a.result.reached_client() || a.result == AttemptResult::Cancelled;
        let served = outcome.attempts.last().filter(worked);
        self.append(LedgerEvent::Settled(Box::new(Settled {
            request_id: request.request,
            subject: Some(subject(&request)),
            status: outcome.status,
            outcome: kind(outcome.kind),
            usage: tokens(usage),
            account: served.map(|a| a.account),
            account_label: served.map(|a| a.label.to_string()),
            attempts: outcome.attempts.iter().map(attempt).collect(),
            served_model,
            served_tier,
            error_code: outcome.code.as_ref().map(Code::to_string),
            first_byte_ms: outcome.first_byte.map(millis),
            duration_ms: millis(outcome.duration),
            at: self.clock.now(),
        })))
    }
}

fn subject(facts: &RequestFacts) -> Subject {
    Subject {
        pool: Some(facts.pool),
        key: Some(facts.key.clone()),
        route: facts.route.to_owned(),
        transport: facts.transport.as_str().to_owned(),
        model: (!facts.model.is_empty()).then(|| facts.model.clone()),
        stream: facts.stream,
    }
}

const fn kind(kind: OutcomeKind) -> records::Outcome {
    match kind {
        OutcomeKind::Succeeded => records::Outcome::Succeeded,
        OutcomeKind::Rejected => records::Outcome::Rejected,
        OutcomeKind::Cancelled => records::Outcome::Cancelled,
        OutcomeKind::Failed | _ => records::Outcome::Failed,
    }
}

const fn tokens(usage: TokenUsage) -> records::Usage {
    match usage {
        TokenUsage::Known { input, cached, cache_write, output, reasoning } => {
            records::Usage::Known { input, cached, cache_write, output, reasoning, total: input.saturating_add(output) }
        }
        TokenUsage::Unknown => records::Usage::Unknown,
    }
}

fn attempt(report: &AttemptReport) -> AttemptRecord {
    AttemptRecord {
        n: report.number,
        account: report.account,
        account_label: report.label.to_string(),
        result: report.result.as_str().to_owned(),
        upstream_status: report.upstream_status.map(|s| s.as_u16()),
        error_code: report.code.as_ref().map(Code::to_string),
        latency_ms: millis(report.latency),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
