//! `compaction_trigger`: the order to compact what stands before it (docs/v1.md, Compaction trigger).

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{filled, read};
use super::{Input, Mark, Walk, bad};

impl<'a> Walk<'a> {
    /// `compaction_trigger`: nothing but its type, at the end, and behind something to compact.
    pub(super) fn trigger(&mut self, item: Value<'a>) -> Result<(), Reject> {
        if read(item, &["type"]).is_err() || !self.found.visible {
            return Err(misplaced());
        }
        self.found.trigger = true;
        self.list.keep(item);
        self.list.mark_last();
        self.marks.push(Mark::Trigger);
        Ok(())
    }

    /// Notes a text that stays in the input.
    pub(super) fn sees(&mut self, text: Value<'a>) {
        // Only until the first one that is not blank: texts are long.
        if !self.found.visible {
            self.found.visible = filled(Some(text)).is_some();
        }
    }
}

impl Input<'_> {
    /// Takes the trigger out of the list, which is `given` when it was not edited: what is asked to be compacted needs no order.
    pub(in super::super) fn cut_trigger(&mut self, given: Option<Value<'_>>) {
        let list = || self.edited.clone().or_else(|| given.map(|given| given.raw_bytes()));
        let Some((place, list)) = self.trigger.take().and_then(|place| Some((place, list()?))) else { return };
        let before = list.get(..place.start).unwrap_or_default().trim_ascii_end();
        let after = list.get(place.end..).unwrap_or_default();
        // Something visible stands before it, with a comma behind.
        self.edited = Some([before.strip_suffix(b",").unwrap_or(before), after].concat().into());
        self.found.trigger = false;
    }
}

/// Whether the last item of an input is a trigger.
pub(in super::super) fn ends_with_trigger(input: Value<'_>) -> bool {
    let kind = input.items().last().and_then(|last| last.get("type"));
    input.kind() == Kind::Array && kind.is_some_and(|kind| kind.is_str("compaction_trigger"))
}

/// The refusal of a trigger that stands where none may.
pub(super) fn misplaced() -> Reject {
    bad("compaction_trigger must be the final input item and must follow visible input")
}
