//! Calls of tools and their outputs.

use std::borrow::Cow;

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Patch, filled, given, read_open};
use super::super::splice::Splice;
use super::origin::Origin;
use super::part::{check_breakpoint, part_not_translatable};
use super::{Walk, bad, check_passthrough, fix_id, not_translatable};

/// What a call hands to its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// `arguments` of a function.
    Arguments,
    /// `input` of a custom tool.
    Input,
}

impl Payload {
    pub(super) const fn name(self) -> &'static str {
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
            "async",
        ];
        let (members, unlisted) = read_open(item, &names).map_err(|_| not_translatable())?;
        let [id, call_id, name, payload, passthrough, kind, namespace, caller, metadata, status, ignored @ ..] =
            members;
        let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
        check_passthrough(passthrough)?;
        if filled(given(name)).is_none() || !given(payload).is_some_and(|value| value.kind() == Kind::String) {
            return Err(not_translatable());
        }
        for member in [passthrough, kind, namespace, caller, metadata] {
            patch.drop_null(member);
        }
        for member in ignored.into_iter().chain([status]) {
            patch.drop(member);
        }
        let own = filled(given(call_id));
        let known_by = own.clone().or_else(|| filled(given(id))).ok_or_else(not_translatable)?;
        fix_id(&mut patch, item, id, Some(&known_by));
        if own.is_some() {
            self.ids.own(known_by);
        } else {
            patch.set_str("call_id", call_id, &known_by);
            self.ids.repaired(known_by);
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
        let (members, unlisted) = read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let [id, call_id, output, passthrough, kind, name, namespace, caller, metadata, status, created_by] = members;
        let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
        check_passthrough(passthrough)?;
        if let Some(edited) = self.output(given(output).ok_or_else(|| bad(missing))?)? {
            patch.set("output", output, edited);
        }
        for member in [passthrough, kind, name, namespace, caller, metadata] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        let own = filled(given(call_id));
        fix_id(&mut patch, item, id, own.as_deref());
        if own.is_none() {
            let repaired = self.ids.take().ok_or_else(not_translatable)?;
            patch.set_str("call_id", call_id, &repaired);
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// Notes what an output consists of. It goes upstream unchanged, without the marks of the cache on its parts: the upstream knows none.
    pub(super) fn output(&mut self, output: Value<'a>) -> Result<Option<Splice>, Reject> {
        self.found.tool_output = true;
        let mut parts = ListPatch::new(output);
        for part in output.items() {
            let kind = part.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            match kind.as_ref() {
                "input_image" => self.found.image = true,
                "input_file" => self.found.file = true,
                "text" | "input_text" | "output_text" => {}
                // Data of the tool, whatever its keys are.
                _ => {
                    parts.keep(part);
                    continue;
                }
            }
            let ([breakpoint, file], _) =
                read_open(part, &["prompt_cache_breakpoint", "file_id"]).map_err(|_| part_not_translatable())?;
            check_breakpoint(breakpoint)?;
            if kind.starts_with("input_") {
                self.found.files.extend(filled(given(file)).map(Cow::into_owned));
            }
            let mut patch = Patch::new(part);
            patch.drop(breakpoint);
            parts.keep_or_put(part, patch.finish());
        }
        Ok(parts.finish())
    }
}
