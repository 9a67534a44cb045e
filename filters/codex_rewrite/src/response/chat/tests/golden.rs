//! Whole streams as the backend sends them, and the very bytes that a client gets for them: as chunks and as one completion.

use std::fs;
use std::path::Path;

use super::support::{Answer, Chat, collecting, with_usage};

/// A refusal as a line of text, else the bytes.
fn told(answer: &Answer) -> String {
    match &answer.refused {
        Some(reject) => format!("{} {}", reject.status().as_u16(), String::from_utf8(reject.envelope()).unwrap()),
        None => answer.bytes(),
    }
}

#[test]
fn every_recorded_stream_becomes_what_its_pair_says() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chat_answers"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the folder can be read").path();
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".in.sse")) else { continue };
        let stream = fs::read_to_string(&path).expect("the stream can be read");
        let pairs =
            [("out.sse", told(&with_usage().run(&stream))), ("out.json", told(&collecting().run(&stream)) + "\n")];
        seen += 1;
        for (ending, actual) in pairs {
            let expected = fs::read_to_string(format!("{name}.{ending}")).unwrap_or_default();
            if actual != expected {
                wrong.push(format!("{name}.{ending}\n{actual}"));
            }
        }
    }
    assert!(seen >= 8, "only {seen} fixtures were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chunks_add_up_to_the_completion() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chat_answers"));
    let names = [
        "text",
        "reasoning_then_two_parallel_calls",
        "custom_tool",
        "refusal",
        "incomplete_length",
        "call_told_as_a_whole",
    ];
    for name in names {
        let stream = fs::read_to_string(folder.join(format!("{name}.in.sse"))).expect("the stream can be read");
        let (chat, whole) = (Chat::of(&with_usage().run(&stream)), collecting().run(&stream).json());
        let (message, choice) = (chat.message(), &whole["choices"][0]);
        for key in ["content", "refusal"] {
            assert_eq!(message[key], choice["message"][key].as_str().unwrap_or_default(), "{name} {key}");
        }
        let none = serde_json::json!([]);
        assert_eq!(&message["tool_calls"], choice["message"].get("tool_calls").unwrap_or(&none), "{name}");
        assert_eq!(chat.finish_reason(), choice["finish_reason"], "{name}");
        let last = chat.chunks.last().unwrap();
        for key in ["id", "created", "model", "usage", "service_tier"] {
            assert_eq!(last[key], whole[key], "{name} {key}");
        }
    }
}
