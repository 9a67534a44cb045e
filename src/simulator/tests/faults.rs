//! Every fault shows on the wire.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncReadExt;

use super::super::{
    Ended, Fault, FaultBody, FaultId, FaultSpec, Hold, Preset, ScriptStep, Simulator, TerminalKind, Who,
};
use super::client::{Answer, Close, begin, get, post, read, turn};
use super::{PATIENCE, simulator};

async fn under(simulator: &Simulator, fault: Fault) -> Answer {
    simulator.clear_faults();
    simulator.fault(Who::All, fault);
    post(simulator, 0, &turn("hello")).await
}

#[tokio::test]
async fn presets_have_the_status_and_headers_of_the_backend() {
    let simulator = simulator().await;
    let statuses = [400, 400, 400, 401, 402, 403, 403, 404, 409, 413, 429, 429, 429, 429, 500, 503, 503, 503, 503];
    for (preset, status) in Preset::ALL.into_iter().zip(statuses) {
        let answer = under(&simulator, Fault::Preset(preset)).await;
        assert_eq!(answer.status, status, "{preset:?}");
        let waits = [Preset::RateLimitedRetryAfter, Preset::Unavailable, Preset::ServerIsOverloadedRetryAfter];
        assert_eq!(answer.header("retry-after").is_some(), waits.contains(&preset), "{preset:?}");
    }
    let limit = under(&simulator, Fault::UsageLimit { resets_in: Duration::from_secs(77) }).await;
    assert_eq!(limit.json()["error"]["resets_in_seconds"], 77);
    assert_eq!(limit.header("x-codex-primary-used-percent"), Some("100"));
    let blocked = under(&simulator, Fault::Preset(Preset::CloudflareBlocked)).await;
    assert!(blocked.header("cf-ray").is_some() && blocked.text().contains("blocked"));
}

#[tokio::test]
async fn hits_one_account_as_often_as_told_and_counts() {
    let simulator = simulator().await;
    let spec = FaultSpec::new(Who::Account(0), Fault::Preset(Preset::ServerError)).times(2);
    let id = simulator.inject(spec);
    assert_eq!(post(&simulator, 1, &turn("hello")).await.status, 200);
    for status in [500, 500, 200] {
        assert_eq!(post(&simulator, 0, &turn("hello")).await.status, status);
    }
    assert_eq!(simulator.fault_hits(id), 2);
}

#[tokio::test]
async fn hits_other_paths_when_told() {
    let simulator = simulator().await;
    simulator.inject(FaultSpec::new(Who::All, Fault::Preset(Preset::Forbidden)).on("/backend-api/wham"));
    assert_eq!(get(&simulator, 0, "/backend-api/wham/usage").await.status, 403);
    assert_eq!(get(&simulator, 0, "/backend-api/codex/models").await.status, 200);
    simulator
        .inject(FaultSpec::new(Who::Account(1), Fault::Preset(Preset::ServerError)).on("/backend-api/codex/models"));
    assert_eq!(get(&simulator, 1, "/backend-api/codex/models").await.status, 500);
    assert_eq!(get(&simulator, 0, "/backend-api/codex/models").await.status, 200);
    assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 200);
}

#[tokio::test]
async fn answers_any_status_body_and_header() {
    let simulator = simulator().await;
    let headers = BTreeMap::from([("x-test".to_owned(), "1".to_owned()), ("bad name".to_owned(), "2".to_owned())]);
    let body = FaultBody::Text("short and stout".to_owned());
    let answer = under(&simulator, Fault::Status { status: 418, body, headers }).await;
    assert_eq!((answer.status, answer.text(), answer.header("x-test")), (418, "short and stout", Some("1")));
}

#[tokio::test]
async fn cuts_and_resets_after_exactly_so_many_events() {
    let simulator = simulator().await;
    for after_events in [0, 1, 4, 1_000] {
        let whole = post(&simulator, 1, &turn("hello")).await.events().len();
        let cut = under(&simulator, Fault::Cut { after_events }).await;
        assert_eq!((cut.close, cut.events().len()), (Close::Cut, after_events.min(whole)));
        let reset = under(&simulator, Fault::Reset { after_events }).await;
        assert_eq!((reset.close, reset.events().len()), (Close::Reset, after_events.min(whole)));
        simulator.clear_faults();
    }
    assert!(simulator.requests().iter().any(|request| request.ended == Some(Ended::Broken)));
}

#[tokio::test]
async fn hangs_up_without_an_answer() {
    let simulator = simulator().await;
    for reset in [false, true] {
        simulator.clear_faults();
        simulator.fault(Who::All, Fault::HangUp { reset });
        let mut stream = begin(&simulator, 0, &turn("hello")).await;
        let got = stream.read(&mut [0; 10]).await;
        assert_eq!(got.is_err(), reset, "{got:?}");
    }
}

