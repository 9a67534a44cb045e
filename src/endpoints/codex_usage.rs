//! `GET /backend-api/wham/usage` and its other names: the quota of a pool as Codex CLI reads it (docs/native.md, Usage).
//!
//! A pool has no quota of its own; what is told is that of the account which could serve best now, as far as it said.

use std::cmp::Ordering;

use pooler_filter::{AccountId, LocalReply, PoolId, Standing, Timestamp};
use serde::Serialize;

use crate::pool::{Credits, Evidence, Limit, Pool, Window};

#[derive(Debug, Serialize)]
struct Page<'a> {
    plan_type: &'a str,
    rate_limit: RateLimit,
    additional_rate_limits: Vec<Additional<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credits: Option<Told<'a>>,
}

#[derive(Debug, Serialize)]
struct RateLimit {
    allowed: bool,
    limit_reached: bool,
    primary_window: Option<Slot>,
    secondary_window: Option<Slot>,
}

#[derive(Debug, Serialize)]
struct Slot {
    used_percent: f64,
    limit_window_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_after_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_at: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Additional<'a> {
    quota_key: &'a str,
    limit_name: &'a str,
    display_label: &'a str,
    metered_feature: &'a str,
    rate_limit: RateLimit,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    has_credits: bool,
    unlimited: bool,
    balance: Option<&'a str>,
}

/// The quota of the pool.
pub(super) fn answer(pool: &Pool, id: PoolId) -> LocalReply {
    let (best, now) = (best(pool, id), pool.now());
    let page = match &best {
        Some((standing, evidence)) => page(*standing, evidence, now),
        None => Page {
            plan_type: "api_key",
            rate_limit: rate_limit(true, None, now),
            additional_rate_limits: Vec::new(),
            credits: None,
        },
    };
    told(&page)
}

/// The quota of one account; None when nothing is known of it.
pub(super) fn of_account(pool: &Pool, account: AccountId) -> Option<LocalReply> {
    let (standing, evidence) = pool.evidence_of(account)?;
    Some(told(&page(standing, &evidence, pool.now())))
}

fn told(page: &Page<'_>) -> LocalReply {
    // Writing plain strings and numbers into memory cannot fail.
    LocalReply::json(serde_json::to_vec(page).unwrap_or_default())
}

/// The account that could serve best now, of those that told something of their quota.
pub(super) fn best(pool: &Pool, id: PoolId) -> Option<(Standing, Evidence)> {
    pool.evidence(id).into_iter().max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(Ordering::Equal))
}

/// An account that may serve before one that may not, then the larger plan, then what is left.
fn rank((standing, evidence): &(Standing, Evidence)) -> (bool, u8, f64) {
    let used = evidence.account_limit().and_then(Limit::used_percent).unwrap_or(0.0);
    (allowed(*standing, evidence), plan_rank(evidence.plan.as_deref()), -used)
}

fn allowed(standing: Standing, evidence: &Evidence) -> bool {
    let credits = evidence.credits.as_ref().is_some_and(Credits::is_positive);
    standing == Standing::Ready && (credits || !evidence.account_limit().is_some_and(is_full))
}

fn is_full(limit: &Limit) -> bool {
    limit.used_percent().is_some_and(|used| used >= 100.0)
}

fn plan_rank(plan: Option<&str>) -> u8 {
    match plan.unwrap_or_default().to_ascii_lowercase().as_str() {
        "enterprise" | "team" | "business" => 4,
        "pro" => 3,
        "plus" => 2,
        "free" => 1,
        _ => 0,
    }
}

fn page(standing: Standing, evidence: &Evidence, now: Timestamp) -> Page<'_> {
    let own = evidence.account_limit();
    let others = evidence.limits.iter().filter(|limit| own.is_none_or(|own| own.id != limit.id));
    Page {
        plan_type: evidence.plan.as_deref().unwrap_or("unknown"),
        rate_limit: rate_limit(allowed(standing, evidence), own, now),
        additional_rate_limits: others.map(|limit| additional(limit, now)).collect(),
        credits: evidence.credits.as_ref().map(|credits| Told {
            has_credits: credits.has_credits,
            unlimited: false,
            balance: credits.balance.as_deref(),
        }),
    }
}

fn additional(limit: &Limit, now: Timestamp) -> Additional<'_> {
    let name = limit.name.as_deref().unwrap_or(&limit.id);
    let rate_limit = rate_limit(!is_full(limit), Some(limit), now);
    Additional { quota_key: &limit.id, limit_name: name, display_label: name, metered_feature: &limit.id, rate_limit }
}

fn rate_limit(allowed: bool, limit: Option<&Limit>, now: Timestamp) -> RateLimit {
    let slot = |window: Window| Slot {
        used_percent: window.used_percent,
        limit_window_seconds: window.minutes.saturating_mul(60),
        reset_after_seconds: window.reset_at.map(|at| at.since(now).as_secs()),
        reset_at: window.reset_at.map(Timestamp::as_secs),
    };
    RateLimit {
        allowed,
        limit_reached: !allowed,
        primary_window: limit.and_then(|limit| limit.primary).map(slot),
        secondary_window: limit.and_then(|limit| limit.secondary).map(slot),
    }
}
