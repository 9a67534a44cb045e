//! Calls and outputs of tools that stand among the parts of a message, and the outputs that are messages of their own.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::read_some;
use super::content::no_part;
use super::messages::{Role, Walk, bad, filled_value, no_call, no_message};

/// A part that is an item of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inline {
    /// `{type: tool_use, id, name, input}` and `{type: tool-call, toolCallId, toolName, input | args}`.
    Call,
    /// `{type: tool_result, tool_use_id, content}` and `{type: tool-result, toolCallId, output | result}`.
    Output,
}

impl Inline {
    /// What a part of that type is. Calls are made by assistants; their outputs stand wherever a client puts them.
    pub(super) fn of(kind: &str, role: Role) -> Option<Self> {
        match kind {
            "tool_use" | "tool-call" if role == Role::Assistant => Some(Self::Call),
            "tool_result" | "tool-result" if role != Role::Developer => Some(Self::Output),
            _ => None,
        }
    }
}

impl<'a> Walk<'a> {
    /// The item that a part is.
    pub(super) fn inline(&mut self, part: Value<'a>, inline: Inline) -> Result<(), Reject> {
        match inline {
            Inline::Call => self.inline_call(part),
            Inline::Output => self.inline_output(part),
        }
    }

    fn inline_call(&mut self, part: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 6] = ["id", "toolCallId", "name", "toolName", "input", "args"];
        let [id, call_id, name, tool_name, input, args] = read_some(part, &NAMES).ok_or_else(no_call)?;
        let id = filled_value(id.or(call_id)).ok_or_else(no_call)?;
        let name = filled_value(name.or(tool_name)).ok_or_else(no_call)?;
        let out = self.item().lit(r#"{"type":"function_call","call_id":"#).raw(id).member("name", Some(name));
        out.lit(r#","arguments":"#);
        match input.or(args) {
            Some(text) if text.kind() == Kind::String => out.raw(text),
            Some(input) => out.text(input.raw()),
            None => out.lit(r#""{}""#),
        };
        out.lit("}");
        Ok(())
    }

    fn inline_output(&mut self, part: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 5] = ["tool_use_id", "toolCallId", "content", "output", "result"];
        let [id, call_id, content, output, result] = read_some(part, &NAMES).ok_or_else(no_output)?;
        let id = filled_value(id.or(call_id)).ok_or_else(no_output)?;
        self.output_head(id);
        self.output(content.or(output).or(result))?;
        self.out.lit("}");
        Ok(())
    }

    /// A message of the role `tool`.
    pub(super) fn tool(&mut self, content: Option<Value<'a>>, ids: [Option<Value<'a>>; 2]) -> Result<(), Reject> {
        let is_output = |part: &Value<'a>| {
            part.get("type").is_some_and(|kind| kind.is_str("tool-result") || kind.is_str("tool_result"))
        };
        if let Some(parts) = content.filter(|content| content.items().next().as_ref().is_some_and(is_output)) {
            return parts.items().try_for_each(|part| match is_output(&part) {
                true => self.inline_output(part),
                false => Err(no_part()),
            });
        }
        let id = ids.into_iter().find_map(filled_value);
        let id = id.ok_or_else(|| bad("tool messages require a tool_call_id"))?;
        self.output_head(id);
        match content.map(|content| (content, content.kind())) {
            None | Some((_, Kind::String | Kind::Array)) => self.output_of_parts(content)?,
            Some((object, Kind::Object)) => {
                // Clients put what they know of the run beside the output; the upstream has no place for it.
                let output = object.get("output").filter(|output| !output.is_null()).ok_or_else(no_message)?;
                self.output(Some(output))?;
            }
            Some((_, Kind::Null | Kind::Bool | Kind::Number)) => return Err(no_message()),
        }
        self.out.lit("}");
        Ok(())
    }

    /// What a tool gave back, whatever it is: text and parts as such, all other data as JSON in a text.
    fn output(&mut self, output: Option<Value<'a>>) -> Result<(), Reject> {
        let Some(output) = output else { return self.output_of_parts(None) };
        if output.kind() == Kind::String || output.items().all(is_part) && output.kind() == Kind::Array {
            return self.output_of_parts(Some(output));
        }
        match tagged(output) {
            Some(value) => self.output(Some(value)),
            None => {
                self.out.text(output.raw());
                Ok(())
            }
        }
    }

    /// A text, or a list of parts. Nothing is an empty text.
    fn output_of_parts(&mut self, content: Option<Value<'a>>) -> Result<(), Reject> {
        let Some(content) = content.filter(|content| content.kind() == Kind::String || !content.is_empty()) else {
            self.out.lit("\"\"");
            return Ok(());
        };
        if content.kind() == Kind::String {
            self.out.raw(content);
            return Ok(());
        }
        for (at, part) in content.items().enumerate() {
            self.out.lit(if at == 0 { "[" } else { "," });
            let kind = part.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            self.part(part, &kind, Role::User)?;
        }
        self.out.lit("]");
        Ok(())
    }
}

/// Whether this is a part of a message, and not data of the tool that happens to have a type.
fn is_part(value: Value<'_>) -> bool {
    let has = |name, kinds: &[Kind]| value.get(name).is_some_and(|member| kinds.contains(&member.kind()));
    match value.get("type").and_then(|kind| kind.as_str()).as_deref() {
        Some("text" | "input_text" | "output_text") => has("text", &[Kind::String]),
        Some("image_url") => has("image_url", &[Kind::String, Kind::Object]),
        Some(kind @ ("file" | "input_audio")) => has(kind, &[Kind::Object]),
        _ => false,
    }
}

/// The value of an output that tells its form: `{type: text | json | content | error-text | error-json, value}`.
fn tagged(output: Value<'_>) -> Option<Value<'_>> {
    let kind = output.get("type")?;
    let known = ["text", "json", "content", "error-text", "error-json"].iter().any(|known| kind.is_str(known));
    output.get("value").filter(|_| known)
}

fn no_output() -> Reject {
    bad("tool result is not translatable")
}
