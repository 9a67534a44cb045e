//! Lines 20 to 24: streams of responses.

use std::time::Duration;

use codex_pooler::config::Settings;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, ScriptStep, Who};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::answers::assert_whole;
use super::{ask, chat, delta, failed, message, names, one, refused, say, scripted, told, told_by, turns, wire};
use crate::failover::{BOTH, assert_success, tried};
use crate::support::{Gateway, codex};

fn created() -> String {
    codex::event(&told_by(&json!([]), &[])[0])
}

#[tokio::test]
async fn line_20_a_stream_is_repaired_into_the_public_schema() {
    let gateway = one().await;
    let mut events = told_by(&json!([message("all at once")]), &[]);
    events[0] = json!({"type": "codex.rate_limits", "plan_type": "pro"});
    events.insert(1, json!({"type": "response.metadata", "sequence_number": 1}));
    events.insert(2, json!({"type": "response.moderation.started", "sequence_number": 2}));
    events.last_mut().unwrap()["type"] = json!("response.done");
    gateway.codex.fault(Who::All, Fault::sse(wire(&events) + "data: [DONE]\n\n"));
    let answer = gateway.client.stream().await;
    assert_eq!(
        names(&answer),
        [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let events = answer.events();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.data["sequence_number"], json!(at), "{}", answer.text());
        assert_eq!(event.data["type"], event.name.as_str());
    }
    let text: Vec<&Value> =
        events.iter().filter(|event| event.data.get("content_index").is_some()).map(|e| &e.data).collect();
    assert!(
        text.iter()
            .all(|event| event["item_id"] == "msg_1" && event["output_index"] == 0 && event["content_index"] == 0)
    );
    assert_eq!((&events[3].data["delta"], &events[3].data["logprobs"]), (&json!("all at once"), &json!([])));
    assert!(!answer.text().contains("[DONE]") && !answer.text().contains("codex."));
    for event in [&events[0], &events[7]] {
        assert_whole(&event.data["response"]);
    }

    let numbered = |number: Value| super::with(delta("a"), json!({"sequence_number": number}));
    scripted(
        &gateway,
        &told_by(&json!([]), &[numbered(json!(7)), numbered(json!(7)), numbered(json!("9")), numbered(json!(2))]),
    );
    let numbers: Vec<u64> = gateway
        .client
        .stream()
        .await
        .events()
        .iter()
        .map(|event| event.data["sequence_number"].as_u64().unwrap())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers.contains(&7), "{numbers:?}");
}

#[tokio::test]
async fn line_21_a_failure_before_output_is_a_status_and_a_cut_after_it_one_event() {
    let gateway = one().await;
    for (fault, wanted) in [
        (failed("invalid_prompt", 0), refused(400, "invalid_prompt", "")),
        (failed("quite_new", 2), refused(502, "quite_new", "")),
        (Fault::Cut { after_events: 2 }, refused(502, "upstream_request_failed", "")),
        (Fault::Reset { after_events: 1 }, refused(502, "upstream_request_failed", "")),
        (Fault::EmptyBody, refused(502, "upstream_request_failed", "")),
    ] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, fault.clone());
        assert_eq!(told(&gateway.client.stream().await), wanted, "{fault:?}");
    }
    for fault in [Fault::Cut { after_events: 6 }, Fault::Reset { after_events: 6 }, Fault::NoTerminal] {
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, fault.clone());
        let answer = gateway.client.stream().await;
        let events = answer.events();
        let end = &events.last().unwrap().data;
        assert_eq!((answer.status, &end["type"]), (200, &json!("response.failed")), "{fault:?}");
        assert_eq!(names(&answer).iter().filter(|name| *name == "response.failed").count(), 1);
        assert_eq!(end["response"]["id"], events[0].data["response"]["id"]);
        assert_eq!(end["error"], end["response"]["error"]);
        let error = json!({"message": "The answer of the provider ended before it was complete.", "type": "server_error",
            "code": "server_error", "param": null});
        assert_eq!(end["error"], error);
        assert_whole(&end["response"]);
        assert!(!answer.text().contains("[DONE]") && !answer.text().contains("event: error"));
    }
}

/// Codes that another account may not have.
const RETRYABLE: [&str; 10] = [
    "upstream_request_timeout",
    "stream_incomplete",
    "server_error",
    "overloaded_error",
    "server_is_overloaded",
    "websocket_connection_limit_reached",
    "usage_limit_reached",
    "rate_limit_exceeded",
    "insufficient_quota",
    "model_not_found",
];

