//! How much of its quota an account has used, as headers and as the usage endpoint show it.

use serde_json::{Value, json};

use super::clock;
use super::reply::Reply;

const PRIMARY_MINUTES: u64 = 300;
const SECONDARY_MINUTES: u64 = 10_080;
const TOKENS_PER_PRIMARY_PERCENT: f64 = 20_000.0;
const TOKENS_PER_SECONDARY_PERCENT: f64 = 140_000.0;
/// Ordinary use never exhausts an account: a demo goes on working. Only [`Meter::pin`] reaches 100.
const CEILING: f64 = 99.0;

/// The two windows of one account.
#[derive(Debug)]
pub(super) struct Meter {
    primary: Window,
    secondary: Window,
    pinned: Option<(f64, f64)>,
}

#[derive(Debug)]
struct Window {
    minutes: u64,
    resets_at: u64,
    tokens: u64,
    per_percent: f64,
}

/// One window as it stands now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) percent: f64,
    pub(super) minutes: u64,
    pub(super) resets_at: u64,
    pub(super) resets_in: u64,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            primary: Window::new(PRIMARY_MINUTES, TOKENS_PER_PRIMARY_PERCENT),
            secondary: Window::new(SECONDARY_MINUTES, TOKENS_PER_SECONDARY_PERCENT),
            pinned: None,
        }
    }

    /// Shows these percentages from now on, whatever is used.
    pub(super) fn pin(&mut self, primary: f64, secondary: f64) {
        self.pinned = Some((primary, secondary));
    }

    pub(super) fn spend(&mut self, tokens: u64) {
        self.primary.spend(tokens);
        self.secondary.spend(tokens);
    }

    pub(super) fn readings(&mut self) -> (Reading, Reading) {
        let (mut primary, mut secondary) = (self.primary.read(), self.secondary.read());
        if let Some(pinned) = self.pinned {
            (primary.percent, secondary.percent) = pinned;
        }
        (primary, secondary)
    }

    /// The reset of the window that is used up, if one is: the later one when both are.
    pub(super) fn exhausted(&mut self) -> Option<Reading> {
        let (primary, secondary) = self.readings();
        [secondary, primary].into_iter().find(|reading| reading.percent >= 100.0)
    }

    /// Puts the rate-limit headers on an answer.
    pub(super) fn stamp(&mut self, reply: &mut Reply, plan: &str) {
        let (primary, secondary) = self.readings();
        for (slot, reading) in [("primary", primary), ("secondary", secondary)] {
            reply.set(&format!("x-codex-{slot}-used-percent"), &reading.percent.to_string());
            reply.set(&format!("x-codex-{slot}-window-minutes"), &reading.minutes.to_string());
            reply.set(&format!("x-codex-{slot}-reset-at"), &reading.resets_at.to_string());
            reply.set(&format!("x-codex-{slot}-reset-after-seconds"), &reading.resets_in.to_string());
        }
        reply.set("x-codex-plan-type", plan);
        reply.set("x-codex-credits-has-credits", "False");
        reply.set("x-codex-credits-unlimited", "False");
        reply.set("x-codex-credits-balance", "");
    }

    /// The `codex.rate_limits` event.
    pub(super) fn event(&mut self, plan: &str) -> Value {
        let (primary, secondary) = self.readings();
        let window = |reading: Reading| json!({"used_percent": reading.percent, "window_minutes": reading.minutes, "reset_at": reading.resets_at});
        let reached = self.exhausted().is_some();
        json!({
            "type": "codex.rate_limits",
            "plan_type": plan,
            "rate_limits": {
                "allowed": !reached, "limit_reached": reached,
                "primary": window(primary), "secondary": window(secondary),
            },
            "code_review_rate_limits": null,
            "credits": {"has_credits": false, "unlimited": false, "balance": null},
            "metered_limit_name": null, "limit_name": null, "promo": null,
        })
    }

    /// The `rate_limit` member of the usage endpoint.
    pub(super) fn usage(&mut self) -> Value {
        let (primary, secondary) = self.readings();
        let window = |reading: Reading| {
            json!({
                "used_percent": reading.percent,
                "limit_window_seconds": reading.minutes * 60,
                "reset_after_seconds": reading.resets_in,
                "reset_at": reading.resets_at,
            })
        };
        let reached = self.exhausted().is_some();
        json!({
            "allowed": !reached, "limit_reached": reached,
            "primary_window": window(primary), "secondary_window": window(secondary),
        })
    }
}

impl Window {
    fn new(minutes: u64, per_percent: f64) -> Window {
        Window { minutes, resets_at: clock::unix() + minutes * 60, tokens: 0, per_percent }
    }

    fn spend(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn read(&mut self) -> Reading {
        let now = clock::unix();
        if now >= self.resets_at {
            *self = Window::new(self.minutes, self.per_percent);
        }
        let whole = u32::try_from(self.tokens).unwrap_or(u32::MAX);
        let percent = (f64::from(whole) / self.per_percent).min(CEILING);
        Reading {
            percent: (percent * 100.0).round() / 100.0,
            minutes: self.minutes,
            resets_at: self.resets_at,
            resets_in: self.resets_at.saturating_sub(now),
        }
    }
}
