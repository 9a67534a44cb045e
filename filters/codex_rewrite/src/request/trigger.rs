//! The compaction trigger: a request for a response that asks for the compaction of its input instead (docs/v1.md, Compaction trigger).

use bytes::Bytes;
use pooler_filter::json::{Json, Value};

use super::edits::Edits;
use super::fields::Field;
use super::projection;

/// How a client that can read the compaction from a stream asks for it, in the metadata of its turn.
const STREAMED: &str = "responses_compaction_v2";

/// Whether the compaction is asked for as a stream.
pub(super) fn streams(client_metadata: Option<Value<'_>>) -> bool {
    let turn = client_metadata.and_then(|metadata| metadata.get("x-codex-turn-metadata")?.as_str());
    let turn = turn.and_then(|turn| Json::parse(Bytes::copy_from_slice(turn.as_bytes())).ok());
    turn.is_some_and(|turn| {
        let implementation = turn.root().get("compaction").and_then(|compaction| compaction.get("implementation"));
        implementation.is_some_and(|name| name.is_str(STREAMED))
    })
}

/// What such a request becomes.
pub(super) fn bridge(edits: Edits, streamed: bool) -> Edits {
    let mut edits = projection::compact(edits);
    edits.set(Field::Store, Some(Bytes::from_static(b"false")));
    if streamed {
        edits.set(Field::Stream, Some(Bytes::from_static(b"true")));
    }
    edits
}
