//! Failover: what moves a request to the next account, and what a client sees when no account is left
//! (docs/routing.md, Attempts; docs/errors.md, Upstream failures).

use std::time::{Duration, SystemTime};

use codex_pooler::admin::{Command, PoolChange};
use codex_pooler::simulator::{Fault, FaultBody, FaultSpec, Preset, Simulator, SimulatorConfig, TerminalKind, Who};
use codex_pooler::store::records::{Outcome, RequestRecord, Settled};
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::gateway::POOL;
use crate::support::{Gateway, eventually};

/// How a client wants its answer: in one piece, or as a stream.
pub(crate) const BOTH: [bool; 2] = [false, true];

/// What became of one try: result, status, code.
pub(crate) type Tried<'a> = (&'a str, Option<u16>, Option<&'a str>);

pub(crate) const SERVED: Tried<'static> = ("served", None, None);

pub(crate) async fn ask(gateway: &Gateway, stream: bool) -> Answer {
    if stream { gateway.client.stream().await } else { gateway.client.ask().await }
}

/// A client that sees this sees nothing but success.
pub(crate) fn assert_success(answer: &Answer, stream: bool) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    if !stream {
        assert_eq!(answer.json()["status"], "completed");
        return;
    }
    let events = answer.events();
    let count = |name: &str| events.iter().filter(|event| event.name == name).count();
    assert_eq!((count("response.created"), count("response.completed"), count("response.failed")), (1, 1, 0));
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("response.completed"));
}

/// The end of a request that has ended.
pub(crate) fn ended(row: &RequestRecord) -> &Settled {
    row.settled.as_ref().expect("it is settled")
}

pub(crate) fn tried(row: &RequestRecord) -> Vec<Tried<'_>> {
    ended(row).attempts.iter().map(|a| (a.result.as_str(), a.upstream_status, a.error_code.as_deref())).collect()
}

/// The first account that is asked fails so; the next one answers.
async fn moves_on(fault: &Fault, stream: bool, expected: Tried<'_>) {
    let gateway = Gateway::builder()
        .settings(|settings| settings.upstream.idle_timeout = Duration::from_millis(250))
        .start()
        .await;
    gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).times(1));
    let answer = ask(&gateway, stream).await;
    assert_success(&answer, stream);
    let rows = gateway.settled(1).await;
    assert_eq!(tried(&rows[0]), [expected, SERVED], "stream: {stream}");
    let settled = ended(&rows[0]);
    assert_eq!((settled.outcome, settled.status, &settled.error_code), (Outcome::Succeeded, 200, &None));
    assert_ne!(settled.attempts[0].account, settled.attempts[1].account);
    assert_eq!(settled.account, Some(settled.attempts[1].account));
    assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), 2);
}

fn status(status: u16, error: &Value) -> Fault {
    Fault::Status { status, body: FaultBody::Json(json!({"error": error})), headers: [].into() }
}

pub(crate) fn terminal(kind: TerminalKind, code: &str, after_events: usize) -> Fault {
    let message = "PROVIDER WORDS".to_owned();
    Fault::TerminalInStream { kind, code: code.to_owned(), message, after_events }
}

/// One test for each fault, for a client that wants one piece and for one that streams.
macro_rules! moves_on {
    ($($name:ident: $fault:expr => $result:literal, $status:expr, $code:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            for stream in BOTH {
                moves_on(&$fault, stream, ($result, $status, $code)).await;
            }
        }
    )+};
}

