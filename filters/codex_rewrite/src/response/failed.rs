//! The one form in which a stream tells that it failed: a `response.failed` of ours, without the provider's words
//! (docs/v1.md, Projected failed response; docs/decisions.md, E7 and T10).

use pooler_filter::codex::{self, Failure, sentence};
use pooler_filter::json::Value;
use pooler_filter::{Reject, RejectKind};

use super::Asked;
use super::counts::Counts;
use super::edits::Members;
use super::event::Event;
use super::neutral::{self, Facts};
use crate::echo::Echo;

/// The id of a failed response that nobody named.
const NO_ID: &str = "resp_failed";

/// The longest id of the backend that is repeated, in bytes.
const LONGEST_ID: usize = 128;

/// What the client is told of a failure of the backend.
pub(super) fn reject(mut failure: Failure, asked: &Asked) -> Reject {
    if asked.socket && failure.is_lost_response() {
        return Reject::previous_response_not_found();
    }
    failure.mask_lost_response();
    failure.public_reject(asked.input_file, asked.context_window)
}

/// A stream that broke off after the client got its beginning.
pub(super) fn cut() -> Reject {
    Reject::new(RejectKind::BadGateway, "server_error", sentence("stream_incomplete", codex::Facts::default()))
}

/// An answer of the backend that is not what it should be.
pub(super) fn invalid() -> Reject {
    bad_gateway("invalid_upstream_response")
}

/// 502 with our sentence for the code.
pub(super) fn bad_gateway(code: &'static str) -> Reject {
    Reject::new(RejectKind::BadGateway, code, sentence(code, codex::Facts::default()))
}

/// A stream whose sequence numbers are used up.
pub(super) fn exhausted() -> Reject {
    let message = "The stream has no sequence numbers left.";
    Reject::new(RejectKind::BadGateway, "response_sequence_exhausted", message)
}

/// The members of the failed event after its type and number. `event` is what the failure was read from, if any;
/// `started` the id and the time of creation that the client has seen.
pub(super) fn members(
    reject: &Reject,
    event: Option<&Event<'_>>,
    started: Option<(&str, u64)>,
    now: u64,
    echo: &Echo,
) -> Members {
    let response = event.and_then(Event::response);
    let upstream_id = response.and_then(upstream_id);
    let (id, created_at) = match started {
        Some(started) => started,
        None => (upstream_id.as_deref().unwrap_or(NO_ID), now),
    };
    let error = reject.error_object();
    let usage = response.and_then(|response| usage(response.get("usage")?));
    let mut facts = Facts::new(id, "failed", created_at);
    facts.error = Some(&error);
    facts.usage = usage.as_deref();
    facts.incomplete_details = response.map_or("null", incomplete_details);
    let mut members = Members::default();
    members.add("response", &neutral::response(&facts, echo));
    members.add("error", &error);
    members
}

fn upstream_id(response: Value<'_>) -> Option<String> {
    let id = response.get("id")?.as_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let fits = id.starts_with("resp_") && id.len() <= LONGEST_ID && id.bytes().all(plain);
    fits.then(|| id.into_owned())
}

fn incomplete_details(response: Value<'_>) -> &'static str {
    let reason = response.get("incomplete_details").and_then(|details| details.get("reason"));
    match reason {
        Some(reason) if reason.is_str("max_output_tokens") => "{\"reason\":\"max_output_tokens\"}",
        Some(reason) if reason.is_str("content_filter") => "{\"reason\":\"content_filter\"}",
        Some(_) | None => "null",
    }
}

/// The counts alone; None when the object does not tell the main ones.
fn usage(usage: Value<'_>) -> Option<Vec<u8>> {
    let counts = Counts::of(usage)?;
    let mut input_details = Members::default();
    input_details.add_u64("cached_tokens", counts.cached);
    input_details.add_u64("cache_write_tokens", counts.cache_write);
    let mut output_details = Members::default();
    output_details.add_u64("reasoning_tokens", counts.reasoning);
    let mut members = Members::default();
    members.add_u64("input_tokens", counts.input);
    members.add("input_tokens_details", &input_details.into_object());
    members.add_u64("output_tokens", counts.output);
    members.add("output_tokens_details", &output_details.into_object());
    members.add_u64("total_tokens", counts.total);
    Some(members.into_object())
}
