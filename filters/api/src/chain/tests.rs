//! The order of hooks and stages, and what a filter may do to an exchange while it is at work.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::*;
use crate::{
    Body, Carrier, Code, Connection, Cut, Delivery, OutcomeKind, RejectKind, RequestHead, RequestId, Secret, Slot,
    Timestamp,
};

type Log = Arc<Mutex<Vec<String>>>;

struct Mine;

impl Slot for Mine {
    const NAME: &'static str = "test.mine";
}

/// A filter that writes down what happens to it.
#[derive(Clone, Default)]
struct Probe {
    name: &'static str,
    log: Log,
    /// Refuses in this hook.
    refuse: Option<Hook>,
    /// Replies in this hook.
    reply: Option<Hook>,
    /// Writes its slot in this hook.
    put: Option<Hook>,
    stage: bool,
}

impl Probe {
    fn note(&self, hook: Hook) {
        self.log.lock().push(format!("{} {}", self.name, hook.as_str()));
    }

    fn act(&self, hook: Hook, cx: &mut Exchange) -> Result<Flow, Reject> {
        self.note(hook);
        if self.put == Some(hook) {
            cx.put(Mine)?;
        }
        if self.refuse == Some(hook) {
            return Err(Reject::invalid(self.name));
        }
        Ok(if self.reply == Some(hook) { Flow::Reply(crate::LocalReply::json("{}")) } else { Flow::Continue })
    }
}

#[crate::async_trait]
impl Filter for Probe {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        self.act(Hook::Headers, cx)
    }

    async fn on_request_body(&self, _: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        self.act(Hook::Body, cx)
    }

    fn on_response(&self, _: &mut ResponseHead, cx: &mut Exchange) -> Result<Option<Box<dyn Stage>>, Reject> {
        self.act(Hook::Response, cx)?;
        let stage = Tag { name: self.name, log: Arc::clone(&self.log) };
        Ok(self.stage.then(|| Box::new(stage) as Box<dyn Stage>))
    }

    async fn on_done(&self, _: &Outcome, cx: &mut Exchange) {
        if let Err(reject) = self.act(Hook::Done, cx) {
            self.log.lock().push(source(&reject));
        }
    }
}

/// A stage that adds its name to each frame. `double` makes two of it, `drop` none, `fail:<name>` makes the stage of that name pass it on
/// and refuse, `put:<name>` makes it write a slot. At the end it gives one more frame, and refuses when `log` says so.
struct Tag {
    name: &'static str,
    log: Log,
}

impl Tag {
    fn tagged(&self, text: &str) -> Frame {
        Frame::opaque(format!("{text}>{}", self.name))
    }
}

impl Stage for Tag {
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        let text = text(&frame);
        let is = |what: &str| text.starts_with(&format!("{what}:{}", self.name));
        if text != "drop" {
            out.push(self.tagged(&text));
        }
        if text == "double" {
            out.push(self.tagged(&text));
        }
        if is("put") {
            cx.put(Mine)?;
        }
        if is("fail") { Err(Reject::invalid(self.name)) } else { Ok(()) }
    }

    fn end(&mut self, end: &End, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        let cause = match end {
            End::Complete => "complete".to_owned(),
            End::Cut(cut) => format!("{cut:?}"),
            End::Failed(reject) => format!("failed {}", reject.code_str()),
        };
        self.log.lock().push(format!("{} end {cause}", self.name));
        out.push(self.tagged("last"));
        let wish = format!("{} refuses the end", self.name);
        if self.log.lock().contains(&wish) && matches!(end, End::Complete) {
            return Err(Reject::invalid(self.name));
        }
        let wish = format!("{} puts at the end", self.name);
        if self.log.lock().contains(&wish) { cx.put(Mine) } else { Ok(()) }
    }
}

fn text(frame: &Frame) -> String {
    String::from_utf8(frame.data().to_vec()).unwrap()
}

