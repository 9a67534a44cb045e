//! Recordings to transcribe (docs/v1.md, Transcriptions).

use bytes::Bytes;
use http::Method;
use pooler_filter::form::{Chunks, Form, Part};
use pooler_filter::{Body, Expects, Operation};

use crate::harness::{Gateway, Sent, field, form, json};

/// Names and texts.
type Fields<'a> = &'a [(&'a str, &'a str)];

fn gateway() -> Gateway {
    Gateway::of(Operation::Transcribe)
}

fn audio(content_type: Option<&str>) -> Part {
    let content_type = content_type.map(Into::into);
    Part { filename: Some("talk.mp3".into()), content_type, ..field("file", b"RIFF") }
}

/// A form with a file, the model and these fields.
fn with(fields: &[(&str, &str)]) -> Body {
    let mut whole = form(&[("model", "gpt-4o-transcribe")]);
    whole.parts.push(audio(Some("audio/mpeg")));
    whole.parts.extend(form(fields).parts);
    Body::Multipart(whole)
}

fn names(sent: &Sent) -> Vec<String> {
    sent.parts().into_iter().map(|part| part.0).collect()
}

#[test]
fn only_file_prompt_keywords_and_languages_go_upstream() {
    let sent = gateway().sent(with(&[
        ("language", "en"),
        ("keywords[]", "one"),
        ("prompt", "words"),
        ("languages[]", "en"),
        ("keywords[]", "two"),
        ("response_format", "json"),
        ("temperature", "0.5"),
        ("stream", "false"),
    ]));
    let text = |name: &str, text: &str| (name.to_owned(), None, None, text.to_owned());
    let file = ("file".to_owned(), Some("audio.wav".to_owned()), Some("audio/mpeg".to_owned()), "RIFF".to_owned());
    let rest =
        [text("prompt", "words"), text("keywords[]", "one"), text("languages[]", "en"), text("keywords[]", "two")];
    assert_eq!(sent.parts(), [vec![file], rest.to_vec()].concat());
    assert_eq!((&sent.request.method, sent.request.path.as_str()), (&Method::POST, "/backend-api/transcribe"));
    assert_eq!(sent.request.expects, Expects::Json);
    assert_eq!(sent.header("accept"), Some("application/json"));
    assert_eq!(sent.header("content-type"), None);
    assert_eq!(sent.header("originator"), Some("codex-pooler"));
    assert_eq!(sent.header("user-agent"), Some(concat!("codex-pooler/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(sent.header("cookie"), None);
}

#[test]
fn a_file_without_media_type_is_called_wav() {
    for kind in [None, Some(" ")] {
        let mut body = form(&[("model", "gpt-4o-transcribe")]);
        body.parts.push(audio(kind));
        let sent = gateway().sent(Body::Multipart(body));
        assert_eq!(names(&sent), ["file"]);
        assert_eq!(sent.parts()[0].2.as_deref(), Some("audio/wav"));
    }
}

#[test]
fn both_names_of_the_model_are_taken() {
    for name in ["gpt-4o-transcribe", "gpt-transcribe"] {
        let mut body = form(&[("model", name)]);
        body.parts.push(audio(None));
        let sent = gateway().sent(Body::Multipart(body));
        let intent = sent.intent();
        assert_eq!(intent.model, "gpt-4o-transcribe");
        assert!(!intent.stream && !intent.one_account && intent.sources.is_none());
    }
}

#[test]
fn each_rule_has_its_refusal() {
    let unsupported = |name: &str| format!("Unsupported parameter: {name}");
    let list = |name: &str| format!("{name} must be an array of non-empty strings");
    let table: &[(Fields<'_>, &str, &str, String)] = &[
        (&[("include[]", "logprobs")], "unsupported_parameter", "include[]", unsupported("include[]")),
        (
            &[("timestamp_granularities[]", "word")],
            "unsupported_parameter",
            "timestamp_granularities[]",
            unsupported("timestamp_granularities[]"),
        ),
        (&[("stream", "true")], "unsupported_parameter", "stream", unsupported("stream")),
        (&[("response_format", "srt")], "unsupported_parameter", "response_format", unsupported("response_format")),
        (&[("response_format", "vtt")], "unsupported_parameter", "response_format", unsupported("response_format")),
        (
            &[("response_format", "verbose_json")],
            "unsupported_parameter",
            "response_format",
            unsupported("response_format"),
        ),
        (
            &[("response_format", "diarized_json")],
            "unsupported_parameter",
            "response_format",
            unsupported("response_format"),
        ),
        (&[("response_format", "")], "unsupported_parameter", "response_format", unsupported("response_format")),
        (&[("keywords[]", "a"), ("keywords[]", " ")], "invalid_request", "keywords", list("keywords")),
        (&[("keywords", "a")], "invalid_request", "keywords", list("keywords")),
        (&[("languages[]", "")], "invalid_request", "languages", list("languages")),
        (&[("languages", "en")], "invalid_request", "languages", list("languages")),
        (&[("prompt", "a"), ("prompt", "b")], "invalid_request", "prompt", "prompt must be given once".into()),
        (&[("model", "gpt-transcribe")], "invalid_request", "model", "model must be given once".into()),
    ];
    for (fields, code, param, message) in table {
        gateway().refuses(with(fields), 400, code, Some(param), message);
    }
    let bytes = Part { data: Bytes::from_static(b"\xff").into(), ..field("keywords[]", b"") };
    let mut body = form(&[("model", "gpt-4o-transcribe")]);
    body.parts.extend([audio(None), bytes]);
    gateway().refuses(Body::Multipart(body), 400, "invalid_request", Some("keywords"), &list("keywords"));
}

#[test]
fn model_and_file_are_required() {
    let body = |fields: &[(&str, &str)]| Body::Multipart(form(fields));
    let model = "gpt-4o-transcribe";
    let unknown = "audio transcription model is not supported";
    gateway().refuses(body(&[("file", "x")]), 400, "invalid_request", Some("model"), "model is required");
    gateway().refuses(body(&[("model", " ")]), 400, "invalid_request", Some("model"), "model is required");
    gateway().refuses(body(&[("model", "whisper-1")]), 400, "invalid_model", Some("model"), unknown);
    gateway().refuses(body(&[("model", model)]), 400, "invalid_request", Some("file"), "file is required");
    gateway().refuses(body(&[("model", model), ("file", "")]), 400, "invalid_request", Some("file"), "file is empty");
    gateway().refuses(
        json(r#"{"model":"gpt-4o-transcribe"}"#),
        400,
        "invalid_request",
        None,
        "request body must be multipart/form-data",
    );
}

#[test]
fn the_first_failure_in_the_order_wins() {
    let wrong = [
        ("zzz", "1", "zzz"),
        ("stream", "true", "stream"),
        ("model", "whisper-1", "model"),
        ("response_format", "srt", "response_format"),
        ("keywords[]", "", "keywords"),
        ("languages[]", "", "languages"),
        ("file", "", "file"),
    ];
    for first in 0..wrong.len() {
        let mut fields: Vec<(&str, &str)> =
            wrong.iter().skip(first).rev().map(|(name, text, _)| (*name, *text)).collect();
        if first > 2 {
            fields.push(("model", "gpt-transcribe"));
        }
        let gateway = gateway().allowing(&["gpt-5.5"]);
        let reject = gateway.send(Body::Multipart(form(&fields))).err().expect("refused");
        assert_eq!(reject.param.as_deref(), Some(wrong[first].2));
    }
}

/// A recording of this length, in pieces.
fn long(bytes: usize) -> Body {
    let piece = Bytes::from(vec![7; 1 << 20]);
    let mut data = Chunks::default();
    while data.len() < bytes {
        data.push(piece.slice(..piece.len().min(bytes - data.len())));
    }
    Body::Multipart(Form { parts: vec![Part { data, ..audio(None) }, field("model", b"gpt-transcribe")] })
}

#[test]
fn a_recording_may_have_25_mebibytes() {
    assert_eq!(names(&gateway().sent(long(26_214_400))), ["file"]);
    gateway().refuses(long(26_214_401), 413, "request_too_large", Some("file"), "file is larger than 26214400 bytes");
}

#[test]
fn a_key_with_a_list_of_models_needs_one_of_the_names() {
    let body = |model: &str| {
        let mut body = form(&[("model", model)]);
        body.parts.push(audio(None));
        Body::Multipart(body)
    };
    let message = "api key is not allowed to use this model";
    let canonical = gateway().allowing(&["gpt-5.5", "gpt-4o-transcribe"]);
    for name in ["gpt-4o-transcribe", "gpt-transcribe"] {
        assert!(canonical.send(body(name)).is_ok());
        gateway().allowing(&["gpt-5.5"]).refuses(body(name), 403, "model_not_allowed", None, message);
    }
    let alias = gateway().allowing(&["gpt-transcribe"]);
    assert!(alias.send(body("gpt-transcribe")).is_ok());
    alias.refuses(body("gpt-4o-transcribe"), 403, "model_not_allowed", None, message);
}

#[test]
fn the_pool_needs_no_model_of_that_name() {
    assert!(gateway().models(vec![]).send(with(&[])).is_ok());
}

#[test]
fn estimates_follow_the_length() {
    let tokens = |body| {
        let sent = gateway().sent(body);
        (sent.intent().estimated_input_tokens, sent.intent().estimated_output_tokens)
    };
    assert_eq!(tokens(with(&[("prompt", "12345678"), ("keywords[]", "1234")])), (3 + 1, 512));
    assert_eq!(tokens(long(16_000_000)), (10_000, 4_000));
}
