//! What holds for every stream: the same answer however it is split, and a valid answer whatever comes.

use pooler_filter::{Cut, End};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::support::{Backend, Host, message};
use crate::echo::Form;
use crate::response::images;

/// Streams as the backend sends them, and streams that need every kind of repair.
fn recorded() -> Vec<String> {
    let whole = Backend::new().begun().reasoning(0).message(1, &["Hel", "lo \u{e9}\u{1f600}"]).function_call(2);
    let whole = whole.completed(json!([message(1, "Hello \u{e9}\u{1f600}")]));
    let unlabelled = whole.wire().replace("event: ", ": was ");
    vec![
        whole.wire().to_owned(),
        whole.wire().replace('\n', "\r\n"),
        whole.wire().replace('\n', "\r"),
        unlabelled,
        whole.wire().replace("\"logprobs\":[]", "\"x\":1").replace("\"sequence_number\"", "\"n\""),
        Backend::new().raw(": hi\n\ndata: [DONE]\n\n").completed(json!([message(0, "all at once")])).wire().to_owned(),
        Backend::new().begun().message(0, &["a"]).wire().to_owned(),
        Backend::new().begun().event("error", json!({"code": "server_error", "message": "x"})).wire().to_owned(),
    ]
}

/// One event, right or wrong in every way that matters.
fn event() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.function_call_arguments.done",
        "response.completed",
        "response.done",
        "response.incomplete",
        "response.failed",
        "error",
        "codex.rate_limits",
        "response.new",
        "x\\ny",
    ]);
    let number = select(vec![
        "",
        "\"sequence_number\":0,",
        "\"sequence_number\":9,",
        "\"sequence_number\":9007199254740991,",
        "\"sequence_number\":\"1\",\"sequence_number\":1,",
    ]);
    let item = "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"hi\"}],\"content\":7}";
    let body = select(vec![
        String::new(),
        format!("\"output_index\":0,\"item\":{item},"),
        format!("\"output_index\":1,\"item\":{item},\"item_id\":null,"),
        format!("\"response\":{{\"id\":\"resp_1\",\"output\":[{item},1,null]}},"),
        "\"response\":{\"id\":\"resp_2\",\"id\":3,\"model\":\"a\",\"model\":\"b\",\"tools\":[{\"type\":\"function\"}],\"usage\":{}},".to_owned(),
        "\"response\":[],\"item\":[],\"part\":null,".to_owned(),
        "\"part\":{\"type\":\"output_text\"},\"output_index\":18446744073709551615,".to_owned(),
    ]);
    let label = select(vec!["", "event: response.completed\n", "event:\n", "id: 1\r\n"]);
    (kind, number, body, label)
        .prop_map(|(kind, number, body, label)| format!("{label}data: {{{number}{body}\"type\":\"{kind}\"}}\n\n"))
}

fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => event(),
        1 => "\\PC{0,20}".prop_map(|text| format!("data: {text}\n\n")),
        1 => "[ -~\\r\\n]{0,40}",
    ]
}

/// Answers to other requests that come as a stream, each with the host that reads it.
fn of_other_forms() -> Vec<(fn() -> Host, String)> {
    let item = |kind: &str, name: &str, content: &str| json!({"id": "i_\u{e9}", "type": kind, "status": "completed", name: content});
    let stream = |item: &serde_json::Value| {
        let done = json!({"output_index": 0, "item": item});
        Backend::new().begun().event("response.output_item.done", done).completed(json!([item])).wire().to_owned()
    };
    let compaction = stream(&item("compaction", "encrypted_content", "gAAA"));
    vec![
        (|| Host::streaming().form(Form::CompactionTrigger { streamed: true }), compaction.clone()),
        (|| Host::collecting().form(Form::CompactionTrigger { streamed: true }), compaction),
        (|| Host::of(images), stream(&item("image_generation_call", "result", "iVBORw0KGgo="))),
        (|| Host::of(images), stream(&item("message", "x", "no image"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_split_gives_the_same_bytes_in_other_forms(
        (host, stream) in select(of_other_forms()),
        ending in select(vec!["\n", "\r\n", "\r"]),
        sizes in vec(1_usize..90, 1..8),
    ) {
        let stream = stream.replace('\n', ending);
        let whole = host().run(&stream);
        let split = host().run_split(stream.as_bytes(), &sizes, End::Complete);
        prop_assert_eq!(whole.bytes(), split.bytes());
        prop_assert_eq!(whole.refused.map(|r| r.to_string()), split.refused.map(|r| r.to_string()));
    }

    #[test]
    fn every_split_gives_the_same_bytes(stream in select(recorded()), sizes in vec(1_usize..90, 1..8)) {
        let whole = Host::streaming().run_cut(&stream).bytes();
        let split = Host::streaming().run_split(stream.as_bytes(), &sizes, End::Cut(Cut::Closed)).bytes();
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn every_split_gives_the_same_json(stream in select(recorded()), sizes in vec(1_usize..90, 1..8)) {
        let whole = Host::collecting().run(&stream);
        let split = Host::collecting().run_split(stream.as_bytes(), &sizes, End::Complete);
        prop_assert_eq!(whole.bytes(), split.bytes());
        prop_assert_eq!(whole.refused.map(|r| r.to_string()), split.refused.map(|r| r.to_string()));
    }

    #[test]
    fn whatever_comes_the_stream_is_valid_and_has_one_terminal_at_its_end(blocks in vec(noise(), 0..12)) {
        let answer = Host::streaming().run_split(blocks.concat().as_bytes(), &[], End::Complete);
        prop_assert!(answer.refused.is_none());
        let types = answer.types();
        let terminal = |kind: &String| matches!(kind.as_str(), "response.completed" | "response.incomplete" | "response.failed");
        prop_assert_eq!(types.iter().position(terminal), types.len().checked_sub(1));
        prop_assert!(types.len() == 1 || types[0] == "response.created");
        prop_assert!(types.iter().all(|kind| kind.starts_with("response.") && kind != "response.done"));
    }

    #[test]
    fn whatever_comes_a_collected_answer_is_one_object_or_a_refusal(blocks in vec(noise(), 0..12)) {
        let answer = Host::collecting().run_split(blocks.concat().as_bytes(), &[], End::Complete);
        if answer.refused.is_none() {
            prop_assert!(answer.json()["output"].is_array());
        } else {
            prop_assert!(answer.frames.is_empty());
        }
    }
}
