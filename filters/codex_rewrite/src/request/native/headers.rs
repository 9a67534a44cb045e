//! The headers of a native request: those of the client's that the list names, and nothing else of it (docs/native.md, Headers).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pooler_filter::json::JsonObject;
use pooler_filter::{Intent, RequestHead};

use super::super::Identity;

/// Passed on as they came. What names the client, its session, or its way here otherwise stays here.
const PASSED: [&str; 17] = [
    "x-codex-window-id",
    "x-codex-parent-thread-id",
    "x-codex-installation-id",
    "x-codex-turn-state",
    "x-codex-beta-features",
    "x-openai-subagent",
    "x-openai-internal-codex-responses-lite",
    "x-responsesapi-include-timing-metrics",
    "session-id",
    "thread-id",
    "x-client-request-id",
    "originator",
    "user-agent",
    "version",
    "openai-beta",
    "accept",
    "x-codex-turn-metadata",
];
const TURN_METADATA: &str = "x-codex-turn-metadata";
/// What the client's own tools are called is nobody's business.
const TOOL_NAMES: &str = "code_mode_tool_names";
const ROUTING_HINT: HeaderName = HeaderName::from_static("x-codex-routing-hint");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The client's headers as they go upstream. A client that does not say who it is goes under the name of this program.
pub(super) fn of(client: &RequestHead, identity: &Identity) -> HeaderMap {
    let mut headers = HeaderMap::new();
    identity.write(&mut headers);
    headers.remove("version");
    headers.remove(header::CONTENT_TYPE);
    for name in PASSED.map(HeaderName::from_static) {
        let mut values = client.headers.get_all(&name).iter().peekable();
        if values.peek().is_some() {
            headers.remove(&name);
        }
        for value in values {
            let value = if name == TURN_METADATA { without_tool_names(value) } else { Some(value.clone()) };
            value.map(|value| headers.append(&name, value));
        }
    }
    headers
}

/// For a JSON body to this model.
pub(super) fn json_body(headers: &mut HeaderMap, intent: &Intent, upstream_model: &str) {
    headers.insert(header::CONTENT_TYPE, JSON);
    let tier = intent.service_tier.as_ref().map(|tier| format!(";tier={tier}")).unwrap_or_default();
    if let Ok(hint) = HeaderValue::from_str(&format!("model={upstream_model}{tier}")) {
        headers.insert(ROUTING_HINT, hint);
    }
}

/// For a route whose answer is one JSON text.
pub(super) fn json_answer(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT, JSON);
}

/// The metadata without the names of tools; none when it is not the JSON object that it should be.
fn without_tool_names(value: &HeaderValue) -> Option<HeaderValue> {
    let mut object = JsonObject::parse(value.as_bytes().to_vec().into()).ok()?;
    if object.remove(TOOL_NAMES) {
        return HeaderValue::from_bytes(&object.to_bytes()).ok();
    }
    Some(value.clone())
}
