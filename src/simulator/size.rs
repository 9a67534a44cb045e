//! How many tokens a request weighs: about four bytes of text each.

use serde_json::Value;

/// Tokens of an inline file or image, whatever its bytes.
const MEDIA: u64 = 600;
/// Tokens of the frame around an item.
const FRAME: u64 = 4;

/// Tokens of a value: its texts and its structure.
pub(super) fn of(value: &Value) -> u64 {
    match value {
        Value::String(text) if text.starts_with("data:") => MEDIA,
        Value::String(text) => text_size(text),
        Value::Array(list) => list.iter().map(of).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| text_size(key).min(1) + of(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Tokens of an input item.
pub(super) fn of_item(item: &Value) -> u64 {
    FRAME + of(item)
}

/// Tokens of a text.
pub(super) fn text_size(text: &str) -> u64 {
    u64::try_from(text.len().div_ceil(4)).unwrap_or(u64::MAX)
}
