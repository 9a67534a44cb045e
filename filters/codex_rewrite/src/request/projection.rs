//! What of a request is sent to have a conversation compacted (docs/v1.md, Compaction trigger).
//!
//! Both ways to compact send the same members: the operation of its own sends just these, the trigger adds `store` and, if the answer is to
//! come as a stream, `stream`. Both project the edits that [`Checked::upstream`](super::Checked::upstream) makes, lite form included.

use super::edits::Edits;
use super::fields::Field;

/// The members that are sent.
pub(super) const COMPACT_KEYS: [Field; 9] = [
    Field::Model,
    Field::Instructions,
    Field::Input,
    Field::Tools,
    Field::ParallelToolCalls,
    Field::Reasoning,
    Field::ServiceTier,
    Field::PromptCacheKey,
    Field::Text,
];

/// The edits of a request that leave only these members of it; those members become what they were to become.
pub(super) fn compact(mut edits: Edits) -> Edits {
    let is_kept = |name: &str| COMPACT_KEYS.iter().any(|kept| kept.name() == name);
    edits.0.retain(|(name, value)| value.is_none() || is_kept(name));
    for field in Field::ALL.iter().filter(|field| !is_kept(field.name())) {
        edits.remove(*field);
    }
    edits
}
