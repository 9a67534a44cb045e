//! The life of tokens: one sender, results by lineage, nothing thrown away.

use pooler_filter::AccountId;

use super::fixtures::{NOW, actor, imported, tokens};
use super::{Bench, on_every_engine};
use crate::store::records::{AccountStatus, Fence, TokenRecord, Version};
use crate::store::{AbortKind, Clash, ControlOp, ControlStore, StoreError, TokenStore};

on_every_engine!(
    a_refresh_replaces_the_tokens,
    only_one_refresh_at_a_time_also_over_a_reboot,
    what_may_have_been_sent_is_not_given_up_as_unsent,
    a_late_result_is_stored_if_it_stems_from_the_stored_version,
    a_result_can_be_stored_twice_without_harm,
    the_loser_of_two_results_is_parked,
    an_import_ends_a_refresh_on_its_way,
    does_not_refresh_accounts_at_rest,
    a_state_change_is_for_the_version_it_was_decided_on,
    unknown_accounts_are_not_found,
);

async fn a_refresh_replaces_the_tokens<B: Bench>() {
    let bench = B::fresh();
    let id = imported(bench.store(), "a").await;
    let grant = bench.store().begin_refresh(id, Version(1), NOW).await.unwrap();
    assert_eq!((grant.version, &grant.refresh), (Version(1), &tokens(1).refresh));
    bench.store().mark_sent(id, grant.fence).await.unwrap();
    let intent = bench.store().read(id).await.unwrap().intent.unwrap();
    assert!(intent.sent && intent.fence == grant.fence && intent.version == Version(1));
    assert_eq!(bench.store().commit_refresh(id, Version(1), tokens(2), NOW).await, Ok(Version(2)));
    let bench = bench.reboot();
    let stored = bench.store().read(id).await.unwrap();
    assert_eq!((stored.version, stored.tokens, stored.intent), (Version(2), tokens(2), None));
}

async fn only_one_refresh_at_a_time_also_over_a_reboot<B: Bench>() {
    let bench = B::fresh();
    let id = imported(bench.store(), "a").await;
    let stale = bench.store().begin_refresh(id, Version(0), NOW).await;
    assert_eq!(stale, Err(StoreError::Conflict(Clash::Version)));
    let grant = bench.store().begin_refresh(id, Version(1), NOW).await.unwrap();
    let again = Err(StoreError::Conflict(Clash::Refreshing));
    assert_eq!(bench.store().begin_refresh(id, Version(1), NOW).await, again);
    let bench = bench.reboot();
    assert_eq!(bench.store().begin_refresh(id, Version(1), NOW).await, again);
    // The intent of the dead boot was not marked as sent: it may be given up, and the token may be sent.
    bench.store().abort_refresh(id, grant.fence, AbortKind::NotSent).await.unwrap();
    let next = bench.store().begin_refresh(id, Version(1), NOW).await.unwrap();
    assert!(next.fence > grant.fence);
}

async fn what_may_have_been_sent_is_not_given_up_as_unsent<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    let grant = store.begin_refresh(id, Version(1), NOW).await.unwrap();
    store.mark_sent(id, grant.fence).await.unwrap();
    let unsent = store.abort_refresh(id, grant.fence, AbortKind::NotSent).await;
    assert_eq!(unsent, Err(StoreError::Conflict(Clash::Sent)));
    let other = store.abort_refresh(id, Fence(grant.fence.0 + 1), AbortKind::Refused).await;
    assert_eq!(other, Err(StoreError::Conflict(Clash::Fence)));
    assert!(store.read(id).await.unwrap().intent.is_some());
    store.abort_refresh(id, grant.fence, AbortKind::LastResort).await.unwrap();
    assert_eq!(store.mark_sent(id, grant.fence).await, Err(StoreError::Conflict(Clash::Fence)));
    let grant = store.begin_refresh(id, Version(1), NOW).await.unwrap();
    store.abort_refresh(id, grant.fence, AbortKind::Refused).await.unwrap();
}

async fn a_late_result_is_stored_if_it_stems_from_the_stored_version<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    let first = store.begin_refresh(id, Version(1), NOW).await.unwrap();
    store.abort_refresh(id, first.fence, AbortKind::LastResort).await.unwrap();
    store.begin_refresh(id, Version(1), NOW).await.unwrap();
    assert_eq!(store.commit_refresh(id, first.version, tokens(2), NOW).await, Ok(Version(2)));
    assert_eq!(store.read(id).await.unwrap().intent, None);
}

