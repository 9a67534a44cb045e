//! The refusals of the real backend, ready to inject.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::clock;

/// An answer known from the real backend. Its name at the control endpoint is the variant in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// 400 with a `detail` only.
    BadRequest,
    /// 400 `context_length_exceeded`.
    ContextLengthExceeded,
    /// 400 `model_not_found`.
    ModelNotFound,
    /// 401 `{"detail":"Unauthorized"}`.
    Unauthorized,
    /// 402 `deactivated_workspace`.
    PaymentRequired,
    /// 403 as JSON.
    Forbidden,
    /// 403 as an HTML page with `cf-ray`.
    CloudflareBlocked,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 413.
    TooLarge,
    /// 429 `usage_limit_reached`, reset in an hour.
    UsageLimitReached,
    /// 429 `usage_not_included`.
    UsageNotIncluded,
    /// 429 `rate_limit_exceeded` without `Retry-After`.
    RateLimited,
    /// 429 `rate_limit_exceeded` with `Retry-After: 2`.
    RateLimitedRetryAfter,
    /// 500.
    ServerError,
    /// 503 without a known code, with `Retry-After: 2`.
    Unavailable,
    /// 503 `server_is_overloaded` without `Retry-After`.
    ServerIsOverloaded,
    /// 503 `server_is_overloaded` with `Retry-After: 2`.
    ServerIsOverloadedRetryAfter,
    /// 503 `slow_down`.
    SlowDown,
}

/// A rendered refusal.
#[derive(Debug)]
pub(in crate::simulator) struct Canned {
    pub(in crate::simulator) status: u16,
    pub(in crate::simulator) content_type: &'static str,
    pub(in crate::simulator) body: String,
    pub(in crate::simulator) headers: Vec<(&'static str, String)>,
}

const BLOCKED: &str = "<!DOCTYPE html>\n<html><head><title>Attention Required! | Cloudflare</title></head>\
<body><h1>Sorry, you have been blocked</h1><p>You are unable to access chatgpt.com</p></body></html>\n";

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 19] = [
        Preset::BadRequest,
        Preset::ContextLengthExceeded,
        Preset::ModelNotFound,
        Preset::Unauthorized,
        Preset::PaymentRequired,
        Preset::Forbidden,
        Preset::CloudflareBlocked,
        Preset::NotFound,
        Preset::Conflict,
        Preset::TooLarge,
        Preset::UsageLimitReached,
        Preset::UsageNotIncluded,
        Preset::RateLimited,
        Preset::RateLimitedRetryAfter,
        Preset::ServerError,
        Preset::Unavailable,
        Preset::ServerIsOverloaded,
        Preset::ServerIsOverloadedRetryAfter,
        Preset::SlowDown,
    ];

    /// The name at the control endpoint.
    pub fn name(self) -> &'static str {
        match self {
            Preset::BadRequest => "bad_request",
            Preset::ContextLengthExceeded => "context_length_exceeded",
            Preset::ModelNotFound => "model_not_found",
            Preset::Unauthorized => "unauthorized",
            Preset::PaymentRequired => "payment_required",
            Preset::Forbidden => "forbidden",
            Preset::CloudflareBlocked => "cloudflare_blocked",
            Preset::NotFound => "not_found",
            Preset::Conflict => "conflict",
            Preset::TooLarge => "too_large",
            Preset::UsageLimitReached => "usage_limit_reached",
            Preset::UsageNotIncluded => "usage_not_included",
            Preset::RateLimited => "rate_limited",
            Preset::RateLimitedRetryAfter => "rate_limited_retry_after",
            Preset::ServerError => "server_error",
            Preset::Unavailable => "unavailable",
            Preset::ServerIsOverloaded => "server_is_overloaded",
            Preset::ServerIsOverloadedRetryAfter => "server_is_overloaded_retry_after",
            Preset::SlowDown => "slow_down",
        }
    }

    pub(in crate::simulator) fn named(name: &str) -> Option<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.name() == name)
    }

    pub(in crate::simulator) fn render(self, plan: &str) -> Canned {
        match self {
            Preset::BadRequest => json(400, &json!({"detail": "Bad Request"})),
            Preset::ContextLengthExceeded => json(
                400,
                &error(
                    "invalid_request_error",
                    "context_length_exceeded",
                    "Your input exceeds the context window of this model. Please adjust your input and try again.",
                ),
            ),
            Preset::ModelNotFound => {
                json(400, &error("invalid_request_error", "model_not_found", "The requested model does not exist."))
            }
            Preset::Unauthorized => json(401, &json!({"detail": "Unauthorized"})),
            Preset::PaymentRequired => json(402, &json!({"detail": {"code": "deactivated_workspace"}})),
            Preset::Forbidden => json(403, &json!({"detail": "Forbidden"})),
            Preset::CloudflareBlocked => Canned {
                status: 403,
                content_type: "text/html; charset=UTF-8",
                body: BLOCKED.to_owned(),
                headers: vec![("cf-ray", "8f0000000000beef-FRA".to_owned()), ("server", "cloudflare".to_owned())],
            },
            Preset::NotFound => json(404, &json!({"detail": "Not Found"})),
            Preset::Conflict => json(409, &json!({"detail": "Conflict"})),
            Preset::TooLarge => json(413, &json!({"detail": "Request Entity Too Large"})),
            Preset::UsageLimitReached => usage_limit(plan, Duration::from_secs(3_600)),
            Preset::UsageNotIncluded => json(
                429,
                &json!({"error": {"type": "usage_not_included", "message": "Usage is not included in your plan.", "plan_type": plan}}),
            ),
            Preset::RateLimited => rate_limited(),
            Preset::RateLimitedRetryAfter => rate_limited().retry_after(2),
            Preset::ServerError => {
                json(500, &error("server_error", "server_error", "An error occurred while processing your request."))
            }
            Preset::Unavailable => json(503, &json!({"detail": "Service Unavailable"})).retry_after(2),
            Preset::ServerIsOverloaded => overloaded(),
            Preset::ServerIsOverloadedRetryAfter => overloaded().retry_after(2),
            Preset::SlowDown => json(503, &error("service_unavailable_error", "slow_down", "Please slow down.")),
        }
    }
}

impl Canned {
    fn retry_after(mut self, seconds: u64) -> Canned {
        self.headers.push(("retry-after", seconds.to_string()));
        self
    }
}

/// The refusal of an account whose quota is spent, with its rate-limit headers.
pub(in crate::simulator) fn usage_limit(plan: &str, resets_in: Duration) -> Canned {
    let seconds = resets_in.as_secs();
    let resets_at = clock::unix().saturating_add(seconds);
    let mut canned = json(
        429,
        &json!({"error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": plan,
            "resets_at": resets_at,
            "resets_in_seconds": seconds,
        }}),
    );
    canned.headers = vec![
        ("x-codex-primary-used-percent", "100".to_owned()),
        ("x-codex-primary-window-minutes", "300".to_owned()),
        ("x-codex-primary-reset-at", resets_at.to_string()),
        ("x-codex-rate-limit-reached-type", "rate_limit_reached".to_owned()),
    ];
    canned
}

fn json(status: u16, body: &Value) -> Canned {
    Canned { status, content_type: "application/json", body: body.to_string(), headers: Vec::new() }
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

fn rate_limited() -> Canned {
    json(429, &error("rate_limit_error", "rate_limit_exceeded", "Rate limit reached. Please try again later."))
}

fn overloaded() -> Canned {
    json(
        503,
        &error(
            "service_unavailable_error",
            "server_is_overloaded",
            "Our servers are currently overloaded. Please try again later.",
        ),
    )
}
