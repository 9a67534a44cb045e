//! `additional_tools`: tools that travel as an item of the input.

use pooler_filter::Reject;
use pooler_filter::json::Value;

use super::super::patch::{given, read_open};
use super::super::tools::Home;
use super::origin::Origin;
use super::{Mark, Walk, check_passthrough, fix_id, not_translatable};

impl<'a> Walk<'a> {
    /// `additional_tools` of a developer, checked like the member `tools`.
    pub(super) fn additional_tools(&mut self, at: usize, item: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 8] = [
            "type",
            "role",
            "id",
            "tools",
            "metadata",
            "internal_chat_message_metadata_passthrough",
            "status",
            "created_by",
        ];
        let (members, unlisted) = read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let [_, role, id, tools, metadata, passthrough, status, created_by] = members;
        check_passthrough(passthrough)?;
        let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
        let known = |role: Value<'_>| role.is_str("developer") || role.is_str("system");
        let list = given(tools).filter(|_| given(role).is_none_or(known)).ok_or_else(not_translatable)?;
        if let Some(edited) = self.declared.read(list, Home::Item(at))? {
            patch.set("tools", tools, edited);
        }
        patch.set_str("role", role, "developer");
        for member in [metadata, passthrough] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        fix_id(&mut patch, item, id, None);
        let leads = self.list.len() == self.leading;
        self.list.keep_or_put(item, patch.finish());
        if leads {
            self.leading += 1;
            self.list.mark_last();
            self.marks.push(Mark::Lead);
        }
        Ok(())
    }
}
