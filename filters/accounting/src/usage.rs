//! Reads a `usage` object: known when its numbers are there and add up, otherwise unknown, never a guess (docs/decisions.md, A4).

use pooler_filter::TokenUsage;
use pooler_filter::json::{Kind, Value};

/// The tokens that a `usage` object tells (docs/accounting.md, Usage).
pub(crate) fn tokens(usage: Value<'_>) -> TokenUsage {
    known(usage).unwrap_or(TokenUsage::Unknown)
}

fn known(usage: Value<'_>) -> Option<TokenUsage> {
    let details = |member| {
        present(usage, "input_tokens_details", member).or_else(|| present(usage, "prompt_tokens_details", member))
    };
    let input = first(usage, ["input_tokens", "prompt_tokens"])?.as_u64()?;
    let output = first(usage, ["output_tokens", "completion_tokens"])?.as_u64()?;
    if usage.get("total_tokens")?.as_u64()? != input.checked_add(output)? {
        return None;
    }
    let cached = match first(usage, ["cached_input_tokens"]).or_else(|| details("cached_tokens")) {
        Some(told) => told.as_u64()?,
        None => 0,
    };
    let cache_write = match first(usage, ["cache_write_tokens"]).or_else(|| details("cache_write_tokens")) {
        Some(told) if is_integer(told) => told.as_u64()?,
        Some(_) | None => 0,
    };
    if cached.checked_add(cache_write)? > input {
        return None;
    }
    let reasoning =
        present(usage, "output_tokens_details", "reasoning_tokens").or_else(|| first(usage, ["reasoning_tokens"]));
    let reasoning = reasoning.and_then(|told| told.as_u64()).unwrap_or(0);
    Some(TokenUsage::Known { input, cached, cache_write, output, reasoning })
}

/// The first of these members that is there; null is the same as absent.
fn first<'a, const N: usize>(object: Value<'a>, names: [&str; N]) -> Option<Value<'a>> {
    names.iter().find_map(|name| object.get(name).filter(|value| !value.is_null()))
}

fn present<'a>(usage: Value<'a>, details: &str, member: &str) -> Option<Value<'a>> {
    first(usage.get(details)?, [member])
}

/// Whether it is a number without fraction and exponent, of either sign.
fn is_integer(value: Value<'_>) -> bool {
    value.kind() == Kind::Number && !value.raw().contains(['.', 'e', 'E'])
}

#[cfg(test)]
mod tests;
