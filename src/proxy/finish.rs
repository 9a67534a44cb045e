//! The end of an exchange: its outcome, `on_done` for every filter that saw it, metrics, one line in the log.

use std::time::Duration;

use http::StatusCode;
use pooler_filter::{Chain, Code, Exchange, Intent, Outcome, OutcomeKind, Reached, Route, Served};

use super::downstream::Downstream;
use crate::telemetry::Metrics;

/// Status in the ledger and the log of a request whose client left before it got one.
const CLIENT_CLOSED: u16 = 499;

/// What the client was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Its status; none when it left before one.
    pub(crate) status: Option<StatusCode>,
    /// From the arrival of the head to the first byte of the answer.
    pub(crate) first_byte: Option<Duration>,
    /// From the arrival of the head until now.
    pub(crate) elapsed: Duration,
}

impl From<&Downstream> for Sent {
    fn from(down: &Downstream) -> Self {
        Self { status: down.status(), first_byte: down.first_byte(), elapsed: down.elapsed() }
    }
}

/// Tells everybody who wants to know.
pub(crate) async fn finish(
    chain: &Chain,
    metrics: &Metrics,
    sent: Sent,
    cx: &mut Exchange,
    reached: Reached,
    mut outcome: Outcome,
) {
    outcome.status = sent.status.map_or(CLIENT_CLOSED, |status| status.as_u16());
    outcome.first_byte = sent.first_byte;
    outcome.duration = sent.elapsed;
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
