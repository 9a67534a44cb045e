//! `POST /v1/chat/completions`: the way up (docs/v1.md, Chat completions).
//!
//! The same events of the backend as for `/v1/responses`, told in another form: as chunks of a completion, or as one completion.
//! Texts and arguments are taken over as the JSON strings that came, without being read.

mod answer;
mod calls;
mod chunks;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod parts;
mod place;
mod stream;
#[cfg(any(test, fuzzing))]
mod testing;

use std::sync::Arc;

use pooler_filter::json::{Kind, Value};
use pooler_filter::{Clock, Exchange, Reject, ResponseHead, Stage};

use self::stream::Stream;
use super::collect::Collect;
use super::counts::Counts;
use super::edits::Members;
use super::event::Class;
use super::{Asked, begin};

/// The longest id of the backend that is taken over, in bytes.
const LONGEST_ID: usize = 128;

/// Sets the head of the public answer and gives the stage that writes its body: chunks, or one completion, as the client wants it.
pub(crate) fn chat(
    clock: Arc<dyn Clock>,
    head: &mut ResponseHead,
    cx: &mut Exchange,
) -> Result<Box<dyn Stage>, Reject> {
    let (asked, stream) = begin(clock, head, cx)?;
    Ok(if stream { Box::new(Stream::new(asked)) } else { Box::new(Collect::new(asked, answer::completion)) })
}

/// The id of a completion: that of the response, with the prefix of the other kind (docs/decisions.md, T6).
fn id(response: Option<Value<'_>>, asked: &Asked) -> String {
    let made = asked.response_id();
    let told = response.and_then(|response| response.get("id")?.as_str());
    let bare = |id: &str| id.strip_prefix("resp_").unwrap_or(id).to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let fits = |id: &String| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain);
    let id = told.map(|id| bare(&id)).filter(fits).unwrap_or_else(|| bare(&made));
    format!("chatcmpl-{id}")
}

/// When the completion was begun, in unix seconds.
fn created(response: Option<Value<'_>>, asked: &Asked) -> u64 {
    response.and_then(|response| response.get("created_at")?.as_u64()).unwrap_or_else(|| asked.now())
}

/// Why an answer ended. One that was stopped tells that first: its last call may lack a part of its arguments.
fn finish_reason(class: Class, response: Option<Value<'_>>, calls: bool) -> &'static str {
    let is = |key: &str, text: &str| response.and_then(|r| r.get(key)).is_some_and(|value| value.is_str(text));
    if class == Class::Incomplete || is("status", "incomplete") {
        let details = response.and_then(|response| response.get("incomplete_details"));
        let reason = details.and_then(|details| details.get("reason"));
        let filter = reason.is_some_and(|reason| reason.is_str("content_filter") || reason.is_str("content-filter"));
        return if filter { "content_filter" } else { "length" };
    }
    if calls { "tool_calls" } else { "stop" }
}

/// The usage of a response in the form of a chat (docs/decisions.md, T3); None when the backend did not tell it.
fn usage(response: Option<Value<'_>>) -> Option<Vec<u8>> {
    let counts = Counts::of(response?.get("usage")?)?;
    let mut prompt = Members::default();
    prompt.add_u64("cached_tokens", counts.cached);
    let mut completion = Members::default();
    completion.add_u64("reasoning_tokens", counts.reasoning);
    let mut members = Members::default();
    members.add_u64("prompt_tokens", counts.input);
    members.add_u64("completion_tokens", counts.output);
    members.add_u64("total_tokens", counts.total);
    members.add("prompt_tokens_details", &prompt.into_object());
    members.add("completion_tokens_details", &completion.into_object());
    Some(members.into_object())
}

/// The tier that served, as the backend names it.
fn service_tier(response: Option<Value<'_>>) -> Option<Value<'_>> {
    string(response?.get("service_tier"))
}

/// A value that is a string with something in it.
fn string(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| value.kind() == Kind::String && !value.is_str(""))
}

/// The items of a response's output.
fn output<'a>(response: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    response.get("output").into_iter().flat_map(|output| output.items())
}

#[cfg(test)]
mod tests;
