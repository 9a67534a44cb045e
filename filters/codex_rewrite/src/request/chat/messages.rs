//! `messages`: every message becomes items of an input, text for the instructions, or both (docs/v1.md, Chat completions).
//!
//! A key that no rule names is ignored, in messages and in their parts: clients send back what they were answered, with whatever they added.

use std::borrow::Cow;
use std::collections::HashSet;

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::input::{Found, Input};
use super::super::patch::{filled, read_some};
use super::super::splice::Splice;

const PARAM: &str = "messages";

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
    /// Also `system`, which the upstream does not know.
    Developer,
}

impl Role {
    /// The beginning of a message, up to its first part.
    pub(super) const fn head(self) -> &'static str {
        match self {
            Self::User => r#"{"type":"message","role":"user","content":["#,
            Self::Assistant => r#"{"type":"message","role":"assistant","content":["#,
            Self::Developer => r#"{"type":"message","role":"developer","content":["#,
        }
    }

    /// The beginning of a text part, up to the text.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::User | Self::Developer => r#"{"type":"input_text","text":"#,
            Self::Assistant => r#"{"type":"output_text","text":"#,
        }
    }
}

/// Checks the messages and writes the input that they are.
pub(in super::super) fn read(messages: Option<Value<'_>>) -> Result<Input<'_>, Reject> {
    let messages = messages.ok_or_else(|| bad("messages is required"))?;
    if messages.kind() != Kind::Array || messages.is_empty() {
        return Err(bad("messages must be a non-empty array"));
    }
    let mut walk = Walk { out: Splice::roomy(), ..Walk::default() };
    walk.out.lit("[");
    for message in messages.items() {
        walk.message(message)?;
    }
    walk.out.lit("]");
    let edited = Some(walk.out.join());
    let Walk { lifted, found, media, audio, .. } = walk;
    Ok(Input { edited, lifted, found, media, audio, ..Input::default() })
}

/// The walk over the messages.
#[derive(Default)]
pub(super) struct Walk<'a> {
    /// The items so far.
    pub(super) out: Splice,
    /// Whether there are any.
    any: bool,
    /// Texts for the instructions.
    pub(super) lifted: Vec<Value<'a>>,
    pub(super) found: Found,
    /// The first image or file that is not taken: refused only after all other members were checked.
    pub(super) media: Option<Reject>,
    /// The same for sound, which is looked at last.
    pub(super) audio: Option<Reject>,
    /// Ids of calls of custom tools: a message with the output of a tool does not tell its kind.
    custom: HashSet<Cow<'a, str>>,
}

