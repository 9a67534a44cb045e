//! Lines 33 and 34: sounds and pictures, from the client's form to the backend and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codex_pooler::admin::{Command, PoolChange};
use codex_pooler::simulator::{Fault, FaultSpec, Preset, Recorded, Who};
use codex_pooler::store::records::Outcome;
use serde_json::{Value, json};

use super::{failed, keys, last_sent, one, post_form, refused, status, told, turns};
use crate::failover::ended;
use crate::files::{Part, form};
use crate::support::Gateway;
use crate::support::client::Answer;
use crate::support::gateway::POOL;

const SPEECH: &str = "/v1/audio/transcriptions";
const GENERATIONS: &str = "/v1/images/generations";
const EDITS: &str = "/v1/images/edits";
const TRANSCRIBE: &str = "/backend-api/transcribe";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n first";
const WEBP: &[u8] = b"RIFF\x10\0\0\0WEBPVP8 second";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0 mask";

fn field<'a>(name: &'a str, value: &'a str) -> Part<'a> {
    (name, None, None, value.as_bytes())
}

async fn transcribe(gateway: &Gateway, fields: &[(&str, &str)]) -> Answer {
    let mut parts: Vec<Part<'_>> = fields.iter().map(|(name, value)| field(name, value)).collect();
    parts.push(("file", Some("secret name.mp3"), Some("audio/mpeg"), b"ID3 some sound"));
    post_form(&gateway.client, SPEECH, &form(&parts)).await
}

fn recordings(gateway: &Gateway) -> Vec<Recorded> {
    gateway.codex.requests().into_iter().filter(|request| request.path == TRANSCRIBE).collect()
}

#[tokio::test]
async fn line_33_only_what_the_backend_takes_of_a_recording_reaches_it() {
    let gateway = one().await;
    let model = ("model", "gpt-4o-transcribe");
    let plain = transcribe(&gateway, &[model]).await;
    assert_eq!((plain.status, plain.header("content-type")), (200, Some("application/json")), "{}", plain.text());
    assert_eq!(keys(&plain.json()), ["text"], "without the languages of the backend");
    let text = plain.json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("14 bytes"), "{text}");
    let extras = [("language", "de"), ("temperature", "0.2"), ("response_format", "json"), ("stream", "false")];
    let alias = [&[("model", "gpt-transcribe")][..], &extras].concat();
    assert_eq!(transcribe(&gateway, &alias).await.json(), plain.json());
    let told_more = [model, ("prompt", "names"), ("keywords[]", "one"), ("keywords[]", "two"), ("languages[]", "de")];
    let more = transcribe(&gateway, &told_more).await.json()["text"].as_str().unwrap().to_owned();
    assert!(more.contains("with prompt") && more.contains("with 2 keywords"), "{more}");
    let seen = recordings(&gateway);
    assert_eq!(seen[0].body_bytes, seen[1].body_bytes, "not a byte of what the backend does not know");
    let part = |name: &str, value: &str| {
        format!("--{}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n", "x".repeat(32)).len()
    };
    let added =
        part("prompt", "names") + part("keywords[]", "one") + part("keywords[]", "two") + part("languages[]", "de");
    assert_eq!(seen[2].body_bytes - seen[0].body_bytes, added);
    for one in &seen {
        let kind = one.headers["content-type"].as_str();
        assert!(kind.starts_with("multipart/form-data; boundary=") && !kind.contains(crate::files::BOUNDARY), "{kind}");
        assert_eq!(
            (one.headers["accept"].as_str(), one.headers.contains_key("authorization")),
            ("application/json", true)
        );
    }

    let words = transcribe(&gateway, &[model, ("response_format", "text")]).await;
    assert_eq!((words.header("content-type"), words.text()), (Some("text/plain; charset=utf-8"), format!("{text}\n")));
    let rows = gateway.settled(4).await;
    assert!(rows.iter().all(|row| ended(row).outcome == Outcome::Succeeded));
}

