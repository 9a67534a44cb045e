//! How a refusal is told to Codex CLI, which acts on status, `type`, `code` and `Retry-After` (docs/native.md, Errors; docs/decisions.md, S5
//! and S11).

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use pooler_filter::{Code, Extra, Reject, RejectKind, Timestamp};

const REASON: HeaderName = HeaderName::from_static("x-codex-pooler-reason");
const OVERLOADED: &str = "server_is_overloaded";
/// The longest wait that the client sits out; for a longer one it is told when to come back, and stops.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The same refusal in the form for the native surface. What the upstream said about the request itself stays as it came, and so does a lost
/// continuation, whose code the client needs.
pub(crate) fn native(reject: Reject, now: Timestamp) -> Reject {
    match reject.status() {
        _ if reject.verbatim.is_some() || reject.extra == Some(Extra::Recovery) => reject,
        StatusCode::TOO_MANY_REQUESTS => limit(reject, now),
        status if status.is_server_error() => overload(reject),
        _ => reject,
    }
}

/// S5: a short wait is sat out, a long or unknown one ends the turn at once.
fn limit(mut reject: Reject, now: Timestamp) -> Reject {
    let known = match reject.extra {
        Some(Extra::QuotaReset { at, .. }) => Some(at.since(now)),
        _ => reject.retry_after,
    };
    match known {
        Some(wait) if wait <= LONGEST_WAIT => {
            reject.kind = RejectKind::RateLimited;
            reject.retry_after = Some(wait);
            reject.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        known => {
            reject.kind = RejectKind::UsageLimit;
            reject.retry_after = None;
            if let Some(wait) = known {
                reject.extra = Some(Extra::QuotaReset { at: now.plus(wait), in_seconds: seconds(wait) });
            }
        }
    }
    reject
}

/// S11: the one code on which the client stops after a few tries; without `Retry-After`, which would make it try thirty times.
fn overload(mut reject: Reject) -> Reject {
    if let Some(reason) = reject.code.as_ref().and_then(|code| HeaderValue::from_str(code.as_str()).ok()) {
        reject.headers.insert(REASON, reason);
    }
    reject.headers.remove(header::RETRY_AFTER);
    reject.kind = RejectKind::Unavailable;
    reject.code = Some(Code::new(OVERLOADED));
    reject.retry_after = None;
    reject
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn body(reject: &Reject) -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&reject.envelope()).unwrap()["error"].clone()
    }

    fn told(reject: Reject) -> Reject {
        native(reject, NOW)
    }

    #[test]
    fn every_failure_of_ours_is_an_overload_whose_reason_stands_in_a_header() {
        let upstream = |status| RejectKind::Upstream(StatusCode::from_u16(status).unwrap());
        for (kind, code) in [
            (RejectKind::Internal, "internal_error"),
            (RejectKind::BadGateway, "upstream_request_failed"),
            (RejectKind::Unavailable, "no_eligible_backend"),
            (RejectKind::Overloaded, "server_is_overloaded"),
            (upstream(500), "server_error"),
            (upstream(529), "overloaded_error"),
        ] {
            let told = told(Reject::new(kind, code, "why").retry_after(Duration::from_secs(2)));
            assert_eq!((told.status().as_u16(), told.code_str()), (503, OVERLOADED), "{code}");
            assert_eq!((told.retry_after_seconds(), told.headers.get("retry-after")), (None, None), "{code}");
            assert_eq!(told.headers["x-codex-pooler-reason"], code);
            assert_eq!((&told.message[..], told.error_type()), ("why", "server_error"));
        }
    }

    #[test]
    fn a_wait_of_a_minute_is_sat_out_and_a_longer_or_unknown_one_ends_the_turn() {
        let secs = Duration::from_secs;
        for code in ["quota_exhausted", "usage_limit_reached", "rate_limit_exceeded", "api_key_limit_exceeded"] {
            for kind in
                [RejectKind::RateLimited, RejectKind::UsageLimit, RejectKind::Upstream(StatusCode::TOO_MANY_REQUESTS)]
            {
                let make = || Reject::new(kind, code, "m");
                let short = told(make().retry_after(Duration::from_millis(59_500)));
                assert_eq!(short.error_type(), "rate_limit_error");
                assert_eq!(short.headers["retry-after"], "60");
                assert_eq!((short.code_str(), short.forbids_retry()), (code, false));
                assert_eq!(told(make().retry_after(secs(60))).headers["retry-after"], "60");
                let long = told(make().retry_after(secs(61)));
                assert_eq!((long.error_type(), long.headers.get("retry-after")), ("usage_limit_reached", None));
                assert_eq!((long.retry_after_seconds(), long.forbids_retry()), (None, true));
                assert_eq!(body(&long)["resets_at"], NOW.as_secs() + 61);
                assert_eq!((&body(&long)["resets_in_seconds"], long.code_str()), (&61.into(), code));
                let unknown = told(make());
                assert_eq!((unknown.error_type(), body(&unknown).get("resets_at")), ("usage_limit_reached", None));
            }
        }
        let reset = |seconds| Reject::quota_exhausted(Some(NOW.plus(secs(seconds))), NOW);
        assert_eq!(
            (told(reset(30)).error_type(), told(reset(3600)).error_type()),
            ("rate_limit_error", "usage_limit_reached")
        );
        assert_eq!(told(Reject::quota_exhausted(None, NOW)).error_type(), "usage_limit_reached");
    }

    #[test]
    fn what_a_client_can_mend_stays_as_it_is() {
        let lost = told(Reject::lost_continuation("pinned_continuation_unavailable"));
        assert_eq!(
            (lost.code_str(), lost.headers.get("x-codex-pooler-reason")),
            ("pinned_continuation_unavailable", None)
        );
        let invalid = told(Reject::invalid("input must be an array").at("input"));
        assert_eq!((invalid.status().as_u16(), invalid.code_str()), (400, "invalid_request"));
        assert_eq!((&body(&invalid)["param"], invalid.headers.is_empty()), (&"input".into(), true));
    }
}
