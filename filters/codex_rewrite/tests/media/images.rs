//! Requests for images (docs/v1.md, Images).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use pooler_filter::form::Form;
use pooler_filter::{AccountId, Body, Expects, ModelFacts, Operation};
use serde_json::{Value, json as value};

use crate::harness::{Gateway, Sent, check_fixtures, field, file, form, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nabcdefgh";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0abc";
const WEBP: &[u8] = b"RIFF\x04\0\0\0WEBPVP8 ";
const GIF: &[u8] = b"GIF89aabc";
const DATA_URL: &str = "data:image/png;base64,iVBORw0KGgo=";
const FORMAT: &str = "image must be a png, jpeg, webp or gif image: a file, a base64 data URL or an https URL";
const MASK: &str = "\n\nThe last image is a mask: change only what is fully transparent in it.";

fn generate() -> Gateway {
    Gateway::of(Operation::GenerateImage)
}

fn edit() -> Gateway {
    Gateway::of(Operation::EditImage)
}

/// A JSON body with model, prompt and these members.
fn with(members: &str) -> Body {
    json(&format!(r#"{{"model":"gpt-image-1","prompt":"p"{members}}}"#))
}

/// A form with model, prompt and these parts.
fn edit_form(parts: Vec<pooler_filter::form::Part>) -> Body {
    let mut form = form(&[("model", "gpt-image-1"), ("prompt", "p")]);
    form.parts.extend(parts);
    Body::Multipart(form)
}

fn content(sent: &Sent) -> Vec<Value> {
    sent.json()["input"][0]["content"].as_array().expect("a list of parts").clone()
}

fn data_url(kind: &str, data: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(data))
}

#[test]
fn every_fixture_becomes_what_its_pair_says() {
    check_fixtures("images", 6, |name, body| if name.contains("edit") { edit() } else { generate() }.sent(body));
}

#[test]
fn the_request_goes_upstream_as_a_response() {
    let sent = generate().sent(with(""));
    assert_eq!((&sent.request.method, sent.request.path.as_str()), (&Method::POST, "/backend-api/codex/responses"));
    assert_eq!(sent.request.expects, Expects::Response);
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(sent.header("originator"), Some("codex-pooler"));
    assert_eq!(sent.header("cookie"), None);
    let intent = sent.intent();
    assert_eq!(intent.model, "gpt-image-1");
    assert!(!intent.stream && !intent.one_account && intent.sources.is_none() && intent.service_tier.is_none());
}

#[test]
fn a_form_with_images_and_a_mask_keeps_its_order_and_the_mask_stands_last() {
    let parts = vec![
        file("mask", GIF, 100),
        file("image[]", PNG, 5),
        file("image[]", JPEG, 1),
        file("image", WEBP, 7),
        field("size", b"auto"),
        field("n", b"1"),
        field("stream", b"false"),
        field("partial_images", b"0"),
        field("quality", b"low"),
        field("input_fidelity", b"high"),
    ];
    let sent = edit().sent(edit_form(parts));
    let image = |kind: &str, data: &[u8]| value!({"type": "input_image", "image_url": data_url(kind, data)});
    assert_eq!(
        content(&sent),
        [
            value!({"type": "input_text", "text": format!("p{MASK}")}),
            image("image/png", PNG),
            image("image/jpeg", JPEG),
            image("image/webp", WEBP),
            image("image/gif", GIF),
        ]
    );
    assert_eq!(
        sent.json()["tools"],
        value!([{"type": "image_generation", "model": "gpt-image-1", "size": "auto", "quality": "low", "input_fidelity": "high"}])
    );
}

#[test]
fn a_prompt_of_a_form_is_quoted_and_stays_without_a_word_about_masks() {
    let mut form = form(&[("model", "gpt-image-2"), ("prompt", "a \"cat\"\n\u{e9}\u{1}")]);
    form.parts.push(file("image", PNG, 3));
    let sent = edit().sent(Body::Multipart(form));
    assert_eq!(content(&sent)[0]["text"], "a \"cat\"\n\u{e9}\u{1}");
    assert_eq!(sent.intent().model, "gpt-image-2");
}

#[test]
fn an_upload_is_encoded_whatever_pieces_it_came_in() {
    let data: Vec<u8> = PNG.iter().copied().cycle().take(5000).collect();
    for size in [1, 2, 3, 767, 768, 1024, 4999, 5000] {
        let sent = edit().sent(edit_form(vec![file("image", &data, size)]));
        assert_eq!(content(&sent)[1]["image_url"], data_url("image/png", &data), "pieces of {size}");
    }
}

#[test]
fn images_in_json_come_under_any_of_their_names_and_forms() {
    let forms = [
        format!(r#""image":"{DATA_URL}""#),
        format!(r#""image":["{DATA_URL}"]"#),
        format!(r#""image":{{"image_url":"{DATA_URL}"}}"#),
        format!(r#""image[]":["{DATA_URL}"]"#),
        format!(r#""images":[{{"image_url":"{DATA_URL}","file_id":null}}]"#),
    ];
    for image in forms {
        let sent = edit().sent(with(&format!(",{image}")));
        assert_eq!(content(&sent)[1], value!({"type": "input_image", "image_url": DATA_URL}), "{image}");
    }
    let https = edit().sent(with(r#","images":[{"image_url":"https://a.example/i.png"}]"#));
    assert_eq!(content(&https)[1]["image_url"], "https://a.example/i.png");
}

#[test]
fn values_that_ask_for_nothing_are_accepted() {
    let body = with(
        r#","n":"1","user":"u","response_format":"url","stream":false,"output_compression":90,"moderation":"low",
            "partial_images":0,"logprobs":false,"size":null,"quality":null,"background":null,"image":null,"mask":null,"images":[]"#,
    );
    let tool = value!([{"type": "image_generation", "model": "gpt-image-1", "size": "auto", "quality": "auto"}]);
    let sent = generate().sent(body);
    assert_eq!(sent.json()["tools"], tool);
    let names: Vec<String> = sent.json().as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names, ["input", "instructions", "model", "store", "stream", "tool_choice", "tools"]);
    assert_eq!(generate().sent(with(r#","n":null,"stream":null"#)).json()["tools"], tool);
    assert_eq!(generate().sent(with(r#","n":1"#)).json()["tools"], tool);
}

#[test]
fn a_prompt_of_white_space_passes() {
    let sent = generate().sent(json(r#"{"model":"gpt-image-1","prompt":" "}"#));
    assert_eq!(content(&sent), [value!({"type": "input_text", "text": " "})]);
}

#[test]
fn each_rule_has_its_refusal() {
    let unsupported = |name: &str| format!("Unsupported parameter: {name}");
    let table: &[(&str, &str, &str, String)] = &[
        (r#","logprobs":true"#, "unsupported_parameter", "logprobs", unsupported("logprobs")),
        (r#","zzz":null"#, "unsupported_parameter", "zzz", unsupported("zzz")),
        (r#","stream":true"#, "unsupported_parameter", "stream", unsupported("stream")),
        (r#","stream":"false""#, "unsupported_parameter", "stream", unsupported("stream")),
        (r#","partial_images":1"#, "unsupported_parameter", "partial_images", unsupported("partial_images")),
        (r#","size":"512x512""#, "invalid_request", "size", "size is not supported".into()),
        (r#","size":1"#, "invalid_request", "size", "size is not supported".into()),
        (r#","quality":"hd""#, "invalid_request", "quality", "quality is not supported".into()),
        (r#","background":"red""#, "invalid_request", "background", "background is not supported".into()),
        (r#","input_fidelity":"auto""#, "invalid_request", "input_fidelity", "input_fidelity is not supported".into()),
        (r#","output_format":"gif""#, "invalid_request", "output_format", "output_format is not supported".into()),
        (r#","n":2"#, "invalid_request", "n", "n must be 1".into()),
        (r#","n":"2""#, "invalid_request", "n", "n must be 1".into()),
        (r#","n":[1]"#, "invalid_request", "n", "n must be 1".into()),
        (r#","image":"x""#, "invalid_request", "image", "image is only supported for image edits".into()),
        (r#","image[]":["x"]"#, "invalid_request", "image", "image is only supported for image edits".into()),
        (r#","mask":"x""#, "invalid_request", "mask", "mask is only supported for image edits".into()),
    ];
    for (members, code, param, message) in table {
        generate().refuses(with(members), 400, code, Some(param), message);
    }
}

#[test]
fn model_and_prompt_are_required() {
    let table = [
        (r#"{"prompt":"p"}"#, "invalid_request", "model", "model is required"),
        (r#"{"model":null,"prompt":"p"}"#, "invalid_request", "model", "model is required"),
        (r#"{"model":"dall-e-3","prompt":"p"}"#, "invalid_model", "model", "image model is not supported"),
        (r#"{"model":"gpt-5.5","prompt":"p"}"#, "invalid_model", "model", "image model is not supported"),
        (r#"{"model":"gpt-image-1"}"#, "invalid_request", "prompt", "prompt is required"),
        (r#"{"model":"gpt-image-1","prompt":""}"#, "invalid_request", "prompt", "prompt is required"),
        (r#"{"model":"gpt-image-1","prompt":["p"]}"#, "invalid_request", "prompt", "prompt is required"),
    ];
    for (body, code, param, message) in table {
        generate().refuses(json(body), 400, code, Some(param), message);
    }
    generate().refuses(Body::Empty, 400, "invalid_request", None, "request body must be an object");
}

#[test]
fn the_first_failure_in_the_order_wins() {
    let wrong = [
        (r#""logprobs":1"#, "logprobs"),
        (r#""zzz":1"#, "zzz"),
        (r#""stream":true"#, "stream"),
        (r#""partial_images":2"#, "partial_images"),
        (r#""model":"x""#, "model"),
        (r#""size":"x""#, "size"),
        (r#""quality":"x""#, "quality"),
        (r#""background":"x""#, "background"),
        (r#""input_fidelity":"x""#, "input_fidelity"),
        (r#""output_format":"x""#, "output_format"),
        (r#""n":2"#, "n"),
        (r#""prompt":"""#, "prompt"),
        (r#""image":"x""#, "image"),
        (r#""mask":"x""#, "mask"),
    ];
    for first in 0..wrong.len() {
        let mut members: Vec<&str> = wrong.iter().skip(first).rev().map(|(member, _)| *member).collect();
        for (name, valid) in [("\"model\"", r#""model":"gpt-image-1""#), ("\"prompt\"", r#""prompt":"p""#)] {
            if !members.iter().any(|member| member.starts_with(name)) {
                members.push(valid);
            }
        }
        let body = json(&format!("{{{}}}", members.join(",")));
        let reject = generate().send(body).err().expect("refused");
        assert_eq!(reject.param.as_deref(), Some(wrong[first].1));
    }
}

#[test]
fn an_edit_needs_an_image() {
    let required = ("invalid_request", Some("image"), "image is required");
    for body in [with(""), with(r#","image":null"#), with(r#","images":[]"#), edit_form(vec![])] {
        edit().refuses(body, 400, required.0, required.1, required.2);
    }
    let mask_only = edit_form(vec![file("mask", PNG, 9)]);
    edit().refuses(mask_only, 400, required.0, required.1, required.2);
}

#[test]
fn what_is_no_image_is_refused() {
    let bodies = [
        edit_form(vec![file("image", b"BM1234567890", 4)]),
        edit_form(vec![file("image", b"", 4)]),
        edit_form(vec![file("image", b"RIFF\x04\0\0\0WAVE", 4)]),
        edit_form(vec![file("image[]", PNG, 4), file("image[]", b"<svg/>", 4)]),
        with(r#","image":"data:image/svg+xml;base64,AAAA""#),
        with(r#","image":"data:image/png;base64,A A""#),
        with(r#","image":"http://a.example/i.png""#),
        with(r#","image":5"#),
        with(r#","image":[null]"#),
        with(r#","image":{"url":"https://a.example/i.png"}"#),
        with(r#","images":[{"file_id":"file_1"}]"#),
        with(r#","images":[{"file_id":"file_1","image_url":"https://a.example/i.png"}]"#),
    ];
    for body in bodies {
        edit().refuses(body, 400, "unsupported_input_image_format", Some("image"), FORMAT);
    }
    let mask = FORMAT.replacen("image must", "mask must", 1);
    let body = edit_form(vec![file("image", PNG, 9), file("mask", b"x", 9)]);
    edit().refuses(body, 400, "unsupported_input_image_format", Some("mask"), &mask);
}

#[test]
fn a_form_has_its_fields_once_and_no_others() {
    let unsupported = "Unsupported parameter: zzz";
    let body = edit_form(vec![field("zzz", b"1")]);
    edit().refuses(body, 400, "unsupported_parameter", Some("zzz"), unsupported);
    let body = edit_form(vec![file("image", PNG, 9), field("model", b"gpt-image-2")]);
    edit().refuses(body, 400, "invalid_request", Some("model"), "model must be given once");
    let body = edit_form(vec![field("logprobs", b"true"), field("zzz", b"1")]);
    edit().refuses(body, 400, "unsupported_parameter", Some("logprobs"), "Unsupported parameter: logprobs");
    let form = Form { parts: vec![field("model", b"gpt-image-1"), field("prompt", b"\xff")] };
    edit().refuses(Body::Multipart(form), 400, "invalid_request", Some("prompt"), "prompt is required");
    for (name, text) in [("stream", "true"), ("partial_images", "2")] {
        let body = edit_form(vec![field(name, text.as_bytes())]);
        edit().refuses(body, 400, "unsupported_parameter", Some(name), &format!("Unsupported parameter: {name}"));
    }
    edit().refuses(edit_form(vec![field("n", b"2")]), 400, "invalid_request", Some("n"), "n must be 1");
    let body = edit_form(vec![field("size", b"")]);
    edit().refuses(body, 400, "invalid_request", Some("size"), "size is not supported");
}

/// A text model; the pool shows models by name.
fn text_model(id: &str, supports_images: bool, lite: bool) -> ModelFacts {
    ModelFacts { id: id.into(), upstream_id: format!("{id}-up"), supports_images, lite, ..ModelFacts::default() }
}

#[test]
fn the_first_text_model_that_fits_uses_the_tool() {
    let models = || {
        vec![
            text_model("a", false, false),
            text_model("B", true, true),
            text_model("c", true, false),
            text_model("d", true, false),
        ]
    };
    let host = |gateway: &Gateway| gateway.sent(with("")).json()["model"].clone();
    assert_eq!(host(&generate().models(models())), "c-up");
    assert_eq!(host(&generate().models(models()).allowing(&["a", "d"])), "d-up");
    let sources = std::sync::Arc::from([AccountId::generate()]);
    let mut one = text_model("c", true, false);
    one.sources = Some(std::sync::Arc::clone(&sources));
    one.context_window = Some(5);
    let sent = generate().models(vec![one]).sent(with(""));
    assert_eq!(sent.intent().sources.as_ref(), Some(&sources));
    assert_eq!(sent.intent().context_window, Some(5));
}

#[test]
fn without_a_text_model_that_fits_nobody_can_serve() {
    let models = || vec![text_model("a", false, false), text_model("b", true, true), text_model("c", true, false)];
    let message = "no backend currently supports the requested model capabilities";
    for gateway in [
        generate().models(vec![]),
        generate().models(models().into_iter().take(2).collect()),
        generate().models(models()).allowing(&["a", "gpt-image-1"]),
    ] {
        gateway.refuses(with(""), 503, "no_compatible_backend", None, message);
        gateway.refuses(with(r#","n":2"#), 400, "invalid_request", Some("n"), "n must be 1");
    }
}

#[test]
fn estimates_follow_quality_and_images() {
    let tokens = |sent: &Sent| (sent.intent().estimated_input_tokens, sent.intent().estimated_output_tokens);
    assert_eq!(tokens(&generate().sent(with(""))), (1, 6240));
    assert_eq!(tokens(&generate().sent(with(r#","quality":"low""#))), (1, 408));
    assert_eq!(tokens(&generate().sent(with(r#","quality":"medium""#))), (1, 1584));
    let two = || vec![file("image", PNG, 9), file("mask", PNG, 9)];
    assert_eq!(tokens(&edit().sent(edit_form(two()))).0, 1 + 2 * 1024);
    let mut close = two();
    close.push(field("input_fidelity", b"high"));
    assert_eq!(tokens(&edit().sent(edit_form(close))).0, 1 + 2 * 6240);
}