fn source(reject: &Reject) -> String {
    reject.source.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn link(filter: &Probe, contract: Contract) -> Link {
    Link { name: filter.name, contract, filter: Arc::new(filter.clone()) }
}

/// The filters `a`, `b` and `c`, changed by the test, and their log.
fn three(change: impl Fn(&mut Probe)) -> (Chain, Log) {
    let log = Log::default();
    let links = ["a", "b", "c"].map(|name| {
        let mut probe = Probe { name, log: Arc::clone(&log), ..Probe::default() };
        change(&mut probe);
        link(&probe, Contract::new())
    });
    (Chain::new(links.into(), Arc::new(Unobserved)), log)
}

fn one(probe: &Probe, contract: Contract) -> Chain {
    Chain::new(vec![link(probe, contract)], Arc::new(Unobserved))
}

fn exchange() -> Exchange {
    let head = RequestHead {
        method: http::Method::GET,
        path: "/".into(),
        query: String::new(),
        headers: http::HeaderMap::new(),
    };
    let connection = Connection { client: None, received_at: Timestamp::default() };
    Exchange::new(RequestId::from_bytes([1; 16]), head, connection, Some(Secret::new("canary")))
}

fn request() -> UpstreamRequest {
    let headers = http::HeaderMap::new();
    UpstreamRequest {
        method: http::Method::POST,
        path: "/".into(),
        headers,
        body: Body::Empty,
        expects: crate::Expects::Response,
    }
}

fn head() -> ResponseHead {
    ResponseHead::new(http::StatusCode::OK, Carrier::Opaque, Delivery::Stream)
}

fn outcome() -> Outcome {
    Outcome::new(OutcomeKind::Succeeded, 200)
}

/// Sends a request down as the host does: `on_done` comes whatever happened. True when it came all the way.
async fn go(chain: &Chain, cx: &mut Exchange) -> bool {
    let mut reached = Reached::default();
    let mut open = matches!(chain.request_headers(cx, &mut reached).await, Ok(Flow::Continue));
    open = open && matches!(chain.request_body(&mut request(), cx).await, Ok(Flow::Continue));
    open = open && chain.response(&mut head(), cx).is_ok();
    chain.done(&outcome(), cx, reached).await;
    open
}

// === Order ===

#[tokio::test]
async fn requests_run_down_the_list_and_responses_up() {
    let (chain, log) = three(|_| {});
    assert!(go(&chain, &mut exchange()).await);
    let expected = [
        "a headers",
        "b headers",
        "c headers",
        "a body",
        "b body",
        "c body",
        "c response",
        "b response",
        "a response",
        "c done",
        "b done",
        "a done",
    ];
    assert_eq!(*log.lock(), expected);
    assert_eq!(chain.names().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[tokio::test]
async fn who_refuses_or_replies_to_the_headers_is_the_last_that_is_reached() {
    for (refuse, reply) in [(Some(Hook::Headers), None), (None, Some(Hook::Headers))] {
        let (chain, log) = three(|p| {
            if p.name == "b" {
                (p.refuse, p.reply) = (refuse, reply)
            }
        });
        assert!(!go(&chain, &mut exchange()).await);
        assert_eq!(*log.lock(), ["a headers", "b headers", "b done", "a done"]);
    }
}

#[tokio::test]
async fn who_refuses_or_replies_to_the_body_stops_it_and_all_are_told_the_end() {
    for (refuse, reply) in [(Some(Hook::Body), None), (None, Some(Hook::Body))] {
        let (chain, log) = three(|p| {
            if p.name == "b" {
                (p.refuse, p.reply) = (refuse, reply)
            }
        });
        assert!(!go(&chain, &mut exchange()).await);
        let expected = ["a headers", "b headers", "c headers", "a body", "b body", "c done", "b done", "a done"];
        assert_eq!(*log.lock(), expected);
    }
}

#[tokio::test]
async fn who_refuses_a_response_keeps_it_from_those_above() {
    let (chain, log) = three(|p| p.refuse = (p.name == "b").then_some(Hook::Response));
    assert!(!go(&chain, &mut exchange()).await);
    assert!(log.lock().contains(&"b response".into()) && !log.lock().contains(&"a response".into()));
}

#[tokio::test]
async fn a_request_that_never_entered_the_chain_is_done_for_nobody() {
    let (chain, log) = three(|_| {});
    chain.done(&outcome(), &mut exchange(), Reached::default()).await;
    assert!(log.lock().is_empty());
}

#[tokio::test]
async fn each_hook_of_each_filter_is_measured() {
    struct Watch(Mutex<Vec<(&'static str, Hook)>>);
    impl Observer for Watch {
        fn took(&self, filter: &'static str, hook: Hook, _: Duration) {
            self.0.lock().push((filter, hook));
        }
    }
    let watch = Arc::new(Watch(Mutex::default()));
    let probe = Probe { name: "a", ..Probe::default() };
    let chain = Chain::new(vec![link(&probe, Contract::new())], Arc::clone(&watch) as Arc<dyn Observer>);
    go(&chain, &mut exchange()).await;
    assert_eq!(*watch.0.lock(), [Hook::Headers, Hook::Body, Hook::Response, Hook::Done].map(|hook| ("a", hook)));
}

// === Slots and the credential ===

/// Whether a filter with this contract may write its slot in this hook.
async fn may_put(contract: Contract, hook: Hook) -> bool {
    let probe = Probe { name: "a", put: Some(hook), ..Probe::default() };
    let mut cx = exchange();
    go(&one(&probe, contract), &mut cx).await;
    cx.get::<Mine>().is_some()
}

#[tokio::test]
async fn a_slot_is_written_only_in_a_hook_whose_contract_says_so() {
    const SLOT: &[&str] = &[Mine::NAME];
    let contracts = [
        (Hook::Headers, Contract::new().on_headers(&[], SLOT)),
        (Hook::Body, Contract::new().on_body(&[], SLOT)),
        (Hook::Response, Contract::new().on_response(&[], SLOT)),
    ];
    for (declared, contract) in contracts {
        for hook in [Hook::Headers, Hook::Body, Hook::Response, Hook::Done] {
            assert_eq!(may_put(contract, hook).await, hook == declared, "{declared:?} declared, {hook:?} writes");
        }
    }
}

#[tokio::test]
async fn an_undeclared_write_names_filter_and_slot_in_the_log_and_nothing_to_the_client() {
    let probe = Probe { name: "a", put: Some(Hook::Headers), ..Probe::default() };
    let chain = one(&probe, Contract::new());
    let reject = chain.request_headers(&mut exchange(), &mut Reached::default()).await.unwrap_err();
    assert_eq!((reject.kind, reject.code), (RejectKind::Internal, Some(Code::new("internal_error"))));
    assert!(!reject.message.contains("test.mine"));
    let source = reject.source.unwrap().to_string();
    assert_eq!(source, "filter `a` does not declare that it provides slot `test.mine`");
}

#[tokio::test]
async fn a_slot_is_written_once() {
    let probe = Probe { name: "a", put: Some(Hook::Headers), ..Probe::default() };
    let chain = one(&probe, Contract::new().on_headers(&[], &[Mine::NAME]));
    let mut cx = exchange();
    chain.request_headers(&mut cx, &mut Reached::default()).await.unwrap();
    let again = chain.request_headers(&mut cx, &mut Reached::default()).await.unwrap_err();
    assert_eq!(source(&again), "slot `test.mine` is already written");
}

#[tokio::test]
async fn a_slot_that_is_not_there_yet_is_a_fault_of_ours() {
    let reject = exchange().require::<Mine>().map(|_| ()).unwrap_err();
    assert_eq!((reject.status().as_u16(), source(&reject)), (500, "slot `test.mine` is empty".to_owned()));
}

#[test]
fn a_stage_writes_what_the_response_contract_declares_and_no_more() {
    for (contract, allowed) in [(Contract::new().on_response(&[], &[Mine::NAME]), true), (Contract::new(), false)] {
        let probe = Probe { name: "a", stage: true, ..Probe::default() };
        for at_end in [false, true] {
            let mut cx = exchange();
            let mut stages = one(&probe, contract).response(&mut head(), &mut cx).unwrap();
            let result = if at_end {
                probe.log.lock().push("a puts at the end".into());
                stages.end(&End::Complete, &mut Vec::new(), &mut cx)
            } else {
                stages.frame(Frame::opaque("put:a"), &mut Vec::new(), &mut cx)
            };
            assert_eq!((result.is_ok(), cx.get::<Mine>().is_some()), (allowed, allowed), "at the end: {at_end}");
            probe.log.lock().clear();
        }
    }
}

/// Takes the credential if it can.
struct Taker(Arc<Mutex<Vec<bool>>>);

#[crate::async_trait]
impl Filter for Taker {
    async fn on_request_headers(&self, cx: &mut Exchange) -> Result<Flow, Reject> {
        self.0.lock().push(cx.take_credential().is_some_and(|c| c.expose() == "canary"));
        Ok(Flow::Continue)
    }
}

#[tokio::test]
async fn the_credential_goes_once_to_a_filter_that_asks_for_it() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let asks = Contract::new().takes_credential();
    let links = [Contract::new(), asks, asks].map(|contract| {
        let filter: Arc<dyn Filter> = Arc::new(Taker(Arc::clone(&got)));
        Link { name: "taker", contract, filter }
    });
    let chain = Chain::new(links.into(), Arc::new(Unobserved));
    let mut cx = exchange();
    assert!(!format!("{cx:?}").contains("canary"));
    chain.request_headers(&mut cx, &mut Reached::default()).await.unwrap();
    assert_eq!(*got.lock(), [false, true, false]);
}

/// Never comes back from its first hook.
struct Stuck;

#[crate::async_trait]
impl Filter for Stuck {
    async fn on_request_headers(&self, _: &mut Exchange) -> Result<Flow, Reject> {
        std::future::pending().await
    }
}

#[test]
fn the_exchange_is_the_hosts_again_when_a_hook_is_dropped_halfway() {
    let link = Link { name: "stuck", contract: Contract::new(), filter: Arc::new(Stuck) };
    let chain = Chain::new(vec![link], Arc::new(Unobserved));
    let (mut cx, mut reached) = (exchange(), Reached::default());
    {
        let mut hook = pin!(chain.request_headers(&mut cx, &mut reached));
        assert!(matches!(hook.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    assert!(cx.put(Mine).is_ok() && cx.take_credential().is_some());
    assert_eq!(reached.0, 1, "its hook ran, so it is told the end");
}

// === Stages ===

fn staged() -> (Stages, Exchange, Log) {
    let (chain, log) = three(|p| p.stage = true);
    let mut cx = exchange();
    let stages = chain.response(&mut head(), &mut cx).unwrap();
    log.lock().clear();
    (stages, cx, log)
}

fn sent(stages: &mut Stages, frame: &str, cx: &mut Exchange) -> (bool, Vec<String>) {
    let mut out = Vec::new();
    let result = stages.frame(Frame::opaque(frame.to_owned()), &mut out, cx);
    (result.is_ok(), out.iter().map(text).collect())
}

#[test]
fn a_frame_passes_the_stages_from_the_bottom_of_the_list_to_its_top() {
    let (mut stages, mut cx, _) = staged();
    assert_eq!(sent(&mut stages, "f", &mut cx), (true, vec!["f>c>b>a".into()]));
}

#[test]
fn a_stage_may_make_two_frames_of_one_and_none_of_one() {
    let (mut stages, mut cx, _) = staged();
    assert_eq!(sent(&mut stages, "double", &mut cx), (true, vec!["double>c>b>a".into(); 2]));
    assert_eq!(sent(&mut stages, "drop", &mut cx), (true, vec![]));
}

#[test]
fn what_a_stage_gave_before_it_refused_goes_on_and_nothing_comes_twice() {
    let (mut stages, mut cx, _) = staged();
    assert_eq!(sent(&mut stages, "fail:c", &mut cx), (false, vec!["fail:c>c>b>a".into()]));
    assert_eq!(sent(&mut stages, "f", &mut cx), (true, vec!["f>c>b>a".into()]));
}

#[test]
fn the_end_passes_the_stages_in_order_and_so_do_the_frames_that_it_brings() {
    let (mut stages, mut cx, log) = staged();
    let mut out = Vec::new();
    stages.end(&End::Cut(Cut::Idle), &mut out, &mut cx).unwrap();
    assert_eq!(*log.lock(), ["c end Idle", "b end Idle", "a end Idle"]);
    assert_eq!(out.iter().map(text).collect::<Vec<_>>(), ["last>c>b>a", "last>b>a", "last>a"]);
}

#[test]
fn a_refused_end_stops_there_and_the_host_ends_all_as_failed() {
    let (mut stages, mut cx, log) = staged();
    log.lock().push("b refuses the end".into());
    let mut out = Vec::new();
    let reject = stages.end(&End::Complete, &mut out, &mut cx).unwrap_err();
    assert_eq!(out.iter().map(text).collect::<Vec<_>>(), ["last>c>b>a", "last>b>a"]);
    stages.end(&End::Failed(reject), &mut out, &mut cx).unwrap();
    let expected = [
        "b refuses the end",
        "c end complete",
        "b end complete",
        "c end failed invalid_request",
        "b end failed invalid_request",
        "a end failed invalid_request",
    ];
    assert_eq!(*log.lock(), expected);
}

#[test]
fn the_exchange_is_the_hosts_again_after_frames_and_ends() {
    let (mut stages, mut cx, _) = staged();
    sent(&mut stages, "fail:b", &mut cx);
    assert!(cx.put(Mine).is_ok());
    let (mut stages, mut cx, _) = staged();
    stages.end(&End::Complete, &mut Vec::new(), &mut cx).unwrap();
    assert!(cx.put(Mine).is_ok());
}

#[test]
fn without_stages_there_is_nothing_to_frame_for() {
    let (chain, _) = three(|_| {});
    let mut cx = exchange();
    let mut stages = chain.response(&mut head(), &mut cx).unwrap();
    assert!(stages.is_empty());
    assert_eq!(sent(&mut stages, "f", &mut cx), (true, vec!["f".into()]));
}

/// Wants one event by its name, and all that do not say what they are.
struct Picky;

impl Stage for Picky {
    fn may_want(&self, _: EventKind, name: &[u8]) -> bool {
        name == b"response.created"
    }

    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        out.push(frame);
        Ok(())
    }
}

#[test]
fn what_no_stage_may_want_passes_unseen_if_it_ends_nothing() {
    let stages = |stages: Vec<Box<dyn Stage>>| {
        let writer = Writer { filter: "a", provides: &[], credential: false };
        Stages { stages: stages.into_iter().map(|stage| Running { writer, stage, given: Out::new() }).collect() }
    };
    let picky = stages(vec![Box::new(Picky), Box::new(Picky)]);
    for passes in ["response.output_text.delta", "response.in_progress", "response.new"] {
        assert!(picky.pass_unseen(passes.as_bytes()), "{passes}");
    }
    let ends = ["response.completed", "response.done", "response.failed", "response.incomplete", "error"];
    for seen in ["response.created", "codex.rate_limits", "response.metadata", "", " "].into_iter().chain(ends) {
        assert!(!picky.pass_unseen(seen.as_bytes()), "{seen}");
    }
    assert!(!picky.pass_unseen(b"response.output_\xff") && !picky.pass_unseen(b"x\xff"));
    let (others, _, _) = staged();
    assert!(!others.pass_unseen(b"response.output_text.delta"), "a stage may want what it does not exclude");
    assert!(stages(Vec::new()).pass_unseen(b"response.output_text.delta"));
}
