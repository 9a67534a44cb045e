use pooler_filter::sse::{Framer, Limits};
use pooler_filter::testing::ExchangeBuilder;

use super::*;

const RESPONSE: &str = r#"{"id":"resp_1","model":"gpt-5.5-2026","service_tier":"priority","status":"completed",
    "usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#;

fn known() -> TokenUsage {
    TokenUsage::Known { input: 3, cached: 0, cache_write: 0, output: 4, reasoning: 0 }
}

fn event(label: &str, event_type: &str, response: &str) -> Frame {
    let data = format!(r#"{{"type":"{event_type}","response":{response}}}"#).replace('\n', " ");
    let label = if label.is_empty() { String::new() } else { format!("event: {label}\n") };
    let mut framer = Framer::new(Limits::default());
    framer.push(format!("{label}data: {data}\n\n").into());
    Frame::from_block(framer.next_block().unwrap().unwrap())
}

/// Sends the frames through the stage; all of them must come out as they went in.
fn learn(frames: Vec<Frame>) -> Option<Usage> {
    let mut cx = ExchangeBuilder::responses().build();
    let mut out = Out::new();
    let before: Vec<_> = frames.iter().map(Frame::to_bytes).collect();
    let untouched: Vec<_> = frames.iter().map(Frame::is_untouched).collect();
    for frame in frames {
        ReadUsage.frame(frame, &mut out, &mut cx).unwrap();
    }
    let after: Vec<Frame> = out.drain().collect();
    assert_eq!(after.iter().map(Frame::to_bytes).collect::<Vec<_>>(), before);
    assert_eq!(after.iter().map(Frame::is_untouched).collect::<Vec<_>>(), untouched);
    cx.get::<Usage>().cloned()
}

#[test]
fn every_terminal_tells_usage_model_and_tier() {
    for name in ["response.completed", "response.done", "response.incomplete", "response.failed"] {
        for label in [name, ""] {
            let told = learn(vec![event(label, name, RESPONSE)]).unwrap();
            assert_eq!(told.tokens, known(), "{label:?} {name}");
            assert_eq!(told.served_model.as_deref(), Some("gpt-5.5-2026"));
            assert_eq!(told.service_tier.as_deref(), Some("priority"));
        }
    }
}

#[test]
fn an_event_before_the_end_tells_nothing_whatever_it_carries() {
    for name in ["response.created", "response.in_progress", "response.output_text.delta", "codex.rate_limits"] {
        for label in [name, ""] {
            assert!(learn(vec![event(label, name, RESPONSE)]).is_none(), "{label:?} {name}");
        }
    }
}

#[test]
fn the_label_of_an_event_decides_before_its_data_is_looked_at() {
    assert!(learn(vec![event("response.created", "response.completed", RESPONSE)]).is_none());
}

#[test]
fn a_whole_json_answer_tells_bare_and_wrapped() {
    let wrapped = format!(r#"{{"type":"response.completed","response":{RESPONSE}}}"#);
    for body in [RESPONSE.to_owned(), wrapped] {
        assert_eq!(learn(vec![Frame::json(body)]).unwrap().tokens, known());
    }
}

#[test]
fn the_first_terminal_counts() {
    let later = RESPONSE.replace("\"total_tokens\":7", "\"total_tokens\":8");
    let frames = vec![event("", "response.completed", RESPONSE), event("", "response.failed", &later)];
    assert_eq!(learn(frames).unwrap().tokens, known());
}

#[test]
fn an_error_event_without_a_response_leaves_the_next_terminal_its_word() {
    let error = Frame::event("error", r#"{"type":"error","error":{"code":"x"}}"#);
    let nulled = event("error", "error", "null");
    let frames = vec![error, nulled, event("response.failed", "response.failed", RESPONSE)];
    assert_eq!(learn(frames).unwrap().tokens, known());
}

#[test]
fn a_terminal_without_usage_is_unknown_and_still_names_its_model() {
    let told = learn(vec![event("", "response.failed", r#"{"model":"gpt-5.5","usage":null}"#)]).unwrap();
    assert_eq!((told.tokens, told.served_model.as_deref()), (TokenUsage::Unknown, Some("gpt-5.5")));
}

#[test]
fn names_that_are_not_fit_for_the_ledger_are_dropped() {
    let long = "x".repeat(129);
    for name in ["\"\"", "7", "null", "\"a\\nb\"", &format!("\"{long}\"")] {
        let told =
            learn(vec![event("", "response.completed", &format!(r#"{{"model":{name},"service_tier":{name}}}"#))]);
        let told = told.unwrap();
        assert_eq!((told.served_model, told.service_tier), (None, None), "{name}");
    }
}

#[test]
fn comments_opaque_bytes_and_broken_json_pass_and_tell_nothing() {
    let mut framer = Framer::new(Limits::default());
    framer.push(": keep-alive\n\n".into());
    let comment = Frame::from_block(framer.next_block().unwrap().unwrap());
    let frames =
        vec![comment, Frame::opaque(RESPONSE), Frame::json("{"), Frame::event("response.completed", "no JSON")];
    assert!(learn(frames).is_none());
}
