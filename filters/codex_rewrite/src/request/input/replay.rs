//! Items of earlier turns that are neither messages nor calls: reasoning, compactions, references.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{filled, given, read, read_open};
use super::origin::Origin;
use super::{Walk, bad, check_passthrough, fix_id, not_translatable};

impl<'a> Walk<'a> {
    /// `reasoning`: kept when the upstream knows the response that issued it, else left out, because only the account that issued it
    /// can read it (docs/decisions.md, T19).
    pub(super) fn reasoning(&mut self, item: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 9] = [
            "id",
            "internal_chat_message_metadata_passthrough",
            "type",
            "summary",
            "content",
            "encrypted_content",
            "metadata",
            "status",
            "created_by",
        ];
        if !self.continued {
            self.list.leave_out();
            return Ok(());
        }
        let ([id, passthrough, kind, summary, content, encrypted, metadata, status, created_by], unlisted) =
            read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
        check_passthrough(passthrough)?;
        for member in [passthrough, kind, summary, content, encrypted, metadata] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        fix_id(&mut patch, id);
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// `item_reference`: to be resolved by the upstream, which can do so only within a continued response (docs/decisions.md, T16).
    pub(super) fn item_reference(&mut self, item: Value<'a>) -> Result<(), Reject> {
        const NOT_STORED: &str =
            "Responses are not stored here: send the item itself (AI SDK: providerOptions.openai.store = false)";
        let id = item.get("id").and_then(|id| id.as_str());
        if self.continued {
            let [_, id] = read(item, &["type", "id"]).map_err(|_| not_translatable())?;
            filled(given(id)).ok_or_else(not_translatable)?;
            self.found.reference = true;
            self.list.keep(item);
        } else if id.is_some_and(|id| id.starts_with("rs_")) {
            self.list.leave_out();
        } else {
            return Err(bad(NOT_STORED));
        }
        Ok(())
    }

    /// `compaction`: a shortened conversation, readable by the upstream alone.
    pub(super) fn compaction(&mut self, item: Value<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 7] = [
            "id",
            "encrypted_content",
            "internal_chat_message_metadata_passthrough",
            "type",
            "metadata",
            "status",
            "created_by",
        ];
        let ([id, encrypted, passthrough, kind, metadata, status, created_by], unlisted) =
            read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
        check_passthrough(passthrough)?;
        if filled(given(encrypted)).is_none() || given(id).is_some_and(|id| id.kind() != Kind::String) {
            return Err(not_translatable());
        }
        for member in [passthrough, kind, metadata] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }
}
