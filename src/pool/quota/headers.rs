//! The rate-limit headers of an answer, read without trust (docs/upstream.md, Rate limits).

use http::HeaderMap;
use pooler_filter::Timestamp;

use super::book::{self, Credits, Told, ToldLimit, short};
use super::{ACCOUNT_LIMIT, LONGEST, MOST_LIMITS, SLOTS, Window};

const USED: &str = "-used-percent";

/// What the headers tell; None when it is nothing.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Told> {
    let mut told = Told { plan: text(headers, "x-codex-plan-type"), ..Told::default() };
    for name in headers.keys().filter_map(|name| family(name.as_str())) {
        let id = name.replace('-', "_");
        let fits = (1..=LONGEST).contains(&id.len()) && told.limits.len() < MOST_LIMITS;
        if fits && told.limits.iter().all(|limit| limit.id != id) {
            told.limits.extend(limit(headers, name, id, now));
        }
    }
    told.limits.sort_by_key(|limit| limit.id != ACCOUNT_LIMIT);
    told.credits = text(headers, "x-codex-credits-has-credits").map(|has| Credits {
        has_credits: is_true(&has),
        unlimited: text(headers, "x-codex-credits-unlimited").is_some_and(|unlimited| is_true(&unlimited)),
        balance: text(headers, "x-codex-credits-balance"),
    });
    (!told.limits.is_empty() || told.credits.is_some()).then_some(told)
}

fn is_true(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

/// The family of `x-<family>-<slot>-used-percent`.
fn family(name: &str) -> Option<&str> {
    let name = name.strip_prefix("x-")?.strip_suffix(USED)?;
    SLOTS.iter().find_map(|(slot, _)| name.strip_suffix(slot)?.strip_suffix('-'))
}

fn limit(headers: &HeaderMap, family: &str, id: String, now: Timestamp) -> Option<ToldLimit> {
    let mut limit = ToldLimit { id, name: text(headers, &format!("x-{family}-limit-name")), ..ToldLimit::default() };
    for (slot, usual) in SLOTS {
        if let Some(window) = window(headers, &format!("x-{family}-{slot}"), usual, now) {
            limit.place(window);
        }
    }
    (!limit.windows.is_empty()).then_some(limit)
}

fn window(headers: &HeaderMap, slot: &str, usual: u64, now: Timestamp) -> Option<Window> {
    let number = |what: &str| -> Option<u64> { text(headers, &format!("{slot}-{what}"))?.parse().ok() };
    let used = text(headers, &format!("{slot}{USED}"))?.parse().ok()?;
    let reset_at = number("reset-at").map(Timestamp::from_secs);
    book::window(used, number("window-minutes"), usual, reset_at, number("reset-after-seconds"), now)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    short(headers.get(name)?.to_str().ok()?)
}
