//! One row for every request, whatever its end; driven through a chain, so that the contract is part of the test.

mod log;

use pooler_filter::testing::{ExchangeBuilder, FakePorts, START, chain_of, key_facts, upstream_request, write};
use pooler_filter::{Chain, Code, Cut, Delivery, End, Frame, Operation, OutcomeKind, Reached, Surface};
use proptest::prelude::*;

use super::*;

const COMPLETED: &str = r#"{"type":"response.completed","response":{"model":"gpt-5.5-2026","service_tier":"flex",
    "usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}"#;
const KNOWN: TokenUsage = TokenUsage::Known { input: 3, cached: 0, cache_write: 0, output: 4, reasoning: 0 };

fn intent() -> Intent {
    Intent {
        model: "gpt-5.5".into(),
        stream: true,
        prompt_cache_key: Some("canary-cache-key".into()),
        effort: Some("high".into()),
        service_tier: Some("flex".into()),
        estimated_input_tokens: 11,
        estimated_output_tokens: 512,
        ..Intent::default()
    }
}

/// A request on its way, step by step.
struct Request {
    ports: Arc<FakePorts>,
    chain: Chain,
    cx: Exchange,
    reached: Reached,
}

impl Request {
    /// Past the first hook.
    async fn new() -> Self {
        Self::to(ExchangeBuilder::responses()).await
    }

    async fn to(builder: ExchangeBuilder) -> Self {
        let ports = FakePorts::new();
        let chain = chain_of::<Accounting>("", &ports.ports()).unwrap();
        let mut cx = builder.build();
        write(&mut cx, Principal(Arc::new(key_facts())));
        let mut reached = Reached::default();
        chain.request_headers(&mut cx, &mut reached).await.unwrap();
        Self { ports, chain, cx, reached }
    }

    async fn body(&mut self) -> Result<Flow, Reject> {
        self.chain.request_body(&mut upstream_request("{}"), &mut self.cx).await
    }

    async fn reserved() -> Self {
        let mut request = Self::new().await;
        write(&mut request.cx, intent());
        request.body().await.unwrap();
        request
    }

    async fn done(&mut self, outcome: &Outcome) {
        self.chain.done(outcome, &mut self.cx, self.reached).await;
    }

    fn settled(&self) -> Vec<SettlementFacts> {
        self.ports.settled.lock().clone()
    }
}

fn head(carrier: Carrier) -> ResponseHead {
    ResponseHead::new(http::StatusCode::OK, carrier, Delivery::Stream)
}

#[tokio::test]
async fn the_row_says_how_the_request_is_answered() {
    for (turn, stream, transport) in [
        (None, true, Transport::HttpSse),
        (None, false, Transport::HttpJson),
        (Some(Turn { continues: false }), true, Transport::Websocket),
    ] {
        let mut request = Request::new().await;
        if let Some(turn) = turn {
            write(&mut request.cx, turn);
        }
        write(&mut request.cx, Intent { stream, ..intent() });
        request.body().await.unwrap();
        request.done(&succeeded()).await;
        assert_eq!(request.settled()[0].request.transport, transport);
    }
}

#[tokio::test]
async fn an_accepted_handshake_leaves_no_row_and_a_refused_one_does() {
    let mut accepted = Request::new().await;
    accepted.done(&Outcome::new(OutcomeKind::Succeeded, 101)).await;
    assert!(accepted.settled().is_empty());
    let mut refused = Request::new().await;
    refused.done(&Outcome::new(OutcomeKind::Rejected, 503)).await;
    assert_eq!(refused.settled().len(), 1);
}

fn succeeded() -> Outcome {
    Outcome::new(OutcomeKind::Succeeded, 200)
}

#[tokio::test]
async fn a_request_is_reserved_with_what_its_intent_says() {
    let request = Request::reserved().await;
    assert!(request.cx.get::<Reservation>().unwrap().0.is_done());
    let facts = request.ports.reserved.lock().pop().unwrap();
    assert_eq!((facts.request, facts.route, facts.received_at), (request.cx.id(), "POST /v1/responses", START));
    assert_eq!((facts.pool, &facts.key), (key_facts().pool.id, &key_facts().id));
    assert_eq!((facts.model.as_str(), facts.stream), ("gpt-5.5", true));
    assert_eq!((facts.effort.as_deref(), facts.service_tier.as_deref()), (Some("high"), Some("flex")));
    assert_eq!((facts.estimated_input_tokens, facts.estimated_output_tokens), (11, 512));
    assert!(!format!("{facts:?}").contains("canary"), "a cache key is never stored");
}

