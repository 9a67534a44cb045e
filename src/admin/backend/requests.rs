//! `requests list|show`.

use pooler_filter::RequestId;

use super::Backend;
use crate::admin::reply::{AttemptRow, Refusal, Reply, RequestRow, UsageRow};
use crate::admin::time::rfc3339;
use crate::store::records::{AttemptRecord, RequestRecord, RequestState, Usage};
use crate::store::{RequestFilter, Snapshot};

/// The beginning of an id says when it was made; with fewer digits it would be a guess.
const SHORTEST_PREFIX: usize = 4;

impl Backend {
    pub(super) async fn request_list(&self, limit: usize) -> Result<Vec<Reply>, Refusal> {
        let ledger = &self.parts.stores.ledger;
        // Whoever saw an answer finds it here.
        ledger.flush().await?;
        let rows = ledger.recent(limit, RequestFilter::default()).await?;
        let snapshot = self.load().await?;
        Ok(rows.iter().map(|request| reply(request, &snapshot)).collect())
    }

    pub(super) async fn request_show(&self, id: &str) -> Result<Vec<Reply>, Refusal> {
        let ledger = &self.parts.stores.ledger;
        ledger.flush().await?;
        let named = id.trim();
        if let Ok(id) = named.parse::<RequestId>() {
            let request = ledger.get(id).await?.ok_or_else(|| super::not_found("request", named))?;
            return Ok(vec![reply(&request, &self.load().await?)]);
        }
        if named.len() < SHORTEST_PREFIX {
            return Err(Refusal::new("invalid", format!("at least {SHORTEST_PREFIX} digits of the id are needed")));
        }
        let found = ledger.find(named, 2).await?;
        match found.as_slice() {
            [] => Err(super::not_found("request", named)),
            [request] => Ok(vec![reply(request, &self.load().await?)]),
            _ => {
                Err(Refusal::new("ambiguous", format!("more than one request begins with `{named}`: give more digits")))
            }
        }
    }
}

fn reply(request: &RequestRecord, snapshot: &Snapshot) -> Reply {
    let (subject, reserved, settled) = (request.subject(), request.reserved.as_ref(), request.settled.as_ref());
    let slug = |id| snapshot.pools.iter().find(|p| p.id == id).map_or_else(|| id.to_string(), |p| p.slug.clone());
    let known_label = || {
        let account = snapshot.accounts.iter().find(|a| Some(a.id) == request.account())?;
        Some(account.label.clone())
    };
    let usage = settled.map(|s| s.usage);
    Reply::Request(Box::new(RequestRow {
        request_id: request.request_id.to_string(),
        at: rfc3339(request.at()),
        state: request.state().as_str().to_owned(),
        route: subject.map(|s| s.route.clone()),
        transport: subject.map(|s| s.transport.clone()),
        stream: subject.map(|s| s.stream),
        model: subject.and_then(|s| s.model.clone()),
        served_model: settled.and_then(|s| s.served_model.clone()),
        pool: subject.and_then(|s| s.pool).map(slug),
        key: subject.and_then(|s| s.key.as_ref()).map(ToString::to_string),
        status: settled.map(|s| s.status),
        outcome: settled.map(|s| s.outcome.as_str().to_owned()),
        error_code: settled.and_then(|s| s.error_code.clone()),
        usage_state: usage_state(request.state(), usage).to_owned(),
        usage: usage.and_then(usage_row),
        estimated_tokens: reserved.map(|r| (r.estimated_input_tokens, r.estimated_output_tokens)),
        account: settled.and_then(|s| s.account_label.clone()).or_else(known_label),
        account_id: request.account().map(|id| id.to_string()),
        attempts: settled.map(|s| s.attempts.iter().map(attempt).collect()).unwrap_or_default(),
        reasoning_effort: reserved.and_then(|r| r.reasoning_effort.clone()),
        service_tier: reserved.and_then(|r| r.service_tier.clone()),
        served_tier: settled.and_then(|s| s.served_tier.clone()),
        first_byte_ms: settled.and_then(|s| s.first_byte_ms),
        duration_ms: settled.map(|s| s.duration_ms),
    }))
}

fn usage_state(state: RequestState, usage: Option<Usage>) -> &'static str {
    match (state, usage) {
        (_, Some(Usage::Known { .. })) => "known",
        (RequestState::Open, _) => "pending",
        (RequestState::Settled | RequestState::Lost, Some(Usage::Unknown) | None) => "unknown",
    }
}

fn usage_row(usage: Usage) -> Option<UsageRow> {
    match usage {
        Usage::Known { input, cached, cache_write, output, reasoning, total } => Some(UsageRow {
            input_tokens: input,
            cached_tokens: cached,
            cache_write_tokens: cache_write,
            output_tokens: output,
            reasoning_tokens: reasoning,
            total_tokens: total,
        }),
        Usage::Unknown => None,
    }
}

fn attempt(attempt: &AttemptRecord) -> AttemptRow {
    AttemptRow {
        n: attempt.n,
        account: attempt.account_label.clone(),
        account_id: attempt.account.to_string(),
        result: attempt.result.clone(),
        upstream_status: attempt.upstream_status,
        error_code: attempt.error_code.clone(),
        latency_ms: attempt.latency_ms,
    }
}
