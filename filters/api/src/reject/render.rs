//! The one JSON form of an error, and the headers that follow from it.

use std::time::Duration;

use super::{Extra, Reject, RejectKind};
use crate::json::write_str;

/// The longest wait that a client is asked to sit out (docs/decisions.md, E12 and S5).
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How a client goes on after it lost the account of its conversation (docs/errors.md, Lost continuations).
const RECOVERY: &str = concat!(
    r#","retryable":false,"requires_new_upstream_session":true,"recovery_kind":"restart_with_full_context","#,
    r#""recovery":{"kind":"restart_with_full_context","#,
    r#""guidance":"Send the request again with the whole visible conversation as input and without the anchors named here.","#,
    r#""anchor_removal":{"body":["previous_response_id"],"headers":["x-codex-previous-response-id","x-codex-turn-state","#,
    r#""x-codex-window-id","x-codex-session-id","session-id","x-session-id","x-session-affinity","session_id","#,
    r#""x-codex-conversation-id"]},"#,
    r#""notes":["The account that holds the earlier response cannot be used now.","#,
    r#""Trying the same request again does not help until that changes."]}"#,
);

impl Reject {
    /// `type` of the error object (docs/decisions.md, E11).
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        let quota = matches!(self.code_str(), "usage_limit_reached" | "insufficient_quota" | "quota_exhausted");
        match (self.kind, self.status().as_u16()) {
            (RejectKind::UsageLimit, _) => "usage_limit_reached",
            (RejectKind::RateLimited, _) => "rate_limit_error",
            (_, 429) if quota => "usage_limit_reached",
            (_, 429) => "rate_limit_error",
            (_, 500..) => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// Appends the error object, `{"message","type","code","param"}` and the extra members, without the envelope around it.
    pub fn write_error_object(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"message\":");
        write_str(out, &self.message);
        out.extend_from_slice(b",\"type\":");
        write_str(out, self.error_type());
        out.extend_from_slice(b",\"code\":");
        write_nullable(out, self.code.as_ref().map(super::Code::as_str));
        out.extend_from_slice(b",\"param\":");
        write_nullable(out, self.param.as_deref());
        self.write_extra(out);
        out.push(b'}');
    }

    /// The error object as a text of its own.
    #[must_use]
    pub fn error_object(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        self.write_error_object(&mut out);
        out
    }

    /// The envelope `{"error":{...}}`.
    #[must_use]
    pub fn envelope(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(176);
        out.extend_from_slice(b"{\"error\":");
        self.write_error_object(&mut out);
        out.push(b'}');
        out
    }

    fn write_extra(&self, out: &mut Vec<u8>) {
        let member = |out: &mut Vec<u8>, name: &str, value: u64| {
            out.push(b',');
            write_str(out, name);
            out.push(b':');
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        };
        match &self.extra {
            None => {}
            Some(Extra::QuotaReset { at, in_seconds }) => {
                member(out, "resets_at", at.as_secs());
                member(out, "resets_in_seconds", *in_seconds);
            }
            Some(Extra::UpstreamStatus(status)) => member(out, "upstream_status", u64::from(*status)),
            Some(Extra::Recovery) => out.extend_from_slice(RECOVERY.as_bytes()),
        }
    }

    /// Whether the answer carries `x-should-retry: false`, so that SDKs do not try again in vain (docs/decisions.md, E12).
    #[must_use]
    pub fn forbids_retry(&self) -> bool {
        let code = self.code_str();
        match self.status().as_u16() {
            429 => self.retry_after.is_none_or(|wait| wait > LONGEST_WAIT),
            409 => code != "file_not_ready",
            500 => code == "gateway_accounting_failed",
            502 => matches!(code, "invalid_upstream_response" | "upstream_response_too_large"),
            503 => code.starts_with("pinned_continuation_") || code == "no_compatible_backend",
            _ => false,
        }
    }

    /// Seconds of the `Retry-After` header on `/v1`: only for a limit of the key, a pool out of quota and an overload of this gateway
    /// (docs/decisions.md, E4, E5, E6).
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let ours = matches!(self.kind, RejectKind::Overloaded)
            || matches!(self.code_str(), "api_key_limit_exceeded" | "quota_exhausted");
        let wait = self.retry_after.filter(|_| ours)?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

fn write_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_str(out, text),
        None => out.extend_from_slice(b"null"),
    }
}
