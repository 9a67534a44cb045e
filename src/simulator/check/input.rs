//! Input items: roles, content parts, pairs of calls and outputs, and content that is bound to an account.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::given::Called;
use super::super::refusal::Refusal;
use super::super::tokens::Mint;
use super::{missing, wrong_type, wrong_value};

/// An item type that only passes through.
const PASSIVE: [&str; 9] = [
    "additional_tools",
    "compaction_trigger",
    "program",
    "program_output",
    "input_file",
    "web_search_call",
    "image_generation_call",
    "mcp_list_tools",
    "context_compaction",
];

/// Calls, the outputs that answer them, and the name of the call in messages.
const PAIRS: [(&str, &str, &str); 5] = [
    ("function_call", "function_call_output", "function call"),
    ("custom_tool_call", "custom_tool_call_output", "custom tool call"),
    ("local_shell_call", "local_shell_call_output", "local shell call"),
    ("shell_call", "shell_call_output", "shell call"),
    ("tool_search_call", "tool_search_output", "tool search call"),
];

/// The input, which has to be a list; an empty one is what a warm-up sends.
pub(super) fn items(body: &Map<String, Value>) -> Result<&[Value], Refusal> {
    match body.get("input").and_then(Value::as_array) {
        Some(items) => Ok(items),
        None => Err(Refusal::detail(400, "input_not_list", "Input must be a list")),
    }
}

/// Whether an item hands in the output of a tool.
pub(super) fn is_output(item: &Value) -> bool {
    item["type"].as_str().is_some_and(|kind| PAIRS.iter().any(|(_, output, _)| *output == kind))
}

/// Checks every item on its own, then the pairs; outputs may also answer the calls of an earlier response.
pub(super) fn check(items: &[Value], earlier: &[Called], account_id: &str, mint: &Mint) -> Result<(), Refusal> {
    for (index, value) in items.iter().enumerate() {
        let param = format!("input[{index}]");
        let item = value.as_object().ok_or_else(|| wrong_type(&param, "an object"))?;
        let kind = kind_of(item).ok_or_else(|| missing(&format!("{param}.type")))?;
        id(item, &param)?;
        match kind {
            "message" => message(item, &param)?,
            "reasoning" | "compaction" | "compaction_summary" => sealed(item, kind, account_id, mint)?,
            "item_reference" => return Err(not_stored(item)),
            call if PAIRS.iter().any(|(open, close, _)| call == *open || call == *close) => fields(item, call, &param)?,
            passive if PASSIVE.contains(&passive) => {}
            other => return Err(wrong_value(&format!("{param}.type"), other, &["message", "reasoning"])),
        }
    }
    pairs(items, earlier)
}

fn kind_of(item: &Map<String, Value>) -> Option<&str> {
    match item.get("type") {
        Some(kind) => kind.as_str(),
        None => item.contains_key("role").then_some("message"),
    }
}

fn id(item: &Map<String, Value>, param: &str) -> Result<(), Refusal> {
    let Some(id) = item.get("id").filter(|id| !id.is_null()) else { return Ok(()) };
    let text = id.as_str().ok_or_else(|| wrong_type(&format!("{param}.id"), "a string"))?;
    if text.split_once('_').is_some_and(|(prefix, rest)| !prefix.is_empty() && !rest.is_empty()) {
        return Ok(());
    }
    let message = format!("Invalid '{param}.id': '{text}'. Expected an ID of the form '<prefix>_<suffix>'.");
    Err(Refusal::invalid("item_id", Some("invalid_value"), format!("{param}.id"), message))
}

fn message(item: &Map<String, Value>, param: &str) -> Result<(), Refusal> {
    let role = item.get("role").and_then(Value::as_str).ok_or_else(|| missing(&format!("{param}.role")))?;
    match role {
        "user" | "developer" | "assistant" => {}
        "system" => return Err(Refusal::detail(400, "system_role", "System messages are not allowed")),
        other => return Err(wrong_value(&format!("{param}.role"), other, &["user", "developer", "assistant"])),
    }
    let content = item.get("content").ok_or_else(|| missing(&format!("{param}.content")))?;
    if content.is_string() {
        return Ok(());
    }
    let parts = content.as_array().ok_or_else(|| wrong_type(&format!("{param}.content"), "a string or an array"))?;
    for (index, value) in parts.iter().enumerate() {
        part(value, role, &format!("{param}.content[{index}]"))?;
    }
    Ok(())
}