#[tokio::test]
async fn a_request_that_cannot_be_counted_is_not_served() {
    let mut request = Request::new().await;
    write(&mut request.cx, intent());
    *request.ports.ledger_full.lock() = true;
    let reject = request.body().await.unwrap_err();
    assert_eq!((reject.status().as_u16(), reject.code_str()), (503, "gateway_reservation_failed"));
    assert_eq!((&*reject.message, reject.error_type()), ("gateway request reservation failed", "server_error"));
    assert!(request.cx.get::<Reservation>().is_none());
}

#[tokio::test]
async fn what_the_terminal_event_tells_is_settled() {
    let mut request = Request::reserved().await;
    let mut stages = request.chain.response(&mut head(Carrier::Sse), &mut request.cx).unwrap();
    let mut out = Vec::new();
    stages.frame(Frame::event("response.completed", COMPLETED), &mut out, &mut request.cx).unwrap();
    stages.end(&End::Complete, &mut out, &mut request.cx).unwrap();
    assert_eq!((out.len(), out[0].data().as_ref()), (1, COMPLETED.as_bytes()));
    request.done(&succeeded()).await;
    let [settled] = &request.settled()[..] else { panic!("one settlement") };
    assert_eq!((settled.request.request, settled.usage), (request.cx.id(), KNOWN));
    assert_eq!(settled.served_model.as_deref(), Some("gpt-5.5-2026"));
    assert_eq!(settled.served_tier.as_deref(), Some("flex"));
    assert_eq!((settled.outcome.kind, settled.outcome.status), (OutcomeKind::Succeeded, 200));
}

#[tokio::test]
async fn settles_as_unknown_when_the_client_leaves_midstream() {
    let mut request = Request::reserved().await;
    let mut stages = request.chain.response(&mut head(Carrier::Sse), &mut request.cx).unwrap();
    stages.frame(Frame::event("response.created", "{}"), &mut Vec::new(), &mut request.cx).unwrap();
    drop(stages);
    request.done(&Outcome::new(OutcomeKind::Cancelled, 200)).await;
    let [settled] = &request.settled()[..] else { panic!("one settlement") };
    assert_eq!((settled.usage, settled.outcome.kind), (TokenUsage::Unknown, OutcomeKind::Cancelled));
    assert_eq!(settled.request.model, "gpt-5.5");
}

#[tokio::test]
async fn a_request_refused_before_its_body_was_understood_leaves_a_row_without_a_model() {
    let mut request = Request::new().await;
    let mut outcome = Outcome::new(OutcomeKind::Rejected, 400);
    outcome.code = Some(Code::new("invalid_request"));
    request.done(&outcome).await;
    let [settled] = &request.settled()[..] else { panic!("one settlement") };
    assert_eq!((settled.request.model.as_str(), settled.request.route), ("", "POST /v1/responses"));
    assert_eq!(settled.request.key, key_facts().id);
    assert_eq!(settled.outcome.code, Some(Code::new("invalid_request")));
    assert!(request.ports.reserved.lock().is_empty());
}

#[tokio::test]
async fn a_request_refused_between_its_intent_and_its_reservation_is_settled_with_its_model() {
    let mut request = Request::new().await;
    write(&mut request.cx, intent());
    request.done(&Outcome::new(OutcomeKind::Rejected, 429)).await;
    let [settled] = &request.settled()[..] else { panic!("one settlement") };
    assert_eq!((settled.request.model.as_str(), settled.usage), ("gpt-5.5", TokenUsage::Unknown));
}

#[tokio::test]
async fn a_request_that_is_answered_here_leaves_a_row_and_reserves_nothing() {
    let route = Route { name: "GET /v1/models", operation: Operation::ListModels, surface: Surface::V1, images: false };
    let mut request = Request::to(ExchangeBuilder::responses().route(route)).await;
    assert!(matches!(request.body().await, Ok(Flow::Continue)));
    request.done(&succeeded()).await;
    let [settled] = &request.settled()[..] else { panic!("one settlement") };
    assert_eq!((settled.request.route, settled.outcome.status), ("GET /v1/models", 200));
    assert!(request.ports.reserved.lock().is_empty());
}

