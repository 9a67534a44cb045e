//! Top-level parameters.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::{absent_or, missing, strict, unknown, wrong_type, wrong_value};

/// Refused by the backend with `Unsupported parameter: <name>`, whatever their value. The last one exists on a websocket
/// only: over HTTP a gateway has to leave it out.
const UNSUPPORTED: [&str; 12] = [
    "max_output_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "user",
    "truncation",
    "metadata",
    "safety_identifier",
    "prompt_cache_retention",
    "prompt_cache_options",
    "context_management",
    "generate",
];

const KNOWN: [&str; 18] = [
    "model",
    "stream",
    "store",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "include",
    "previous_response_id",
    "prompt_cache_key",
    "text",
    "client_metadata",
    "service_tier",
    "stream_options",
    "access_programs",
    "moderation",
];

/// Members of a compaction.
const COMPACTION: [&str; 9] = [
    "model",
    "instructions",
    "input",
    "tools",
    "parallel_tool_calls",
    "reasoning",
    "service_tier",
    "prompt_cache_key",
    "text",
];

const EFFORTS: [&str; 6] = ["none", "low", "medium", "high", "xhigh", "max"];
const TIERS: [&str; 6] = ["auto", "default", "flex", "priority", "scale", "ultrafast"];
const INCLUDES: [&str; 7] = [
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "web_search_call.action.sources",
    "web_search_call.results",
    "file_search_call.results",
    "computer_call_output.output.image_url",
];

/// Presence and types, `input`, `tools` and `text` aside. Only a turn that compacts may do without a stream.
pub(super) fn check(body: &Map<String, Value>, compacts: bool) -> Result<(), Refusal> {
    if body.get("store") != Some(&Value::Bool(false)) {
        return Err(Refusal::detail(400, "store", "Store must be set to false"));
    }
    let may_do_without = compacts && matches!(body.get("stream"), None | Some(Value::Bool(false)));
    if body.get("stream") != Some(&Value::Bool(true)) && !may_do_without {
        return Err(Refusal::detail(400, "stream", "Stream must be set to true"));
    }
    if let Some(name) = UNSUPPORTED.iter().find(|name| body.contains_key(**name)) {
        return Err(Refusal::detail(400, "unsupported_parameter", format!("Unsupported parameter: {name}")));
    }
    if let Some(name) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(unknown(name));
    }
    scalars(body)?;
    reasoning(body)?;
    options(body)
}

/// The same for the body of a compaction.
pub(super) fn check_compaction(body: &Map<String, Value>) -> Result<(), Refusal> {
    let known = |name: &str| COMPACTION.contains(&name);
    match body.keys().find(|name| !known(name)) {
        Some(name) if KNOWN.contains(&name.as_str()) || UNSUPPORTED.contains(&name.as_str()) => {
            Err(Refusal::detail(400, "unsupported_parameter", format!("Unsupported parameter: {name}")))
        }
        Some(name) => Err(unknown(name)),
        None => scalars(body).and_then(|()| reasoning(body)),
    }
}

/// What is known of the model, which has to be one the account may use.
pub(super) fn model<T>(body: &Map<String, Value>, find: impl Fn(&str) -> Option<T>) -> Result<T, Refusal> {
    let model = body.get("model").ok_or_else(|| missing("model"))?;
    let slug = model.as_str().ok_or_else(|| wrong_type("model", "a string"))?;
    if let Some(found) = find(slug) {
        return Ok(found);
    }
    let message = format!("The '{slug}' model is not supported when using Codex with a ChatGPT account.");
    Err(Refusal::invalid("model", None, "model".to_owned(), message))
}

