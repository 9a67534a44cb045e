//! The end of an exchange: its outcome, `on_done` for every filter that saw it, metrics, one line in the log.

use pooler_filter::{Chain, Code, Exchange, Intent, Outcome, OutcomeKind, Reached, Route, Served};

use super::downstream::Downstream;
use crate::telemetry::Metrics;

/// Status in the ledger and the log of a request whose client left before it got one.
const CLIENT_CLOSED: u16 = 499;

/// Tells everybody who wants to know.
pub(crate) async fn finish(
    chain: &Chain,
    metrics: &Metrics,
    down: &Downstream,
    cx: &mut Exchange,
    reached: Reached,
    mut outcome: Outcome,
) {
    outcome.status = down.status().map_or(CLIENT_CLOSED, |status| status.as_u16());
    outcome.first_byte = down.first_byte();
    outcome.duration = down.elapsed();
    let route = cx.get::<Route>().map_or("none", |route| route.name);
    metrics.ended(route, &outcome);
    log(cx, route, &outcome);
    chain.done(&outcome, cx, reached).await;
}

fn log(cx: &Exchange, route: &str, outcome: &Outcome) {
    tracing::info!(
        target: "codex_pooler::access",
        request_id = %cx.id(),
        route,
        status = outcome.status,
        outcome = outcome.kind.as_str(),
        code = outcome.code.as_ref().map(Code::as_str),
        model = cx.get::<Intent>().map(|intent| intent.model.as_str()),
        account = cx.get::<Served>().map(|served| &*served.label),
        attempts = outcome.attempts.len(),
        first_byte_ms = outcome.first_byte.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
        duration_ms = u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
        "request"
    );
}

/// The kind of outcome of a refusal: refused before anything was tried, or failed after.
pub(crate) const fn refused(tried: bool) -> OutcomeKind {
    if tried { OutcomeKind::Failed } else { OutcomeKind::Rejected }
}