moves_on! {
    a_used_up_quota_moves_on: Fault::Preset(Preset::UsageLimitReached) => "refused", Some(429), Some("usage_limit_reached");
    a_plan_without_the_usage_moves_on: Fault::Preset(Preset::UsageNotIncluded) => "refused", Some(429), Some("usage_not_included");
    a_rate_limit_moves_on: Fault::Preset(Preset::RateLimited) => "refused", Some(429), Some("rate_limit_exceeded");
    a_rate_limit_with_a_wait_moves_on: Fault::Preset(Preset::RateLimitedRetryAfter) => "refused", Some(429), Some("rate_limit_exceeded");
    a_bare_429_moves_on: Fault::Status { status: 429, body: FaultBody::Text(String::new()), headers: [].into() } => "refused", Some(429), None;
    an_internal_error_moves_on: Fault::Preset(Preset::ServerError) => "refused", Some(500), Some("server_error");
    a_502_moves_on: Fault::Status { status: 502, body: FaultBody::Text("bad".into()), headers: [].into() } => "refused", Some(502), None;
    an_unnamed_503_moves_on: Fault::Preset(Preset::Unavailable) => "refused", Some(503), None;
    an_overload_moves_on: Fault::Preset(Preset::ServerIsOverloaded) => "refused", Some(503), Some("server_is_overloaded");
    an_overload_with_a_wait_moves_on: Fault::Preset(Preset::ServerIsOverloadedRetryAfter) => "refused", Some(503), Some("server_is_overloaded");
    a_slow_down_moves_on: Fault::Preset(Preset::SlowDown) => "refused", Some(503), Some("slow_down");
    a_deactivated_workspace_moves_on: Fault::Preset(Preset::PaymentRequired) => "refused", Some(402), Some("deactivated_workspace");
    a_forbidden_account_moves_on: Fault::Preset(Preset::Forbidden) => "refused", Some(403), None;
    a_page_that_blocks_the_account_moves_on: Fault::Preset(Preset::CloudflareBlocked) => "refused", Some(403), None;
    a_model_that_is_not_found_moves_on: Fault::Preset(Preset::ModelNotFound) => "refused", Some(400), Some("model_not_found");
    a_model_outside_the_plan_moves_on: status(400, &json!({"type": "invalid_request_error", "param": "model", "code": null,
        "message": "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account."})) => "refused", Some(400), None;
    a_404_that_blames_the_model_moves_on: status(404, &json!({"type": "invalid_request_error", "param": "model", "message": "x",
        "code": null})) => "refused", Some(404), None;
    a_connection_that_is_hung_up_moves_on: Fault::HangUp { reset: false } => "network", None, None;
    a_connection_that_is_reset_moves_on: Fault::HangUp { reset: true } => "network", None, None;
    a_head_that_does_not_come_moves_on: Fault::SlowFirstByte(Duration::from_secs(5)) => "timed_out", None, None;
    a_body_that_does_not_come_moves_on: Fault::SilentAfterHeaders(Duration::from_secs(5)) => "timed_out", None, None;
    a_stall_before_output_moves_on: Fault::Stall { after_events: 2, pause: Duration::from_secs(5) } => "timed_out", None, None;
    an_empty_stream_moves_on: Fault::EmptyBody => "cut", None, None;
    a_cut_before_the_first_event_moves_on: Fault::Cut { after_events: 0 } => "cut", None, None;
    a_cut_before_output_moves_on: Fault::Cut { after_events: 2 } => "cut", None, None;
    a_reset_before_output_moves_on: Fault::Reset { after_events: 2 } => "cut", None, None;
    json_that_is_none_moves_on: Fault::InvalidJson200 => "invalid", None, None;
    a_page_with_status_200_moves_on: Fault::Html => "invalid", None, None;
}

/// A refusal inside a 200, before any output: every code that another account may not meet, in each of the three terminals.
macro_rules! moves_on_in_stream {
    ($($name:ident: $code:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            for stream in BOTH {
                for kind in [TerminalKind::Failed, TerminalKind::Error, TerminalKind::Incomplete] {
                    moves_on(&terminal(kind, $code, 2), stream, ("refused", None, Some($code))).await;
                }
            }
        }
    )+};
}

moves_on_in_stream! {
    an_upstream_timeout_in_a_stream_moves_on: "upstream_request_timeout";
    an_incomplete_stream_by_its_own_word_moves_on: "stream_incomplete";
    a_server_error_in_a_stream_moves_on: "server_error";
    an_overload_error_in_a_stream_moves_on: "overloaded_error";
    an_overload_in_a_stream_moves_on: "server_is_overloaded";
    a_connection_limit_in_a_stream_moves_on: "websocket_connection_limit_reached";
    a_used_up_quota_in_a_stream_moves_on: "usage_limit_reached";
    a_quota_that_does_not_suffice_in_a_stream_moves_on: "insufficient_quota";
    a_rate_limit_in_a_stream_moves_on: "rate_limit_exceeded";
}