/// `text.format` and `text.verbosity`.
pub(super) fn formats(body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(text) = body.get("text").filter(|text| !text.is_null()) else { return Ok(()) };
    let text = text.as_object().ok_or_else(|| wrong_type("text", "an object"))?;
    if let Some(key) = text.keys().find(|key| !["format", "verbosity"].contains(&key.as_str())) {
        return Err(unknown(&format!("text.{key}")));
    }
    one_of("text.verbosity", text.get("verbosity"), &["low", "medium", "high"])?;
    let Some(format) = text.get("format").filter(|format| !format.is_null()) else { return Ok(()) };
    match format.get("type").and_then(Value::as_str) {
        Some("text" | "json_object") => Ok(()),
        Some("json_schema") => json_schema(format),
        other => Err(wrong_value("text.format.type", other.unwrap_or("null"), &["text", "json_object", "json_schema"])),
    }
}

fn json_schema(format: &Value) -> Result<(), Refusal> {
    let name = format.get("name").and_then(Value::as_str).ok_or_else(|| missing("text.format.name"))?;
    let schema = format.get("schema").ok_or_else(|| missing("text.format.schema"))?;
    if !schema.is_object() {
        return Err(wrong_type("text.format.schema", "an object"));
    }
    if format.get("strict") != Some(&Value::Bool(true)) {
        return Ok(());
    }
    strict::check(schema).map_err(|fault| {
        let message = format!("Invalid schema for response_format '{name}': {fault}");
        Refusal::invalid("json_schema", Some("invalid_json_schema"), "text.format.schema".to_owned(), message)
    })
}

fn scalars(body: &Map<String, Value>) -> Result<(), Refusal> {
    for key in ["instructions", "prompt_cache_key"] {
        if !absent_or(body.get(key), Value::is_string) {
            return Err(wrong_type(key, "a string"));
        }
    }
    if !absent_or(body.get("parallel_tool_calls"), Value::is_boolean) {
        return Err(wrong_type("parallel_tool_calls", "a boolean"));
    }
    one_of("service_tier", body.get("service_tier"), &TIERS)?;
    let Some(include) = body.get("include").filter(|include| !include.is_null()) else { return Ok(()) };
    for one in include.as_array().ok_or_else(|| wrong_type("include", "an array"))? {
        one_of("include", Some(one), &INCLUDES)?;
    }
    Ok(())
}

fn reasoning(body: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(reasoning) = body.get("reasoning").filter(|value| !value.is_null()) else { return Ok(()) };
    let reasoning = reasoning.as_object().ok_or_else(|| wrong_type("reasoning", "an object"))?;
    let allowed: [(&str, &[&str]); 4] = [
        ("effort", &EFFORTS),
        ("summary", &["auto", "concise", "detailed"]),
        ("generate_summary", &["auto", "concise", "detailed"]),
        ("context", &["auto", "current_turn", "all_turns"]),
    ];
    for (key, value) in reasoning {
        let param = format!("reasoning.{key}");
        let Some((_, values)) = allowed.iter().find(|(name, _)| name == key) else { return Err(unknown(&param)) };
        one_of(&param, Some(value), values)?;
    }
    Ok(())
}

fn options(body: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(options) = body.get("stream_options").filter(|value| !value.is_null()) {
        let options = options.as_object().ok_or_else(|| wrong_type("stream_options", "an object"))?;
        let known = ["reasoning_summary_delivery", "include_obfuscation"];
        if let Some(key) = options.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(unknown(&format!("stream_options.{key}")));
        }
    }
    let Some(metadata) = body.get("client_metadata").filter(|value| !value.is_null()) else { return Ok(()) };
    let metadata = metadata.as_object().ok_or_else(|| wrong_type("client_metadata", "an object"))?;
    match metadata.iter().find(|(_, value)| !value.is_string()) {
        Some((key, _)) => Err(wrong_type(&format!("client_metadata.{key}"), "a string")),
        None => Ok(()),
    }
}

fn one_of(param: &str, value: Option<&Value>, allowed: &[&str]) -> Result<(), Refusal> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(()) };
    match value.as_str() {
        Some(text) if allowed.contains(&text) => Ok(()),
        Some(text) => Err(wrong_value(param, text, allowed)),
        None => Err(wrong_type(param, "a string")),
    }
}
