//! The commit rule: what is held back, until when, and what happens to a failure after it (docs/decisions.md, R2, R3 and S6).

use std::time::Duration;

use codex_pooler::config::Settings;
use codex_pooler::simulator::{Fault, FaultSpec, Preset, ScriptStep, TerminalKind, Who};
use codex_pooler::store::records::Outcome;
use serde_json::json;

use crate::failover::{BOTH, End, SERVED, UNKNOWN, assert_success, ended, ends, terminal, tried};
use crate::support::client::{Answer, Event};
use crate::support::{Gateway, codex};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);
/// How long an upstream may be silent in these tests.
const IDLE: Duration = Duration::from_millis(300);

/// So many events that are not output, of a response called `resp_held`.
fn lifecycle(events: usize) -> String {
    let response =
        json!({"id": "resp_held", "object": "response", "created_at": 1_795_000_000, "status": "in_progress"});
    let event = |n: usize| {
        let kind = if n == 0 { "response.created" } else { "response.in_progress" };
        codex::event(&json!({"type": kind, "sequence_number": n, "response": response}))
    };
    (0..events).map(event).collect()
}

async fn gateway(change: impl FnOnce(&mut Settings) + 'static) -> Gateway {
    let settings = |settings: &mut Settings| {
        settings.upstream.idle_timeout = IDLE;
        settings.sse.keep_alive = None;
        change(settings);
    };
    Gateway::builder().settings(settings).start().await
}

/// The first account that is asked sends this and then nothing more, or breaks off.
fn first_sends(gateway: &Gateway, text: String, then: ScriptStep) {
    let steps = vec![ScriptStep::Send(text.into()), then];
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::Script(steps)).times(1));
}

/// A stream that failed in band: these events of the upstream, and then the one failure that belongs to them.
fn assert_failed_in_band(answer: &Answer, before: usize, code: &str) -> Event {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    let events = answer.events();
    assert_eq!(events.len(), before + 1, "{}", answer.text());
    let failed = events.last().cloned().unwrap();
    assert_eq!((failed.name.as_str(), failed.data["type"].as_str()), ("response.failed", Some("response.failed")));
    assert_eq!(
        (&failed.data["error"]["code"], &failed.data["error"]),
        (&json!(code), &failed.data["response"]["error"])
    );
    assert_eq!(failed.data["response"]["status"], "failed");
    if let Some(first) = events.first().filter(|_| before > 0) {
        assert_eq!(failed.data["response"]["id"], first.data["response"]["id"]);
        assert!(failed.data["sequence_number"].as_u64() > events[before - 1].data["sequence_number"].as_u64());
    }
    assert!(!answer.text().contains("PROVIDER WORDS") && !answer.text().contains("[DONE]"));
    failed
}

/// The ledger says that the one account failed after the client had got something.
async fn assert_failed_after_commit(gateway: &Gateway, code: &str) {
    let rows = gateway.settled(1).await;
    let settled = ended(&rows[0]);
    assert_eq!((settled.outcome, settled.status), (Outcome::Failed, 200));
    assert_eq!(settled.error_code.as_deref(), Some(code));
    let results: Vec<&str> = settled.attempts.iter().map(|attempt| attempt.result.as_str()).collect();
    assert_eq!(results, ["failed_after_commit"]);
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 1, "nobody else is asked after the commit");
}

#[tokio::test]
async fn nothing_of_an_answer_without_output_reaches_the_client() {
    for then in [ScriptStep::Hang, ScriptStep::Cut, ScriptStep::Reset, ScriptStep::Close] {
        let gateway = gateway(|settings| settings.commit.deadline = LONG).await;
        first_sends(&gateway, lifecycle(3), then);
        let answer = gateway.client.stream().await;
        assert_success(&answer, true);
        assert!(!answer.text().contains("resp_held"));
        assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 2);
    }
}