impl<'a> Walk<'a> {
    fn message(&mut self, message: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 7] =
            ["role", "content", "tool_calls", "tool_call_id", "call_id", "function_call", "prompt_cache_breakpoint"];
        let [role, content, calls, tool_call_id, call_id, function_call, breakpoint] =
            read_some(message, &NAMES).ok_or_else(no_message)?;
        let role = role.and_then(|role| role.as_str()).ok_or_else(no_message)?;
        if function_call.is_some() {
            return Err(bad("legacy function_call is not translatable"));
        }
        let is_assistant = role == "assistant";
        if !is_assistant && calls.is_some_and(|calls| !calls.is_empty() || calls.kind() != Kind::Array) {
            return Err(bad("only assistant messages have tool_calls"));
        }
        if !is_assistant && content.is_none() && message.get("content").is_none() {
            return Err(no_message());
        }
        match role.as_ref() {
            "user" => self.said(content, Role::User),
            "system" | "developer" => self.said(content, Role::Developer),
            "assistant" => {
                if breakpoint.is_some() {
                    return Err(marked_assistant());
                }
                self.answer(message, content)?;
                self.calls(calls)
            }
            "tool" => self.tool(content, [tool_call_id, call_id]),
            _ => Err(bad("message role is not supported")),
        }
    }

    /// What a user said, or an instruction.
    fn said(&mut self, content: Option<Value<'a>>, role: Role) -> Result<(), Reject> {
        let empty = || bad("message content must not be empty");
        let content = content.ok_or_else(empty)?;
        match content.kind() {
            Kind::String if content.is_str("") => Err(empty()),
            Kind::Array if content.is_empty() => Err(empty()),
            Kind::String if role == Role::Developer => {
                self.lifted.push(content);
                Ok(())
            }
            Kind::String => {
                self.text_message(content, role);
                Ok(())
            }
            Kind::Array => self.parts(content, role),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Object => Err(no_message()),
        }
    }

    /// What an assistant said, if it said anything.
    fn answer(&mut self, message: Value<'a>, content: Option<Value<'a>>) -> Result<(), Reject> {
        if message.get("audio").is_some_and(|audio| !audio.is_null()) {
            return Err(bad("audio of an earlier answer is not supported"));
        }
        let Some(content) = content.filter(|content| !content.is_str("")) else { return Ok(()) };
        match content.kind() {
            Kind::String => {
                self.text_message(content, Role::Assistant);
                Ok(())
            }
            Kind::Array => self.parts(content, Role::Assistant),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Object => Err(no_message()),
        }
    }

    fn text_message(&mut self, text: Value<'a>, role: Role) {
        self.item().lit(role.head()).lit(role.text()).raw(text).lit("}]}");
    }

    /// The calls of an assistant.
    fn calls(&mut self, calls: Option<Value<'a>>) -> Result<(), Reject> {
        let Some(calls) = calls else { return Ok(()) };
        if calls.kind() != Kind::Array {
            return Err(no_call());
        }
        calls.items().try_for_each(|call| self.call(call))
    }

    fn call(&mut self, call: Value<'a>) -> Result<(), Reject> {
        let [id, call_id, kind, function, custom] =
            read_some(call, &["id", "call_id", "type", "function", "custom"]).ok_or_else(no_call)?;
        let id = filled_value(id).or_else(|| filled_value(call_id)).ok_or_else(no_call)?;
        let (head, body, payload) = match kind.map(|kind| kind.as_str().unwrap_or_default()).as_deref() {
            None | Some("function") => (r#"{"type":"function_call","call_id":"#, function, "arguments"),
            Some("custom") => (r#"{"type":"custom_tool_call","call_id":"#, custom, "input"),
            Some(_) => return Err(no_call()),
        };
        let [name, text] = body.and_then(|body| read_some(body, &["name", payload])).ok_or_else(no_call)?;
        let name = filled_value(name).ok_or_else(no_call)?;
        let text = text.filter(|text| text.kind() == Kind::String).ok_or_else(no_call)?;
        if payload == "input" {
            self.custom.extend(id.as_str());
        }
        self.item().lit(head).raw(id).member("name", Some(name)).member(payload, Some(text)).lit("}");
        Ok(())
    }

    /// The beginning of the output of the call with that id, up to its value.
    pub(super) fn output_head(&mut self, id: Value<'a>) -> &mut Splice {
        self.found.tool_output = true;
        let custom = !self.custom.is_empty() && id.as_str().is_some_and(|id| self.custom.contains(&id));
        let head = if custom {
            r#"{"type":"custom_tool_call_output","call_id":"#
        } else {
            r#"{"type":"function_call_output","call_id":"#
        };
        self.item().lit(head).raw(id).lit(r#","output":"#)
    }

    /// Begins the next item.
    pub(super) fn item(&mut self) -> &mut Splice {
        if self.any {
            self.out.lit(",");
        }
        self.any = true;
        &mut self.out
    }
}

/// A string with something else than white space in it.
pub(super) fn filled_value(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| filled(Some(*value)).is_some())
}

pub(super) fn bad(message: &'static str) -> Reject {
    Reject::invalid(message).at(PARAM)
}

pub(super) fn no_message() -> Reject {
    bad("messages must contain role/content objects")
}

pub(super) fn no_call() -> Reject {
    bad("tool call is not translatable")
}

pub(super) fn marked_assistant() -> Reject {
    bad("prompt_cache_breakpoint is not supported in assistant messages")
}
