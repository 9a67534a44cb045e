//! The rate-limit headers of an answer, read without trust (docs/upstream.md, Rate limits).

use std::time::Duration;

use http::HeaderMap;
use pooler_filter::Timestamp;

use super::{Credits, Evidence, Limit, Window};

/// The id of the limit of the account as a whole.
pub(super) const ACCOUNT_LIMIT: &str = "codex";
/// Most limits of one account.
const MOST_LIMITS: usize = 8;
/// Longest id, name, plan and balance, in bytes.
const LONGEST: usize = 64;
/// The slots, each with the length in minutes that it has when nobody tells.
const SLOTS: [(&str, u64); 2] = [("primary", 300), ("secondary", 10_080)];
const USED: &str = "-used-percent";

/// What the headers tell; None when it is nothing.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Evidence> {
    let mut evidence = Evidence { observed_at: now, plan: text(headers, "x-codex-plan-type"), ..Evidence::default() };
    for name in headers.keys().filter_map(|name| family(name.as_str())) {
        let id = name.replace('-', "_");
        let fits = (1..=LONGEST).contains(&id.len()) && evidence.limits.len() < MOST_LIMITS;
        if fits && evidence.limits.iter().all(|limit| limit.id != id) {
            evidence.limits.extend(limit(headers, name, id, now));
        }
    }
    evidence.limits.sort_by_key(|limit| limit.id != ACCOUNT_LIMIT);
    evidence.credits = text(headers, "x-codex-credits-has-credits").map(|has| Credits {
        has_credits: matches!(has.to_ascii_lowercase().as_str(), "true" | "1"),
        balance: text(headers, "x-codex-credits-balance"),
    });
    (!evidence.limits.is_empty()).then_some(evidence)
}

/// The family of `x-<family>-<slot>-used-percent`.
fn family(name: &str) -> Option<&str> {
    let name = name.strip_prefix("x-")?.strip_suffix(USED)?;
    SLOTS.iter().find_map(|(slot, _)| name.strip_suffix(slot)?.strip_suffix('-'))
}

fn limit(headers: &HeaderMap, family: &str, id: String, now: Timestamp) -> Option<Limit> {
    let mut limit = Limit { id, name: text(headers, &format!("x-{family}-limit-name")), ..Limit::default() };
    for (slot, minutes) in SLOTS {
        if let Some(window) = window(headers, &format!("x-{family}-{slot}"), minutes, now) {
            limit.place(window);
        }
    }
    limit.used_percent().is_some().then_some(limit)
}

/// A slot that says nothing but zeros is none.
fn window(headers: &HeaderMap, slot: &str, default: u64, now: Timestamp) -> Option<Window> {
    let get = |what: &str| text(headers, &format!("{slot}-{what}"));
    let used: f64 = get("used-percent")?.parse().ok().filter(|used: &f64| used.is_finite())?;
    let minutes: Option<u64> = get("window-minutes").and_then(|minutes| minutes.parse().ok());
    let reset_at = get("reset-at").and_then(|at| at.parse().ok()).map(Timestamp::from_secs);
    if used == 0.0 && minutes.is_none_or(|minutes| minutes == 0) && reset_at.is_none() {
        return None;
    }
    let minutes = minutes.filter(|minutes| *minutes > 0).unwrap_or(default);
    // What is told relative to now is good enough for short windows only.
    let after = get("reset-after-seconds").and_then(|after| after.parse().ok()).filter(|_| minutes <= super::DAY);
    let reset_at = reset_at.or_else(|| after.map(|after| now.plus(Duration::from_secs(after))));
    Some(Window { used_percent: used.clamp(0.0, 100.0), minutes, reset_at })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    ((1..=LONGEST).contains(&text.len())).then(|| text.to_owned())
}