#[tokio::test]
async fn line_33_what_is_wrong_with_a_recording_is_told_before_anybody_is_asked() {
    let gateway = one().await;
    let model = ("model", "gpt-4o-transcribe");
    for (fields, code, param) in [
        (vec![], "invalid_request", "model"),
        (vec![("model", "whisper-1")], "invalid_model", "model"),
        (vec![model, ("response_format", "srt")], "unsupported_parameter", "response_format"),
        (vec![model, ("response_format", "verbose_json")], "unsupported_parameter", "response_format"),
        (vec![model, ("stream", "true")], "unsupported_parameter", "stream"),
        (vec![model, ("timestamp_granularities[]", "word")], "unsupported_parameter", "timestamp_granularities[]"),
        (vec![model, ("keywords[]", " ")], "invalid_request", "keywords"),
    ] {
        assert_eq!(told(&transcribe(&gateway, &fields).await), refused(400, code, param), "{fields:?}");
    }
    let without = post_form(&gateway.client, SPEECH, &form(&[field("model", "gpt-4o-transcribe")])).await;
    assert_eq!(told(&without), refused(400, "invalid_request", "file"));
    let large = vec![0; 26_214_401];
    let body = form(&[field("model", "gpt-4o-transcribe"), ("file", Some("a"), None, &large)]);
    assert_eq!(told(&post_form(&gateway.client, SPEECH, &body).await), refused(413, "request_too_large", "file"));
    assert!(recordings(&gateway).is_empty());
}

#[tokio::test]
async fn line_33_a_recording_moves_on_like_any_request() {
    let gateway = Gateway::start().await;
    let model = [("model", "gpt-4o-transcribe")];
    gateway.codex.inject(FaultSpec::new(Who::All, status(503, "x")).on(TRANSCRIBE).times(1));
    assert_eq!(transcribe(&gateway, &model).await.status, 200);
    let seen = recordings(&gateway);
    assert_eq!((seen.len(), seen[0].body_bytes), (2, seen[1].body_bytes), "the whole form once more");
    assert_ne!(seen[0].account, seen[1].account);
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::InvalidJson200).on(TRANSCRIBE));
    let answer = transcribe(&gateway, &model).await;
    assert_eq!(told(&answer), refused(502, "invalid_upstream_response", ""));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    gateway.codex.clear_faults();
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unauthorized)).on(TRANSCRIBE));
    assert_eq!(told(&transcribe(&gateway, &model).await), refused(503, "no_eligible_backend", ""));
}

fn data_url(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", STANDARD.encode(bytes))
}

/// The payload that goes upstream for these parts beside the text.
fn payload(text: &str, images: &[Value], tool: &Value) -> Value {
    let mut content = vec![json!({"type": "input_text", "text": text})];
    content.extend(images.iter().map(|url| json!({"type": "input_image", "image_url": url})));
    json!({"model": "gpt-5.5", "instructions": "", "input": [{"type": "message", "role": "user", "content": content}],
        "tools": [tool], "tool_choice": {"type": "image_generation"}, "store": false, "stream": true})
}

#[tokio::test]
async fn line_34_a_picture_is_made_by_the_image_tool() {
    let gateway = one().await;
    let plain = json!({"model": "gpt-image-1", "prompt": "a boat", "n": 1, "stream": false, "user": "u", "response_format": "url"});
    let answer = gateway.client.post(GENERATIONS, &plain).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tool = json!({"type": "image_generation", "model": "gpt-image-1", "size": "auto", "quality": "auto"});
    assert_eq!(last_sent(&gateway), payload("a boat", &[], &tool));
    let answer = answer.json();
    assert_eq!((answer["data"].as_array().unwrap().len(), answer["created"].is_u64()), (1, true));
    let picture = STANDARD.decode(answer["data"][0]["b64_json"].as_str().unwrap()).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "a real file");
    assert!(answer["data"][0].get("url").is_none() && answer["usage"]["total_tokens"].is_u64(), "{answer}");

    let full = json!({"model": "gpt-image-2", "prompt": " ", "size": "1024x1536", "quality": "low", "background": "opaque",
        "output_format": "jpeg", "n": "1", "moderation": "low", "output_compression": 50, "partial_images": 0});
    let answer = gateway.client.post(GENERATIONS, &full).await.json();
    assert_eq!((&answer["output_format"], &answer["size"]), (&json!("jpeg"), &json!("1024x1536")), "{answer}");
    let tool = json!({"type": "image_generation", "model": "gpt-image-2", "size": "1024x1536", "quality": "low",
        "background": "opaque", "output_format": "jpeg"});
    assert_eq!(last_sent(&gateway), payload(" ", &[], &tool));
}

