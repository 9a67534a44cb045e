//! Orders, refusals and memory, each as docs/routing.md and docs/errors.md tell them.

use std::time::Duration;

use pooler_filter::testing::{ExchangeBuilder, FakePorts, START, chain_of, key_facts, upstream_request, write};
use pooler_filter::{
    AffinityKey, Carrier, Chain, Delivery, Extra, Frame, KeyFacts, PoolFacts, Reached, Reason, ResponseHead, Timestamp,
};
use sha2::{Digest, Sha256};

use super::*;

mod continuity;

const SCOPE: &str = "07070707-0707-0707-0707-070707070707:sk-cxp-0123456789ab:gpt-5.5";

/// Ports with so many ready accounts, whose ids are fixed so that an order is the same in every run.
fn with_accounts(count: u8) -> Arc<FakePorts> {
    let ports = FakePorts::new();
    for n in 1..=count {
        ports.add_account(&format!("a{n}"));
        ports.accounts.lock()[usize::from(n) - 1].account = account(n);
    }
    ports
}

fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

fn set(ports: &FakePorts, n: u8, change: impl FnOnce(&mut AccountView)) {
    change(&mut ports.accounts.lock()[usize::from(n) - 1]);
}

fn chain(ports: &Arc<FakePorts>) -> Chain {
    chain_of::<PoolSelect>("", &ports.ports()).unwrap()
}

/// Runs the filter on the way down.
async fn down(ports: &Arc<FakePorts>, cx: &mut Exchange) -> (Result<Flow, Reject>, Reached) {
    let mut reached = Reached::default();
    chain(ports).request_headers(cx, &mut reached).await.unwrap();
    (chain(ports).request_body(&mut upstream_request("{}"), cx).await, reached)
}

/// A request, ready for the filter.
struct Ask {
    builder: ExchangeBuilder,
    intent: Intent,
    pool: PoolFacts,
}

impl Ask {
    fn new() -> Self {
        let intent = Intent { model: "gpt-5.5".into(), ..Intent::default() };
        Self { builder: ExchangeBuilder::responses(), intent, pool: (*key_facts().pool).clone() }
    }

    fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    fn prompt_cache(self, key: &str) -> Self {
        self.intent(|intent| intent.prompt_cache_key = Some(key.into()))
    }

    fn intent(mut self, change: impl FnOnce(&mut Intent)) -> Self {
        change(&mut self.intent);
        self
    }

    fn pool(mut self, change: impl FnOnce(&mut PoolFacts)) -> Self {
        change(&mut self.pool);
        self
    }

    async fn of(self, ports: &Arc<FakePorts>) -> (Result<Flow, Reject>, Exchange, Reached) {
        let mut cx = self.builder.build();
        write(&mut cx, Principal(Arc::new(KeyFacts { pool: Arc::new(self.pool), ..key_facts() })));
        write(&mut cx, self.intent);
        let (flow, reached) = down(ports, &mut cx).await;
        (flow, cx, reached)
    }

    /// The order it gets, with the reasons.
    async fn plan(self, ports: &Arc<FakePorts>) -> Vec<(AccountId, Reason)> {
        let (flow, cx, _) = self.of(ports).await;
        assert!(matches!(flow, Ok(Flow::Continue)));
        cx.get::<Plan>().unwrap().0.iter().map(|c| (c.account, c.reason)).collect()
    }

    /// Serves it from this account and ends it in this way.
    async fn served_by(self, ports: &Arc<FakePorts>, n: u8, kind: OutcomeKind) {
        let (flow, mut cx, reached) = self.of(ports).await;
        assert!(flow.is_ok());
        write(&mut cx, Served { account: account(n), label: "".into(), attempt: 1 });
        chain(ports).done(&Outcome::new(kind, 200), &mut cx, reached).await;
    }

    async fn refused(self, ports: &Arc<FakePorts>) -> Reject {
        let (flow, cx, _) = self.of(ports).await;
        assert!(cx.get::<Plan>().is_none());
        flow.unwrap_err()
    }
}

/// The order of the accounts 1 to `count` that this seed gives, worked out anew.
fn expected(seed: &str, count: u8) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = (1..=count).map(account).collect();
    accounts.sort_by_key(|id| std::cmp::Reverse(<[u8; 32]>::from(Sha256::digest(format!("{seed}:{id}")))));
    accounts
}

fn all(accounts: Vec<AccountId>, reason: Reason) -> Vec<(AccountId, Reason)> {
    accounts.into_iter().map(|account| (account, reason)).collect()
}

fn affinity_key(kind: &str, value: &str) -> AffinityKey {
    Sha256::digest(format!("{SCOPE}:{kind}:{value}")).into()
}

