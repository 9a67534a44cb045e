//! Transcription: a form in, a text out.

use serde_json::{Value, json};

use super::super::{Fault, FaultSpec, Preset, Simulator, Who};
use super::client::{Answer, bearer, request};
use super::simulator;

const PATH: &str = "/backend-api/transcribe";

/// A part: name, file name, content.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

const SOUND: Part<'static> = ("file", Some("audio.wav"), b"RIFFsound");

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let head = format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(&[head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

async fn send(simulator: &Simulator, content_type: &str, body: &[u8]) -> Answer {
    let account = &simulator.accounts()[0];
    let bearer = bearer(account);
    let headers =
        [("authorization", bearer.as_str()), ("chatgpt-account-id", account.id()), ("content-type", content_type)];
    request(simulator.address(), "POST", PATH, &headers, body).await
}

async fn transcribe(simulator: &Simulator, parts: &[Part<'_>]) -> Answer {
    send(simulator, "multipart/form-data; boundary=edge", &form(parts)).await
}

#[tokio::test]
async fn tells_what_it_heard_by_all_that_came() {
    let simulator = simulator().await;
    let text = |answer: Answer| answer.json()["text"].as_str().unwrap().to_owned();
    let plain = transcribe(&simulator, &[SOUND]).await;
    assert_eq!((plain.status, &plain.json()["languages"]), (200, &json!(["en"])), "{}", plain.text());
    let plain = text(plain);
    assert!(plain.contains("9 bytes"), "{plain}");
    assert_eq!(text(transcribe(&simulator, &[SOUND]).await), plain);
    let prompted = text(transcribe(&simulator, &[("prompt", None, b"names"), SOUND]).await);
    let other = text(transcribe(&simulator, &[SOUND, ("prompt", None, b"dates")]).await);
    assert!(prompted != other && other != plain && !prompted.contains("names"));
    let rich = [SOUND, ("keywords[]", None, b"a"), ("keywords[]", None, b"b"), ("languages[]", None, b"de")];
    let rich = transcribe(&simulator, &rich).await;
    assert_eq!(rich.json()["languages"], json!(["de"]));
    assert!(text(rich).contains("2 keywords"));
}

#[tokio::test]
async fn refuses_forms_that_do_not_fit() {
    let simulator = simulator().await;
    let rows: [(&str, Vec<Part<'_>>); 10] = [
        ("no file", vec![("prompt", None, b"x")]),
        ("empty", vec![("file", Some("audio.wav"), b"")]),
        ("no file name", vec![("file", None, b"x")]),
        ("two files", vec![SOUND, SOUND]),
        ("two prompts", vec![SOUND, ("prompt", None, b"x"), ("prompt", None, b"x")]),
        ("blank keyword", vec![SOUND, ("keywords[]", None, b" ")]),
        ("model", vec![SOUND, ("model", None, b"gpt-4o-transcribe")]),
        ("language", vec![SOUND, ("language", None, b"de")]),
        ("format", vec![SOUND, ("response_format", None, b"json")]),
        ("temperature", vec![SOUND, ("temperature", None, b"0")]),
    ];
    for (name, parts) in rows {
        let answer = transcribe(&simulator, &parts).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_ne!(answer.json()["error"], Value::Null, "{name}");
    }
    let cut = form(&[SOUND]);
    assert_eq!(send(&simulator, "multipart/form-data; boundary=edge", &cut[..cut.len() - 12]).await.status, 400);
    assert_eq!(send(&simulator, "multipart/form-data", &cut).await.status, 415);
    assert_eq!(send(&simulator, "application/json", b"{}").await.status, 415);
    assert_eq!(request(simulator.address(), "POST", PATH, &[], &cut).await.status, 401);
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::SlowDown)).on(PATH));
    assert_eq!(transcribe(&simulator, &[SOUND]).await.status, 503);
}
