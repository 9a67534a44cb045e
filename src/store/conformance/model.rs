//! Random histories against a model: whatever order events come in, and wherever the process stops in between.

use std::collections::HashMap;

use pooler_filter::RequestId;
use proptest::prelude::*;

use super::fixtures::{NOW, actor, imported, reserved, settled, subject, tokens};
use super::{Bench, Memory, Sled};
use crate::store::records::{Fence, LedgerEvent, Lost, RequestState, SealedTokens, Span, Usage, UsageSums, Version};
use crate::store::{AbortKind, Appended, ControlOp, ControlStore, LedgerStore, StoreError, TokenStore};

#[derive(Debug, Clone, Copy)]
enum LedgerStep {
    Reserve(usize, u64),
    Settle(usize, u64),
    Lose(usize),
    Reboot,
}

fn ledger_steps() -> impl Strategy<Value = Vec<LedgerStep>> {
    let step = prop_oneof![
        4 => (0..4_usize, any::<u32>()).prop_map(|(row, mark)| LedgerStep::Reserve(row, mark.into())),
        4 => (0..4_usize, any::<u32>()).prop_map(|(row, mark)| LedgerStep::Settle(row, mark.into())),
        1 => (0..4_usize).prop_map(LedgerStep::Lose),
        1 => Just(LedgerStep::Reboot),
    ];
    prop::collection::vec(step, 1..40)
}

/// What must be known about a request.
#[derive(Debug, Default)]
struct ModelRow {
    reserved: Option<u64>,
    end: Option<RequestState>,
    settled: Option<u64>,
    /// Whether its key was known when it ended: what the sums of the key have.
    counted: bool,
}

impl ModelRow {
    fn end(&mut self, state: RequestState) -> Appended {
        if self.end.is_some() {
            return Appended::Repeated;
        }
        self.end = Some(state);
        self.counted = self.reserved.is_some();
        Appended::Recorded
    }

    fn adds_to(&self, mut sums: UsageSums) -> UsageSums {
        let one = UsageSums { requests: 1, ..UsageSums::default() };
        if self.counted {
            sums += match self.settled {
                Some(input) => UsageSums { input, cached: 1, output: 5, reasoning: 2, ..one },
                None => UsageSums { unknown: 1, ..one },
            };
        }
        sums
    }

    fn apply(&mut self, step: LedgerStep) -> Result<Appended, StoreError> {
        match step {
            LedgerStep::Reserve(_, mark) => {
                let first = self.reserved.is_none();
                self.reserved.get_or_insert(mark);
                Ok(if first { Appended::Recorded } else { Appended::Repeated })
            }
            LedgerStep::Settle(_, mark) => {
                let appended = self.end(RequestState::Settled);
                if appended == Appended::Recorded {
                    self.settled = Some(mark);
                }
                Ok(appended)
            }
            LedgerStep::Lose(_) if self.reserved.is_none() => Err(StoreError::NotFound),
            LedgerStep::Lose(_) => Ok(self.end(RequestState::Lost)),
            LedgerStep::Reboot => unreachable!("a reboot is no event"),
        }
    }
}

async fn sums(store: &impl LedgerStore) -> UsageSums {
    let key = subject().key.unwrap();
    let (hours, days) = (store.usage(&key, Span::Hour, NOW).await, store.usage(&key, Span::Day, NOW).await);
    assert_eq!(hours, days);
    hours.unwrap()
}

