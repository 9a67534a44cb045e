//! The handshake of a client: a pure function over its head (RFC 6455, 4.2; docs/websocket.md, Handshake).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use pooler_filter::{Reject, RejectKind, RequestHead};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Names the conversation; a client brings it back when it connects anew.
const TURN_STATE: HeaderName = HeaderName::from_static("x-codex-turn-state");
/// Tells native clients whether their list of models is still the current one.
pub(super) const MODELS_ETAG: HeaderName = HeaderName::from_static("x-models-etag");
/// The one version of the protocol.
const VERSION: &str = "13";
/// Bytes of a client's key.
const KEY_BYTES: usize = 16;

/// The headers of our answer, or why there will be no websocket. No extension is ever agreed to.
///
/// # Errors
/// 400 `websocket_upgrade_required`.
pub(super) fn accept(head: &RequestHead, version: Version) -> Result<HeaderMap, Reject> {
    let upgrades = version == Version::HTTP_11
        && lists(&head.headers, &header::CONNECTION, "upgrade")
        && lists(&head.headers, &header::UPGRADE, "websocket");
    if !upgrades {
        return Err(refuse("this endpoint expects a websocket handshake"));
    }
    if head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.header(header::CONTENT_LENGTH.as_str()).is_some_and(|length| length.trim() != "0")
    {
        return Err(refuse("a websocket handshake has no body"));
    }
    if head.header(header::SEC_WEBSOCKET_VERSION.as_str()).map(str::trim) != Some(VERSION) {
        let reject = refuse("the websocket version must be 13");
        return Err(reject.header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)));
    }
    let key = head.header(header::SEC_WEBSOCKET_KEY.as_str()).map(str::trim).unwrap_or_default();
    if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(KEY_BYTES) {
        return Err(refuse("the websocket key must be 16 bytes in base64"));
    }
    let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Reject::internal)?;
    Ok(HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accepted),
        (TURN_STATE, turn_state(head)?),
    ]))
}

/// The client's own, or a new one.
fn turn_state(head: &RequestHead) -> Result<HeaderValue, Reject> {
    let own = head.header(TURN_STATE.as_str()).map(str::trim).filter(|own| !own.is_empty());
    let own = own.map_or_else(|| uuid::Uuid::new_v4().to_string(), Into::into);
    HeaderValue::try_from(own).map_err(Reject::internal)
}

/// Whether one of the header's comma-separated words is this one, in any case.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}

fn refuse(message: &'static str) -> Reject {
    Reject::new(RejectKind::Invalid, "websocket_upgrade_required", message)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// The example of RFC 6455, 1.3.
    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn head(headers: &[(&'static str, &'static str)]) -> RequestHead {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        RequestHead { method: Method::GET, path: "/v1/responses".into(), query: String::new(), headers: map }
    }

    fn with(name: &'static str, value: &'static str) -> RequestHead {
        let mut headers: Vec<(&str, &str)> = GOOD.into_iter().filter(|(n, _)| *n != name).collect();
        if !value.is_empty() {
            headers.push((name, value));
        }
        head(&headers)
    }

    #[test]
    fn the_answer_proves_that_the_key_was_read_and_agrees_to_no_extension() {
        let answer = accept(&with("sec-websocket-extensions", "permessage-deflate"), Version::HTTP_11).unwrap();
        assert_eq!(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!answer.contains_key("sec-websocket-extensions"));
        assert!(answer["connection"] == "upgrade" && answer["upgrade"] == "websocket");
    }

    #[test]
    fn the_turn_state_is_the_clients_own_or_a_new_one() {
        let answer = accept(&with("x-codex-turn-state", "  abc "), Version::HTTP_11).unwrap();
        assert_eq!(answer["x-codex-turn-state"], "abc");
        for blank in ["", "   "] {
            let answer = accept(&with("x-codex-turn-state", blank), Version::HTTP_11).unwrap();
            assert!(uuid::Uuid::try_parse(answer["x-codex-turn-state"].to_str().unwrap()).is_ok());
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused_with_one_code() {
        for head in [
            with("connection", ""),
            with("connection", "close"),
            with("upgrade", ""),
            with("upgrade", "h2c"),
            with("sec-websocket-version", "8"),
            with("sec-websocket-version", ""),
            with("sec-websocket-key", ""),
            with("sec-websocket-key", "dG9vIHNob3J0"),
            with("sec-websocket-key", "no base64 at all, no"),
            with("content-length", "5"),
            with("transfer-encoding", "chunked"),
        ] {
            let reject = accept(&head, Version::HTTP_11).unwrap_err();
            assert_eq!((reject.status().as_u16(), reject.code_str()), (400, "websocket_upgrade_required"), "{head:?}");
        }
        assert!(accept(&head(&GOOD), Version::HTTP_10).is_err());
        assert!(accept(&with("content-length", "0"), Version::HTTP_11).is_ok());
    }
}