#[tokio::test]
async fn ends_with_the_terminal_it_is_told_to() {
    let simulator = simulator().await;
    let ended = |kind, after_events| Fault::TerminalInStream {
        kind,
        code: "c".to_owned(),
        message: "m".to_owned(),
        after_events,
    };
    let overload = under(&simulator, Fault::overloaded_in_stream()).await;
    assert_eq!(overload.names(), ["response.created", "response.in_progress", "response.failed"]);
    assert_eq!(overload.response()["error"]["code"], "server_is_overloaded");
    let failed = under(&simulator, ended(TerminalKind::Failed, 5)).await;
    assert_eq!((failed.events().len(), failed.response()["status"].clone()), (6, json!("failed")));
    let error = under(&simulator, ended(TerminalKind::Error, 0)).await.events();
    assert_eq!((error.len(), &error[0]["error"]["code"]), (1, &json!("c")));
    let incomplete = under(&simulator, ended(TerminalKind::Incomplete, 1_000)).await;
    assert_eq!(incomplete.response()["incomplete_details"], json!({"reason": "c"}));
    assert_eq!(incomplete.names().iter().filter(|name| *name == "response.completed").count(), 0);
}

#[tokio::test]
async fn bends_the_last_event() {
    let simulator = simulator().await;
    let none = under(&simulator, Fault::NoTerminal).await;
    assert_eq!((none.close, none.names().last().unwrap().as_str()), (Close::Whole, "response.output_item.done"));
    let done = under(&simulator, Fault::DoneInsteadOfCompleted).await;
    assert_eq!(done.names().last().unwrap(), "response.done");
    assert_eq!(under(&simulator, Fault::NoOutputInCompleted).await.response()["output"], json!([]));
    assert_eq!(under(&simulator, Fault::MissingUsage).await.response()["usage"], json!(null));
    let usage = under(&simulator, Fault::UsageWithoutTotal).await.response()["usage"].clone();
    assert!(usage["input_tokens"].is_u64() && usage.get("total_tokens").is_none());
    assert_eq!(under(&simulator, Fault::EndTurnFalse).await.response()["end_turn"], false);
}

#[tokio::test]
async fn bends_headers_and_framing() {
    let simulator = simulator().await;
    let plain = under(&simulator, Fault::Events(3)).await;
    assert_ne!(under(&simulator, Fault::OpenAiModelMismatch).await.header("openai-model"), Some("gpt-5.5"));
    let headers = BTreeMap::from([("x-models-etag".to_owned(), "other".to_owned())]);
    assert_eq!(under(&simulator, Fault::ExtraHeaders(headers)).await.header("x-models-etag"), Some("other"));
    let limits = under(&simulator, Fault::RateLimitsEvent).await;
    assert_eq!(limits.names()[..2], ["codex.rate_limits", "response.created"]);
    let garbage = under(&simulator, Fault::GarbageBlock).await;
    assert!(garbage.text().contains("\n\nevent: response.output_text.delta\ndata: {not json\n\n"));
    assert_eq!(garbage.names().last().unwrap(), "response.completed");
    let crlf = under(&simulator, Fault::CrLf).await;
    assert_eq!(crlf.text().matches('\n').count(), crlf.text().matches("\r\n").count());
    assert_eq!(crlf.names().last().unwrap(), "response.completed");
    let bytes = under(&simulator, Fault::OneByteChunks).await;
    assert_eq!((bytes.chunks, bytes.names().last().unwrap().as_str()), (bytes.body.len(), "response.completed"));
    assert_eq!(plain.chunks, 1);
}

#[tokio::test]
async fn gives_answers_that_are_no_streams() {
    let simulator = simulator().await;
    let html = under(&simulator, Fault::Html).await;
    assert!(html.header("content-type").unwrap().starts_with("text/html") && html.text().contains("<html>"));
    let empty = under(&simulator, Fault::EmptyBody).await;
    assert_eq!((empty.status, empty.header("content-type"), empty.body.len()), (200, Some("text/event-stream"), 0));
    let broken = under(&simulator, Fault::InvalidJson200).await;
    assert_eq!((broken.status, broken.header("content-type")), (200, Some("application/json")));
    assert!(serde_json::from_slice::<serde_json::Value>(&broken.body).is_err());
}

fn pauses(pause: Duration) -> [(Fault, Option<usize>); 5] {
    [
        (Fault::SlowFirstByte(pause), None),
        (Fault::SilentAfterHeaders(pause), Some(0)),
        (Fault::Stall { after_events: 3, pause }, Some(3)),
        (Fault::Stall { after_events: 0, pause }, Some(0)),
        (Fault::Pace(pause), Some(1)),
    ]
}

