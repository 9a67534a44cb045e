//! `GET /v1/usage` (docs/v1.md, Usage).

use std::time::Duration;

use pooler_filter::{KeyFacts, LocalReply, Reject, Timestamp};
use serde::Serialize;

use super::codex_usage;
use crate::pool::{Limit, Pool, Window};
use crate::store::LedgerStore;
use crate::store::records::{Span, UsageSums};

/// How far back the totals go.
const WINDOW: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// What a key took.
#[derive(Serialize)]
struct Totals {
    request_count: u64,
    total_tokens: u64,
    cached_input_tokens: u64,
    total_cost_usd: f64,
    total_cost_status: &'static str,
    limits: [(); 0],
    upstream_limits: Vec<UpstreamLimit>,
}

/// One window of the quota of the account that could serve best now.
#[derive(Serialize)]
struct UpstreamLimit {
    limit_type: &'static str,
    limit_window: &'static str,
    max_value: f64,
    current_value: f64,
    remaining_value: f64,
    model_filter: Option<String>,
    reset_at: Option<u64>,
    source: &'static str,
}

impl From<Window> for UpstreamLimit {
    fn from(window: Window) -> Self {
        let current_value = window.used_percent.clamp(0.0, 100.0);
        Self {
            limit_type: "percent",
            // By its duration, as everywhere (docs/decisions.md, R6).
            limit_window: match window.minutes {
                0..=1440 => "5h",
                1441..40_320 => "7d",
                40_320.. => "30d",
            },
            max_value: 100.0,
            current_value,
            remaining_value: 100.0 - current_value,
            model_filter: None,
            reset_at: window.reset_at.map(Timestamp::as_secs),
            source: "upstream_usage",
        }
    }
}

impl Totals {
    /// There are no prices and no limits of keys that it could speak of.
    fn new(sums: UsageSums, quota: Option<&Limit>) -> Self {
        let windows = quota.into_iter().flat_map(|limit| [limit.primary, limit.secondary]).flatten();
        let mut upstream_limits: Vec<UpstreamLimit> = windows.map(UpstreamLimit::from).collect();
        upstream_limits.sort_by_key(|limit| limit.limit_window);
        Self {
            request_count: sums.requests,
            total_tokens: sums.total(),
            cached_input_tokens: sums.cached,
            total_cost_usd: 0.0,
            total_cost_status: "unpriced",
            limits: [],
            upstream_limits,
        }
    }
}

/// The route takes no parameters: the first one by name is refused.
pub(super) fn check_query(query: &str) -> Result<(), Reject> {
    let first = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).min();
    first.map_or(Ok(()), |name| Err(Reject::unsupported_parameter(name.into_owned())))
}

/// The totals of the key, and the quota of its pool as far as accounts told of it.
pub(super) async fn answer(
    ledger: &dyn LedgerStore,
    pool: &Pool,
    key: &KeyFacts,
    now: Timestamp,
) -> Result<LocalReply, Reject> {
    let window = u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX);
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(window));
    let sums = ledger.usage(&key.id, Span::Hour, since).await.map_err(Reject::internal)?;
    let best = codex_usage::best(pool, key.pool.id);
    let totals = Totals::new(sums, best.as_ref().and_then(|(_, evidence)| evidence.account_limit()));
    Ok(LocalReply::json(serde_json::to_vec(&totals).map_err(Reject::internal)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_by_name_is_refused() {
        for fine in ["", "&", "&&"] {
            assert!(check_query(fine).is_ok(), "{fine}");
        }
        for (query, param) in
            [("b=1&a=2&c", "a"), ("z", "z"), ("%61=1", "a"), ("a+b=", "a b"), ("=x", ""), ("B&a", "B")]
        {
            let reject = check_query(query).unwrap_err();
            assert_eq!((reject.code_str(), reject.param.as_deref()), ("unsupported_parameter", Some(param)), "{query}");
        }
    }
}
