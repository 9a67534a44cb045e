//! Transcripts (docs/v1.md, Transcriptions).

use pooler_filter::{Carrier, Delivery, End, Frame};
use serde_json::json;

use super::support::{Answer, Host};
use crate::echo::Form;
use crate::response::transcribe;

fn host() -> Host {
    Host::of(|_, head, cx| transcribe(head, cx)).plain_json()
}

fn run(host: &Host, body: &'static str) -> Answer {
    host.run_frames(vec![Frame::json(body)], End::Complete)
}

#[test]
fn the_json_of_the_backend_passes_without_the_languages() {
    let body = r#"{ "text":"h\u00e9", "languages":["en"], "usage":{"type":"tokens","total_tokens":1E1} }"#;
    let answer = run(&host(), body);
    assert_eq!(answer.bytes(), r#"{ "text":"h\u00e9", "usage":{"type":"tokens","total_tokens":1E1} }"#);
    let head = host().head();
    assert_eq!((head.carrier, head.delivery), (Carrier::Json, Delivery::Whole));
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.headers["content-type"], "application/json");
}

#[test]
fn json_without_languages_passes_byte_for_byte() {
    let body = r#"{"text" : "a" }"#;
    assert_eq!(run(&host(), body).bytes(), body);
}

#[test]
fn a_text_answer_is_the_transcript_and_a_newline() {
    let host = host().form(Form::PlainText);
    let answer = run(&host, r#"{"text":"Say \"hi\"\n\u00e9","languages":["en"]}"#);
    assert_eq!(answer.bytes(), "Say \"hi\"\n\u{e9}\n");
    assert_eq!(host.head().headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(host.head().carrier, Carrier::Opaque);
    assert_eq!(run(&host, r#"{"text":""}"#).bytes(), "\n");
}

#[test]
fn what_is_no_transcript_is_refused() {
    let text = || host().form(Form::PlainText);
    let table = [
        (host(), "[]"),
        (host(), "no"),
        (host(), r#"{"text":"a","text":"b"}"#),
        (text(), r#"{"text":null}"#),
        (text(), "{}"),
    ];
    for (host, body) in table {
        let answer = run(&host, body);
        let reject = answer.reject();
        assert_eq!((reject.status().as_u16(), reject.code_str()), (502, "invalid_upstream_response"), "{body}");
        assert!(reject.forbids_retry());
    }
}

#[test]
fn an_answer_of_another_kind_or_none_is_refused() {
    let event = Frame::event("response.completed", json!({"text": "a"}).to_string());
    for frames in [vec![event], vec![]] {
        let answer = host().run_frames(frames, End::Complete);
        assert_eq!(answer.reject().code_str(), "invalid_upstream_response");
    }
}