#[tokio::test]
async fn a_request_that_was_refused_above_leaves_no_row() {
    let mut request = Request::new().await;
    request.reached = Reached::default();
    request.done(&Outcome::new(OutcomeKind::Rejected, 401)).await;
    assert!(request.settled().is_empty());
}

#[tokio::test]
async fn opaque_answers_have_no_stage() {
    let mut request = Request::reserved().await;
    assert!(request.chain.response(&mut head(Carrier::Opaque), &mut request.cx).unwrap().is_empty());
    assert!(!request.chain.response(&mut head(Carrier::Json), &mut request.cx).unwrap().is_empty());
}

#[tokio::test]
async fn a_settlement_that_is_refused_is_told_in_the_log() {
    let mut request = Request::reserved().await;
    *request.ports.ledger_full.lock() = true;
    let log = log::Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    request.done(&succeeded()).await;
    drop(guard);
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&request.cx.id().to_string()) && lines[0].contains("not settled"), "{lines:?}");
    assert!(!lines[0].contains("canary"), "{lines:?}");
}

#[test]
fn it_has_no_configuration() {
    assert!(chain_of::<Accounting>("enabled = false", &FakePorts::new().ports()).is_err());
}

/// What may happen to a request once it was reserved.
#[derive(Debug, Clone, Copy)]
enum Step {
    Delta,
    Completed,
    Failed,
    EndComplete,
    EndCut,
    EndFailed,
    Done(OutcomeKind),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Delta),
        Just(Step::Completed),
        Just(Step::Failed),
        Just(Step::EndComplete),
        Just(Step::EndCut),
        Just(Step::EndFailed),
        Just(Step::Done(OutcomeKind::Succeeded)),
        Just(Step::Done(OutcomeKind::Failed)),
        Just(Step::Done(OutcomeKind::Cancelled)),
    ]
}

async fn run(steps: &[Step]) -> Request {
    const FAILED: &str = r#"{"type":"response.failed","response":{"usage":null}}"#;
    let mut request = Request::reserved().await;
    let mut stages = request.chain.response(&mut head(Carrier::Sse), &mut request.cx).unwrap();
    for step in steps {
        let (out, cx) = (&mut Vec::new(), &mut request.cx);
        match step {
            Step::Delta => stages.frame(Frame::event("response.output_text.delta", "{}"), out, cx).unwrap(),
            Step::Completed => stages.frame(Frame::event("response.completed", COMPLETED), out, cx).unwrap(),
            Step::Failed => stages.frame(Frame::event("response.failed", FAILED), out, cx).unwrap(),
            Step::EndComplete => stages.end(&End::Complete, out, cx).unwrap(),
            Step::EndCut => stages.end(&End::Cut(Cut::Closed), out, cx).unwrap(),
            Step::EndFailed => stages.end(&End::Failed(Reject::invalid("x")), out, cx).unwrap(),
            Step::Done(kind) => request.done(&Outcome::new(*kind, 200)).await,
        }
    }
    request.done(&succeeded()).await;
    request
}

proptest! {
    #[test]
    fn it_settles_exactly_once_in_whatever_order_frames_ends_and_done_come(steps in prop::collection::vec(step(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let request = runtime.block_on(run(&steps));
        let settled = request.settled();
        prop_assert_eq!(settled.len(), 1);
        let first_done = steps.iter().position(|s| matches!(s, Step::Done(_))).unwrap_or(steps.len());
        let terminal = steps[..first_done].iter().find(|s| matches!(s, Step::Completed | Step::Failed));
        let expected = if matches!(terminal, Some(Step::Completed)) { KNOWN } else { TokenUsage::Unknown };
        prop_assert_eq!(settled[0].usage, expected);
        let kind = match steps.get(first_done) {
            Some(Step::Done(kind)) => *kind,
            _ => OutcomeKind::Succeeded,
        };
        prop_assert_eq!(settled[0].outcome.kind, kind);
    }
}
