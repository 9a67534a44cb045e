//! The public stream: framing, numbers, what is dropped and what is supplied, keep-alive, and how it ends
//! (docs/v1.md, Streams).

use std::time::Duration;

use codex_pooler::config::Settings;
use codex_pooler::simulator::{Fault, FaultSpec, ScriptStep, Who};
use codex_pooler::store::records::{Outcome, Usage};
use serde_json::{Value, json};

use crate::failover::{assert_success, ended};
use crate::support::client::{Answer, Event};
use crate::support::{Gateway, codex};

const IDLE: Duration = Duration::from_millis(300);
const HOUR: Duration = Duration::from_secs(3600);

/// The stream that a client gets when the upstream sends exactly this.
async fn relayed(text: impl Into<String>) -> Answer {
    let gateway = Gateway::start().await;
    codex::sse(Who::All, &gateway.codex, text);
    let answer = gateway.client.stream().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_framed(&answer);
    answer
}

/// Every block is `event: <type>` and `data: <one line>`; nothing else but comments; no `[DONE]`.
fn assert_framed(answer: &Answer) {
    let text = answer.text();
    assert!(text.ends_with("\n\n") && !text.contains('\r') && !text.contains("[DONE]"), "{text}");
    for block in text.trim_end().split("\n\n").filter(|block| !block.starts_with(':')) {
        let lines: Vec<&str> = block.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("event: ") && lines[1].starts_with("data: "), "{block}");
    }
    assert!(answer.events().iter().all(|event| event.data["type"] == event.name.as_str()));
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn numbers(events: &[Event]) -> Vec<Option<u64>> {
    events.iter().map(|event| event.data["sequence_number"].as_u64()).collect()
}

fn response(status: &str, output: &Value) -> Value {
    let usage = json!({"input_tokens": 11, "output_tokens": 7, "total_tokens": 18});
    json!({"id": "resp_up", "object": "response", "created_at": 1_795_000_000, "status": status, "output": output, "usage": usage})
}

fn created() -> String {
    codex::event(
        &json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", &json!([]))}),
    )
}

fn delta(text: &str) -> String {
    codex::event(
        &json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text}),
    )
}

