//! All that is known of one account, and what is taken over into it.

use std::time::Duration;

use pooler_filter::Timestamp;

use super::rows::{self, Row, Source, Window};
use super::{ACCOUNT_LIMIT, LONGEST, MOST_LIMITS};

/// One limit, as it is shown.
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Credits {
    pub(crate) has_credits: bool,
    pub(crate) unlimited: bool,
    /// As the upstream writes it.
    pub(crate) balance: Option<String>,
}

/// What is known of an account, as it is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Evidence {
    pub(crate) observed_at: Timestamp,
    pub(crate) plan: Option<String>,
    /// The limit of the account first.
    pub(crate) limits: Vec<Limit>,
    pub(crate) credits: Option<Credits>,
}

/// What was told at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Told {
    pub(super) plan: Option<String>,
    pub(super) limits: Vec<ToldLimit>,
    pub(super) credits: Option<Credits>,
}

/// What was told of one limit.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ToldLimit {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) windows: Vec<Window>,
    /// Whether the upstream allows requests.
    pub(super) allowed: Option<bool>,
}

/// All that is known of one account.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) heard_at: Timestamp,
    pub(super) plan: Option<String>,
    pub(super) limits: Vec<LimitRows>,
    pub(super) credits: Option<(Credits, Timestamp)>,
}

/// All that is known of one limit.
#[derive(Debug, Default)]
pub(super) struct LimitRows {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) heard_at: Timestamp,
    pub(super) rows: Vec<Row>,
    pub(super) allowed: Option<(bool, Timestamp)>,
}

impl Book {
    pub(super) fn take_over(&mut self, source: Source, told: Told, now: Timestamp) {
        self.heard_at = now;
        self.plan = told.plan.or(self.plan.take());
        if let Some(credits) = told.credits {
            self.credits = Some((credits, now));
        }
        for told in told.limits {
            let Some(limit) = self.limit(&told.id) else { continue };
            limit.heard_at = now;
            limit.name = told.name.or(limit.name.take());
            limit.allowed = told.allowed.map(|allowed| (allowed, now)).or(limit.allowed);
            told.windows.into_iter().for_each(|window| rows::take_over(&mut limit.rows, source, window, now));
            limit.rows.retain(|row| !row.is_gone(now));
        }
    }

    /// The limit of that id. With too many, the one that was heard of longest ago makes room; never that of the account.
    fn limit(&mut self, id: &str) -> Option<&mut LimitRows> {
        let known = self.limits.iter().position(|limit| limit.id == id);
        if known.is_none() && self.limits.len() >= MOST_LIMITS {
            let others = self.limits.iter().enumerate().filter(|(_, limit)| limit.id != ACCOUNT_LIMIT);
            let oldest = others.min_by_key(|(_, limit)| limit.heard_at).map(|(at, _)| at)?;
            self.limits.swap_remove(oldest);
        }
        let at = known.unwrap_or_else(|| {
            self.limits.push(LimitRows { id: id.to_owned(), ..LimitRows::default() });
            self.limits.len() - 1
        });
        self.limits.get_mut(at)
    }

    /// Whether there are credits, as was told a moment ago.
    pub(super) fn has_credits(&self, now: Timestamp) -> bool {
        self.credits.as_ref().is_some_and(|(credits, at)| rows::is_fresh(*at, now) && credits.is_positive())
    }

    pub(super) fn shown(&self, now: Timestamp) -> Evidence {
        let mut limits: Vec<Limit> = self.limits.iter().map(|limit| limit.shown(now)).collect();
        limits.sort_by_key(|limit| limit.id != ACCOUNT_LIMIT);
        let credits = self.credits.as_ref().map(|(credits, _)| credits.clone());
        Evidence { observed_at: self.heard_at, plan: self.plan.clone(), limits, credits }
    }
}

impl LimitRows {
    fn shown(&self, now: Timestamp) -> Limit {
        let open = |row: Option<&Row>| row.filter(|row| !row.is_over(now)).map(|row| row.window);
        let [primary, secondary] = rows::select(&self.rows, now).map(open);
        Limit { id: self.id.clone(), name: self.name.clone(), primary, secondary }
    }
}

impl Credits {
    /// Whether some are left, as far as is told.
    pub(crate) fn is_positive(&self) -> bool {
        let balance = self.balance.as_deref().map(str::parse::<f64>);
        self.unlimited || (self.has_credits && balance.is_none_or(|balance| balance.is_ok_and(|left| left > 0.0)))
    }
}

impl ToldLimit {
    /// Puts a window beside the others. Of two of one kind the fuller one counts.
    pub(super) fn place(&mut self, window: Window) {
        match self.windows.iter_mut().find(|other| other.kind() == window.kind()) {
            Some(other) if other.used_percent < window.used_percent => *other = window,
            Some(_) => {}
            None => self.windows.push(window),
        }
    }
}

impl Evidence {
    /// The limit of the account as a whole.
    pub(crate) fn account_limit(&self) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.id == ACCOUNT_LIMIT)
    }
}

impl Limit {
    /// The share that is used of the fuller window, in percent.
    pub(crate) fn used_percent(&self) -> Option<f64> {
        let windows = [self.primary, self.secondary];
        windows.into_iter().flatten().map(|window| window.used_percent).reduce(f64::max)
    }
}

/// A text that is not too long, without the blanks around it.
pub(super) fn short(text: &str) -> Option<String> {
    let text = text.trim();
    ((1..=LONGEST).contains(&text.len())).then(|| text.to_owned())
}

/// A window; none when nothing but zeros was told. What is told relative to now is good enough for short windows only.
pub(super) fn window(
    used_percent: f64,
    minutes: Option<u64>,
    usual: u64,
    reset_at: Option<Timestamp>,
    reset_after: Option<u64>,
    now: Timestamp,
) -> Option<Window> {
    if !used_percent.is_finite() || (used_percent == 0.0 && minutes.is_none_or(|m| m == 0) && reset_at.is_none()) {
        return None;
    }
    let minutes = minutes.filter(|minutes| *minutes > 0).unwrap_or(usual);
    let after = reset_after.filter(|_| minutes <= rows::DAY).map(|after| now.plus(Duration::from_secs(after)));
    Some(Window { used_percent: used_percent.clamp(0.0, 100.0), minutes, reset_at: reset_at.or(after) })
}
