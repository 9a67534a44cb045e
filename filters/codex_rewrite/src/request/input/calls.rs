//! Calls of tools and their outputs, as items and in the form of chat messages.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Member, Patch, filled, given, read};
use super::super::splice::Splice;
use super::part::Role;
use super::{Walk, check_passthrough, fix_id, not_translatable};

/// What a call hands to its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// `arguments` of a function.
    Arguments,
    /// `input` of a custom tool.
    Input,
}

impl Payload {
    const fn name(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Input => "input",
        }
    }
}

impl<'a> Walk<'a> {
    /// `function_call` and `custom_tool_call`.
    pub(super) fn call(&mut self, item: Value<'a>, payload: Payload) -> Result<(), Reject> {
        let names = [
            "id",
            "call_id",
            "name",
            payload.name(),
            "internal_chat_message_metadata_passthrough",
            "type",
            "namespace",
            "caller",
            "metadata",
            "status",
            "created_by",
            "parsed_arguments",
        ];
        let [id, call_id, name, payload, passthrough, kind, namespace, caller, metadata, ignored @ ..] =
            read(item, &names).map_err(|_| not_translatable())?;
        check_passthrough(passthrough)?;
        if filled(given(name)).is_none() || !given(payload).is_some_and(|value| value.kind() == Kind::String) {
            return Err(not_translatable());
        }
        let mut patch = Patch::new(item);
        for member in [passthrough, kind, namespace, caller, metadata] {
            patch.drop_null(member);
        }
        for member in ignored {
            patch.drop(member);
        }
        fix_id(&mut patch, id);
        if filled(given(call_id)).is_none() {
            let repaired = filled(given(id)).ok_or_else(not_translatable)?;
            patch.set_str("call_id", call_id, &repaired);
            self.repaired.push_back(repaired);
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// `function_call_output` and `custom_tool_call_output`.
    pub(super) fn call_output(&mut self, item: Value<'a>, missing: &'static str) -> Result<(), Reject> {
        const NAMES: [&str; 11] = [
            "id",
            "call_id",
            "output",
            "internal_chat_message_metadata_passthrough",
            "type",
            "name",
            "namespace",
            "caller",
            "metadata",
            "status",
            "created_by",
        ];
        let [id, call_id, output, passthrough, kind, name, namespace, caller, metadata, ignored @ ..] =
            read(item, &NAMES).map_err(|_| not_translatable())?;
        check_passthrough(passthrough)?;
        self.output(given(output).ok_or_else(|| super::bad(missing))?);
        let mut patch = Patch::new(item);
        for member in [passthrough, kind, name, namespace, caller, metadata] {
            patch.drop_null(member);
        }
        for member in ignored {
            patch.drop(member);
        }
        fix_id(&mut patch, id);
        if filled(given(call_id)).is_none() {
            let repaired = self.repaired.pop_front().ok_or_else(not_translatable)?;
            patch.set_str("call_id", call_id, &repaired);
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// Notes what an output consists of. It goes upstream unchanged.
    fn output(&mut self, output: Value<'a>) {
        self.found.tool_output = true;
        for part in output.items() {
            match part.get("type") {
                Some(kind) if kind.is_str("input_image") => self.found.image = true,
                Some(kind) if kind.is_str("input_file") => self.found.file = true,
                _ => {}
            }
        }
    }

    /// The call that one entry of a chat message's `tool_calls` stands for.
    pub(super) fn chat_call(&mut self, entry: Value<'a>) -> Result<(), Reject> {
        let [id, kind, function, custom, _] =
            read(entry, &["id", "type", "function", "custom", "index"]).map_err(|_| not_translatable())?;
        let id = given(id).filter(|id| filled(Some(*id)).is_some()).ok_or_else(not_translatable)?;
        let custom_kind = given(kind).is_some_and(|kind| kind.is_str("custom"));
        let (head, body, payload) = if custom_kind {
            (r#"{"type":"custom_tool_call","call_id":"#, custom, Payload::Input)
        } else {
            (r#"{"type":"function_call","call_id":"#, function, Payload::Arguments)
        };
        if !custom_kind && given(kind).is_some_and(|kind| !kind.is_str("function")) {
            return Err(not_translatable());
        }
        if custom_kind {
            self.custom.extend(id.as_str());
        }
        let body = given(body).ok_or_else(not_translatable)?;
        let [name, text, _] =
            read(body, &["name", payload.name(), "parsed_arguments"]).map_err(|_| not_translatable())?;
        let name = given(name).filter(|name| filled(Some(*name)).is_some()).ok_or_else(not_translatable)?;
        let text = given(text).filter(|text| text.kind() == Kind::String).ok_or_else(not_translatable)?;
        let mut call = Splice::default();
        call.lit(head).raw(id).lit(r#","name":"#).raw(name);
        call.lit(if payload == Payload::Input { r#","input":"# } else { r#","arguments":"# }).raw(text).lit("}");
        self.list.put(call);
        Ok(())
    }

    /// The output that a chat message of the role `tool` stands for.
    pub(super) fn tool_message(&mut self, message: &ToolMessage<'a>) -> Result<(), Reject> {
        let named = [message.tool_call_id, message.call_id].into_iter().find_map(|id| filled(given(id)));
        let id = named.or_else(|| self.repaired.pop_front()).ok_or_else(not_translatable)?;
        let mut out = Splice::default();
        out.lit(if self.custom.contains(&id) {
            r#"{"type":"custom_tool_call_output","call_id":"#
        } else {
            r#"{"type":"function_call_output","call_id":"#
        });
        out.text(&id);
        out.lit(r#","output":"#);
        self.found.tool_output = true;
        self.tool_content(given(message.content), &mut out)?;
        for (name, member) in message.kept {
            if let Some(value) = given(member) {
                out.lit(",").text(name).lit(":").raw(value);
            }
        }
        out.lit("}");
        self.list.put(out);
        Ok(())
    }

    fn tool_content(&mut self, content: Option<Value<'a>>, out: &mut Splice) -> Result<(), Reject> {
        let Some(content) = content.filter(|content| content.kind() != Kind::Array || !content.is_empty()) else {
            out.lit("\"\"");
            return Ok(());
        };
        match content.kind() {
            Kind::String => out.raw(content),
            Kind::Array => {
                let mut parts = ListPatch::new(content);
                for part in content.items() {
                    self.part(part, Role::User, &mut parts)?;
                }
                match parts.finish() {
                    Some(edited) => out.splice(edited),
                    None => out.raw(content),
                }
            }
            Kind::Object => {
                let [output] = read(content, &["output"]).map_err(|_| not_translatable())?;
                let output = given(output).ok_or_else(not_translatable)?;
                self.output(output);
                out.raw(output)
            }
            Kind::Null | Kind::Bool | Kind::Number => return Err(not_translatable()),
        };
        Ok(())
    }
}

/// What counts of a chat message of the role `tool`.
#[derive(Debug)]
pub(super) struct ToolMessage<'a> {
    pub(super) tool_call_id: Option<Member<'a>>,
    pub(super) call_id: Option<Member<'a>>,
    pub(super) content: Option<Member<'a>>,
    /// Members that the item keeps.
    pub(super) kept: [(&'static str, Option<Member<'a>>); 2],
}
