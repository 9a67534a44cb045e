//! The members of calls, of their outputs, and of items that the backend made itself and gets back.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::input::part;
use super::{missing, wrong_type, wrong_value};

/// Longest `call_id` of a shell call, in characters.
const CALL_ID_LIMIT: usize = 64;

/// Checks an item that is neither message nor sealed; nothing for a type that is not known.
pub(super) fn check(item: &Map<String, Value>, kind: &str, param: &str) -> Option<Result<(), Refusal>> {
    let item = Item { item, param };
    Some(match kind {
        "function_call" => item.texts(&["call_id", "name", "arguments"]),
        "custom_tool_call" => item.texts(&["call_id", "name", "input"]),
        "agent_message" => item.texts(&["author", "recipient"]).and_then(|()| item.letter()),
        "function_call_output" | "custom_tool_call_output" => item.texts(&["call_id"]).and_then(|()| item.output()),
        "shell_call" => item.call_id().and_then(|()| item.commands()),
        "shell_call_output" => item.call_id().and_then(|()| item.shell_output()),
        "local_shell_call" => item.texts(&["call_id"]).and_then(|()| item.object("action")),
        "local_shell_call_output" => item.texts(&["output"]),
        "tool_search_call" => item.present("arguments"),
        "tool_search_output" => item.list("tools").map(drop),
        "program" => item.texts(&["call_id", "code"]),
        "program_output" => item.texts(&["call_id"]),
        "web_search_call" => item.status(),
        "image_generation_call" => item.texts(&["id"]).and_then(|()| item.result()),
        "additional_tools" | "compaction_trigger" | "input_file" | "mcp_list_tools" => Ok(()),
        _ => return None,
    })
}

struct Item<'a> {
    item: &'a Map<String, Value>,
    param: &'a str,
}

impl Item<'_> {
    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.param)
    }

    fn present(&self, name: &str) -> Result<(), Refusal> {
        if self.item.contains_key(name) { Ok(()) } else { Err(missing(&self.at(name))) }
    }

    fn texts(&self, names: &[&str]) -> Result<(), Refusal> {
        names.iter().try_for_each(|name| match self.item.get(*name) {
            Some(Value::String(_)) => Ok(()),
            Some(_) => Err(wrong_type(&self.at(name), "a string")),
            None => Err(missing(&self.at(name))),
        })
    }

    fn object(&self, name: &str) -> Result<(), Refusal> {
        match self.item.get(name) {
            Some(Value::Object(_)) => Ok(()),
            Some(_) => Err(wrong_type(&self.at(name), "an object")),
            None => Err(missing(&self.at(name))),
        }
    }

    fn list(&self, name: &str) -> Result<&[Value], Refusal> {
        match self.item.get(name) {
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(wrong_type(&self.at(name), "an array")),
            None => Err(missing(&self.at(name))),
        }
    }

    fn call_id(&self) -> Result<(), Refusal> {
        self.texts(&["call_id"])?;
        let length = self.item.get("call_id").and_then(Value::as_str).map_or(0, |id| id.chars().count());
        if (1..=CALL_ID_LIMIT).contains(&length) {
            return Ok(());
        }
        Err(wrong_type(&self.at("call_id"), "a string of 1 to 64 characters"))
    }

    fn commands(&self) -> Result<(), Refusal> {
        self.object("action")?;
        let commands = self.item.get("action").and_then(|action| action.get("commands")).and_then(Value::as_array);
        match commands {
            Some(list) if !list.is_empty() && list.iter().all(Value::is_string) => Ok(()),
            Some(_) => Err(wrong_type(&self.at("action.commands"), "an array of strings")),
            None => Err(missing(&self.at("action.commands"))),
        }
    }

    fn shell_output(&self) -> Result<(), Refusal> {
        for (index, one) in self.list("output")?.iter().enumerate() {
            let at = self.at(&format!("output[{index}]"));
            for name in ["stdout", "stderr"] {
                if !one[name].is_string() {
                    return Err(wrong_type(&format!("{at}.{name}"), "a string"));
                }
            }
            match one["outcome"]["type"].as_str() {
                Some("exit") if one["outcome"]["exit_code"].is_i64() => {}
                Some("exit") => return Err(wrong_type(&format!("{at}.outcome.exit_code"), "an integer")),
                Some("timeout") => {}
                other => {
                    let got = other.unwrap_or("null");
                    return Err(wrong_value(&format!("{at}.outcome.type"), got, &["exit", "timeout"]));
                }
            }
        }
        Ok(())
    }

    fn output(&self) -> Result<(), Refusal> {
        match self.item.get("output") {
            Some(Value::String(_)) => Ok(()),
            Some(Value::Array(parts)) => parts
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| part(value, "user", &self.at(&format!("output[{index}]")))),
            Some(_) => Err(wrong_type(&self.at("output"), "a string or an array")),
            None => Err(missing(&self.at("output"))),
        }
    }

    /// What one agent writes to another: words, or what the backend alone can read.
    fn letter(&self) -> Result<(), Refusal> {
        for (index, part) in self.list("content")?.iter().enumerate() {
            let at = self.at(&format!("content[{index}]"));
            let name = match part["type"].as_str() {
                Some("input_text") => "text",
                Some("encrypted_content") => "encrypted_content",
                other => {
                    let allowed = ["input_text", "encrypted_content"];
                    return Err(wrong_value(&format!("{at}.type"), other.unwrap_or("null"), &allowed));
                }
            };
            if !part[name].is_string() {
                return Err(wrong_type(&format!("{at}.{name}"), "a string"));
            }
        }
        Ok(())
    }

    fn status(&self) -> Result<(), Refusal> {
        let allowed = ["in_progress", "searching", "completed", "failed"];
        match self.item.get("status") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(status)) if allowed.contains(&status.as_str()) => Ok(()),
            Some(Value::String(status)) => Err(wrong_value(&self.at("status"), status, &allowed)),
            Some(_) => Err(wrong_type(&self.at("status"), "a string")),
        }
    }

    fn result(&self) -> Result<(), Refusal> {
        match self.item.get("result") {
            Some(Value::String(_) | Value::Null) => Ok(()),
            Some(_) => Err(wrong_type(&self.at("result"), "a string or null")),
            None => Err(missing(&self.at("result"))),
        }
    }
}