#[tokio::test]
async fn events_that_are_held_go_out_at_the_deadline() {
    let gateway = gateway(|settings| settings.commit.deadline = SHORT).await;
    first_sends(&gateway, lifecycle(2), ScriptStep::Hang);
    let mut live = gateway.client.open_stream().await;
    let (first, second) = (live.event().await.unwrap(), live.event().await.unwrap());
    assert_eq!((first.name.as_str(), second.name.as_str()), ("response.created", "response.in_progress"));
    assert_eq!(first.data["response"]["id"], "resp_held");
}

#[tokio::test]
async fn a_failure_after_the_deadline_is_told_in_the_stream() {
    let gateway = gateway(|settings| settings.commit.deadline = SHORT).await;
    first_sends(&gateway, lifecycle(2), ScriptStep::Hang);
    let answer = gateway.client.stream().await;
    assert_failed_in_band(&answer, 2, "server_error");
    assert_failed_after_commit(&gateway, "stream_incomplete").await;
}

#[tokio::test]
async fn sixty_four_events_are_held_and_no_more() {
    for (events, committed) in [(63, false), (64, true)] {
        let gateway = gateway(|settings| settings.commit.deadline = LONG).await;
        first_sends(&gateway, lifecycle(events), ScriptStep::Cut);
        let answer = gateway.client.stream().await;
        if committed {
            assert_failed_in_band(&answer, events, "server_error");
            assert_failed_after_commit(&gateway, "stream_incomplete").await;
        } else {
            assert_success(&answer, true);
            assert_eq!(tried(&gateway.settled(1).await[0]), [("cut", None, None), SERVED]);
        }
    }
}

