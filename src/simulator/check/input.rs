//! Input items: roles, content parts, pairs of calls and outputs, and content that is bound to an account.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::compact::Summary;
use super::super::given::Called;
use super::super::refusal::Refusal;
use super::super::tokens::{Mint, Sealed};
use super::{items, missing, wrong_type, wrong_value};

/// The item that asks for a compaction.
pub(super) const TRIGGER: &str = "compaction_trigger";

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

/// Whether the last item asks for a compaction.
pub(super) fn ends_in_trigger(body: &Map<String, Value>) -> bool {
    let items = body.get("input").and_then(Value::as_array);
    items.and_then(|items| items.last()).is_some_and(|item| item["type"] == TRIGGER)
}

/// The refusal of a trigger that is not the last item, or stands where none may.
pub(super) fn misplaced_trigger(at: usize) -> Refusal {
    let message = "compaction_trigger must be the final input item.";
    Refusal::invalid("compaction_trigger", Some("invalid_value"), format!("input[{at}]"), message)
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
            "reasoning" => sealed(item, Sealed::Reasoning, account_id, mint)?,
            "compaction" | "compaction_summary" | "context_compaction" => {
                sealed(item, Sealed::Compaction, account_id, mint)?;
            }
            TRIGGER if index + 1 != items.len() => return Err(misplaced_trigger(index)),
            "item_reference" => return Err(not_stored(item)),
            other => match items::check(item, other, &param) {
                Some(verdict) => verdict?,
                None => return Err(wrong_value(&format!("{param}.type"), other, &["message", "reasoning"])),
            },
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

pub(super) fn part(part: &Value, role: &str, param: &str) -> Result<(), Refusal> {
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
        _ => return media(part, kind, param),
    };
    match part.get(needed) {
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(wrong_type(&format!("{param}.{needed}"), "a string")),
        None => Err(missing(&format!("{param}.{needed}"))),
    }
}

/// Images, files and sounds: by address or by the id of a file. Whether the account has the file is another question.
fn media(part: &Value, kind: &str, param: &str) -> Result<(), Refusal> {
    let (sources, beginnings): (&[&str], &[&str]) = match kind {
        "input_image" => (&["image_url", "file_id"], &["https://", "http://", "sediment://", "data:image/"]),
        "input_audio" => (&["audio_url", "file_id"], &["https://", "sediment://", "data:audio/"]),
        _ => (&["file_data", "file_url", "file_id"], &["https://", "http://", "sediment://", "data:"]),
    };
    let present = || sources.iter().filter_map(|name| Some((*name, part.get(name).filter(|value| !value.is_null())?)));
    if present().next().is_none() {
        return Err(missing(&format!("{param}.{}", sources[0])));
    }
    for (name, value) in present() {
        let param = format!("{param}.{name}");
        let text = value.as_str().ok_or_else(|| wrong_type(&param, "a string"))?;
        let fits = name == "file_id" || beginnings.iter().any(|beginning| text.starts_with(beginning));
        if text.is_empty() || !fits {
            let code = if kind == "input_audio" { "invalid_audio_url" } else { "invalid_value" };
            let message = format!("Invalid '{param}': expected an address that begins with {}.", beginnings.join(", "));
            return Err(Refusal::invalid("media", Some(code), param, message));
        }
    }
    let details = ["auto", "low", "high", "original"];
    match part.get("detail").filter(|value| kind == "input_image" && !value.is_null()) {
        Some(value) if value.as_str().is_some_and(|detail| details.contains(&detail)) => Ok(()),
        Some(value) => Err(wrong_value(&format!("{param}.detail"), value.as_str().unwrap_or("null"), &details)),
        None => Ok(()),
    }
}

fn sealed(item: &Map<String, Value>, kind: Sealed, account_id: &str, mint: &Mint) -> Result<(), Refusal> {
    match item.get("encrypted_content").and_then(Value::as_str) {
        None if kind == Sealed::Reasoning => Err(not_stored(item)),
        None => Err(missing("input.encrypted_content")),
        Some(content) => match mint.open(account_id, kind, content) {
            Some(opened) if kind == Sealed::Reasoning || Summary::read(&opened).is_some() => Ok(()),
            _ => Err(Refusal::unreadable(item.get("id").and_then(Value::as_str))),
        },
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