#[tokio::test]
async fn a_missing_model_in_a_stream_moves_on() {
    for stream in BOTH {
        for kind in [TerminalKind::Failed, TerminalKind::Error] {
            moves_on(&terminal(kind, "model_not_found", 2), stream, ("refused", None, Some("model_not_found"))).await;
        }
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_is_begun_anew_even_after_output() {
    for fault in [Fault::Cut { after_events: 7 }, Fault::Reset { after_events: 7 }, Fault::NoTerminal] {
        moves_on(&fault, false, ("cut", None, None)).await;
    }
    let late = terminal(TerminalKind::Failed, "server_is_overloaded", 7);
    moves_on(&late, false, ("refused", None, Some("server_is_overloaded"))).await;
}

#[tokio::test]
async fn an_upstream_that_refuses_connections_is_passed_over() {
    let gateway = Gateway::builder().accounts(1).quota().start().await;
    let config = SimulatorConfig { accounts: 1, seed: [9; 32], ..SimulatorConfig::default() };
    let dead = Simulator::start(config).await.unwrap();
    let import = Command::AccountImport {
        auth_json: pooler_filter::Secret::new(dead.accounts()[0].auth_json().to_string()),
        pool: POOL.into(),
        label: Some("dead".into()),
        origin: Some(dead.origin()),
        issuer: Some(dead.origin()),
        simulated: true,
    };
    gateway.execute(import).await;
    // Of two that have told their quota, which one comes first is a matter of the request's id.
    eventually("both have told", || async { gateway.quota().await.iter().all(|quota| quota.class == "precise") }).await;
    dead.stop().await;
    eventually("the dead account was asked first", || async {
        assert_success(&gateway.client.ask().await, false);
        let rows = gateway.ledger().await;
        rows.iter().filter(|row| row.settled.is_some()).any(|row| tried(row) == [("network", None, None), SERVED])
    })
    .await;
}

#[tokio::test]
async fn the_ring_size_bounds_the_tries() {
    for (accounts, ring_size, tries) in [(5, None, 3), (3, Some(2), 2), (3, Some(1), 1), (2, Some(8), 2)] {
        let gateway = Gateway::builder().accounts(accounts).start().await;
        if ring_size.is_some() {
            let change = PoolChange { ring_size, ..PoolChange::default() };
            gateway.execute(Command::PoolSet { pool: POOL.into(), change }).await;
        }
        gateway.codex.fault(Who::All, Fault::Preset(Preset::ServerError));
        assert_eq!(gateway.client.ask().await.refusal(), (500, "server_error".into()));
        assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), tries);
        assert!(gateway.upstream_counts().iter().all(|count| *count <= 1), "an account was asked twice");
        assert_eq!(tried(&gateway.settled(1).await[0]), vec![("refused", Some(500), Some("server_error")); tries]);
    }
}

/// What a client sees in the end: status, `type`, code, message, whether SDKs are told not to try again.
pub(crate) struct End {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) no_retry: bool,
    pub(crate) tries: usize,
}

/// Every account fails so, and this is what the client sees: nothing but our own words.
pub(crate) async fn ends(fault: &Fault, end: &End) {
    for stream in BOTH {
        let gateway = Gateway::start().await;
        gateway.codex.fault(Who::All, fault.clone());
        let answer = ask(&gateway, stream).await;
        let error = json!({"message": end.message, "type": end.kind, "code": end.code, "param": null});
        assert_eq!((answer.status, answer.json()), (end.status, json!({ "error": error })), "stream: {stream}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-should-retry"), end.no_retry.then_some("false"), "stream: {stream}");
        assert_eq!((answer.header("retry-after"), answer.header("www-authenticate")), (None, None));
        let rows = gateway.settled(1).await;
        let settled = ended(&rows[0]);
        assert_eq!((settled.outcome, settled.status, settled.attempts.len()), (Outcome::Failed, end.status, end.tries));
        assert_eq!((settled.error_code.as_deref(), settled.account), (Some(end.code), None));
        assert_eq!(gateway.upstream_counts().iter().sum::<usize>(), end.tries);
    }
}

macro_rules! ends {
    ($($name:ident: $fault:expr => $status:literal $kind:literal $code:literal $message:expr, $no_retry:literal, $tries:literal;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let end = End { status: $status, kind: $kind, code: $code, message: $message, no_retry: $no_retry, tries: $tries };
            ends(&$fault, &end).await;
        }
    )+};
}

pub(crate) const UNKNOWN: &str = "The upstream request failed.";
const NOBODY: &str = "no healthy eligible backend is currently available";
const LIMITED: &str = "The provider is limiting the rate of requests.";
const LIMITED_2S: &str = "The provider is limiting the rate of requests. Please try again in 2s.";
const OVERLOADED: &str = "The provider is overloaded at the moment.";
const NOT_IN_PLAN: &str = "This model is not available on the plan of the upstream account.";
const NOT_INCLUDED: &str = "The plan of the upstream account does not include this usage.";
const INCOMPLETE: &str = "The answer of the provider ended before it was complete.";

