//! Turns on websockets: what they may continue, and what has no header there (docs/websocket.md, Turns).

use pooler_filter::{Expects, Turn};

use crate::harness::{Gateway, Sent};

const MARKER: &str = "ws_request_header_x_openai_internal_codex_responses_lite";

fn turn(continues: bool, body: &str) -> Result<Sent, (u16, String)> {
    let gateway = Gateway { turn: Some(Turn { continues }), ..Gateway::new() };
    gateway.send(body).map_err(|reject| (reject.status().as_u16(), reject.code_str().to_owned()))
}

#[test]
fn a_turn_continues_what_its_socket_gave_with_any_input() {
    let body = r#"{"model":"gpt-5.5","input":"x","previous_response_id":"resp_1"}"#;
    let sent = turn(true, body).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(sent.member("previous_response_id").as_deref(), Some(r#""resp_1""#));
    assert_eq!(sent.intent().previous_response_id.as_deref(), Some("resp_1"));
    assert_eq!(turn(false, body).err().unwrap(), (400, "previous_response_not_found".to_owned()));
}

#[test]
fn what_is_wrong_with_the_input_is_told_before_a_lost_response() {
    let body = r#"{"model":"gpt-5.5","input":7,"previous_response_id":"resp_1"}"#;
    assert_eq!(turn(false, body).err().unwrap().1, "invalid_request");
}

#[test]
fn a_turn_that_continues_nothing_needs_nothing() {
    assert!(turn(false, r#"{"model":"gpt-5.5","input":"x"}"#).is_ok());
}

#[test]
fn the_lite_form_is_told_in_the_metadata_of_the_turn() {
    for (own, expected) in [
        ("", format!(r#"{{"{MARKER}":"true"}}"#)),
        (r#","client_metadata":{}"#, format!(r#"{{"{MARKER}":"true"}}"#)),
        (r#","client_metadata":{"a":"b"}"#, format!(r#"{{"{MARKER}":"true","a":"b"}}"#)),
    ] {
        let body = format!(r#"{{"model":"gpt-6-sol","input":"x"{own}}}"#);
        let sent = turn(false, &body).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!(sent.member("client_metadata"), Some(expected), "{own}");
        assert!(!sent.request.headers.contains_key("x-openai-internal-codex-responses-lite"));
    }
    let twice = format!(r#"{{"model":"gpt-6-sol","input":"x","client_metadata":{{"{MARKER}":"no","a":"b"}}}}"#);
    let sent = turn(false, &twice).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(sent.member("client_metadata"), Some(format!(r#"{{"{MARKER}":"true","a":"b"}}"#)));
}

#[test]
fn a_compaction_is_always_asked_for_as_events_and_of_what_the_turn_continues() {
    let body = r#"{"model":"gpt-5.5","previous_response_id":"resp_1","stream":true,
        "input":[{"role":"user","content":"x"},{"type":"compaction_trigger"}]}"#;
    let sent = turn(true, body).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    assert_eq!(sent.request.expects, Expects::Response);
    assert_eq!(sent.member("stream").as_deref(), Some("true"));
    assert_eq!(sent.member("previous_response_id").as_deref(), Some(r#""resp_1""#));
}
