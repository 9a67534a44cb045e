//! The counts of a usage object, as far as they can be repeated.

use pooler_filter::json::Value;

/// The largest count that is repeated: 2^53 - 1, the largest integer that every JSON reader keeps.
const LARGEST: u64 = (1 << 53) - 1;

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) input: u64,
    /// Of the input; 0 when nobody told.
    pub(super) cached: u64,
    /// Of the input; 0 when nobody told.
    pub(super) cache_write: u64,
    pub(super) output: u64,
    /// Of the output; 0 when nobody told.
    pub(super) reasoning: u64,
    /// As told, else the sum.
    pub(super) total: u64,
}

impl Counts {
    /// Reads a usage object; None when it does not tell input and output.
    pub(super) fn of(usage: Value<'_>) -> Option<Self> {
        let count = |object: Option<Value<'_>>, key: &str| object?.get(key)?.as_u64().filter(|count| *count <= LARGEST);
        let input = count(Some(usage), "input_tokens")?;
        let output = count(Some(usage), "output_tokens")?;
        let (of_input, of_output) = (usage.get("input_tokens_details"), usage.get("output_tokens_details"));
        Some(Self {
            input,
            cached: count(of_input, "cached_tokens").unwrap_or(0),
            cache_write: count(of_input, "cache_write_tokens").unwrap_or(0),
            output,
            reasoning: count(of_output, "reasoning_tokens").unwrap_or(0),
            total: count(Some(usage), "total_tokens").unwrap_or_else(|| (input + output).min(LARGEST)),
        })
    }
}
