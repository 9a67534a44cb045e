//! How many tokens a request may take, before anybody has counted them (docs/accounting.md, Reservation).

use pooler_filter::json::JsonObject;

use super::input::Found;

const BYTES_PER_TOKEN: u64 = 4;
/// The least that an answer is counted with.
pub(super) const LEAST_OUTPUT: u64 = 512;
const LEAST_OUTPUT_WITH_CONTEXT: u64 = 2048;
/// Members that are no input.
const NOT_INPUT: [&str; 5] = ["model", "stream", "max_output_tokens", "max_tokens", "max_completion_tokens"];

/// Input tokens: the client's JSON without the members that are no input, four bytes a token.
pub(super) fn input_tokens(body: &JsonObject) -> u64 {
    let mut bytes = 2;
    for (key, value) in body.entries() {
        if !NOT_INPUT.iter().any(|name| key.is(name)) {
            bytes += key.raw().len() + value.raw_bytes().len() + 2;
        }
    }
    tokens_of(bytes)
}

/// Tokens of a text of this length in bytes.
pub(super) fn tokens_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_PER_TOKEN)
}

/// Output tokens: what the client allows, but no less than answers take; more when the request refers to what its text does not show.
pub(super) fn output_tokens(allowed: Option<u64>, found: &Found, continued: bool) -> u64 {
    output_at_least(allowed, continued || found.image || found.file || found.tool_output)
}

/// The same, when it is known whether the request refers to what its text does not show.
pub(super) fn output_at_least(allowed: Option<u64>, opaque: bool) -> u64 {
    allowed.unwrap_or(0).max(if opaque { LEAST_OUTPUT_WITH_CONTEXT } else { LEAST_OUTPUT })
}
