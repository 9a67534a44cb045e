//! `GET /v1/usage` (docs/v1.md, Usage).

use std::time::Duration;

use pooler_filter::{KeyId, LocalReply, Reject, Timestamp};
use serde::Serialize;

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
    upstream_limits: [(); 0],
}

impl From<UsageSums> for Totals {
    /// There are no prices, no limits and no quota windows that it could speak of.
    fn from(sums: UsageSums) -> Self {
        Self {
            request_count: sums.requests,
            total_tokens: sums.total(),
            cached_input_tokens: sums.cached,
            total_cost_usd: 0.0,
            total_cost_status: "unpriced",
            limits: [],
            upstream_limits: [],
        }
    }
}

/// The route takes no parameters: the first one by name is refused.
pub(super) fn check_query(query: &str) -> Result<(), Reject> {
    let first = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).min();
    first.map_or(Ok(()), |name| Err(Reject::unsupported_parameter(name.into_owned())))
}

/// The totals of the key.
pub(super) async fn answer(ledger: &dyn LedgerStore, key: &KeyId, now: Timestamp) -> Result<LocalReply, Reject> {
    let window = u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX);
    let since = Timestamp::from_millis(now.as_millis().saturating_sub(window));
    let sums = ledger.usage(key, Span::Hour, since).await.map_err(Reject::internal)?;
    Ok(LocalReply::json(serde_json::to_vec(&Totals::from(sums)).map_err(Reject::internal)?))
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
