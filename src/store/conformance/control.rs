//! The control plane: versions, unique names, references, all or nothing.

use super::fixtures::{account, actor, assignment, imported, key, pool, tokens};
use super::{Bench, on_every_engine};
use crate::store::records::{AccountStatus, KeyStatus, PoolStatus, Version};
use crate::store::{Clash, ControlOp, ControlStore, ControlTx, KeyMark, Snapshot, StoreError, TokenStore};

on_every_engine!(
    starts_empty,
    keeps_everything_over_a_reboot,
    refuses_a_change_made_for_an_older_version,
    changes_all_or_nothing,
    refuses_names_that_are_taken,
    a_deleted_account_frees_its_names_and_loses_its_tokens,
    refuses_references_to_nothing,
    deletes_only_what_is_not_in_use,
    refuses_malformed_pools,
    later_changes_of_a_transaction_see_earlier_ones,
    tells_who_changed_what,
    remembers_root_keys_and_never_replaces_one,
);

fn clash<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Clash {
    match result {
        Err(StoreError::Conflict(clash)) => clash,
        other => panic!("no conflict but {other:?}"),
    }
}

async fn starts_empty<B: Bench>() {
    let bench = B::fresh();
    assert_eq!(bench.store().load().await.unwrap(), Snapshot::default());
    assert!(bench.store().key_marks().await.unwrap().is_empty());
    let nothing = bench.store().apply(ControlTx::new(), &actor()).await;
    assert!(matches!(nothing, Err(StoreError::Invalid(_))));
}

async fn keeps_everything_over_a_reboot<B: Bench>() {
    let bench = B::fresh();
    let (mut pool, mut account) = (pool("main"), account("a"));
    let (mut key, mut assignment) = (key(pool.id, "0123456789ab"), assignment(pool.id, account.id));
    let tx = ControlTx::new()
        .with(ControlOp::PutPool(pool.clone()))
        .with(ControlOp::PutKey(key.clone()))
        .with(ControlOp::PutAccount(account.clone()))
        .with(ControlOp::ImportTokens { account: account.id, parent: Version(0), tokens: tokens(3) })
        .with(ControlOp::PutAssignment(assignment.clone()));
    assert_eq!(bench.store().apply(tx, &actor()).await.unwrap(), 1);

    let bench = bench.reboot();
    (pool.version, key.version, account.version, assignment.version) = (1, 1, 1, 1);
    let id = account.id;
    let expected =
        Snapshot { rev: 1, pools: vec![pool], keys: vec![key], accounts: vec![account], assignments: vec![assignment] };
    assert_eq!(bench.store().load().await.unwrap(), expected);
    let stored = bench.store().read(id).await.unwrap();
    assert_eq!((stored.version, stored.tokens, stored.intent), (Version(1), tokens(3), None));
}

async fn refuses_a_change_made_for_an_older_version<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let mut pool = pool("main");
    store.apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await.unwrap();
    assert_eq!(clash(store.apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await), Clash::Version);
    pool.version = 1;
    pool.name = "new".to_owned();
    assert_eq!(store.apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await.unwrap(), 2);
    pool.name = "late".to_owned();
    assert_eq!(clash(store.apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await), Clash::Version);
    let stored = store.load().await.unwrap();
    assert_eq!((stored.rev, stored.pools[0].name.as_str(), stored.pools[0].version), (2, "new", 2));
    pool.id = pooler_filter::PoolId::generate();
    pool.slug = "other".to_owned();
    assert_eq!(store.apply(ControlOp::PutPool(pool).into(), &actor()).await, Err(StoreError::NotFound));
}

async fn changes_all_or_nothing<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let account = account("a");
    let tx = ControlTx::new()
        .with(ControlOp::PutPool(pool("one")))
        .with(ControlOp::PutAccount(account.clone()))
        .with(ControlOp::ImportTokens { account: account.id, parent: Version(0), tokens: tokens(1) })
        .with(ControlOp::PutPool(pool("one")));
    assert_eq!(clash(store.apply(tx, &actor()).await), Clash::Slug);
    assert_eq!(store.load().await.unwrap(), Snapshot::default());
    assert_eq!(store.read(account.id).await, Err(StoreError::NotFound));
    assert!(store.changes(10).await.unwrap().is_empty());
}

async fn refuses_names_that_are_taken<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let first = account("a");
    let tx = ControlTx::new().with(ControlOp::PutPool(pool("p"))).with(ControlOp::PutAccount(first.clone()));
    store.apply(tx, &actor()).await.unwrap();

    assert_eq!(clash(store.apply(ControlOp::PutPool(pool("p")).into(), &actor()).await), Clash::Slug);
    let mut label = account("b");
    label.label = first.label.clone();
    assert_eq!(clash(store.apply(ControlOp::PutAccount(label).into(), &actor()).await), Clash::Label);
    let mut login = account("c");
    login.chatgpt_account_id = first.chatgpt_account_id.clone();
    assert_eq!(clash(store.apply(ControlOp::PutAccount(login.clone()).into(), &actor()).await), Clash::Login);
    login.origin = "http://127.0.0.1:1".to_owned();
    store.apply(ControlOp::PutAccount(login).into(), &actor()).await.unwrap();
}

async fn a_deleted_account_frees_its_names_and_loses_its_tokens<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let id = imported(store, "a").await;
    let mut record = store.load().await.unwrap().accounts.remove(0);
    record.status = AccountStatus::Deleted;
    store.apply(ControlOp::PutAccount(record).into(), &actor()).await.unwrap();
    assert_eq!(store.read(id).await, Err(StoreError::NotFound));
    imported(store, "a").await;
    assert_eq!(store.load().await.unwrap().accounts.len(), 2);
}

