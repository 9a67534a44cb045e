//! A bare response object where an event is expected: the oldest form of a terminal, and the form of a plain JSON answer.

use crate::json::{Json, Kind};

/// The event that a bare response object stands for; its own status decides whether that is a success. None for what is no response.
#[must_use]
pub fn bare_response(json: &Json) -> Option<Json> {
    let root = json.root();
    let error = root.get("error").is_some_and(|error| !error.is_null());
    let is = |key: &str, kind: Kind| root.get(key).is_some_and(|value| value.kind() == kind);
    if !(error || is("id", Kind::String) || is("output", Kind::Array) || is("status", Kind::String)) {
        return None;
    }
    let status = |text: &str| root.get("status").is_some_and(|status| status.is_str(text));
    let name = match () {
        () if error || status("failed") => "response.failed",
        () if status("incomplete") => "response.incomplete",
        () => "response.completed",
    };
    let raw = root.raw_bytes();
    let mut event = Vec::with_capacity(raw.len() + 48);
    event.extend_from_slice(b"{\"type\":\"");
    event.extend_from_slice(name.as_bytes());
    event.extend_from_slice(b"\",\"response\":");
    event.extend_from_slice(&raw);
    event.push(b'}');
    Json::parse(event.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &'static str) -> Option<String> {
        let event = bare_response(&Json::parse(text.into()).unwrap())?;
        assert_eq!(event.root().get("response").unwrap().raw(), text);
        event.root().get("type")?.as_str().map(Into::into)
    }

    #[test]
    fn its_own_status_decides_what_it_stands_for() {
        assert_eq!(kind(r#"{"id":"resp_1","output":[]}"#).unwrap(), "response.completed");
        assert_eq!(kind(r#"{"id":"resp_1","status":"incomplete"}"#).unwrap(), "response.incomplete");
        assert_eq!(kind(r#"{"id":"resp_1","status":"failed"}"#).unwrap(), "response.failed");
        assert_eq!(kind(r#"{"error":{"code":"x"}}"#).unwrap(), "response.failed");
        assert_eq!(kind(r#"{"detail":"Unauthorized"}"#), None);
        assert_eq!(kind(r#"[1]"#), None);
    }
}