// === Strategy ===

#[tokio::test]
async fn without_any_seed_the_request_id_decides() {
    let ports = with_accounts(3);
    let plan = Ask::new().plan(&ports).await;
    assert_eq!(plan, all(expected("09090909-0909-0909-0909-090909090909", 3), Reason::Rendezvous));
}

#[tokio::test]
async fn the_seed_is_the_session_then_the_idempotency_key_then_the_clients_request_id() {
    let ports = with_accounts(3);
    let by_request_id = || Ask::new().header("x-request-id", "r-1");
    assert_eq!(by_request_id().plan(&ports).await, all(expected("r-1", 3), Reason::Rendezvous));
    let by_idempotency = || by_request_id().header("idempotency-key", "i-1");
    assert_eq!(by_idempotency().plan(&ports).await, all(expected("i-1", 3), Reason::Rendezvous));
    let by_session = by_idempotency().header("session_id", "s-1");
    assert_eq!(by_session.plan(&ports).await, all(expected("s-1", 3), Reason::Rendezvous));
}

#[tokio::test]
async fn each_session_header_wins_over_all_that_come_after_it_in_the_list() {
    let names = [
        "x-codex-window-id",
        "x-codex-session-id",
        "session-id",
        "x-session-id",
        "x-session-affinity",
        "session_id",
        "x-codex-conversation-id",
    ];
    let ports = with_accounts(3);
    for first in 0..names.len() {
        // Later ones are sent first, so that their place in the request is not what counts.
        let ask = names[first..].iter().rev().fold(Ask::new(), |ask, name| ask.header(name, name));
        assert_eq!(ask.plan(&ports).await, all(expected(names[first], 3), Reason::Rendezvous), "{}", names[first]);
    }
}

#[tokio::test]
async fn a_blank_header_is_no_seed() {
    let ports = with_accounts(3);
    let ask = Ask::new().header("x-codex-window-id", "  ").header("session_id", " s-1 ");
    assert_eq!(ask.plan(&ports).await, all(expected("s-1", 3), Reason::Rendezvous));
}

