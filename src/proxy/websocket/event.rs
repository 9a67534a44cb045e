//! Messages and frames: an event of the upstream becomes a frame for the stages, and what they give a message for the client.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use pooler_filter::json::{Json, Kind, write_str};
use pooler_filter::{Code, Frame, FrameKind, Reject};

/// How an event begins as the upstream writes it.
const TYPE_FIRST: &[u8] = b"{\"type\":\"";

/// The longest answer of the upstream without an error object that is repeated in one, in bytes.
const MOST_WORDS: usize = 64 << 10;

/// The frame of a message of the upstream; None for what is no JSON object.
pub(super) fn frame(text: Bytes) -> Option<Frame> {
    if let Some(name) = leading_type(&text) {
        let name = text.slice(name);
        return Some(Frame::event(name, text));
    }
    let json = Json::parse(text.clone()).ok().filter(|json| json.root().kind() == Kind::Object)?;
    let root = json.root();
    match root.get("type").filter(|kind| !kind.is_null()) {
        Some(kind) => Some(Frame::event(kind.as_str()?.into_owned(), text)),
        // A bare response object is known by its id; an error without a type ends the turn.
        None if root.get("id").is_some() => Some(Frame::unnamed(text)),
        None if root.get("error").is_some_and(|error| error.kind() == Kind::Object) => {
            Some(Frame::event("error", member_first("type", "error", &text)))
        }
        None if root.get("detail").is_some() => {
            let data = r#"{"type":"response.failed","response":{"error":{"code":"upstream_terminal_failure"}}}"#;
            Some(Frame::event("response.failed", data))
        }
        None => None,
    }
}

/// Where the name stands in an event that begins with its type. Its readers refuse an event that names another one later on.
fn leading_type(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let rest = text.strip_prefix(TYPE_FIRST)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let len = rest.iter().take_while(|byte| plain(byte)).count();
    (len > 0 && rest.get(len) == Some(&b'"') && text.ends_with(b"}")).then(|| TYPE_FIRST.len()..TYPE_FIRST.len() + len)
}

/// The same object with a string member before all others.
fn member_first(name: &str, value: &str, object: &[u8]) -> Vec<u8> {
    let inner = object.trim_ascii().strip_prefix(b"{").unwrap_or_default();
    let mut out = Vec::with_capacity(object.len() + name.len() + value.len() + 8);
    out.push(b'{');
    write_str(&mut out, name);
    out.push(b':');
    write_str(&mut out, value);
    if inner.trim_ascii_start().first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(inner);
    out
}

/// The message for the client that a frame is; None for comments and for bytes of another carrier.
pub(super) fn message(frame: &Frame, stream_id: Option<&str>) -> Option<Bytes> {
    match frame.kind() {
        FrameKind::Sse | FrameKind::Json if !frame.data().is_empty() => Some(
            stream_id.map_or_else(|| frame.data().clone(), |id| member_first("stream_id", id, frame.data()).into()),
        ),
        FrameKind::Sse | FrameKind::Json | FrameKind::Opaque => None,
    }
}

/// The message in place of a status (docs/websocket.md, Answers). `native`: its client reads the headers of the refusal in it, and what the
/// upstream said about the request.
pub(super) fn error(reject: &Reject, stream_id: Option<&str>, native: bool) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"type\":\"error\",\"status\":");
    out.extend_from_slice(itoa::Buffer::new().format(reject.status().as_u16()).as_bytes());
    out.extend_from_slice(b",\"error\":");
    match reject.verbatim.as_ref().filter(|_| native) {
        Some(told) => write_told(&mut out, reject, &told.body),
        None => reject.write_error_object(&mut out),
    }
    if native {
        write_headers(&mut out, &reject.headers);
    }
    if let Some(id) = stream_id {
        out.extend_from_slice(b",\"stream_id\":");
        write_str(&mut out, id);
    }
    out.push(b'}');
    out.into()
}

/// The error object in an answer of the upstream, as it came; of an answer that has none, its words in one of ours.
fn write_told(out: &mut Vec<u8>, reject: &Reject, body: &Bytes) {
    let json = Json::parse(body.clone()).ok();
    let member = |name: &str| json.as_ref().and_then(|json| json.root().get(name));
    let error = member("error");
    if let Some(error) = error.filter(|error| error.kind() == Kind::Object) {
        return out.extend_from_slice(error.raw().as_bytes());
    }
    let said = error.or_else(|| member("detail")).and_then(|said| said.as_str());
    let words = said.or_else(|| std::str::from_utf8(body).ok().map(Cow::Borrowed));
    let words = words.filter(|words| !words.trim().is_empty() && words.len() <= MOST_WORDS);
    let words = words.map_or_else(|| reject.message.to_string(), Cow::into_owned);
    let code = reject.code.clone().unwrap_or(Code::new("upstream_error"));
    Reject::with_code(reject.kind, code, words).write_error_object(out);
}

/// A member with the headers as strings, if there are any.
fn write_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    let told = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let mut before: &[u8] = b",\"headers\":{";
    for (name, value) in told {
        out.extend_from_slice(before);
        write_str(out, name);
        out.push(b':');
        write_str(out, value);
        before = b",";
    }
    if before == b"," {
        out.push(b'}');
    }
}