fn part(part: &Value, role: &str, param: &str) -> Result<(), Refusal> {
    if part.get("prompt_cache_breakpoint").is_some() {
        let message = "prompt_cache_breakpoint is not supported on this model";
        return Err(Refusal::invalid("prompt_cache_breakpoint", None, param.to_owned(), message));
    }
    let allowed: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        _ => &["input_text", "input_image", "input_file", "input_audio"],
    };
    let kind = part.get("type").and_then(Value::as_str).ok_or_else(|| missing(&format!("{param}.type")))?;
    if !allowed.contains(&kind) {
        return Err(wrong_value(&format!("{param}.type"), kind, allowed));
    }
    let needed = match kind {
        "input_text" | "output_text" => "text",
        "refusal" => "refusal",
        _ => return Ok(()),
    };
    match part.get(needed) {
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(wrong_type(&format!("{param}.{needed}"), "a string")),
        None => Err(missing(&format!("{param}.{needed}"))),
    }
}

fn sealed(item: &Map<String, Value>, kind: &str, account_id: &str, mint: &Mint) -> Result<(), Refusal> {
    match item.get("encrypted_content").and_then(Value::as_str) {
        None if kind == "reasoning" => Err(not_stored(item)),
        None => Err(missing("input.encrypted_content")),
        Some(content) if mint.opens(account_id, content) => Ok(()),
        Some(_) => {
            let id = item.get("id").and_then(Value::as_str).unwrap_or("(no id)");
            let message = format!(
                "The encrypted content for item {id} could not be verified. Reason: Encrypted content could not be \
                 decrypted or parsed."
            );
            Err(Refusal::invalid("encrypted_content", Some("invalid_encrypted_content"), "input".to_owned(), message))
        }
    }
}

fn not_stored(item: &Map<String, Value>) -> Refusal {
    let id = item.get("id").and_then(Value::as_str).unwrap_or("(no id)");
    let message = format!(
        "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` \
         set to true, or remove this item from your input."
    );
    let mut refusal = Refusal::invalid("item_not_stored", None, "input".to_owned(), message);
    refusal.status = 404;
    refusal
}

fn fields(item: &Map<String, Value>, kind: &str, param: &str) -> Result<(), Refusal> {
    let text = |name: &str| match item.get(name) {
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(wrong_type(&format!("{param}.{name}"), "a string")),
        None => Err(missing(&format!("{param}.{name}"))),
    };
    match kind {
        "function_call" => text("call_id").and_then(|()| text("name")).and_then(|()| text("arguments")),
        "custom_tool_call" => text("call_id").and_then(|()| text("name")).and_then(|()| text("input")),
        "function_call_output" | "custom_tool_call_output" => {
            text("call_id")?;
            match item.get("output") {
                Some(Value::String(_)) => Ok(()),
                Some(Value::Array(parts)) => parts
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, value)| part(value, "user", &format!("{param}.output[{index}]"))),
                Some(_) => Err(wrong_type(&format!("{param}.output"), "a string or an array")),
                None => Err(missing(&format!("{param}.output"))),
            }
        }
        _ => Ok(()),
    }
}

fn pairs(items: &[Value], earlier: &[Called]) -> Result<(), Refusal> {
    let mut open: HashMap<(&str, &str), bool> =
        earlier.iter().map(|call| ((call.kind.as_str(), call.call_id.as_str()), false)).collect();
    for item in items {
        let (Some(kind), Some(call_id)) = (item["type"].as_str(), item["call_id"].as_str()) else { continue };
        if PAIRS.iter().any(|(call, _, _)| *call == kind) {
            let answered_by_server = item["execution"].as_str() == Some("server");
            open.insert((kind, call_id), answered_by_server);
        } else if let Some((call, _, words)) = PAIRS.iter().find(|(_, output, _)| *output == kind) {
            let message = format!("No tool call found for {words} output with call_id {call_id}.");
            let found = open.get_mut(&(*call, call_id));
            *found.ok_or_else(|| Refusal::invalid("output_without_call", None, "input".to_owned(), message))? = true;
        }
    }
    for item in items {
        let (Some(kind), Some(call_id)) = (item["type"].as_str(), item["call_id"].as_str()) else { continue };
        if open.get(&(kind, call_id)) == Some(&false) {
            let words = PAIRS.iter().find(|(call, _, _)| *call == kind).map_or("tool call", |(_, _, words)| words);
            let message = format!("No tool output found for {words} {call_id}.");
            return Err(Refusal::invalid("call_without_output", None, "input".to_owned(), message));
        }
    }
    Ok(())
}
