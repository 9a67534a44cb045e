//! Calls of tools and their outputs in the form of chat messages, which become items.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Member, filled, given, read, read_open};
use super::super::splice::Splice;
use super::calls::Payload;
use super::origin::Origin;
use super::part::Role;
use super::{Walk, is_item_id, not_translatable};

impl<'a> Walk<'a> {
    /// The call that one entry of a chat message's `tool_calls` stands for, with the metadata of the message.
    pub(super) fn chat_call(&mut self, entry: Value<'a>, metadata: Option<Value<'a>>) -> Result<(), Reject> {
        const NAMES: [&str; 7] = ["id", "call_id", "response_item_id", "type", "function", "custom", "index"];
        let [id, call_id, item_id, kind, function, custom, _] = read(entry, &NAMES).map_err(|_| not_translatable())?;
        let ids = [call_id, id].into_iter().filter_map(given);
        let call_id = ids.into_iter().find(|id| filled(Some(*id)).is_some()).ok_or_else(not_translatable)?;
        let (kind, body, payload) = match given(kind).map(|kind| kind.as_str().unwrap_or_default()).as_deref() {
            None | Some("function") => ("function_call", function, Payload::Arguments),
            Some("custom") => ("custom_tool_call", custom, Payload::Input),
            Some(_) => return Err(not_translatable()),
        };
        if payload == Payload::Input {
            self.custom.extend(call_id.as_str());
        }
        let body = given(body).ok_or_else(not_translatable)?;
        let [name, text, _] =
            read(body, &["name", payload.name(), "parsed_arguments"]).map_err(|_| not_translatable())?;
        let name = given(name).filter(|name| filled(Some(*name)).is_some()).ok_or_else(not_translatable)?;
        let text = given(text).filter(|text| text.kind() == Kind::String).ok_or_else(not_translatable)?;
        let item_id = given(item_id).filter(|id| id.as_str().is_some_and(|id| is_item_id(&id)));
        let mut call = Splice::default();
        call.lit(r#"{"type":"#).text(kind);
        for (name, value) in [
            ("id", item_id),
            ("call_id", Some(call_id)),
            ("name", Some(name)),
            (payload.name(), Some(text)),
            ("metadata", metadata),
        ] {
            call.member(name, value);
        }
        call.lit("}");
        self.list.put(call);
        Ok(())
    }

    /// The output that a chat message of the role `tool` stands for.
    pub(super) fn tool_message(&mut self, message: &ToolMessage<'a>) -> Result<(), Reject> {
        let named = [message.tool_call_id, message.call_id].into_iter().find_map(|id| filled(given(id)));
        let id = named.or_else(|| self.ids.take()).ok_or_else(not_translatable)?;
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
            out.member(name, given(member));
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
        let (value, edited) = match content.kind() {
            Kind::String => (content, None),
            Kind::Array => {
                let mut parts = ListPatch::new(content);
                for part in content.items() {
                    self.part(part, Role::User, Origin::Client, &mut parts)?;
                }
                (content, parts.finish())
            }
            Kind::Object => {
                // Clients put what they know of the run beside the output; the upstream has no place for it.
                let ([output], _) = read_open(content, &["output"]).map_err(|_| not_translatable())?;
                let output = given(output).ok_or_else(not_translatable)?;
                (output, self.output(output)?)
            }
            Kind::Null | Kind::Bool | Kind::Number => return Err(not_translatable()),
        };
        match edited {
            Some(edited) => out.splice(edited),
            None => out.raw(value),
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