#[tokio::test]
async fn a_seed_keeps_its_order_when_another_account_goes() {
    let ports = with_accounts(5);
    let wide = |ask: Ask| ask.pool(|p| p.ring_size = 5).header("session_id", "s-1");
    let before = wide(Ask::new()).plan(&ports).await;
    let gone = before[1].0;
    ports.accounts.lock().retain(|a| a.account != gone);
    let after = wide(Ask::new()).plan(&ports).await;
    assert_eq!(after, before.into_iter().filter(|(id, _)| *id != gone).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_ring_size_cuts_the_order_and_never_to_nothing() {
    let ports = with_accounts(5);
    for (ring_size, left) in [(0, 1), (1, 1), (3, 3), (9, 5)] {
        let plan = Ask::new().header("session_id", "s").pool(|p| p.ring_size = ring_size).plan(&ports).await;
        assert_eq!(plan, all(expected("s", 5)[..left].to_vec(), Reason::Rendezvous), "ring of {ring_size}");
    }
}

#[tokio::test]
async fn only_ready_accounts_are_candidates() {
    let ports = with_accounts(3);
    set(&ports, 1, |a| a.standing = Standing::Unready);
    set(&ports, 2, |a| a.standing = Standing::Exhausted(None));
    assert_eq!(Ask::new().plan(&ports).await, [(account(3), Reason::Rendezvous)]);
}

// === Prompt-cache locality ===

#[tokio::test]
async fn a_prompt_cache_key_takes_the_place_of_the_strategy() {
    let ports = with_accounts(3);
    let plan = Ask::new().prompt_cache("pc").header("x-request-id", "r-1").plan(&ports).await;
    assert_eq!(plan, all(expected(&format!("{SCOPE}:prompt_cache:pc"), 3), Reason::PromptCache));
}

#[tokio::test]
async fn a_session_or_an_idempotency_key_says_more_than_a_prompt_cache_key() {
    let ports = with_accounts(3);
    for header in ["session_id", "idempotency-key"] {
        let plan = Ask::new().prompt_cache("pc").header(header, "s-1").plan(&ports).await;
        assert_eq!(plan, all(expected("s-1", 3), Reason::Rendezvous), "{header}");
    }
}

#[tokio::test]
async fn locality_needs_the_pools_consent_two_accounts_and_a_key_that_says_something() {
    let ports = with_accounts(3);
    let by_id = || Ask::new().header("x-request-id", "r-1");
    let strategy = all(expected("r-1", 3), Reason::Rendezvous);
    assert_eq!(by_id().prompt_cache("pc").pool(|p| p.prompt_cache_affinity = false).plan(&ports).await, strategy);
    assert_eq!(by_id().prompt_cache("").plan(&ports).await, strategy);
    let plan = by_id().prompt_cache("pc").plan(&with_accounts(1)).await;
    assert_eq!(plan, [(account(1), Reason::Rendezvous)]);
}

// === Stored affinity ===

#[tokio::test]
async fn the_account_that_served_a_session_comes_first_again() {
    let ports = with_accounts(3);
    let order = expected("s-1", 3);
    ports.bindings.lock().insert(affinity_key("session", "s-1"), order[2]);
    let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
    let expected = [(order[2], Reason::Session), (order[0], Reason::Rendezvous), (order[1], Reason::Rendezvous)];
    assert_eq!(plan, expected);
}

#[tokio::test]
async fn a_stored_cache_key_comes_before_the_strategy_and_a_stored_session_before_both() {
    let ports = with_accounts(3);
    let order = expected("s-1", 3);
    ports.bindings.lock().insert(affinity_key("prompt_cache", "pc"), order[1]);
    let plan = Ask::new().prompt_cache("pc").header("session-id", "s-1").plan(&ports).await;
    let one = [(order[1], Reason::PromptCache), (order[0], Reason::Rendezvous), (order[2], Reason::Rendezvous)];
    assert_eq!(plan, one);
    ports.bindings.lock().insert(affinity_key("session", "s-1"), order[2]);
    let plan = Ask::new().prompt_cache("pc").header("session-id", "s-1").plan(&ports).await;
    let both = [(order[2], Reason::Session), (order[1], Reason::PromptCache), (order[0], Reason::Rendezvous)];
    assert_eq!(plan, both);
}

#[tokio::test]
async fn a_stored_cache_key_leaves_the_rest_to_the_strategy() {
    let ports = with_accounts(3);
    let order = expected("r-1", 3);
    ports.bindings.lock().insert(affinity_key("prompt_cache", "pc"), order[1]);
    let plan = Ask::new().prompt_cache("pc").header("x-request-id", "r-1").plan(&ports).await;
    let expected = [(order[1], Reason::PromptCache), (order[0], Reason::Rendezvous), (order[2], Reason::Rendezvous)];
    assert_eq!(plan, expected);
}

#[tokio::test]
async fn affinity_never_lifts_an_account_that_cannot_serve() {
    for standing in [Standing::Unready, Standing::Exhausted(None)] {
        let ports = with_accounts(3);
        set(&ports, 2, |a| a.standing = standing);
        ports.bindings.lock().insert(affinity_key("session", "s-1"), account(2));
        ports.bindings.lock().insert(affinity_key("prompt_cache", "pc"), account(2));
        let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
        assert!(plan.iter().all(|&(id, reason)| id != account(2) && reason == Reason::Rendezvous), "{plan:?}");
        let plan = Ask::new().prompt_cache("pc").plan(&ports).await;
        assert!(plan.iter().all(|&(id, reason)| id != account(2) && reason == Reason::PromptCache), "{plan:?}");
    }
}

#[tokio::test]
async fn a_pool_without_prompt_cache_affinity_neither_reads_nor_keeps_cache_keys() {
    let ports = with_accounts(3);
    ports.bindings.lock().insert(affinity_key("prompt_cache", "pc"), expected("r-1", 3)[2]);
    let ask = || Ask::new().prompt_cache("pc").header("x-request-id", "r-1").pool(|p| p.prompt_cache_affinity = false);
    assert_eq!(ask().plan(&ports).await, all(expected("r-1", 3), Reason::Rendezvous));
    ports.bindings.lock().clear();
    ask().served_by(&ports, 1, OutcomeKind::Succeeded).await;
    assert!(ports.bindings.lock().is_empty());
}

// === Demotion ===

#[tokio::test]
async fn demoted_accounts_go_last_and_no_affinity_lifts_them() {
    let ports = with_accounts(3);
    let order = expected("s-1", 3);
    ports.accounts.lock().iter_mut().find(|a| a.account == order[0]).unwrap().demoted = true;
    ports.bindings.lock().insert(affinity_key("session", "s-1"), order[0]);
    let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
    let expected = [(order[1], Reason::Rendezvous), (order[2], Reason::Rendezvous), (order[0], Reason::Demoted)];
    assert_eq!(plan, expected);
}

#[tokio::test]
async fn demoted_accounts_are_cut_off_before_others_and_serve_when_there_are_no_others() {
    let ports = with_accounts(4);
    let order = expected("s-1", 4);
    ports.accounts.lock().iter_mut().find(|a| a.account == order[0]).unwrap().demoted = true;
    let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
    assert_eq!(plan, all(order[1..].to_vec(), Reason::Rendezvous));
    ports.accounts.lock().iter_mut().for_each(|a| a.demoted = true);
    let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
    assert_eq!(plan, all(order[..3].to_vec(), Reason::Demoted));
}

// === Memory ===

#[tokio::test]
async fn a_success_is_remembered_for_session_and_cache_key_under_hashes() {
    let ports = with_accounts(3);
    let ask = Ask::new().prompt_cache("pc").header("session-id", "s-1").header("idempotency-key", "i-1");
    ask.served_by(&ports, 2, OutcomeKind::Succeeded).await;
    let bindings = ports.bindings.lock().clone();
    assert_eq!(bindings.len(), 2, "an idempotency key is never kept");
    assert_eq!(bindings.get(&affinity_key("session", "s-1")), Some(&account(2)));
    assert_eq!(bindings.get(&affinity_key("prompt_cache", "pc")), Some(&account(2)));
}

#[tokio::test]
async fn only_a_success_is_remembered() {
    for kind in [OutcomeKind::Failed, OutcomeKind::Rejected, OutcomeKind::Cancelled] {
        let ports = with_accounts(2);
        Ask::new().header("session-id", "s-1").served_by(&ports, 1, kind).await;
        assert!(ports.bindings.lock().is_empty(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_later_success_elsewhere_moves_the_session() {
    let ports = with_accounts(3);
    for n in [1, 3] {
        Ask::new().header("session-id", "s-1").served_by(&ports, n, OutcomeKind::Succeeded).await;
        let plan = Ask::new().header("session-id", "s-1").plan(&ports).await;
        assert_eq!(plan[0], (account(n), Reason::Session));
    }
}

#[tokio::test]
async fn a_request_that_is_answered_here_needs_no_account_and_leaves_no_memory() {
    let ports = FakePorts::new();
    let mut cx = ExchangeBuilder::responses().header("session-id", "s-1").build();
    write(&mut cx, Principal(Arc::new(key_facts())));
    let (flow, reached) = down(&ports, &mut cx).await;
    assert!(matches!(flow, Ok(Flow::Continue)));
    write(&mut cx, Served { account: account(1), label: "".into(), attempt: 1 });
    chain(&ports).done(&Outcome::new(OutcomeKind::Succeeded, 200), &mut cx, reached).await;
    assert!(ports.bindings.lock().is_empty());
}

// === Refusals ===

fn told(reject: &Reject) -> (u16, &str, &str, &str) {
    (reject.status().as_u16(), reject.code_str(), reject.error_type(), &reject.message)
}

const NO_BACKEND: (u16, &str, &str, &str) =
    (503, "no_eligible_backend", "server_error", "no healthy eligible backend is currently available");

#[tokio::test]
async fn a_pool_without_accounts_or_without_working_ones_has_no_backend() {
    let ports = with_accounts(0);
    assert_eq!(told(&Ask::new().refused(&ports).await), NO_BACKEND);
    let ports = with_accounts(2);
    set(&ports, 1, |a| a.standing = Standing::Unready);
    set(&ports, 2, |a| a.standing = Standing::Unready);
    let reject = Ask::new().refused(&ports).await;
    assert_eq!(told(&reject), NO_BACKEND);
    assert_eq!((&reject.extra, reject.retry_after), (&None, None));
}

#[tokio::test]
async fn a_pool_out_of_quota_tells_the_earliest_reset() {
    let ports = with_accounts(4);
    let at = |seconds: u64| START.plus(Duration::from_millis(seconds * 1000 - 250));
    set(&ports, 1, |a| a.standing = Standing::Unready);
    set(&ports, 2, |a| a.standing = Standing::Exhausted(Some(at(900))));
    set(&ports, 3, |a| a.standing = Standing::Exhausted(None));
    set(&ports, 4, |a| a.standing = Standing::Exhausted(Some(at(60))));
    let reject = Ask::new().refused(&ports).await;
    let sentence = "All accounts of this pool have used up their quota until the reset time.";
    assert_eq!(told(&reject), (429, "quota_exhausted", "usage_limit_reached", sentence));
    assert_eq!(reject.extra, Some(Extra::QuotaReset { at: at(60), in_seconds: 60 }));
    assert_eq!(reject.retry_after_seconds(), Some(60));
}

#[tokio::test]
async fn an_unknown_or_past_reset_is_not_told() {
    let past = Timestamp::from_millis(START.as_millis() - 1);
    for resets_at in [None, Some(past), Some(START)] {
        let ports = with_accounts(1);
        set(&ports, 1, |a| a.standing = Standing::Exhausted(resets_at));
        let reject = Ask::new().refused(&ports).await;
        assert_eq!((reject.status().as_u16(), reject.code_str()), (429, "quota_exhausted"));
        assert_eq!((&reject.extra, reject.retry_after), (&None, None));
    }
}

#[test]
fn it_has_no_configuration() {
    assert!(chain_of::<PoolSelect>("ring_size = 3", &FakePorts::new().ports()).is_err());
}

#[tokio::test]
async fn a_session_is_remembered_before_the_client_gets_the_last_event() {
    let ports = with_accounts(2);
    let (_, mut cx, _) = Ask::new().header("session-id", "s-1").of(&ports).await;
    write(&mut cx, Served { account: account(2), label: "".into(), attempt: 1 });
    let mut head = ResponseHead::new(http::StatusCode::OK, Carrier::Sse, Delivery::Stream);
    let mut stages = chain(&ports).response(&mut head, &mut cx).unwrap();
    let mut out = Vec::new();
    for (name, known) in [("response.created", false), ("response.failed", false), ("response.completed", true)] {
        stages.frame(Frame::event(name, "{}"), &mut out, &mut cx).unwrap();
        assert_eq!(ports.bindings.lock().contains_key(&affinity_key("session", "s-1")), known, "{name}");
    }
    assert_eq!(out.len(), 3, "every frame goes on");
}

// === Quota classes ===

/// Five accounts, each of another class, the last one first.
fn of_all_classes() -> Arc<FakePorts> {
    use pooler_filter::QuotaClass::{CreditBacked, Precise, Unknown, Unmetered, WeeklyOnly};
    let ports = with_accounts(5);
    for (n, class) in [(1, Unmetered), (2, WeeklyOnly), (3, Unknown), (4, CreditBacked), (5, Precise)] {
        set(&ports, n, |a| a.quota = class);
    }
    ports
}

fn numbers(plan: &[(AccountId, Reason)]) -> Vec<u8> {
    plan.iter().map(|(id, _)| id.as_bytes()[0]).collect()
}

#[tokio::test]
async fn accounts_are_asked_by_what_is_known_of_their_quota_whatever_the_seed() {
    let ports = of_all_classes();
    for seed in ["s-1", "s-2", "s-3", "s-4", "s-5"] {
        let wide = || Ask::new().pool(|p| p.ring_size = 5);
        assert_eq!(numbers(&wide().header("session-id", seed).plan(&ports).await), [5, 4, 3, 2, 1], "{seed}");
        let local = wide().prompt_cache(seed).plan(&ports).await;
        assert_eq!(numbers(&local), [5, 4, 3, 2, 1], "{seed}");
        assert!(local.iter().all(|(_, reason)| *reason == Reason::PromptCache));
    }
    assert_eq!(numbers(&Ask::new().plan(&ports).await), [5, 4, 3], "the ring is cut afterwards");
}

#[tokio::test]
async fn within_a_class_the_strategy_decides() {
    let ports = with_accounts(4);
    for n in [2, 3] {
        set(&ports, n, |a| a.quota = pooler_filter::QuotaClass::Precise);
    }
    let order = expected("s-1", 4);
    let (known, unknown): (Vec<_>, Vec<_>) = order.iter().partition(|id| [account(2), account(3)].contains(id));
    let plan = Ask::new().header("session-id", "s-1").pool(|p| p.ring_size = 4).plan(&ports).await;
    assert_eq!(plan, all([known, unknown].concat(), Reason::Rendezvous));
}

#[tokio::test]
async fn affinity_lifts_over_a_better_class_but_neither_an_exhausted_nor_a_demoted_account() {
    let ports = of_all_classes();
    ports.bindings.lock().insert(affinity_key("session", "s-1"), account(1));
    let plan = || async { numbers(&Ask::new().header("session-id", "s-1").plan(&ports).await) };
    assert_eq!(plan().await, [1, 5, 4]);
    set(&ports, 1, |a| a.demoted = true);
    assert_eq!(plan().await, [5, 4, 3]);
    set(&ports, 1, |a| a.demoted = false);
    set(&ports, 1, |a| a.standing = Standing::Exhausted(None));
    assert_eq!(plan().await, [5, 4, 3]);
    // A demotion moves an account behind the worse classes too.
    set(&ports, 5, |a| a.demoted = true);
    assert_eq!(numbers(&Ask::new().pool(|p| p.ring_size = 5).plan(&ports).await), [4, 3, 2, 5]);
}