#[tokio::test]
async fn line_22_every_retryable_failure_before_output_moves_on() {
    for code in RETRYABLE {
        // One that says that its quota is used up is not asked again.
        let gateway = Gateway::builder().accounts(4).start().await;
        for (at, stream) in BOTH.into_iter().enumerate() {
            gateway.codex.inject(FaultSpec::new(Who::All, failed(code, 2)).times(1));
            assert_success(&gateway.client.create(ask(json!({"stream": stream}))).await, stream);
            assert_eq!(turns(&gateway).len(), 2 * (at + 1), "{code}");
        }
        gateway.codex.inject(FaultSpec::new(Who::All, failed(code, 2)).times(1));
        let answer = chat(&gateway.client, &say(json!({"stream": true}))).await;
        assert!(super::chunks(&answer).1, "{code}");
    }
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, failed("server_is_overloaded", 2));
    for stream in BOTH {
        let answer = gateway.client.create(ask(json!({"stream": stream}))).await;
        assert_eq!(told(&answer), refused(503, "server_is_overloaded", ""));
    }
    assert_eq!(turns(&gateway).len(), 6);
}

#[tokio::test]
async fn line_22_what_is_held_goes_out_at_the_deadline() {
    let settings = |settings: &mut Settings| settings.commit.deadline = Duration::from_millis(20);
    let gateway = Gateway::builder().accounts(2).settings(settings).start().await;
    let steps = vec![ScriptStep::Send(created().into()), ScriptStep::Hang];
    gateway.codex.fault(Who::All, Fault::Script(steps));
    let mut live = gateway.client.open_stream().await;
    assert_eq!(live.event().await.unwrap().name, "response.created");
    assert_eq!(turns(&gateway).len(), 1);
    drop(live);
    gateway.settled(1).await;
}

#[tokio::test]
async fn line_23_a_refused_token_is_refreshed_once_and_then_the_next_account_is_asked() {
    let gateway = one().await;
    let paths = || -> Vec<String> { gateway.codex.requests().into_iter().map(|request| request.path).collect() };
    for stream in BOTH {
        gateway.codex.expire_access(0);
        gateway.codex.forget_requests();
        assert_success(&gateway.client.create(ask(json!({"stream": stream}))).await, stream);
        let turn = "/backend-api/codex/responses";
        assert_eq!(paths(), [turn, "/oauth/token", turn]);
    }
    let gateway = Gateway::builder().accounts(2).start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Unauthorized)).times(2));
    assert_eq!(chat(&gateway.client, &say(json!({}))).await.status, 200);
    let rows = gateway.settled(1).await;
    let unauthorized = ("unauthorized", Some(401), None);
    assert_eq!(tried(&rows[0]), [unauthorized, unauthorized, ("served", None, None)]);
    let asked: Vec<Option<String>> = turns(&gateway).into_iter().map(|turn| turn.account).collect();
    assert!(asked[0] == asked[1] && asked[1] != asked[2], "{asked:?}");
}

/// The text of a stream whose upstream is silent for a while after `first`, for both forms of a stream.
async fn silent_after(first: &str, rest: &str) -> [String; 2] {
    let settings = |settings: &mut Settings| settings.sse.keep_alive = Some(Duration::from_millis(30));
    let gateway = Gateway::builder().accounts(1).settings(settings).start().await;
    let send = |text: &str| ScriptStep::Send(text.to_owned().into());
    let steps = vec![send(first), ScriptStep::Wait(Duration::from_millis(250)), send(rest)];
    gateway.codex.fault(Who::All, Fault::Script(steps));
    [gateway.client.stream().await.text(), chat(&gateway.client, &say(json!({"stream": true}))).await.text()]
}

#[tokio::test]
async fn line_24_a_silent_stream_has_comments_and_none_inside_a_block() {
    let events = told_by(&json!([message("ab")]), &[delta("a"), delta("b")]);
    let (first, rest) = (wire(&events[..2]), wire(&events[2..]));
    for text in silent_after(&first, &rest).await {
        let (before, after) = text.split_once(": keepalive\n\n").expect("a comment");
        assert!(before.contains("\"a\"") && !before.contains("\"b\"") && after.contains("\"b\""), "{text}");
    }
    let (start, end) = rest.split_at(rest.len() / 3);
    for text in silent_after(&(first + start), end).await {
        assert!(!text.contains(": keepalive") && text.contains("\"b\""), "{text}");
    }
}

