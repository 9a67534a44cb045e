//! What holds for every chat stream: the same answer however it is split, valid chunks whatever comes, no `[DONE]` after a cut.

use std::fs;

use pooler_filter::{Cut, End};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::support::{Chat, collecting, with_usage};

/// The recorded streams, in every way to end a line and without labels.
fn recorded() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chat_answers");
    let mut streams = Vec::new();
    for entry in fs::read_dir(folder).expect("the fixtures are there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|ending| ending == "sse") && path.to_string_lossy().ends_with(".in.sse") {
            let stream = fs::read_to_string(path).expect("the stream can be read");
            streams.push(stream.replace('\n', "\r\n"));
            streams.push(stream.replace('\n', "\r"));
            streams.push(stream.replace("event: ", ": was "));
            streams.push(stream);
        }
    }
    streams
}

/// One event, right or wrong in every way that matters.
fn event() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.refusal.delta",
        "response.refusal.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
        "codex.rate_limits",
    ]);
    let place =
        select(vec!["", "\"output_index\":0,", "\"output_index\":1,\"item_id\":\"i1\",", "\"item_id\":\"i0\","]);
    let body = select(vec![
        "",
        r#""delta":"d","#,
        r#""delta":7,"text":"t","arguments":"{}","input":"i","refusal":"r","#,
        r#""item":{"type":"message","content":[{"type":"output_text","text":"hi"},{"type":"refusal","refusal":"no"},1]},"#,
        r#""item":{"id":"i0","type":"function_call","name":"f","call_id":"c0","arguments":"{}"},"#,
        r#""item":{"id":"i1","type":"custom_tool_call","name":7,"input":null},"#,
        r#""part":{"type":"output_text","text":"p"},"response":{"id":"resp_1","service_tier":"x","output":[{"type":"function_call"},1]},"#,
        r#""response":{"id":"a b","output":{},"usage":{"input_tokens":1,"output_tokens":2},"error":null},"#,
    ]);
    (kind, place, body).prop_map(|(kind, place, body)| format!("data: {{{place}{body}\"type\":\"{kind}\"}}\n\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_split_gives_the_same_bytes(stream in select(recorded()), sizes in vec(1_usize..90, 1..8)) {
        let end = || End::Cut(Cut::Closed);
        let whole = with_usage().run_split(stream.as_bytes(), &[], end()).bytes();
        let split = with_usage().run_split(stream.as_bytes(), &sizes, end()).bytes();
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn every_split_gives_the_same_completion(stream in select(recorded()), sizes in vec(1_usize..90, 1..8)) {
        let whole = collecting().run(&stream);
        let split = collecting().run_split(stream.as_bytes(), &sizes, End::Complete);
        prop_assert_eq!(whole.bytes(), split.bytes());
        prop_assert_eq!(whole.refused.map(|r| r.to_string()), split.refused.map(|r| r.to_string()));
    }

    #[test]
    fn a_prefix_that_is_cut_is_told_as_a_beginning_and_an_error(stream in select(recorded()), at in 0.0_f64..1.0) {
        let whole = with_usage().run(&stream).bytes();
        // The last block has to be incomplete: an ending of one byte less would still end it.
        let length = stream.trim_end().len();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
        let prefix = &stream.as_bytes()[..(length as f64 * at) as usize];
        let cut = with_usage().run_split(prefix, &[], End::Cut(Cut::Closed)).bytes();
        let chat = Chat::read(&cut);
        prop_assert!(!chat.done && chat.error.is_some());
        let beginning = cut.rfind("data: ").unwrap();
        prop_assert!(whole.starts_with(&cut[..beginning]));
    }

    #[test]
    fn whatever_comes_the_chunks_are_valid_and_end_once(events in vec(event(), 0..14)) {
        let answer = with_usage().run_split(events.concat().as_bytes(), &[], End::Complete);
        prop_assert!(answer.refused.is_none());
        let chat = Chat::of(&answer);
        prop_assert!(chat.done != chat.error.is_some());
        let indexes: Vec<u64> = chat.message()["tool_calls"].as_array().unwrap().iter()
            .map(|call| call["index"].as_u64().unwrap()).collect();
        prop_assert_eq!(&indexes, &(0..indexes.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_comes_a_completion_is_one_object_or_a_refusal(events in vec(event(), 0..14)) {
        let answer = collecting().run_split(events.concat().as_bytes(), &[], End::Complete);
        if answer.refused.is_none() {
            let answer = answer.json();
            prop_assert!(answer["choices"][0]["message"].get("refusal").is_some());
        } else {
            prop_assert!(answer.frames.is_empty());
        }
    }
}