#[tokio::test]
async fn line_34_edits_send_their_images_in_order_and_the_mask_last() {
    let gateway = one().await;
    let body = form(&[
        ("mask", Some("m"), Some("image/png"), JPEG),
        field("prompt", "change \"it\""),
        ("image[]", Some("a.png"), Some("text/plain"), PNG),
        ("image[]", Some("b"), None, WEBP),
        field("model", "gpt-image-1.5"),
        field("input_fidelity", "high"),
    ]);
    let answer = post_form(&gateway.client, EDITS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let images = [json!(data_url("png", PNG)), json!(data_url("webp", WEBP)), json!(data_url("jpeg", JPEG))];
    let tool = json!({"type": "image_generation", "model": "gpt-image-1.5", "size": "auto", "quality": "auto", "input_fidelity": "high"});
    let masked = "change \"it\"\n\nThe last image is a mask: change only what is fully transparent in it.";
    assert_eq!(last_sent(&gateway), payload(masked, &images, &tool));
    assert!(answer.json()["data"][0]["b64_json"].is_string());
    // The same as JSON.
    let json = json!({"model": "gpt-image-1.5", "prompt": "change \"it\"", "image": [images[0], {"image_url": images[1]}],
        "mask": images[2], "input_fidelity": "high"});
    assert_eq!(gateway.client.post(EDITS, &json).await.status, 200);
    assert_eq!(last_sent(&gateway), payload(masked, &images, &tool));
    let rows = gateway.settled(2).await;
    assert!(rows.iter().all(|row| ended(row).outcome == Outcome::Succeeded));
}

#[tokio::test]
async fn line_34_what_is_wrong_with_a_picture_is_told() {
    let gateway = one().await;
    let with = |members: Value| super::with(json!({"model": "gpt-image-1", "prompt": "a boat"}), members);
    for (path, members, code, param) in [
        (GENERATIONS, json!({"n": 2}), "invalid_request", "n"),
        (GENERATIONS, json!({"stream": true}), "unsupported_parameter", "stream"),
        (GENERATIONS, json!({"partial_images": 1}), "unsupported_parameter", "partial_images"),
        (GENERATIONS, json!({"model": "dall-e-3"}), "invalid_model", "model"),
        (GENERATIONS, json!({"prompt": ""}), "invalid_request", "prompt"),
        (GENERATIONS, json!({"size": "1x1"}), "invalid_request", "size"),
        (GENERATIONS, json!({"image": data_url("png", PNG)}), "invalid_request", "image"),
        (EDITS, json!({}), "invalid_request", "image"),
        (EDITS, json!({"image": "data:image/bmp;base64,eA=="}), "unsupported_input_image_format", "image"),
    ] {
        let answer = gateway.client.post(path, &with(members.clone())).await;
        assert_eq!(told(&answer), refused(400, code, param), "{path} {members}");
    }
    assert!(turns(&gateway).is_empty());
    for (fault, wanted) in [
        (
            Fault::ImageFailed {
                kind: "invalid_request_error".into(),
                code: "moderation_blocked".into(),
                message: super::WORDS.into(),
            },
            refused(400, "moderation_blocked", ""),
        ),
        (
            Fault::ImageFailed { kind: "server_error".into(), code: "boom".into(), message: super::WORDS.into() },
            refused(502, "boom", ""),
        ),
        (failed("cyber_policy", 3), refused(400, "cyber_policy", "")),
        (
            super::bytes("text/event-stream", super::wire(&super::told_by(&json!([super::message("no")]), &[]))),
            refused(502, "image_generation_failed", ""),
        ),
    ] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, fault.clone());
        assert_eq!(told(&gateway.client.post(GENERATIONS, &with(json!({}))).await), wanted, "{fault:?}");
    }
    gateway
        .execute(Command::PoolSet {
            pool: POOL.into(),
            change: PoolChange { images: Some(false), ..PoolChange::default() },
        })
        .await;
    for path in [GENERATIONS, EDITS] {
        let answer = gateway.client.send(gateway.client.request("POST", path, &[], b"{not json")).await;
        assert_eq!(told(&answer), refused(403, "image_generation_disabled", ""));
    }
}
