//! Who wrote an object of the input, which decides about keys that nobody knows.

use pooler_filter::json::Value;

use super::super::patch::{Member, Patch, given};

/// Prefixes of the ids that items of answers have.
const PREFIXES: [&str; 9] = ["fc_", "ctc_", "msg_", "rs_", "cmp_", "sh_", "sho_", "prog_", "at_"];

/// Whether an id is one that items of answers have.
pub(super) fn is_of_answer(id: &str) -> bool {
    PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

/// Who wrote an item, and with it the parts inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The client: a key that is on no list is a mistake that it has to hear of.
    Client,
    /// An answer of ours, sent back. Whatever we returned is accepted (docs/decisions.md, T14), and we return items with all that the
    /// upstream put there, which adds members without notice: refusing one would end every conversation with such an answer in it.
    Answer,
}

impl Origin {
    /// An item shows by its id, or by the status that only answers have, that it comes from one.
    pub(super) fn of(id: Option<Member<'_>>, status: Option<Member<'_>>) -> Self {
        let id = given(id).and_then(|id| id.as_str());
        if given(status).is_some() || id.is_some_and(|id| is_of_answer(&id)) { Self::Answer } else { Self::Client }
    }

    /// The edits of an object, beginning with the members that are on no list: they go, since it is not known whether the upstream takes
    /// back what it sent. None when the client has to hear of them.
    pub(super) fn patch<'a>(self, object: Value<'a>, unlisted: &[Member<'a>]) -> Option<Patch<'a>> {
        if self == Self::Client && !unlisted.is_empty() {
            return None;
        }
        let mut patch = Patch::new(object);
        for member in unlisted {
            patch.drop(Some(*member));
        }
        Some(patch)
    }
}
