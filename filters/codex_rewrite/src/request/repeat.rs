//! What an answer repeats of its request (docs/v1.md, Neutral values).

use bytes::Bytes;
use pooler_filter::json::Kind;

use super::fields::{Field, Members};

/// Members that are repeated as the client wrote them, if they are of the kind that answers have.
const AS_WRITTEN: [(Field, &[Kind]); 15] = [
    (Field::Tools, &[Kind::Array]),
    (Field::ToolChoice, &[Kind::String, Kind::Object]),
    (Field::ParallelToolCalls, &[Kind::Bool]),
    (Field::Instructions, &[Kind::String]),
    (Field::PreviousResponseId, &[Kind::String]),
    (Field::Text, &[Kind::Object]),
    (Field::Temperature, &[Kind::Number]),
    (Field::TopP, &[Kind::Number]),
    (Field::MaxOutputTokens, &[Kind::Number]),
    (Field::Metadata, &[Kind::Object]),
    (Field::PromptCacheKey, &[Kind::String]),
    (Field::SafetyIdentifier, &[Kind::String]),
    (Field::User, &[Kind::String]),
    (Field::ServiceTier, &[Kind::String]),
    (Field::TopLogprobs, &[Kind::Number]),
];

/// The members to repeat: `rewritten` in their new form, the others as they are. They are copied: a slice would keep the whole request in
/// memory for as long as its answer takes.
pub(super) fn members(members: &Members<'_>, rewritten: [(Field, Option<Bytes>); 3]) -> Vec<(&'static str, Bytes)> {
    let rewritten = rewritten.into_iter().filter_map(|(field, value)| Some((field.name(), value?)));
    let mut repeated: Vec<(&'static str, Bytes)> = rewritten.collect();
    for (field, kinds) in AS_WRITTEN {
        let value = members.get(field).filter(|value| kinds.contains(&value.kind()));
        if let Some(value) = value
            && !repeated.iter().any(|(name, _)| *name == field.name())
        {
            repeated.push((field.name(), Bytes::copy_from_slice(&value.raw_bytes())));
        }
    }
    repeated
}
