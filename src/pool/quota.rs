//! What the answers of the upstream told of each account's quota: evidence, kept in memory and bounded (docs/routing.md, Quota evidence).

mod headers;

use std::collections::HashMap;

use http::HeaderMap;
use parking_lot::Mutex;
use pooler_filter::{AccountId, Timestamp};

/// Above this many accounts the one that was heard of longest ago is forgotten.
const MOST_ACCOUNTS: usize = 4096;
/// A window of more than a day and less than four weeks is the secondary one.
const DAY: u64 = 24 * 60;
const FOUR_WEEKS: u64 = 28 * DAY;

/// One window of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// How much of it is used, in percent.
    pub(crate) used_percent: f64,
    /// How long it is.
    pub(crate) minutes: u64,
    /// When it begins anew, if that is known.
    pub(crate) reset_at: Option<Timestamp>,
}

/// One limit: by its duration a window is the primary or the secondary one, never by the slot that it was told in (docs/decisions.md, R6).
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Limit {
    /// The upstream's id of it: `codex` for the limit of the account as a whole.
    pub(crate) id: String,
    /// Its name for people.
    pub(crate) name: Option<String>,
    pub(crate) primary: Option<Window>,
    pub(crate) secondary: Option<Window>,
}

/// Credits beyond the windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credits {
    pub(crate) has_credits: bool,
    /// As the upstream writes it.
    pub(crate) balance: Option<String>,
}

/// What one answer told.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Evidence {
    pub(crate) observed_at: Timestamp,
    pub(crate) plan: Option<String>,
    /// The limit of the account first.
    pub(crate) limits: Vec<Limit>,
    pub(crate) credits: Option<Credits>,
}

/// The newest evidence of each account.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<HashMap<AccountId, Evidence>>);

impl Quota {
    /// Takes over what the headers of an answer tell. An answer that tells nothing changes nothing.
    pub(crate) fn note(&self, account: AccountId, headers: &HeaderMap, now: Timestamp) {
        let Some(evidence) = headers::read(headers, now) else { return };
        let mut known = self.0.lock();
        if known.len() >= MOST_ACCOUNTS && !known.contains_key(&account) {
            let oldest = known.iter().min_by_key(|(_, evidence)| evidence.observed_at).map(|(id, _)| *id);
            oldest.map(|id| known.remove(&id));
        }
        known.insert(account, evidence);
    }

    /// What was told of the account last, without the windows that have begun anew since.
    pub(crate) fn of(&self, account: AccountId, now: Timestamp) -> Option<Evidence> {
        let mut evidence = self.0.lock().get(&account)?.clone();
        let open = |window: &Window| window.reset_at.is_none_or(|at| at > now);
        for limit in &mut evidence.limits {
            limit.primary = limit.primary.filter(open);
            limit.secondary = limit.secondary.filter(open);
        }
        Some(evidence)
    }
}

impl Evidence {
    /// The limit of the account as a whole.
    pub(crate) fn account_limit(&self) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.id == headers::ACCOUNT_LIMIT)
    }
}

impl Limit {
    /// Puts a window where its duration says. Of two for one place the fuller one counts.
    fn place(&mut self, window: Window) {
        let secondary = window.minutes > DAY && window.minutes < FOUR_WEEKS;
        let place = if secondary { &mut self.secondary } else { &mut self.primary };
        if place.is_none_or(|other| other.used_percent < window.used_percent) {
            *place = Some(window);
        }
    }

    /// The share that is used of the fuller window, in percent.
    pub(crate) fn used_percent(&self) -> Option<f64> {
        let windows = [self.primary, self.secondary];
        windows.into_iter().flatten().map(|window| window.used_percent).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests;