async fn a_result_can_be_stored_twice_without_harm<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    for _ in 0..2 {
        assert_eq!(store.commit_refresh(id, Version(1), tokens(2), NOW).await, Ok(Version(2)));
    }
    // Once something newer stands there, the repetition is a loser like any other.
    store.commit_refresh(id, Version(2), tokens(3), NOW).await.unwrap();
    let late = store.commit_refresh(id, Version(1), tokens(2), NOW).await;
    assert_eq!(late, Err(StoreError::Conflict(Clash::Version)));
}

async fn the_loser_of_two_results_is_parked<B: Bench>() {
    let bench = B::fresh();
    let id = imported(bench.store(), "a").await;
    bench.store().commit_refresh(id, Version(1), tokens(2), NOW).await.unwrap();
    let loser = bench.store().commit_refresh(id, Version(1), tokens(3), NOW).await;
    assert_eq!(loser, Err(StoreError::Conflict(Clash::Version)));
    for _ in 0..2 {
        bench.store().park_orphan(id, Version(1), tokens(3), NOW).await.unwrap();
    }
    let bench = bench.reboot();
    let stored = bench.store().read(id).await.unwrap();
    assert_eq!((stored.tokens, stored.orphans.len()), (tokens(2), 1));
    assert_eq!(stored.orphans[0].tokens, tokens(3));
    for mark in 4..12 {
        bench.store().park_orphan(id, Version(1), tokens(mark), NOW).await.unwrap();
    }
    let orphans = bench.store().read(id).await.unwrap().orphans;
    assert_eq!(orphans.len(), TokenRecord::MAX_ORPHANS);
    assert_eq!(orphans.last().unwrap().tokens, tokens(11));
}

async fn an_import_ends_a_refresh_on_its_way<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    let grant = store.begin_refresh(id, Version(1), NOW).await.unwrap();
    let import = |parent| ControlOp::ImportTokens { account: id, parent: Version(parent), tokens: tokens(8) };
    let stale = store.apply(import(0).into(), &actor()).await;
    assert_eq!(stale, Err(StoreError::Conflict(Clash::Version)));
    store.apply(import(1).into(), &actor()).await.unwrap();
    assert_eq!(store.mark_sent(id, grant.fence).await, Err(StoreError::Conflict(Clash::Fence)));
    let late = store.commit_refresh(id, grant.version, tokens(2), NOW).await;
    assert_eq!(late, Err(StoreError::Conflict(Clash::Version)));
    let stored = store.read(id).await.unwrap();
    assert_eq!((stored.version, stored.tokens), (Version(2), tokens(8)));
    assert!(stored.fence > grant.fence);
}

async fn does_not_refresh_accounts_at_rest<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    for status in [AccountStatus::Paused, AccountStatus::ReauthRequired, AccountStatus::Disabled] {
        store.set_state(id, Version(1), status, &actor()).await.unwrap();
        let refused = store.begin_refresh(id, Version(1), NOW).await;
        assert_eq!(refused, Err(StoreError::Conflict(Clash::State)), "{status}");
    }
    store.set_state(id, Version(1), AccountStatus::RefreshDue, &actor()).await.unwrap();
    store.begin_refresh(id, Version(1), NOW).await.unwrap();
}

async fn a_state_change_is_for_the_version_it_was_decided_on<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    store.commit_refresh(id, Version(1), tokens(2), NOW).await.unwrap();
    let stale = store.set_state(id, Version(1), AccountStatus::ReauthRequired, &actor()).await;
    assert_eq!(stale, Err(StoreError::Conflict(Clash::Version)));
    let before = store.load().await.unwrap();
    store.set_state(id, Version(2), AccountStatus::Active, &actor()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), before, "no change is no revision");
    store.set_state(id, Version(2), AccountStatus::RefreshFailed, &actor()).await.unwrap();
    let after = store.load().await.unwrap();
    assert_eq!((after.rev, after.accounts[0].status), (before.rev + 1, AccountStatus::RefreshFailed));
}

async fn unknown_accounts_are_not_found<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = AccountId::generate();
    assert_eq!(store.read(id).await, Err(StoreError::NotFound));
    assert_eq!(store.begin_refresh(id, Version(1), NOW).await, Err(StoreError::NotFound));
    assert_eq!(store.commit_refresh(id, Version(0), tokens(1), NOW).await, Err(StoreError::NotFound));
    assert_eq!(store.park_orphan(id, Version(0), tokens(1), NOW).await, Err(StoreError::NotFound));
}
