//! Failures of the upstream: read from an HTTP answer or from an event, judged, and turned into what a public client sees.

use std::time::Duration;

use http::StatusCode;

use super::{EventKind, Facts, sentence};
use crate::json::{Json, Value};
use crate::{Code, Extra, Reject, RejectKind, Timestamp};

/// What to do about a failed attempt (docs/routing.md, Attempts).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The account's token was refused: refresh it once and try the same account again.
    Refresh,
    /// The fault lies with the account or the service: the next candidate may do better.
    NextCandidate,
    /// The fault lies with the request: no account would answer otherwise.
    Final,
}

/// One failure that the upstream told us about.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// HTTP status; none for a failure inside a stream.
    pub status: Option<StatusCode>,
    /// The provider's code, when it is safe to pass on.
    pub code: Option<Code>,
    /// The provider's error type, when it is safe.
    pub error_type: Option<Code>,
    /// The member at fault, as the provider names it.
    pub param: Option<Code>,
    /// When the quota is there again, as an absolute time.
    pub resets_at: Option<Timestamp>,
    /// How long the provider asks to wait.
    pub wait: Option<Duration>,
    /// The model is not part of the account's plan.
    pub model_unavailable: bool,
    /// Whether an error body could be read at all.
    pub body_known: bool,
    /// The account cannot read an item with `encrypted_content` that the request brings.
    pub refuses_encrypted: bool,
}

const POLICY: [&str; 5] =
    ["misalignment_policy_violation", "content_policy_violation", "cyber_policy", "bio_policy", "invalid_prompt"];
const QUOTA: [&str; 4] = ["usage_limit_reached", "insufficient_quota", "rate_limit_exceeded", "slow_down"];
const RETRYABLE: [&str; 6] = [
    "upstream_request_timeout",
    "stream_incomplete",
    "server_error",
    "overloaded_error",
    "server_is_overloaded",
    "websocket_connection_limit_reached",
];
/// The token of the account is refused; a client's own key is not at fault.
const TOKEN: [&str; 4] = ["invalid_api_key", "invalid_authentication", "token_expired", "token_invalidated"];
/// An earlier response that the upstream does not know (any more).
const LOST_RESPONSE: [&str; 2] = ["previous_response_not_found", "invalid_previous_response_id"];
/// An item with `encrypted_content` that the account did not issue, or does not take any more.
const ENCRYPTED: [&str; 2] = ["invalid_encrypted_content", "thinking_signature_invalid"];
const CONTEXT: &str = "context_length_exceeded";

/// Whether a code, or the reason of an incomplete response, is known to mean a failure.
fn is_failure(code: &str) -> bool {
    [&POLICY[..], &QUOTA, &RETRYABLE, &TOKEN, &LOST_RESPONSE, &[CONTEXT]].iter().any(|list| list.contains(&code))
}

impl Failure {
    /// Reads the error answer of the upstream. `retry_after` is its header, `now` the time that relative resets count from.
    #[must_use]
    pub fn of_answer(status: StatusCode, body: &[u8], retry_after: Option<Duration>, now: Timestamp) -> Self {
        let mut failure = Self { status: Some(status), wait: retry_after, ..Self::default() };
        if let Ok(json) = Json::parse(bytes::Bytes::copy_from_slice(body)) {
            failure.body_known = true;
            let root = json.root();
            match root.get("error") {
                Some(error) if error.as_str().is_some() => failure.code = safe(Some(error)),
                Some(error) => failure.read(error, now),
                None => failure.read_detail(root.get("detail").unwrap_or(root), now),
            }
        }
        failure
    }

    /// Reads the failure that an event carries: `response.failed`, `error`, or an `response.incomplete` that is a failure in disguise.
    /// None when the event is no failure.
    #[must_use]
    pub fn in_event(kind: EventKind, event: Value<'_>, now: Timestamp) -> Option<Self> {
        let response = event.get("response");
        let inner = response.and_then(|r| r.get("error")).filter(|e| !e.is_null());
        let outer = event.get("error").filter(|e| !e.is_null());
        let mut failure = Self { body_known: true, ..Self::default() };
        match kind {
            EventKind::Failed => {}
            EventKind::Error => failure.status = event_status(event),
            EventKind::Incomplete => {
                let reason = response.and_then(|r| r.get("incomplete_details")).and_then(|d| d.get("reason"));
                let failed = reason.and_then(|r| r.as_str()).is_some_and(|reason| is_failure(&reason));
                if !failed && inner.is_none() && outer.is_none() {
                    return None;
                }
                failure.code = safe(reason);
            }
            EventKind::Lifecycle | EventKind::Control | EventKind::Output | EventKind::Completed => return None,
        }
        if let Some(error) = inner.or(outer) {
            failure.read(error, now);
        } else if kind == EventKind::Error {
            failure.read(event, now);
            failure.error_type = None;
        }
        Some(failure)
    }