/// The id of the response in an event that ends one.
pub(super) fn response_id(frame: &Frame) -> Option<Box<str>> {
    let event = crate::proxy::frames::event_in(frame)?;
    let id = event.root().get("response")?.get("id")?.as_str().map(Cow::into_owned)?;
    (!id.is_empty()).then(|| id.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn named(text: &'static str) -> Option<(Option<String>, String)> {
        let frame = frame(Bytes::from_static(text.as_bytes()))?;
        Some((frame.name().map(Into::into), String::from_utf8(frame.data().to_vec()).unwrap()))
    }

    fn read(text: &[u8]) -> Value {
        serde_json::from_slice(text).unwrap()
    }

    #[test]
    fn an_event_is_a_frame_under_its_type_with_its_bytes() {
        for text in [
            r#"{"type":"response.created","response":{"id":"resp_1"}}"#,
            r#"{"response":{"id":"resp_1"}, "type" : "response.created"}"#,
            r#" {"type":"response.created"}"#,
        ] {
            assert_eq!(named(text), Some((Some("response.created".into()), text.into())));
        }
        assert_eq!(named(r#"{"id":"resp_1","output":[]}"#).unwrap().0, None);
    }

    #[test]
    fn what_is_no_event_is_dropped() {
        for text in ["", "x", "[1]", "7", "{}", r#"{"type":7}"#, r#"{"type":"a"#, r#"{"a":1}"#] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn an_error_without_a_type_ends_the_turn() {
        let (name, data) = named(r#"{"error":{"code":"x"},"status":400}"#).unwrap();
        assert_eq!(name.as_deref(), Some("error"));
        assert_eq!(read(data.as_bytes()), json!({"type": "error", "error": {"code": "x"}, "status": 400}));
        let (name, data) = named(r#"{"detail":"PROVIDER WORDS"}"#).unwrap();
        assert_eq!(name.as_deref(), Some("response.failed"));
        assert!(data.contains("upstream_terminal_failure") && !data.contains("PROVIDER"));
    }

    #[test]
    fn a_message_carries_the_name_of_its_stream() {
        let event = Frame::event("a", r#" {"type":"a","n":[1]} "#);
        assert_eq!(read(&message(&event, Some("s")).unwrap()), json!({"stream_id": "s", "type": "a", "n": [1]}));
        assert_eq!(message(&event, None).unwrap(), event.data());
        assert_eq!(read(&message(&Frame::event("a", "{ }"), Some("s")).unwrap()), json!({"stream_id": "s"}));
        assert_eq!(message(&Frame::opaque("data: [DONE]\n\n"), None), None);
    }

    #[test]
    fn an_error_is_the_envelope_with_its_status() {
        let reject = Reject::invalid("no").at("type");
        let expected =
            json!({"message": "no", "type": "invalid_request_error", "code": "invalid_request", "param": "type"});
        assert_eq!(read(&error(&reject, None, false)), json!({"type": "error", "status": 400, "error": expected}));
        assert_eq!(read(&error(&reject, Some("s"), true))["stream_id"], "s");
        assert_eq!(read(&error(&reject, None, true)).get("headers"), None);
        let value = http::HeaderValue::from_static("2");
        let reject = reject.header(http::header::RETRY_AFTER, value.clone()).header(http::header::AGE, value);
        assert_eq!(read(&error(&reject, None, true))["headers"], json!({"retry-after": "2", "age": "2"}));
        assert_eq!(read(&error(&reject, None, false)).get("headers"), None);
    }

    #[test]
    fn what_the_upstream_said_about_the_request_stays_what_it_said() {
        let told = |body: &[u8], native: bool| {
            let mut reject = Reject::with_code(
                pooler_filter::RejectKind::Upstream(http::StatusCode::UNPROCESSABLE_ENTITY),
                Code::new("some_code"),
                "ours",
            );
            let body = Bytes::copy_from_slice(body);
            reject.verbatim = Some(Box::new(pooler_filter::Verbatim { content_type: None, body }));
            let event = read(&error(&reject, None, native));
            assert_eq!((&event["type"], &event["status"]), (&json!("error"), &json!(422)));
            event["error"].clone()
        };
        let theirs = json!({"message": "no", "code": "some_code", "extra": [1]});
        assert_eq!(told(json!({"error": theirs, "detail": "x"}).to_string().as_bytes(), true), theirs);
        let ours = |message: &str| json!({"message": message, "type": "invalid_request_error", "code": "some_code", "param": null});
        for (body, message) in [
            (&br#"{"detail":"Store must be set to false"}"#[..], "Store must be set to false"),
            (br#"{"error":"some_code"}"#, "some_code"),
            (br#"{"detail":[{"loc":1}]}"#, r#"{"detail":[{"loc":1}]}"#),
            (b"<html>", "<html>"),
            (b"", "ours"),
            (b"\xff", "ours"),
            (&[b'x'; MOST_WORDS + 1], "ours"),
        ] {
            assert_eq!(told(body, true), ours(message));
            assert_eq!(told(body, false), ours("ours"), "words of the provider are for native clients");
        }
    }

    #[test]
    fn the_id_of_a_response_is_read_off_its_last_event() {
        let id = |text: &'static str| response_id(&frame(Bytes::from_static(text.as_bytes())).unwrap());
        assert_eq!(id(r#"{"type":"response.completed","response":{"id":"resp_1"}}"#).as_deref(), Some("resp_1"));
        assert_eq!(id(r#"{"id":"resp_2","output":[]}"#).as_deref(), Some("resp_2"));
        assert_eq!(id(r#"{"type":"response.completed","response":{"id":""}}"#), None);
    }
}