/// The pieces come as chunks of their own, so that the gateway's own reading and framing splits them anywhere.
#[tokio::test]
async fn however_the_upstream_splits_its_bytes_every_client_gets_the_same() {
    let gateway = one().await;
    let call = json!({"id": "fc_1", "type": "function_call", "status": "completed", "name": "look", "call_id": "call_1", "arguments": "{}"});
    let events = told_by(
        &json!([message("h\u{e9} \u{1f600}"), call]),
        &[
            delta("h\u{e9} "),
            delta("\u{1f600}"),
            json!({"type": "response.output_item.added", "output_index": 1, "item": call}),
            json!({"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "fc_1", "delta": "{}"}),
        ],
    );
    let plain = wire(&events);
    let bodies = [
        ("/v1/responses", ask(json!({"stream": true}))),
        ("/v1/responses", ask(json!({}))),
        ("/v1/chat/completions", say(json!({"stream": true, "stream_options": {"include_usage": true}}))),
        ("/v1/chat/completions", say(json!({}))),
    ];
    let answers = async |stream: &[u8], sizes: &[usize]| -> Vec<String> {
        let mut rest = stream;
        let mut steps = Vec::new();
        for size in sizes.iter().cycle() {
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            steps.push(ScriptStep::Send(piece.to_vec().into()));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        gateway.codex.clear_faults();
        gateway.codex.fault(Who::All, Fault::Script(steps));
        let mut answers = Vec::new();
        for (path, body) in &bodies {
            let answer = gateway.client.post(path, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answers.push(without_times(&answer.text()));
        }
        answers
    };
    let whole = answers(plain.as_bytes(), &[usize::MAX]).await;
    assert!(whole.iter().all(|text| text.contains("\u{1f600}")));
    let mut runner = TestRunner::deterministic();
    for ending in ["\n", "\r\n", "\r", "\n", "\r\n", "\r"] {
        let stream = plain.replace('\n', ending);
        let sizes = vec(1_usize..120, 1..8).new_tree(&mut runner).unwrap().current();
        assert_eq!(answers(stream.as_bytes(), &sizes).await, whole, "{ending:?} {sizes:?}");
    }
    assert_eq!(answers(plain.replace('\n', "\r\n").as_bytes(), &[1]).await, whole, "byte by byte");
}

/// The text without the one value that is the time of the answer.
fn without_times(text: &str) -> String {
    let key = "\"completed_at\":";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(key) {
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

/// What takes long is told in the stream of its own form, the failure too.
#[tokio::test]
async fn after_a_silent_commit_every_form_of_a_stream_goes_on_in_its_own_words() {
    let settings = |settings: &mut Settings| settings.commit.silent = Duration::from_millis(30);
    let gateway = Gateway::builder().accounts(1).settings(settings).start().await;
    let compaction = json!([{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]);
    let asked = [
        ("/v1/responses", ask(json!({"stream": true}))),
        ("/v1/responses", ask(json!({"stream": true, "input": compaction}))),
        ("/v1/chat/completions", say(json!({"stream": true}))),
    ];
    let slow = || Fault::SlowFirstByte(Duration::from_millis(150));
    gateway.codex.fault(Who::All, slow());
    for (path, body) in &asked {
        let answer = gateway.client.post(path, body).await;
        assert!(answer.status == 200 && answer.text().starts_with(": "), "{}", answer.text());
        assert_eq!(answer.text().ends_with("data: [DONE]\n\n"), *body != asked[0].1, "{}", answer.text());
        assert!(!answer.text().contains("error\":{"), "{}", answer.text());
    }
    gateway.codex.fault(Who::All, super::status(500, "boom"));
    for (path, body) in &asked {
        let answer = gateway.client.post(path, body).await;
        let text = answer.text();
        assert!(answer.status == 200 && text.starts_with(": ") && !text.contains("[DONE]"), "{text}");
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        let data: Value = serde_json::from_str(last.split_once("data: ").unwrap().1).unwrap();
        let told = (&data["error"]["code"], &data["error"]["type"], &data["error"]["param"]);
        assert_eq!(told, (&json!("boom"), &json!("server_error"), &Value::Null), "{text}");
        assert_eq!(last.starts_with("event: response.failed\n"), path.ends_with("/responses"), "{text}");
    }
}