    fn read_detail(&mut self, detail: Value<'_>, now: Timestamp) {
        if let Some(text) = detail.as_str() {
            self.model_unavailable |= tells_missing_model(&text);
            self.refuses_encrypted |= tells_encrypted(&text);
        } else {
            self.read(detail, now);
        }
    }

    fn read(&mut self, error: Value<'_>, now: Timestamp) {
        self.code = safe(error.get("code")).or(self.code.take());
        self.error_type = safe(error.get("type"));
        if self.code.is_none() {
            // Quota refusals and faults of the service carry their name in `type` and no code (docs/upstream.md, Errors).
            let named = |t: &Code| t.as_str().starts_with("usage_") || is_failure(t.as_str());
            self.code = self.error_type.clone().filter(named);
        }
        self.param = safe(error.get("param"));
        let message = error.get("message").and_then(|m| m.as_str());
        self.model_unavailable |=
            self.has_code("model_not_found") || message.as_deref().is_some_and(tells_missing_model);
        self.refuses_encrypted |= self.code_in(&ENCRYPTED) || message.as_deref().is_some_and(tells_encrypted);
        let relative = error.get("resets_in_seconds").and_then(|v| v.as_f64()).and_then(seconds);
        self.resets_at = error
            .get("resets_at")
            .and_then(|v| v.as_u64())
            .map(Timestamp::from_secs)
            .or_else(|| relative.map(|wait| now.plus(wait)));
        if let Some(at) = self.resets_at {
            self.wait = Some(at.since(now));
        } else if self.wait.is_none() {
            self.wait = message.as_deref().and_then(try_again_in);
        }
    }

