//! What is different for a turn on a websocket: it continues what its socket gave, and says in its body what a request says in headers
//! (docs/native.md, Websockets).

use std::borrow::Cow;

use http::HeaderMap;
use pooler_filter::json::{JsonObject, Value};
use pooler_filter::{Reject, Turn, TurnState};

use super::super::edits::Edits;
use super::super::lite;
use super::super::patch::filled;

/// The state of a turn: the name of a header, and of a member of `client_metadata`.
const TURN_STATE: &str = "x-codex-turn-state";
/// Which form one request has: each message says it for itself.
const LITE: &str = "x-openai-internal-codex-responses-lite";
/// What a message says where a request has headers.
const METADATA: &str = "client_metadata";
/// Members that a message which asks for a compaction has beyond those of a request: of its metadata, what announces its form.
pub(super) const SENT: [&str; 4] = ["type", "generate", "previous_response_id", METADATA];
/// Those of them that stay as the client wrote them.
const KEPT: [&str; 3] = ["type", "generate", "previous_response_id"];

/// The response that the turn continues, with any input.
pub(super) fn continued(named: Option<Cow<'_, str>>, turn: Turn) -> Result<Option<Cow<'_, str>>, Reject> {
    if named.is_some() && !turn.continues {
        return Err(Reject::previous_response_not_found());
    }
    Ok(named)
}

/// The turn state that the client brings back.
pub(super) fn turn_state(metadata: Value<'_>) -> Option<TurnState> {
    let entries: Vec<_> = metadata.entries().collect();
    let at = entries.iter().position(|(key, _)| key.is(TURN_STATE))?;
    let (key, value) = entries[at];
    let text = metadata.raw().as_bytes();
    let own = value.place_in(&metadata)?;
    // Its key ends before the last colon that stands before the value.
    let colon = text[..own.start].iter().rposition(|byte| *byte == b':')?;
    let quote = text[..colon].iter().rposition(|byte| *byte == b'"')?;
    let start = (quote + 1).checked_sub(key.raw().len())?;
    let comma = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b',');
    let place = if at + 1 < entries.len() {
        start..own.end + comma(&text[own.end..])? + 1
    } else if at > 0 {
        text[..start].iter().rposition(|byte| *byte == b',')?..own.end
    } else {
        start..own.end
    };
    Some(TurnState { value: filled(Some(value))?.trim().to_owned(), place })
}

/// Leaves a message that asks for a compaction what makes it one of this socket, and what announces its form.
pub(super) fn keep(edits: &mut Edits, body: &JsonObject, continues: bool) {
    let kept = |name: &str| KEPT.contains(&name) && (continues || name != "previous_response_id");
    edits.0.retain(|(name, value)| value.is_some() || !kept(name));
    let marked = lite::is_marked(body.get(METADATA));
    edits.put(METADATA, marked.then(|| lite::with_marker(None)));
}

/// Takes out of the head of the handshake what speaks for one turn.
pub(super) fn head(headers: &mut HeaderMap, has_state: bool) {
    headers.remove(LITE);
    if has_state {
        headers.remove(TURN_STATE);
    }
}

#[cfg(test)]
mod tests {
    use pooler_filter::json::Json;

    use super::*;

    #[test]
    fn a_turn_state_is_found_and_its_member_can_be_cut_out() {
        for (text, rest) in [
            (r#"{"x-codex-turn-state":"ts"}"#, "{}"),
            (r#"{"x-codex-turn-state" : "ts" , "a":1}"#, r#"{ "a":1}"#),
            (r#"{"a":1, "x-codex-turn-state":"ts"}"#, r#"{"a":1}"#),
            (r#"{"a":":,\"","x-codex-turn-state":" ts ","b":{"c":","}}"#, r#"{"a":":,\"","b":{"c":","}}"#),
            (r#"{"x-codex-turn\u002dstate":"ts","a":1}"#, r#"{"a":1}"#),
        ] {
            let json = Json::parse(text.into()).unwrap();
            let state = turn_state(json.root()).unwrap();
            assert_eq!(state.value, "ts", "{text}");
            assert_eq!(format!("{}{}", &text[..state.place.start], &text[state.place.end..]), rest);
            assert!(!format!("{state:?}").contains("ts\""));
        }
        for text in
            [r#"{"a":"x-codex-turn-state"}"#, r#"{"x-codex-turn-state":""}"#, r#"{"x-codex-turn-state":7}"#, "[]"]
        {
            assert_eq!(turn_state(Json::parse(text.into()).unwrap().root()), None, "{text}");
        }
    }
}