// No account is left.
ends! {
    a_rate_limit_everywhere_is_429: Fault::Preset(Preset::RateLimited) => 429 "rate_limit_error" "rate_limit_exceeded" LIMITED, true, 3;
    a_rate_limit_with_a_wait_everywhere_may_be_tried_again:
        Fault::Preset(Preset::RateLimitedRetryAfter) => 429 "rate_limit_error" "rate_limit_exceeded" LIMITED_2S, false, 3;
    a_bare_429_everywhere_gets_a_code_of_ours: Fault::Status { status: 429, body: FaultBody::Text(String::new()), headers: [].into() }
        => 429 "rate_limit_error" "upstream_rate_limited" LIMITED, true, 3;
    a_plan_without_the_usage_everywhere_is_429:
        Fault::Preset(Preset::UsageNotIncluded) => 429 "rate_limit_error" "usage_not_included" NOT_INCLUDED, true, 3;
    an_internal_error_everywhere_is_500: Fault::Preset(Preset::ServerError) => 500 "server_error" "server_error" UNKNOWN, false, 3;
    an_unnamed_503_everywhere_is_503: Fault::Preset(Preset::Unavailable) => 503 "server_error" "upstream_error" UNKNOWN, false, 3;
    an_overload_everywhere_is_503: Fault::Preset(Preset::ServerIsOverloaded) => 503 "server_error" "server_is_overloaded" OVERLOADED, false, 3;
    a_slow_down_everywhere_is_503: Fault::Preset(Preset::SlowDown) => 503 "server_error" "slow_down" LIMITED, false, 3;
    a_refused_token_everywhere_is_no_eligible_backend:
        Fault::Preset(Preset::Unauthorized) => 503 "server_error" "no_eligible_backend" NOBODY, false, 6;
    a_deactivated_workspace_everywhere_is_no_eligible_backend:
        Fault::Preset(Preset::PaymentRequired) => 503 "server_error" "no_eligible_backend" NOBODY, false, 3;
    forbidden_accounts_everywhere_are_no_eligible_backend:
        Fault::Preset(Preset::Forbidden) => 503 "server_error" "no_eligible_backend" NOBODY, false, 3;
    blocked_accounts_everywhere_are_no_eligible_backend:
        Fault::Preset(Preset::CloudflareBlocked) => 503 "server_error" "no_eligible_backend" NOBODY, false, 3;
    a_missing_model_everywhere_is_400: Fault::Preset(Preset::ModelNotFound) => 400 "invalid_request_error" "model_not_found" NOT_IN_PLAN, false, 3;
    a_broken_connection_everywhere_is_502:
        Fault::HangUp { reset: false } => 502 "server_error" "upstream_request_failed" UNKNOWN, false, 3;
    an_empty_stream_everywhere_is_502: Fault::EmptyBody => 502 "server_error" "upstream_request_failed" UNKNOWN, false, 3;
    a_cut_before_output_everywhere_is_502:
        Fault::Cut { after_events: 2 } => 502 "server_error" "upstream_request_failed" UNKNOWN, false, 3;
    a_page_everywhere_is_502: Fault::Html => 502 "server_error" "invalid_upstream_response" UNKNOWN, true, 3;
    json_that_is_none_everywhere_is_502: Fault::InvalidJson200 => 502 "server_error" "invalid_upstream_response" UNKNOWN, true, 3;
    an_overload_in_every_stream_is_503:
        Fault::overloaded_in_stream() => 503 "server_error" "server_is_overloaded" OVERLOADED, false, 3;
    a_rate_limit_in_every_stream_is_429:
        terminal(TerminalKind::Failed, "rate_limit_exceeded", 2) => 429 "rate_limit_error" "rate_limit_exceeded" LIMITED, true, 3;
    an_incomplete_stream_everywhere_is_502:
        terminal(TerminalKind::Error, "stream_incomplete", 2) => 502 "server_error" "stream_incomplete" INCOMPLETE, false, 3;
}