#[tokio::test]
async fn is_silent_where_it_is_told_to() {
    let simulator = simulator().await;
    for (fault, events) in pauses(PATIENCE * 10) {
        simulator.clear_faults();
        simulator.fault(Who::All, fault);
        let mut stream = begin(&simulator, 0, &turn("hello")).await;
        let Some(events) = events else {
            assert!(simulator.wait_in_flight(1, PATIENCE).await);
            assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
            continue;
        };
        let mut early = Vec::new();
        while !early.windows(4).any(|end| end == b"\r\n\r\n")
            || early.windows(8).filter(|at| at == b"\ndata: {").count() < events
        {
            stream.read_buf(&mut early).await.unwrap();
        }
        assert_eq!(early.windows(8).filter(|at| at == b"\ndata: {").count(), events);
    }
}

#[tokio::test]
async fn holds_an_answer_until_the_fault_is_cleared() {
    let simulator = simulator().await;
    let clears: [&dyn Fn(FaultId); 2] = [&|_| simulator.clear_faults(), &|id| simulator.clear_fault(id)];
    for clear in clears {
        let id = simulator.inject(FaultSpec::new(Who::All, Fault::Hold(Hold::default())).after(1));
        assert_eq!(post(&simulator, 0, &turn("hello")).await.status, 200);
        let answer = async { post(&simulator, 0, &turn("hello")).await };
        let let_go = async {
            assert!(simulator.wait_in_flight(1, PATIENCE).await);
            clear(id);
        };
        let (answer, ()) = tokio::join!(answer, let_go);
        assert_eq!(answer.names().last().unwrap(), "response.completed");
    }
}

#[tokio::test]
async fn goes_on_after_a_silence() {
    let simulator = simulator().await;
    let pause = Duration::from_millis(20);
    for (fault, _) in pauses(pause).into_iter().chain([(Fault::Stall { after_events: 10_000, pause }, None)]) {
        let begun = Instant::now();
        let answer = under(&simulator, fault).await;
        assert!(begun.elapsed() >= pause);
        assert_eq!(answer.names().last().unwrap(), "response.completed");
    }
}

#[tokio::test]
async fn plays_a_script_byte_for_byte() {
    let simulator = simulator().await;
    let script = vec![
        ScriptStep::Status(207),
        ScriptStep::Header("x-one".to_owned(), "a".to_owned()),
        ScriptStep::Send("data: \u{fffd}".into()),
        ScriptStep::Wait(Duration::from_millis(1)),
        ScriptStep::Send("\r\r\n".into()),
        ScriptStep::Cut,
    ];
    let answer = under(&simulator, Fault::Script(script)).await;
    assert_eq!((answer.status, answer.header("x-one"), answer.close), (207, Some("a"), Close::Cut));
    assert_eq!(answer.text(), "data: \u{fffd}\r\r\n");
    let big = "x".repeat(9 << 20);
    let cut = under(&simulator, Fault::Script(vec![ScriptStep::Send(big.clone().into()), ScriptStep::Cut])).await;
    assert_eq!((cut.body.len(), cut.close), (big.len(), Close::Cut));
    assert_eq!(under(&simulator, Fault::sse(": hi\n\n")).await.text(), ": hi\n\n");
}

#[tokio::test]
async fn notices_that_the_client_left_a_silent_stream() {
    let simulator = simulator().await;
    let silent = Fault::Stall { after_events: 2, pause: PATIENCE * 10 };
    for fault in [Fault::SlowFirstByte(PATIENCE * 10), silent, Fault::Script(vec![ScriptStep::Hang])] {
        simulator.clear_faults();
        simulator.forget_requests();
        simulator.fault(Who::All, fault);
        let stream = begin(&simulator, 0, &turn("hello")).await;
        assert!(simulator.wait_in_flight(1, PATIENCE).await);
        assert_eq!(simulator.in_flight(), 1);
        drop(stream);
        assert!(simulator.wait_in_flight(0, PATIENCE).await);
        assert!(simulator.wait_for(|all| all.iter().all(|one| one.ended == Some(Ended::ClientGone)), PATIENCE).await);
    }
}

#[tokio::test]
async fn ends_its_connections_when_it_is_dropped() {
    let simulator = simulator().await;
    simulator.fault(Who::All, Fault::SilentAfterHeaders(PATIENCE * 10));
    let stream = begin(&simulator, 0, &turn("hello")).await;
    assert!(simulator.wait_in_flight(1, PATIENCE).await);
    drop(simulator);
    let answer = tokio::time::timeout(PATIENCE, read(stream)).await.unwrap();
    assert!(answer.is_none_or(|answer| answer.close == Close::Cut));
}