    /// Whether the failure has exactly this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_ref().is_some_and(|c| c.as_str() == code)
    }

    fn code_in(&self, codes: &[&str]) -> bool {
        self.code.as_ref().is_some_and(|c| codes.contains(&c.as_str()))
    }

    /// Whether the account's quota is used up until [`Failure::resets_at`], rather than a rate exceeded for a moment.
    #[must_use]
    pub fn is_usage_limit(&self) -> bool {
        self.code_in(&["usage_limit_reached", "insufficient_quota"])
    }

    /// What to do about it, as long as nothing was sent to the client.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.has_code("misalignment_policy_violation") {
            return Verdict::Final;
        }
        match self.status.map(|s| s.as_u16()) {
            _ if self.model_unavailable => Verdict::NextCandidate,
            Some(401) => Verdict::Refresh,
            Some(403) if self.code_in(&POLICY) => Verdict::Final,
            Some(402 | 403 | 429 | 500..) => Verdict::NextCandidate,
            Some(404) if self.blames_model() => Verdict::NextCandidate,
            Some(_) => Verdict::Final,
            None => self.verdict_in_stream(),
        }
    }

    fn blames_model(&self) -> bool {
        self.error_type.as_ref().is_some_and(|t| t.as_str() == "invalid_request_error")
            && self.param.as_ref().is_some_and(|p| p.as_str() == "model")
    }

    fn verdict_in_stream(&self) -> Verdict {
        if self.code_in(&TOKEN) {
            Verdict::Refresh
        } else if self.code_in(&RETRYABLE) || self.code_in(&QUOTA) || self.has_code("usage_not_included") {
            Verdict::NextCandidate
        } else {
            Verdict::Final
        }
    }

    /// Whether the upstream does not know the response that the request continues (any more).
    #[must_use]
    pub fn is_lost_response(&self) -> bool {
        self.code_in(&LOST_RESPONSE)
    }

    /// On a public event stream clients would look for a response that they never stored here: it is told as a broken-off answer
    /// (docs/v1.md, Normalisation).
    pub fn mask_lost_response(&mut self) {
        if self.is_lost_response() {
            self.code = Some(Code::new("stream_incomplete"));
            self.status = None;
        }
    }

    /// What a public client sees when this failure is the end of its request (docs/errors.md, Upstream failures).
    /// `input_file`: the request refers to a file; `context_window`: of the model, for the sentence.
    #[must_use]
    pub fn public_reject(&self, input_file: bool, context_window: Option<u64>) -> Reject {
        let Some(status) = self.status else { return self.terminal_reject(input_file, context_window) };
        let known = |fallback: &'static str| self.code.clone().unwrap_or_else(|| Code::new(fallback));
        let (kind, code) = match status.as_u16() {
            401..=403 if !self.code_in(&POLICY) => (RejectKind::Unavailable, Code::new("no_eligible_backend")),
            404 if input_file => return file_gone(),
            404 => (RejectKind::BadGateway, known("upstream_status")),
            429 => (RejectKind::Upstream(status), known("upstream_rate_limited")),
            400..=499 if self.body_known => (RejectKind::Upstream(status), known("upstream_error")),
            400..=499 => (RejectKind::Upstream(status), Code::new("upstream_status")),
            500..=599 => (RejectKind::Upstream(status), known("upstream_error")),
            _ => (RejectKind::BadGateway, Code::new("upstream_error")),
        };
        self.render(kind, code, context_window)
    }

    /// The status of a failure inside a stream that becomes an HTTP answer (docs/errors.md, Terminals).
    fn terminal_reject(&self, input_file: bool, context_window: Option<u64>) -> Reject {
        const INVALID: [&str; 3] = [CONTEXT, "invalid_image", "invalid_audio"];
        if self.code_in(&TOKEN) {
            return self.render(RejectKind::Unavailable, Code::new("no_eligible_backend"), context_window);
        }
        let code = self.code.clone().unwrap_or_else(|| Code::new("upstream_error"));
        let text = code.as_str();
        let kind = match text {
            _ if QUOTA.contains(&text) => RejectKind::RateLimited,
            _ if POLICY.contains(&text) || INVALID.iter().any(|p| text.starts_with(p)) => RejectKind::Invalid,
            "server_is_overloaded" | "overloaded_error" => RejectKind::Unavailable,
            "not_found" if input_file => return file_gone(),
            _ => RejectKind::BadGateway,
        };
        self.render(kind, code, context_window)
    }

    fn render(&self, kind: RejectKind, code: Code, context_window: Option<u64>) -> Reject {
        let code = if self.model_unavailable { Code::new("model_not_found") } else { code };
        let message = sentence(code.as_str(), Facts { context_window, wait: self.wait });
        let mut reject = Reject::with_code(kind, code, message);
        reject.retry_after = self.wait;
        reject
    }
}

/// The upstream does not know a file that the request refers to (docs/decisions.md, E8).
fn file_gone() -> Reject {
    Reject::new(RejectKind::NotFound, "upstream_status", sentence("upstream_status", Facts::default()))
        .with_extra(Extra::UpstreamStatus(404))
}

fn safe(value: Option<Value<'_>>) -> Option<Code> {
    Code::from_upstream(&value?.as_str()?)
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

fn event_status(event: Value<'_>) -> Option<StatusCode> {
    let status = event.get("status").or_else(|| event.get("status_code"))?.as_u64()?;
    StatusCode::from_u16(u16::try_from(status).ok()?).ok().filter(|s| s.is_client_error() || s.is_server_error())
}

fn tells_missing_model(text: &str) -> bool {
    text.contains("model is not supported when using Codex with a ChatGPT account")
}

fn tells_encrypted(text: &str) -> bool {
    text.contains("encrypted_content") || text.contains("encrypted content")
}

/// The delay in "... try again in 1.3s", as Codex CLI reads it (docs/upstream.md, Errors).
fn try_again_in(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let rest = lower.split_once("try again in")?.1.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let number: f64 = number.trim_end_matches('.').parse().ok()?;
    let unit = unit.trim_start();
    match unit {
        _ if unit.starts_with("ms") => seconds(number / 1000.0),
        _ if unit.starts_with('s') => seconds(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