async fn ledger_history<B: Bench>(mut bench: B, steps: &[LedgerStep]) -> B {
    let ids: Vec<RequestId> = (0..4).map(|_| RequestId::generate()).collect();
    let mut model: HashMap<RequestId, ModelRow> = HashMap::new();
    let mut waiting = Vec::new();
    let before = sums(bench.store()).await;
    for step in steps {
        let event = match *step {
            LedgerStep::Reserve(row, mark) => reserved(ids[row], mark),
            LedgerStep::Settle(row, mark) => settled(ids[row], mark),
            LedgerStep::Lose(row) => LedgerEvent::Lost(Lost { request_id: ids[row], at: NOW }),
            LedgerStep::Reboot => {
                bench = bench.reboot();
                let open = model.values_mut().filter(|row| row.reserved.is_some() && row.end.is_none());
                let lost = open.map(|row| row.end(RequestState::Lost)).count();
                assert_eq!(bench.store().recover(NOW).await, Ok(lost as u64));
                continue;
            }
        };
        let expected = model.entry(event.request_id()).or_default().apply(*step);
        waiting.push((bench.store().append(event), expected));
    }
    for (durable, expected) in waiting {
        assert_eq!(durable.wait().await, expected);
    }
    for id in &ids {
        let stored = bench.store().get(*id).await.unwrap();
        let Some(row) = model.get(id).filter(|row| row.reserved.is_some() || row.end.is_some()) else {
            assert_eq!(stored, None);
            continue;
        };
        let stored = stored.unwrap();
        assert_eq!(stored.state(), row.end.unwrap_or(RequestState::Open));
        assert_eq!(stored.reserved.as_ref().map(|r| r.estimated_input_tokens), row.reserved);
        let usage = row.settled.map(|mark| Usage::Known {
            input: mark,
            cached: 1,
            cache_write: 0,
            output: 5,
            reasoning: 2,
            total: mark + 5,
        });
        assert_eq!(stored.settled.as_ref().map(|s| s.usage), usage);
    }
    let expected = model.values().fold(before, |sums, row| row.adds_to(sums));
    assert_eq!(sums(bench.store()).await, expected);
    // The next history counts what it loses itself.
    for id in ids {
        bench.store().append(settled(id, 0)).wait().await.unwrap();
    }
    bench
}

#[derive(Debug, Clone, Copy)]
enum TokenStep {
    /// Begin with the stored version, or an older one.
    Begin {
        stale: bool,
    },
    /// Mark, abort: with the last fence, or an older one.
    Mark {
        stale: bool,
    },
    Abort {
        stale: bool,
        why: AbortKind,
    },
    /// Store a result that stems from the stored version minus this.
    Commit {
        behind: u64,
        mark: u8,
    },
    Park {
        mark: u8,
    },
    Import {
        mark: u8,
    },
    Reboot,
}

fn token_steps() -> impl Strategy<Value = Vec<TokenStep>> {
    let why = prop_oneof![Just(AbortKind::NotSent), Just(AbortKind::Refused), Just(AbortKind::LastResort)];
    let stale = || prop::bool::weighted(0.2);
    let step = prop_oneof![
        4 => stale().prop_map(|stale| TokenStep::Begin { stale }),
        3 => stale().prop_map(|stale| TokenStep::Mark { stale }),
        3 => (stale(), why).prop_map(|(stale, why)| TokenStep::Abort { stale, why }),
        4 => (0..3_u64, 2..6_u8).prop_map(|(behind, mark)| TokenStep::Commit { behind, mark }),
        1 => (2..6_u8).prop_map(|mark| TokenStep::Park { mark }),
        1 => (2..6_u8).prop_map(|mark| TokenStep::Import { mark }),
        1 => Just(TokenStep::Reboot),
    ];
    prop::collection::vec(step, 1..30)
}

#[derive(Debug)]
struct ModelTokens {
    version: u64,
    tokens: SealedTokens,
    fence: u64,
    /// Marked as sent or not.
    intent: Option<bool>,
    parked: Vec<SealedTokens>,
}