// No other account would do better.
ends! {
    a_bad_request_is_not_tried_again: Fault::Preset(Preset::BadRequest) => 400 "invalid_request_error" "upstream_error" UNKNOWN, false, 1;
    an_overflow_is_not_tried_again: Fault::Preset(Preset::ContextLengthExceeded) => 400 "invalid_request_error" "context_length_exceeded"
        "Your input exceeds the context window of this model. This model's maximum context length is exceeded.", false, 1;
    a_body_too_large_is_not_tried_again: Fault::Preset(Preset::TooLarge) => 413 "invalid_request_error" "upstream_error" UNKNOWN, false, 1;
    a_conflict_is_not_tried_again: Fault::Preset(Preset::Conflict) => 409 "invalid_request_error" "upstream_error" UNKNOWN, true, 1;
    a_404_is_502: Fault::Preset(Preset::NotFound) => 502 "server_error" "upstream_status" UNKNOWN, false, 1;
    an_unreadable_refusal_has_a_code_of_ours: Fault::Status { status: 400, body: FaultBody::Text("PROVIDER WORDS".into()), headers: [].into() }
        => 400 "invalid_request_error" "upstream_status" UNKNOWN, false, 1;
    a_code_that_is_not_safe_is_replaced: status(422, &json!({"code": "not safe!", "message": "PROVIDER WORDS"}))
        => 422 "invalid_request_error" "upstream_error" UNKNOWN, false, 1;
    a_policy_violation_is_not_tried_again: status(403, &json!({"code": "misalignment_policy_violation", "message": "PROVIDER WORDS"}))
        => 403 "invalid_request_error" "misalignment_policy_violation" "This request was blocked due to a misalignment policy violation.", false, 1;
}

#[tokio::test]
async fn a_missing_file_stays_404() {
    let gateway = Gateway::start().await;
    gateway.codex.fault(Who::All, Fault::Preset(Preset::NotFound));
    let file = json!({"type": "input_file", "file_data": "data:text/plain;base64,eA==", "filename": "x"});
    let input = json!([{"role": "user", "content": [file]}]);
    let answer = gateway.client.create(json!({"model": "gpt-5.5", "input": input})).await;
    let error = answer.error();
    assert_eq!(
        (answer.status, &error["code"], &error["upstream_status"]),
        (404, &json!("upstream_status"), &json!(404))
    );
    assert_eq!(error["type"], "invalid_request_error");
}

fn unix() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Looks at a refusal of a pool out of quota that comes back after about `wait` seconds.
fn assert_exhausted(answer: &Answer, wait: u64) {
    assert_eq!(answer.refusal(), (429, "quota_exhausted".into()), "{}", answer.text());
    let error = answer.error();
    assert_eq!(error["type"], "usage_limit_reached");
    assert_eq!(error["message"], "All accounts of this pool have used up their quota until the reset time.");
    let near = |value: u64, target: u64| value.abs_diff(target) <= 3;
    assert!(near(error["resets_at"].as_u64().unwrap(), unix() + wait), "{error}");
    let seconds = error["resets_in_seconds"].as_u64().unwrap();
    assert!(near(seconds, wait), "{error}");
    assert!(near(answer.header("retry-after").unwrap().parse().unwrap(), seconds));
    assert_eq!(answer.header("x-should-retry"), (wait > 60).then_some("false"));
}

#[tokio::test]
async fn a_pool_out_of_quota_says_when_the_first_account_is_back_and_asks_nobody_until_then() {
    for (stream, first) in [(false, 600), (true, 600), (false, 30), (true, 30)] {
        let gateway = Gateway::start().await;
        for (account, resets_in) in [(0, 3600), (1, first), (2, 7200)] {
            let fault = Fault::UsageLimit { resets_in: Duration::from_secs(resets_in) };
            gateway.codex.fault(Who::Account(account), fault);
        }
        assert_exhausted(&ask(&gateway, stream).await, first);
        assert_eq!(gateway.upstream_counts(), [1, 1, 1]);
        assert_exhausted(&ask(&gateway, stream).await, first);
        assert_eq!(gateway.upstream_counts(), [1, 1, 1]);
        let rows = gateway.settled(2).await;
        assert!(rows.iter().all(|row| ended(row).error_code.as_deref() == Some("quota_exhausted")));
        assert_eq!(tried(&rows[1]), [("refused", Some(429), Some("usage_limit_reached")); 3]);
        assert_eq!(tried(&rows[0]), []);
    }
}

#[tokio::test]
async fn one_account_with_quota_is_enough_for_all_requests() {
    let gateway = Gateway::start().await;
    for account in [0, 2] {
        gateway.codex.set_quota(account, 100.0, 5.0);
    }
    for stream in [false, true, false, true, false, true] {
        assert_success(&ask(&gateway, stream).await, stream);
    }
    let counts = gateway.upstream_counts();
    assert!(counts[0] <= 1 && counts[2] <= 1 && counts[1] == 6, "{counts:?}");
}