#[tokio::test]
async fn one_mebibyte_is_held_and_no_more() {
    for (size, committed) in [((1 << 20) - 1024, false), (1 << 20, true)] {
        let gateway = gateway(|settings| settings.commit.deadline = LONG).await;
        let response = json!({"id": "resp_held", "object": "response", "metadata": {"pad": "x".repeat(size)}});
        let created = codex::event(&json!({"type": "response.created", "sequence_number": 0, "response": response}));
        first_sends(&gateway, created, ScriptStep::Cut);
        let answer = gateway.client.stream().await;
        if committed {
            assert_failed_in_band(&answer, 1, "server_error");
        } else {
            assert_success(&answer, true);
        }
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_is_never_committed_early() {
    let gateway = gateway(|settings| settings.commit.deadline = SHORT).await;
    first_sends(&gateway, lifecycle(70), ScriptStep::Hang);
    assert_success(&gateway.client.ask().await, false);
    assert_eq!(tried(&gateway.settled(1).await[0]), [("timed_out", None, None), SERVED]);
}

/// Accounts that are silent for longer than the gateway waits for them; `times` requests meet that.
async fn silent(times: Option<u32>) -> Gateway {
    let gateway = gateway(|settings| settings.commit.silent = SHORT).await;
    let fault = FaultSpec::new(Who::All, Fault::SlowFirstByte(LONG));
    gateway.codex.inject(FaultSpec { times, ..fault });
    gateway
}

#[tokio::test]
async fn a_silent_upstream_commits_the_status_with_a_comment_and_failover_goes_on() {
    let gateway = silent(Some(1)).await;
    let mut live = gateway.client.open_stream().await;
    assert_eq!((live.status, live.block().await), (200, Some(": keepalive".to_owned())));
    assert_success(&live.rest().await, true);
    assert_eq!(tried(&gateway.settled(1).await[0]), [("timed_out", None, None), SERVED]);
}

#[tokio::test]
async fn a_failure_of_all_accounts_after_a_silent_commit_is_told_in_the_stream() {
    let gateway = silent(None).await;
    let answer = gateway.client.stream().await;
    assert!(answer.text().starts_with(": keepalive\n\n"), "{}", answer.text());
    let failed = assert_failed_in_band(&answer, 0, "upstream_request_failed");
    assert_eq!(failed.data["error"]["type"], "server_error");
    let rows = gateway.settled(1).await;
    let settled = ended(&rows[0]);
    assert_eq!((settled.outcome, settled.status, settled.attempts.len()), (Outcome::Failed, 200, 3));
    assert_eq!(settled.error_code.as_deref(), Some("upstream_request_failed"));
}

#[tokio::test]
async fn a_refusal_of_the_request_after_a_silent_commit_is_told_in_the_stream() {
    let gateway = silent(Some(1)).await;
    gateway.codex.fault(Who::All, Fault::Preset(Preset::ContextLengthExceeded));
    let failed = assert_failed_in_band(&gateway.client.stream().await, 0, "context_length_exceeded");
    assert_eq!(failed.data["error"]["type"], "invalid_request_error");
    assert!(failed.data["error"]["message"].as_str().unwrap().starts_with("Your input exceeds the context window"));
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn an_answer_in_one_piece_has_its_status_however_long_it_takes() {
    let gateway = silent(None).await;
    assert_eq!(gateway.client.ask().await.refusal(), (502, "upstream_request_failed".into()));
}

const POLICY: &str = "The request was refused by the provider's content policy.";

/// Codes of failures that no other account would avoid, with their status and our sentence.
const FINAL: [(&str, u16, &str); 9] = [
    (
        "context_length_exceeded",
        400,
        "Your input exceeds the context window of this model. This model's maximum context length is exceeded.",
    ),
    ("invalid_prompt", 400, "The provider rejected the prompt as invalid."),
    ("content_policy_violation", 400, POLICY),
    ("cyber_policy", 400, POLICY),
    ("bio_policy", 400, POLICY),
    ("misalignment_policy_violation", 400, "This request was blocked due to a misalignment policy violation."),
    ("invalid_image_url", 400, UNKNOWN),
    ("invalid_audio_format", 400, UNKNOWN),
    ("something_new", 502, UNKNOWN),
];

#[tokio::test]
async fn a_final_failure_before_any_output_is_a_status() {
    for (code, status, message) in FINAL {
        let kind = if status == 400 { "invalid_request_error" } else { "server_error" };
        let end = End { status, kind, code, message, no_retry: false, tries: 1 };
        ends(&terminal(TerminalKind::Failed, code, 2), &end).await;
    }
}

#[tokio::test]
async fn every_terminal_of_a_failure_before_any_output_is_a_status() {
    let (code, status, message) = FINAL[0];
    let end = End { status, kind: "invalid_request_error", code, message, no_retry: false, tries: 1 };
    for kind in [TerminalKind::Failed, TerminalKind::Error, TerminalKind::Incomplete] {
        for after_events in [0, 1, 2] {
            ends(&terminal(kind, code, after_events), &end).await;
        }
    }
}

#[tokio::test]
async fn an_overflow_names_the_size_of_the_window_when_it_is_known() {
    for stream in BOTH {
        let gateway = gateway(|settings| settings.models[0].context_window = Some(272_000)).await;
        gateway.codex.fault(Who::All, terminal(TerminalKind::Failed, "context_length_exceeded", 2));
        let error = crate::failover::ask(&gateway, stream).await.error();
        let words = "Your input exceeds the context window of this model. This model's maximum context length is 272000 tokens.";
        assert_eq!((&error["message"], &error["code"]), (&json!(words), &json!("context_length_exceeded")));
    }
}

#[tokio::test]
async fn after_the_first_output_no_other_account_is_asked() {
    let retryable = ["server_is_overloaded", "usage_limit_reached", "rate_limit_exceeded", "stream_incomplete"];
    for code in retryable.into_iter().chain(["context_length_exceeded"]) {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, terminal(TerminalKind::Failed, code, 5));
        assert_failed_in_band(&gateway.client.stream().await, 5, code);
        assert_failed_after_commit(&gateway, code).await;
    }
}

#[tokio::test]
async fn a_failure_in_disguise_after_output_is_a_failure() {
    for kind in [TerminalKind::Error, TerminalKind::Incomplete] {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, terminal(kind, "server_is_overloaded", 5));
        assert_failed_in_band(&gateway.client.stream().await, 5, "server_is_overloaded");
        assert_failed_after_commit(&gateway, "server_is_overloaded").await;
    }
}
