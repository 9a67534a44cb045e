//! Models, keys, headers and estimates.

use pooler_filter::ModelFacts;
use pooler_filter::testing::key_facts;
use pooler_filter_codex_rewrite::Config;

use crate::harness::{Gateway, item, part, refused, refuses, send, sent, with};

fn plain_model() -> ModelFacts {
    ModelFacts { id: "small".into(), upstream_id: "small-2026".into(), ..ModelFacts::default() }
}

fn small() -> Gateway {
    Gateway::new().model("small", plain_model())
}

#[test]
fn the_model_is_sent_under_its_upstream_name() {
    let sent = small().send(r#"{"model":"small","input":"x"}"#).expect("accepted");
    assert_eq!(sent.member("model").as_deref(), Some(r#""small-2026""#));
    assert_eq!(sent.intent().model, "small");
}

#[test]
fn a_model_is_found_in_any_case_but_as_written_first() {
    let gateway = small().model("SMALL", ModelFacts { upstream_id: "other".into(), ..plain_model() });
    let upstream = |name: &str| {
        let sent = gateway.send(&format!(r#"{{"model":"{name}","input":"x"}}"#)).expect("accepted");
        sent.member("model")
    };
    assert_eq!(upstream("Small").as_deref(), Some(r#""small-2026""#));
    assert_eq!(upstream("SMALL").as_deref(), Some(r#""other""#));
}

#[test]
fn a_model_that_the_pool_lacks_is_refused() {
    let message = "model is not available for this pool";
    refuses(r#"{"model":"nope","input":"x"}"#, 400, "invalid_model", Some("model"), message);
}

#[test]
fn a_model_that_the_key_may_not_use_is_refused() {
    let mut key = key_facts();
    key.allowed_models = Some(vec!["small".into()]);
    let gateway = Gateway { key, ..small() };
    let reject = gateway.send(&with(r#""stream":true"#)).err().expect("refused");
    assert_eq!(
        (reject.status().as_u16(), reject.code_str(), reject.param.as_deref()),
        (403, "model_not_allowed", None)
    );
    assert_eq!(reject.message, "api key is not allowed to use this model");
    assert!(gateway.send(r#"{"model":"Small","input":"x"}"#).is_ok());
}

#[test]
fn a_key_without_models_may_use_none() {
    let mut key = key_facts();
    key.allowed_models = Some(Vec::new());
    let reject = Gateway { key, ..Gateway::new() }.send(&with(r#""stream":true"#)).err().expect("refused");
    assert_eq!(reject.code_str(), "model_not_allowed");
}

#[test]
fn what_is_wrong_with_a_request_wins_over_its_model() {
    let mut key = key_facts();
    key.allowed_models = Some(Vec::new());
    let limited = Gateway { key, ..Gateway::new() };
    let media = r#""input":[{"role":"user","content":[{"type":"input_image","image_url":"ftp://a.example"}]}]"#;
    for (members, code) in [
        (r#""background":true"#, "unsupported_parameter"),
        (r#""prompt_cache_options":1"#, "invalid_request"),
        (r#""input":[]"#, "invalid_request"),
        (r#""previous_response_id":"r""#, "invalid_request"),
        (r#""tools":1"#, "invalid_request"),
        (r#""tool_choice":1"#, "invalid_request"),
        (r#""max_output_tokens":0"#, "invalid_request"),
        (r#""reasoning":{"summary":"long"}"#, "invalid_request"),
        (r#""moderation":1"#, "invalid_request"),
        (r#""service_tier":"gold""#, "invalid_request"),
        (r#""truncation":"x""#, "unsupported_parameter"),
        (r#""stream_options":1"#, "invalid_request"),
        (r#""include":1"#, "invalid_request"),
        (r#""text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{}}}"#, "invalid_json_schema"),
        (media, "unsupported_input_image_format"),
    ] {
        for (gateway, model) in [(&limited, "gpt-5.5"), (&Gateway::new(), "nope")] {
            let reject = gateway.send(&format!(r#"{{"model":"{model}",{members}}}"#)).err().expect("refused");
            assert_eq!(reject.code_str(), code, "{model} {members}");
        }
    }
}

#[test]
fn images_need_a_model_that_takes_them() {
    let image = r#"{"type":"input_image","image_url":"https://a.example/i.png"}"#;
    for body in [part(image), item(&format!(r#"{{"type":"function_call_output","call_id":"c","output":[{image}]}}"#))] {
        assert!(send(&body).is_ok());
        let reject = small().send(&body.replace("gpt-5.5", "small")).err().expect("refused");
        assert_eq!((reject.status().as_u16(), reject.code_str()), (400, "unsupported_model_capability"));
        assert_eq!((reject.param.as_deref(), &*reject.message), (Some("input"), "model does not support image input"));
    }
}

#[test]
fn a_tier_that_the_model_lacks_has_no_backend() {
    let facts = ModelFacts { service_tiers: Some(vec!["priority".into()]), ..plain_model() };
    let gateway = Gateway::new().model("small", facts);
    let send = |tier: &str| gateway.send(&format!(r#"{{"model":"small","input":"x","service_tier":"{tier}"}}"#));
    let reject = send("flex").err().expect("refused");
    assert_eq!((reject.status().as_u16(), reject.code_str()), (503, "no_compatible_backend"));
    assert_eq!(reject.message, "no backend currently supports the requested model capabilities");
    for tier in ["fast", "auto", "default"] {
        assert!(send(tier).is_ok(), "{tier}");
    }
}

#[test]
fn a_summary_is_left_out_for_a_model_that_knows_none() {
    let body = r#"{"model":"small","input":"x","reasoning":{"effort":"high","summary":"auto"}}"#;
    let sent = small().send(body).expect("accepted");
    assert_eq!(sent.member("reasoning").as_deref(), Some(r#"{"effort":"high"}"#));
}

#[test]
fn the_upstream_sees_this_program_and_no_header_of_the_client() {
    let sent = sent(&with(r#""stream":true"#));
    let request = &sent.request;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/backend-api/codex/responses"));
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.sort_unstable();
    let agent = concat!("codex-pooler/", env!("CARGO_PKG_VERSION")).as_bytes();
    assert_eq!(
        headers,
        [
            ("accept", b"text/event-stream".as_slice()),
            ("content-type", b"application/json"),
            ("originator", b"codex-pooler"),
            ("user-agent", agent),
        ]
    );
    assert!(sent.intent().stream);
}

#[test]
fn the_upstream_sees_the_configured_identity() {
    let config = Config {
        originator: Some("my_gateway".into()),
        user_agent: Some("my_gateway/3".into()),
        version: Some("3.0".into()),
        ..Config::default()
    };
    let sent = Gateway { config, ..Gateway::new() }.send(&with(r#""stream":true"#)).expect("accepted");
    for (name, value) in [("originator", "my_gateway"), ("user-agent", "my_gateway/3"), ("version", "3.0")] {
        assert_eq!(sent.request.headers.get(name).and_then(|value| value.to_str().ok()), Some(value));
    }
}

#[test]
fn an_empty_body_is_refused() {
    let reject = refused("[1]");
    assert_eq!((reject.status().as_u16(), reject.code_str(), reject.param.as_deref()), (400, "invalid_request", None));
    assert_eq!(reject.message, "request body must be an object");
}

#[test]
fn input_is_estimated_by_its_bytes_without_model_and_limits() {
    let estimate = |body: &str| sent(body).intent().estimated_input_tokens;
    let text = "a".repeat(4000);
    let plain = estimate(&format!(r#"{{"model":"gpt-5.5","input":"{text}"}}"#));
    let same = estimate(&format!(r#"{{"stream":true,"model":"gpt-5.5","max_output_tokens":7,"input":"{text}"}}"#));
    assert_eq!(plain, same);
    assert!((1000..1010).contains(&plain), "{plain}");
}

#[test]
fn output_is_estimated_higher_when_the_text_does_not_show_all() {
    let estimate = |body: &str| sent(body).intent().estimated_output_tokens;
    assert_eq!(estimate(&with(r#""max_output_tokens":5"#)), 512);
    assert_eq!(estimate(&part(r#"{"type":"input_image","file_id":"file_1"}"#)), 2048);
    assert_eq!(estimate(&item(r#"{"type":"function_call_output","call_id":"c","output":"1"}"#)), 2048);
}

#[test]
fn the_intent_tells_cache_key_window_and_files() {
    let file = r#"{"type":"input_file","file_data":"data:text/plain;base64,QQ==","filename":"a.txt"}"#;
    let body =
        format!(r#"{{"model":"gpt-5.5","prompt_cache_key":"k\u0031","input":[{{"role":"user","content":[{file}]}}]}}"#);
    let sent = sent(&body);
    let intent = sent.intent();
    assert_eq!(intent.prompt_cache_key.as_deref(), Some("k1"));
    assert_eq!(intent.context_window, Some(272_000));
    assert!(intent.input_file);
}