impl ModelTokens {
    /// Whether the step must succeed, after having changed the model accordingly.
    fn apply(&mut self, step: TokenStep) -> bool {
        match step {
            TokenStep::Begin { stale } => {
                let may = !stale && self.intent.is_none();
                if may {
                    self.fence += 1;
                    self.intent = Some(false);
                }
                may
            }
            TokenStep::Mark { stale } => {
                let may = !stale && self.intent.is_some();
                if may {
                    self.intent = Some(true);
                }
                may
            }
            TokenStep::Abort { stale, why } => {
                let may = !stale && self.intent.is_some_and(|sent| !(sent && why == AbortKind::NotSent));
                if may {
                    self.intent = None;
                }
                may
            }
            TokenStep::Commit { behind: 0, mark } => {
                self.version += 1;
                self.tokens = tokens(mark);
                self.intent = None;
                true
            }
            TokenStep::Commit { behind, mark } => behind == 1 && self.tokens == tokens(mark),
            TokenStep::Park { mark } => {
                if !self.parked.contains(&tokens(mark)) {
                    self.parked.push(tokens(mark));
                }
                true
            }
            TokenStep::Import { mark } => {
                self.version += 1;
                self.tokens = tokens(mark);
                self.fence += 1;
                self.intent = None;
                self.parked.clear();
                true
            }
            TokenStep::Reboot => true,
        }
    }
}

async fn token_history<B: Bench>(mut bench: B, steps: &[TokenStep]) -> B {
    let label = RequestId::generate().to_string();
    let id = imported(bench.store(), &label).await;
    let mut model = ModelTokens { version: 1, tokens: tokens(1), fence: 1, intent: None, parked: Vec::new() };
    for step in steps {
        let (version, fence) = (model.version, model.fence);
        let fence = |stale: bool| Fence(fence - u64::from(stale));
        let done = match *step {
            TokenStep::Begin { stale } => {
                let version = Version(version - u64::from(stale));
                bench.store().begin_refresh(id, version, NOW).await.map(drop)
            }
            TokenStep::Mark { stale } => bench.store().mark_sent(id, fence(stale)).await,
            TokenStep::Abort { stale, why } => bench.store().abort_refresh(id, fence(stale), why).await,
            TokenStep::Commit { behind, mark } => {
                let parent = Version(version.saturating_sub(behind));
                // A first version has no grandparent: then it is only the parent that is repeated or refused.
                if behind > version {
                    continue;
                }
                bench.store().commit_refresh(id, parent, tokens(mark), NOW).await.map(drop)
            }
            TokenStep::Park { mark } => bench.store().park_orphan(id, Version(1), tokens(mark), NOW).await,
            TokenStep::Import { mark } => {
                let op = ControlOp::ImportTokens { account: id, parent: Version(version), tokens: tokens(mark) };
                bench.store().apply(op.into(), &actor()).await.map(drop)
            }
            TokenStep::Reboot => {
                bench = bench.reboot();
                Ok(())
            }
        };
        assert_eq!(done.is_ok(), model.apply(*step), "{step:?} gave {done:?}, {model:?}");
        let stored = bench.store().read(id).await.unwrap();
        assert_eq!((stored.version.0, &stored.tokens), (model.version, &model.tokens));
        assert_eq!((stored.fence.0, stored.intent.map(|i| i.sent)), (model.fence, model.intent));
        let parked: Vec<_> = stored.orphans.into_iter().map(|orphan| orphan.tokens).collect();
        assert_eq!(parked, model.parked);
    }
    bench
}

/// Runs random histories one after the other on one store, which so grows old.
fn histories<B: Bench, S: std::fmt::Debug + Clone>(
    cases: u32,
    steps: impl Strategy<Value = Vec<S>>,
    run: &impl AsyncFn(B, &[S]) -> B,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bench = std::cell::RefCell::new(None);
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&steps, |steps| {
            let old = bench.take().unwrap_or_else(B::fresh);
            bench.replace(Some(runtime.block_on(run(old, &steps))));
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_ledger_history_has_its_effect_once_in_memory() {
    histories(256, ledger_steps(), &ledger_history::<Memory>);
}

#[test]
fn every_ledger_history_has_its_effect_once_in_sled() {
    histories(40, ledger_steps(), &ledger_history::<Sled>);
}

#[test]
fn every_token_history_keeps_the_lineage_in_memory() {
    histories(256, token_steps(), &token_history::<Memory>);
}

#[test]
fn every_token_history_keeps_the_lineage_in_sled() {
    histories(40, token_steps(), &token_history::<Sled>);
}
