//! Items of earlier turns that are neither messages nor calls: reasoning, compactions, references.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};
use sha2::{Digest, Sha256};

use super::super::patch::{filled, given, read, read_open};
use super::origin::Origin;
use super::{Mark, Walk, bad, check_passthrough, fix_id, is_made, not_translatable};

impl<'a> Walk<'a> {
    /// `reasoning`: kept when the upstream knows the response that issued it. Without that response it is worth something only to the
    /// account that can read its content, so it is marked for the others to leave out; without content it goes (docs/decisions.md, T19).
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
        let sealed = filled(item.get("encrypted_content"));
        if !self.continued && sealed.is_none() {
            self.list.leave_out();
            return Ok(());
        }
        let ([id, passthrough, kind, summary, content, encrypted, metadata, status, created_by], unlisted) =
            read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let origin = if sealed.is_some() { Origin::Answer } else { Origin::of(id, status) };
        let mut patch = origin.patch(item, &unlisted).ok_or_else(not_translatable)?;
        check_passthrough(passthrough)?;
        for member in [passthrough, kind, summary, content, encrypted, metadata] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        fix_id(&mut patch, item, id, None);
        self.list.keep_or_put(item, patch.finish());
        if let Some(sealed) = sealed.filter(|_| !self.continued) {
            self.list.mark_last();
            self.marks.push(Mark::Reasoning(digest(&sealed)));
        }
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

    /// `compaction` and `compaction_summary`: a shortened conversation, readable by the account alone that issued it.
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
        let sealed = filled(given(encrypted)).ok_or_else(not_translatable)?;
        if given(id).is_some_and(|id| id.kind() != Kind::String) {
            return Err(not_translatable());
        }
        for member in [passthrough, kind, metadata] {
            patch.drop_null(member);
        }
        for member in [status, created_by] {
            patch.drop(member);
        }
        // Any other id stays, null too: it is ours to repeat.
        patch.drop(id.filter(|id| id.value.as_str().is_some_and(|text| is_made(item, &text, None))));
        self.list.keep_or_put(item, patch.finish());
        self.list.mark_last();
        self.marks.push(Mark::Compaction(digest(&sealed)));
        Ok(())
    }
}

/// What an item with this content is known by.
fn digest(sealed: &str) -> [u8; 32] {
    Sha256::digest(sealed).into()
}
