//! The small members: those that ask for nothing, those that are checked and dropped, and the types of those that pass.

use std::collections::HashSet;

use bytes::Bytes;
use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::fields::{Field, Members};
use super::patch::{ListPatch, Patch, Unread, filled, given, members, read};
use super::splice::Splice;

/// What has to stand in `include`, so that a chain of thought can be replayed.
const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// Refuses what is known but not supported, unless its value asks for nothing (docs/decisions.md, T9).
pub(super) fn check_unsupported(asked: &Members<'_>) -> Result<(), Reject> {
    type Test = fn(Value<'_>) -> bool;
    let is_false = |value: Value<'_>| value.as_bool() == Some(false);
    let is_zero = |value: Value<'_>| value.as_f64() == Some(0.0);
    let is_empty_list = |value: Value<'_>| value.kind() == Kind::Array && value.is_empty();
    let rules: [(Field, Test); 6] = [
        (Field::Background, is_false),
        (Field::MaxToolCalls, |_| false),
        (Field::TopLogprobs, is_zero),
        (Field::ContextManagement, is_empty_list),
        (Field::Conversation, is_empty_list),
        (Field::Prompt, is_empty_list),
    ];
    match rules.into_iter().find(|(field, asks_nothing)| asked.get(*field).is_some_and(|value| !asks_nothing(value))) {
        Some((field, _)) => Err(Reject::unsupported_parameter(field.name())),
        None => Ok(()),
    }
}

/// `logprobs`: nothing but `false`.
pub(super) fn check_logprobs(value: Option<Value<'_>>) -> Result<(), Reject> {
    match value {
        Some(value) if value.as_bool() != Some(false) => Err(Reject::unsupported_parameter(Field::Logprobs.name())),
        _ => Ok(()),
    }
}

/// `prompt_cache_options`: `{mode, ttl}`, checked and dropped.
pub(super) fn check_prompt_cache_options(value: Option<Value<'_>>) -> Result<(), Reject> {
    let Some(value) = value else { return Ok(()) };
    let [mode, ttl] = read(value, &["mode", "ttl"]).map_err(|unread| unread_in("prompt_cache_options", unread))?;
    if given(mode).is_some_and(|mode| !mode.is_str("implicit") && !mode.is_str("explicit")) {
        let message = "prompt_cache_options.mode must be implicit or explicit";
        return Err(Reject::invalid(message).at("prompt_cache_options.mode"));
    }
    if given(ttl).is_some_and(|ttl| !ttl.is_str("30m")) {
        return Err(Reject::invalid("prompt_cache_options.ttl must be 30m").at("prompt_cache_options.ttl"));
    }
    Ok(())
}

/// `max_output_tokens`: a positive integer, used for the estimate and dropped.
pub(super) fn max_output_tokens(value: Option<Value<'_>>) -> Result<Option<u64>, Reject> {
    let Some(value) = value else { return Ok(None) };
    match value.as_u64() {
        Some(tokens) if tokens > 0 => Ok(Some(tokens)),
        _ => Err(Reject::invalid("max_output_tokens must be a positive integer").at("max_output_tokens")),
    }
}

/// `moderation`: `{model}`.
pub(super) fn check_moderation(value: Option<Value<'_>>) -> Result<(), Reject> {
    let Some(value) = value else { return Ok(()) };
    let [model] = read(value, &["model"]).map_err(|unread| unread_in("moderation", unread))?;
    match filled(given(model)) {
        Some(_) => Ok(()),
        None => Err(Reject::invalid("moderation.model must be a non-empty string").at("moderation.model")),
    }
}

/// `truncation`: `auto` or `disabled`, dropped. Returns what an answer repeats.
pub(super) fn truncation(value: Option<Value<'_>>) -> Result<Option<&'static str>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().unwrap_or_default();
    let known = ["auto", "disabled"].into_iter().find(|known| text.trim().eq_ignore_ascii_case(known));
    known.map(Some).ok_or_else(|| Reject::unsupported_parameter("truncation"))
}

/// `stream_options`: two switches without effect here, checked and dropped.
pub(super) fn check_stream_options(value: Option<Value<'_>>) -> Result<(), Reject> {
    const NAMES: [&str; 2] = ["include_obfuscation", "include_usage"];
    let Some(value) = value else { return Ok(()) };
    let found = read(value, &NAMES).map_err(|unread| unread_in("stream_options", unread))?;
    for (name, member) in NAMES.into_iter().zip(found) {
        if given(member).is_some_and(|value| value.as_bool().is_none()) {
            let name = format!("stream_options.{name}");
            return Err(Reject::invalid(format!("{name} must be a boolean")).at(name));
        }
    }
    Ok(())
}

/// `include`: each value once, and the encrypted reasoning among them. None when the list is so already.
pub(super) fn include(value: Option<Value<'_>>) -> Result<Option<Bytes>, Reject> {
    let Some(value) = value else { return Ok(Some(Bytes::from_static(b"[\"reasoning.encrypted_content\"]"))) };
    let refuse = || Reject::invalid("include must be an array of strings").at("include");
    if value.kind() != Kind::Array {
        return Err(refuse());
    }
    let mut list = ListPatch::new(value);
    let mut seen = HashSet::with_capacity(value.len());
    for item in value.items() {
        if seen.insert(item.as_str().ok_or_else(refuse)?) {
            list.keep(item);
        } else {
            list.leave_out();
        }
    }
    if !seen.contains(ENCRYPTED_REASONING) {
        let mut added = Splice::default();
        added.text(ENCRYPTED_REASONING);
        list.put(added);
    }
    Ok(list.finish().map(Splice::join))
}

/// `text` without the members that are null, in itself and in its format. None when there are none of those.
pub(super) fn text(value: Option<Value<'_>>) -> Option<Bytes> {
    let text = value?;
    let mut patch = Patch::without_nulls(text);
    for (key, member) in members(text) {
        if key.is("format")
            && let Some(format) = Patch::without_nulls(member.value).finish()
        {
            patch.replace(member, format);
        }
    }
    patch.finish().map(Splice::join)
}

/// Members that go upstream unread: a wrong type is refused here, where the answer can name it.
pub(super) fn check_types(asked: &Members<'_>) -> Result<(), Reject> {
    const RULES: [(Field, Kind, &str); 5] = [
        (Field::Stream, Kind::Bool, "a boolean"),
        (Field::ParallelToolCalls, Kind::Bool, "a boolean"),
        (Field::PromptCacheKey, Kind::String, "a string"),
        (Field::Text, Kind::Object, "an object"),
        (Field::ClientMetadata, Kind::Object, "an object"),
    ];
    for (field, kind, what) in RULES {
        if asked.get(field).is_some_and(|value| value.kind() != kind) {
            return Err(Reject::invalid(format!("{} must be {what}", field.name())).at(field.name()));
        }
    }
    Ok(())
}

fn unread_in(field: &'static str, unread: Unread) -> Reject {
    match unread {
        Unread::NotAnObject => Reject::invalid(format!("{field} must be an object")).at(field),
        Unread::Key(key) => Reject::invalid(format!("{field} field is not supported")).at(format!("{field}.{key}")),
    }
}