fn message(text: &str) -> Value {
    let part = json!({"type": "output_text", "text": text, "annotations": []});
    json!([{"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}])
}

fn completed(text: &str) -> String {
    codex::event(&json!({"type": "response.completed", "response": response("completed", &message(text))}))
}

#[tokio::test]
async fn numbers_always_rise() {
    let numbered = |number: Value| {
        codex::event(&json!({"type": "response.output_text.delta", "sequence_number": number, "item_id": "msg_1",
            "output_index": 0, "content_index": 0, "delta": "a"}))
    };
    let given = [json!("x"), json!(3), json!(8), json!(20), json!(20), json!(-1), json!(9_007_199_254_740_992_u64)];
    let first = created().replace("\"sequence_number\":0", "\"sequence_number\":5");
    let text = first + &given.map(numbered).concat() + &delta("b") + &completed("ab");
    let answer = relayed(text).await;
    let expected: Vec<Option<u64>> = [5, 6, 7, 8, 20, 21, 22, 23, 24, 25].map(Some).to_vec();
    assert_eq!(numbers(&answer.events()), expected);
}

#[tokio::test]
async fn the_old_names_of_the_last_event_become_completed() {
    let renamed = completed("a").replace("response.completed", "response.done");
    let bare = format!("data: {}\n\n", response("completed", &message("a")));
    for last in [renamed, bare] {
        let events = relayed(created() + &delta("a") + &last).await.events();
        assert_eq!(names(&events), ["response.created", "response.output_text.delta", "response.completed"]);
        assert_eq!(events[2].data["response"]["output"][0]["content"][0]["text"], "a");
    }
}

#[tokio::test]
async fn what_is_not_of_the_public_schema_is_dropped_and_takes_no_number() {
    let dropped = [
        "event: codex.rate_limits\ndata: {\"type\":\"codex.rate_limits\",\"rate_limits\":{}}\n\n",
        "event: response.metadata\ndata: {\"type\":\"response.metadata\",\"sequence_number\":50}\n\n",
        "data: {\"type\":\"response.moderation.started\",\"sequence_number\":51}\n\n",
        "event: response.other\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"LOST\"}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\n\n",
        "event: response.output_text.delta\ndata: [1,2]\n\n",
        "data: [DONE]\n\n",
        ": a comment of the upstream\n\n",
        "id: 5\nretry: 10\n\n",
    ];
    for one in dropped {
        let answer = relayed(created() + &delta("a") + one + &delta("b") + &completed("ab")).await;
        let delta = "response.output_text.delta";
        let events = answer.events();
        assert_eq!(names(&events), ["response.created", delta, delta, "response.completed"], "{one}");
        assert_eq!(numbers(&events), [Some(0), Some(1), Some(2), Some(3)], "{one}");
        assert!(!answer.text().contains("LOST") && !answer.text().contains("comment"), "{one}");
    }
}

#[tokio::test]
async fn a_label_that_is_missing_or_blank_is_supplied() {
    for label in ["", "event:\n", "event:   \n"] {
        let text = created() + &delta("a").replace("event: response.output_text.delta\n", label) + &completed("a");
        let events = relayed(text).await.events();
        assert_eq!(names(&events), ["response.created", "response.output_text.delta", "response.completed"]);
    }
}

#[tokio::test]
async fn a_last_event_alone_becomes_a_whole_stream() {
    let events = relayed(completed("hello")).await.events();
    let expected = [
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!((names(&events), numbers(&events)), (expected.to_vec(), (0..8).map(Some).collect()));
    assert_eq!((&events[0].data["response"]["id"], &events[3].data["delta"]), (&json!("resp_up"), &json!("hello")));
    assert!(events[2..6].iter().all(|event| event.data["item_id"] == "msg_1" && event.data["content_index"] == 0));
}

#[tokio::test]
async fn nothing_follows_the_last_event() {
    let answer = relayed(created() + &delta("a") + &completed("a") + &delta("LATE") + &completed("LATE")).await;
    assert!(!answer.text().contains("LATE"));
    assert_eq!(answer.events().len(), 3);
}

#[tokio::test]
async fn line_ends_and_lines_of_data_come_in_every_form() {
    let split = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\n\
        data:\"output_index\":0,\"content_index\":0,\ndata: \"delta\":\"a\"}\n\n";
    let plain = created() + split + &completed("a");
    for text in [plain.replace('\n', "\r\n"), plain.replace('\n', "\r"), format!("\u{feff}{plain}"), plain] {
        let events = relayed(text).await.events();
        assert_eq!(names(&events), ["response.created", "response.output_text.delta", "response.completed"]);
        assert_eq!(events[1].data["delta"], "a");
    }
}

#[tokio::test]
async fn how_the_bytes_come_changes_nothing() {
    let gateway = Gateway::start().await;
    let words = |answer: &Answer| -> Vec<(String, Value)> {
        answer.events().iter().map(|event| (event.name.clone(), event.data["delta"].clone())).collect()
    };
    let plain = words(&gateway.client.stream().await);
    for faults in [vec![Fault::CrLf], vec![Fault::OneByteChunks], vec![Fault::OneByteChunks, Fault::CrLf]] {
        for fault in faults {
            gateway.codex.fault(Who::All, fault);
        }
        let answer = gateway.client.stream().await;
        assert_success(&answer, true);
        assert_framed(&answer);
        assert_eq!(words(&answer), plain);
        gateway.codex.clear_faults();
    }
}

async fn with(change: impl FnOnce(&mut Settings) + 'static) -> Gateway {
    let settings = |settings: &mut Settings| {
        settings.upstream.idle_timeout = IDLE;
        settings.sse.keep_alive = None;
        change(settings);
    };
    Gateway::builder().settings(settings).start().await
}

fn script(gateway: &Gateway, steps: Vec<ScriptStep>) {
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Script(steps)).times(1));
}

/// One failure as the last event, which belongs to the stream that was begun; then the end.
fn assert_cut(answer: &Answer) {
    assert_framed(answer);
    let events = answer.events();
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!((answer.status, first.name.as_str(), last.name.as_str()), (200, "response.created", "response.failed"));
    assert_eq!(events.iter().filter(|event| event.name == "response.failed").count(), 1);
    assert_eq!(last.data["response"]["id"], first.data["response"]["id"]);
    assert_eq!(last.data["response"]["created_at"], first.data["response"]["created_at"]);
    let message = "The answer of the provider ended before it was complete.";
    let error = json!({"message": message, "type": "server_error", "code": "server_error", "param": null});
    assert_eq!((&last.data["error"], &last.data["response"]["error"]), (&error, &error));
    let rising = numbers(&events);
    assert!(rising.windows(2).all(|pair| pair[0] < pair[1]), "{rising:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_one_failure() {
    let faults = [
        Fault::Cut { after_events: 6 },
        Fault::Reset { after_events: 6 },
        Fault::Stall { after_events: 6, pause: HOUR },
        Fault::NoTerminal,
    ];
    for fault in faults {
        let gateway = with(|_| {}).await;
        gateway.codex.fault(Who::All, fault.clone());
        let answer = gateway.client.stream().await;
        assert_cut(&answer);
        let rows = gateway.settled(1).await;
        let settled = ended(&rows[0]);
        assert_eq!(
            (settled.outcome, settled.status, settled.usage),
            (Outcome::Failed, 200, Usage::Unknown),
            "{fault:?}"
        );
        assert_eq!((settled.attempts.len(), settled.attempts[0].result.as_str()), (1, "failed_after_commit"));
        assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "the upstream goes on after {fault:?}");
    }
}

#[tokio::test]
async fn a_block_that_grows_too_large_is_a_cut_and_none_of_it_is_relayed() {
    let gateway = with(|settings| settings.upstream.max_block = 64 * 1024).await;
    let large = delta(&"LARGE".repeat(20_000));
    script(&gateway, vec![ScriptStep::Send((created() + &delta("a") + &large).into()), ScriptStep::Hang]);
    let answer = gateway.client.stream().await;
    assert_cut(&answer);
    assert!(!answer.text().contains("LARGE"));
    assert_eq!(answer.events().len(), 3);
}

#[tokio::test]
async fn a_block_that_grows_too_large_before_output_moves_on() {
    let gateway = with(|settings| settings.upstream.max_block = 64 * 1024).await;
    script(&gateway, vec![ScriptStep::Send((created() + &delta(&"LARGE".repeat(20_000))).into()), ScriptStep::Hang]);
    let answer = gateway.client.stream().await;
    assert_success(&answer, true);
    assert!(!answer.text().contains("LARGE"));
}

#[tokio::test]
async fn a_last_event_may_be_larger_than_others() {
    let gateway = with(|settings| settings.upstream.max_block = 64 * 1024).await;
    let words = "word ".repeat(20_000);
    script(&gateway, vec![ScriptStep::Send((created() + &delta("a") + &completed(&words)).into())]);
    let events = gateway.client.stream().await.events();
    assert_eq!(events.last().unwrap().data["response"]["output"][0]["content"][0]["text"], words);
}

/// Blocks of a stream whose upstream sends this and then is silent until it is given up.
async fn silence_after(text: String, keep_alive: Option<Duration>) -> Vec<String> {
    let gateway = with(move |settings| settings.sse.keep_alive = keep_alive).await;
    script(&gateway, vec![ScriptStep::Send(text.into()), ScriptStep::Hang]);
    let answer = gateway.client.stream().await;
    assert_cut(&answer);
    answer.text().trim_end().split("\n\n").map(str::to_owned).collect()
}

#[tokio::test]
async fn a_silent_stream_gets_comments() {
    let blocks = silence_after(created() + &delta("a"), Some(IDLE / 10)).await;
    let comments = blocks.iter().filter(|block| *block == ": keepalive").count();
    assert!((1..=10).contains(&comments), "{blocks:?}");
    assert_eq!(blocks.len(), comments + 3);
    assert!(blocks[0].starts_with("event: response.created") && blocks[1].starts_with("event: response.output"));
}

#[tokio::test]
async fn no_comment_comes_while_half_a_block_is_here() {
    for half in ["event: response.output", "data: {\"type\":", "event: response.output_text.delta\ndata: {}\n"] {
        let blocks = silence_after(created() + &delta("a") + half, Some(IDLE / 10)).await;
        assert_eq!(blocks.len(), 3, "{blocks:?}");
    }
}

#[tokio::test]
async fn comments_can_be_switched_off() {
    assert_eq!(silence_after(created() + &delta("a"), None).await.len(), 3);
}

#[tokio::test]
async fn what_an_upstream_sends_arrives_before_it_sends_more() {
    let gateway = with(|settings| settings.upstream.idle_timeout = HOUR).await;
    script(&gateway, vec![ScriptStep::Send((created() + &delta("a")).into()), ScriptStep::Hang]);
    let mut live = gateway.client.open_stream().await;
    assert_eq!(live.event().await.unwrap().name, "response.created");
    assert_eq!(live.event().await.unwrap().data["delta"], "a");
}

#[tokio::test]
async fn the_last_event_ends_the_stream_although_the_upstream_stays() {
    for stream in [true, false] {
        let gateway = with(|settings| settings.upstream.idle_timeout = HOUR).await;
        let text = created() + &delta("a") + &completed("a");
        script(&gateway, vec![ScriptStep::Send(text.into()), ScriptStep::Hang]);
        assert_eq!(crate::failover::ask(&gateway, stream).await.status, 200);
        assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "the upstream is left alone");
    }
}

#[tokio::test]
async fn the_connection_serves_another_request_after_a_stream() {
    let gateway = Gateway::start().await;
    let body = json!({"model": "gpt-5.5", "input": "hi", "stream": true}).to_string();
    let client = &gateway.client;
    let request = client.request("POST", "/v1/responses", &[("content-type", "application/json")], body.as_bytes());
    let mut live = client.open(request.clone()).await;
    assert_success(&live.rest().await, true);
    let mut again = live.again(request).await;
    assert_success(&again.rest().await, true);
    gateway.settled(2).await;
}

#[tokio::test]
async fn the_usage_of_a_stream_stands_in_the_ledger() {
    let gateway = Gateway::start().await;
    let usage = gateway.client.stream().await.events().last().unwrap().data["response"]["usage"].clone();
    let rows = gateway.settled(1).await;
    let Usage::Known { input, cached, output, reasoning, total, .. } = ended(&rows[0]).usage else {
        panic!("the upstream told it")
    };
    assert_eq!((json!(input), json!(output)), (usage["input_tokens"].clone(), usage["output_tokens"].clone()));
    assert_eq!(json!(cached), usage["input_tokens_details"]["cached_tokens"]);
    assert_eq!(json!(reasoning), usage["output_tokens_details"]["reasoning_tokens"]);
    assert_eq!(json!(total), usage["total_tokens"]);
    assert!(input > 0 && output > 0);
}

#[tokio::test]
async fn a_usage_that_nobody_told_is_unknown() {
    for stream in [true, false] {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, Fault::MissingUsage);
        assert_eq!(crate::failover::ask(&gateway, stream).await.status, 200);
        assert_eq!(ended(&gateway.settled(1).await[0]).usage, Usage::Unknown);
    }
}

#[tokio::test]
async fn a_stream_that_the_upstream_numbered_and_filled_passes_as_it_is() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Events(200));
    gateway.codex.fault(Who::All, Fault::RateLimitsEvent);
    gateway.codex.fault(Who::All, Fault::GarbageBlock);
    let answer = gateway.client.stream().await;
    assert_success(&answer, true);
    assert_framed(&answer);
    let events = answer.events();
    assert_eq!(names(&events).iter().filter(|name| **name == "response.output_text.delta").count(), 200);
    assert_eq!(numbers(&events), (0..events.len() as u64).map(Some).collect::<Vec<_>>());
}