async fn refuses_references_to_nothing<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let (pool, account) = (pool("p"), account("a"));
    for op in [
        ControlOp::PutKey(key(pool.id, "000000000001")),
        ControlOp::PutAssignment(assignment(pool.id, account.id)),
        ControlOp::ImportTokens { account: account.id, parent: Version(0), tokens: tokens(1) },
        ControlOp::DeletePool(pool.id, 1),
        ControlOp::DeleteAccount(account.id, 1),
        ControlOp::DeleteKey(key(pool.id, "000000000001").id, 1),
        ControlOp::DeleteAssignment(pool.id, account.id, 1),
    ] {
        assert_eq!(store.apply(op.into(), &actor()).await, Err(StoreError::NotFound));
    }
    // A reference may come before what it names, as long as both are there in the end.
    let tx = ControlTx::new()
        .with(ControlOp::PutAssignment(assignment(pool.id, account.id)))
        .with(ControlOp::PutPool(pool))
        .with(ControlOp::PutAccount(account));
    store.apply(tx, &actor()).await.unwrap();
}

async fn deletes_only_what_is_not_in_use<B: Bench>() {
    let bench = B::fresh();
    let store = bench.store();
    let account = imported(store, "a").await;
    let mut pool = pool("p");
    let key = key(pool.id, "000000000001");
    let tx = ControlTx::new()
        .with(ControlOp::PutPool(pool.clone()))
        .with(ControlOp::PutKey(key.clone()))
        .with(ControlOp::PutAssignment(assignment(pool.id, account)));
    store.apply(tx, &actor()).await.unwrap();

    let delete_pool = ControlOp::DeletePool(pool.id, 2);
    assert_eq!(clash(store.apply(ControlOp::DeletePool(pool.id, 1).into(), &actor()).await), Clash::InUse);
    pool.version = 1;
    pool.status = PoolStatus::Archived;
    store.apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await.unwrap();
    assert_eq!(clash(store.apply(delete_pool.clone().into(), &actor()).await), Clash::InUse);
    assert_eq!(clash(store.apply(ControlOp::DeleteAccount(account, 1).into(), &actor()).await), Clash::InUse);
    assert_eq!(clash(store.apply(ControlOp::DeleteKey(key.id.clone(), 9).into(), &actor()).await), Clash::Version);

    let tx = ControlTx::new()
        .with(delete_pool)
        .with(ControlOp::DeleteAccount(account, 1))
        .with(ControlOp::DeleteKey(key.id, 1))
        .with(ControlOp::DeleteAssignment(pool.id, account, 1));
    store.apply(tx, &actor()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), Snapshot { rev: 4, ..Snapshot::default() });
    assert_eq!(store.read(account).await, Err(StoreError::NotFound));
}

async fn refuses_malformed_pools<B: Bench>() {
    let bench = B::fresh();
    for slug in ["", "-a", "a-", "a--b", "A", "a b", "ä"] {
        let result = bench.store().apply(ControlOp::PutPool(pool(slug)).into(), &actor()).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))), "{slug:?}");
    }
    let mut ringless = pool("p");
    ringless.settings.bridge_ring_size = 0;
    assert!(matches!(
        bench.store().apply(ControlOp::PutPool(ringless).into(), &actor()).await,
        Err(StoreError::Invalid(_))
    ));
    let mut huge = key(pool("p").id, "000000000001");
    huge.policy.allowed_models = Some(vec!["m".repeat(70_000)]);
    let result = bench.store().apply(ControlOp::PutKey(huge).into(), &actor()).await;
    assert!(matches!(result, Err(StoreError::Invalid(_))));
    bench.store().apply(ControlOp::PutPool(pool("a1-b2-c")).into(), &actor()).await.unwrap();
}

async fn later_changes_of_a_transaction_see_earlier_ones<B: Bench>() {
    let bench = B::fresh();
    let pool = pool("p");
    let mut first = key(pool.id, "000000000001");
    let tx = ControlTx::new().with(ControlOp::PutPool(pool)).with(ControlOp::PutKey(first.clone()));
    first.version = 1;
    first.status = KeyStatus::Revoked;
    bench.store().apply(tx.with(ControlOp::PutKey(first)), &actor()).await.unwrap();
    let stored = bench.store().load().await.unwrap().keys.remove(0);
    assert_eq!((stored.version, stored.status), (2, KeyStatus::Revoked));
}

async fn tells_who_changed_what<B: Bench>() {
    let bench = B::fresh();
    let (one, two) = (pool("one"), pool("two"));
    bench.store().apply(ControlOp::PutPool(one.clone()).into(), &actor()).await.unwrap();
    bench.store().apply(ControlOp::PutPool(two.clone()).into(), &actor()).await.unwrap();
    let trail = bench.store().changes(10).await.unwrap();
    let lines: Vec<_> = trail.iter().map(|line| (line.rev, line.actor.as_str(), line.changes[0].id.clone())).collect();
    assert_eq!(lines, [(2, "test", two.id.to_string()), (1, "test", one.id.to_string())]);
    assert_eq!(trail[0].changes[0].verb, "put pool");
    assert_eq!(bench.store().changes(1).await.unwrap().len(), 1);
}

async fn remembers_root_keys_and_never_replaces_one<B: Bench>() {
    let bench = B::fresh();
    let mark = KeyMark { key_id: "local".to_owned(), check: vec![1, 2, 3] };
    bench.store().add_key_mark(mark.clone()).await.unwrap();
    bench.store().add_key_mark(KeyMark { check: vec![9], ..mark.clone() }).await.unwrap();
    let bench = bench.reboot();
    assert_eq!(bench.store().key_marks().await.unwrap(), [mark]);
}
