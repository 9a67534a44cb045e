//! Turns on websockets: what a message has beyond a request, and what stands in its body instead of headers (docs/native.md, Websockets).

use pooler_filter::Expects;
use serde_json::json;

use crate::harness::Native;

const STATE: &str = "x-codex-turn-state";

#[test]
fn a_message_of_the_cli_goes_upstream_byte_for_byte() {
    for generate in ["", r#""generate":false, "#] {
        let body = format!(
            r#"{{"type":"response.create", {generate}"model":"gpt-5.5","input":[],"previous_response_id":"resp_1",
            "reasoning": {{"effort" : "high"}}, "include":["reasoning.encrypted_content"],"store" : false,
            "client_metadata":{{"ws_request_header_x_openai_internal_codex_responses_lite":"true","{STATE}":"ts"}} }}"#
        );
        let sent = Native::turn(true).sent(&body);
        assert_eq!(sent.text(), body);
        let intent = sent.intent();
        assert!(intent.stream, "there is nothing but streams");
        assert_eq!(intent.previous_response_id.as_deref(), Some("resp_1"));
        let state = intent.turn_state.as_ref().unwrap();
        assert_eq!(state.value, "ts");
    }
}

#[test]
fn only_what_the_socket_gave_is_continued() {
    let body = r#"{"model":"gpt-5.5","input":[],"previous_response_id":"resp_1"}"#;
    let reject = Native::turn(false).send(body).err().unwrap();
    assert_eq!((reject.status().as_u16(), reject.code_str()), (400, "previous_response_not_found"));
    for id in ["7", "null", "\"\""] {
        let body = format!(r#"{{"model":"gpt-5.5","input":[],"previous_response_id":{id}}}"#);
        let sent = Native::turn(false).sent(&body);
        assert_eq!(
            (sent.json().get("previous_response_id"), sent.intent().previous_response_id.as_ref()),
            (None, None)
        );
    }
}

#[test]
fn a_compaction_is_asked_for_as_events_and_of_what_the_turn_continues() {
    let body = json!({"type": "response.create", "model": "gpt-5.5", "input": [{"type": "compaction_trigger"}],
        "previous_response_id": "resp_1", "client_metadata": {STATE: "ts"}, "tools": []});
    let sent = Native::turn(true).sent(&body.to_string());
    let text = sent.json();
    assert_eq!((&text["type"], &text["previous_response_id"]), (&json!("response.create"), &json!("resp_1")));
    assert_eq!((&text["stream"], &text["store"], text.get("client_metadata")), (&json!(true), &json!(false), None));
    assert_eq!((sent.request.expects, &sent.intent().turn_state), (Expects::Response, &None));
}

#[test]
fn a_compaction_says_which_form_it_has() {
    const LITE: &str = "ws_request_header_x_openai_internal_codex_responses_lite";
    for (marker, left) in [(json!("true"), Some(json!({LITE: "true"}))), (json!("false"), None), (json!(null), None)] {
        let body = json!({"type": "response.create", "model": "gpt-5.5", "input": [{"type": "compaction_trigger"}],
            "client_metadata": {"session_id": "s", LITE: marker, "x-codex-turn-metadata": "{}"}});
        assert_eq!(
            Native::turn(false).sent(&body.to_string()).json().get("client_metadata"),
            left.as_ref(),
            "{marker}"
        );
    }
}

#[test]
fn the_head_of_the_handshake_says_nothing_that_a_message_says() {
    let lite = "x-openai-internal-codex-responses-lite";
    let native = Native::turn(false).header(lite, "true").header(STATE, "head").header("session-id", "s");
    let sent = native.sent(r#"{"model":"gpt-5.5","input":[]}"#);
    assert_eq!((sent.header(lite), sent.header(STATE), sent.header("session-id")), (None, Some("head"), Some("s")));
    let sent = native.sent(&json!({"model": "gpt-5.5", "input": [], "client_metadata": {STATE: "own"}}).to_string());
    assert_eq!(sent.header(STATE), None);
}

#[test]
fn what_stands_in_the_head_of_a_stream_is_an_event_before_all_others() {
    let events = "data: {\"type\":\"response.created\"}\n\n";
    let answered = |model| {
        let sent = Native::turn(false).sent(r#"{"model":"gpt-5.5","input":[]}"#);
        sent.streamed(&[("openai-model", model), ("x-request-id", "r"), ("content-type", "text/event-stream")], events)
    };
    for (model, told) in [("gpt-5.5", r#""openai-model":"gpt-5.5","#), ("other", "")] {
        let head = format!(r#"{{"type":"codex.response.metadata","headers":{{{told}"x-models-etag":"W/\"fake\""}}}}"#);
        let text = answered(model).text;
        let (first, rest) = text.split_once("\n\n").unwrap();
        assert_eq!(first, format!("event: codex.response.metadata\ndata: {head}"));
        assert_eq!(rest, events);
    }
}
