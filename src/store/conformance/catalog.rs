//! The catalog: sources outlive the process and go with their account; a pool saw a model once.

use std::time::Duration;

use pooler_filter::{AccountId, PoolId};

use super::fixtures::{NOW, account, actor, imported, pool};
use super::{Bench, on_every_engine};
use crate::store::records::{AccountStatus, CatalogModel, CatalogSeen, CatalogSource, PoolStatus};
use crate::store::{CatalogStore, ControlOp, ControlStore, StoreError};

on_every_engine!(
    a_source_is_replaced_as_a_whole_and_outlives_the_process,
    a_source_goes_with_its_account,
    a_pool_sees_a_model_once_and_forgets_it_with_itself,
    the_largest_source_has_room,
);

fn model(slug: &str) -> CatalogModel {
    CatalogModel { slug: slug.to_owned(), listed: true, lite: true, priority: Some(-3), ..CatalogModel::default() }
}

fn source(account: AccountId, models: &[&str]) -> CatalogSource {
    let models = models.iter().map(|slug| model(slug)).collect();
    CatalogSource { account, fetched_at: NOW, etag: Some("W/\"1\"".to_owned()), models }
}

async fn a_source_is_replaced_as_a_whole_and_outlives_the_process<B: Bench>() {
    let bench = B::fresh();
    let (a, b) = (imported(bench.store(), "a").await, imported(bench.store(), "b").await);
    bench.store().put_source(source(a, &["x", "y"])).await.unwrap();
    bench.store().put_source(source(b, &["x"])).await.unwrap();
    bench.store().put_source(source(a, &["z"])).await.unwrap();
    let bench = bench.reboot();
    let mut expected = vec![source(a, &["z"]), source(b, &["x"])];
    expected.sort_by_key(|source| source.account);
    let rows = bench.store().load_catalog().await.unwrap();
    assert_eq!((rows.sources, rows.seen), (expected, vec![]));
}

async fn a_source_goes_with_its_account<B: Bench>() {
    let bench = B::fresh();
    let (a, b) = (imported(bench.store(), "a").await, imported(bench.store(), "b").await);
    for id in [a, b] {
        bench.store().put_source(source(id, &["x"])).await.unwrap();
    }
    let accounts = bench.store().load().await.unwrap().accounts;
    let mut removed = accounts.iter().find(|account| account.id == a).unwrap().clone();
    removed.status = AccountStatus::Deleted;
    bench.store().apply(ControlOp::PutAccount(removed).into(), &actor()).await.unwrap();
    bench.store().apply(ControlOp::DeleteAccount(b, 1).into(), &actor()).await.unwrap();
    assert_eq!(bench.store().load_catalog().await.unwrap().sources, []);
    for gone in [a, b, account("never").id] {
        assert_eq!(bench.store().put_source(source(gone, &["x"])).await, Err(StoreError::NotFound));
    }
    assert_eq!(bench.store().load_catalog().await.unwrap().sources, []);
}

async fn a_pool_sees_a_model_once_and_forgets_it_with_itself<B: Bench>() {
    let bench = B::fresh();
    let (mut gone, stays) = (pool("gone"), pool("stays"));
    for pool in [&gone, &stays] {
        bench.store().apply(ControlOp::PutPool(pool.clone()).into(), &actor()).await.unwrap();
    }
    let seen = |pool: PoolId, model: &str, after: u64| CatalogSeen {
        pool,
        model: model.to_owned(),
        at: NOW.plus(Duration::from_secs(after)),
    };
    bench.store().see(vec![seen(gone.id, "x", 0), seen(stays.id, "x", 1)]).await.unwrap();
    bench.store().see(vec![seen(stays.id, "x", 2), seen(stays.id, "y", 3)]).await.unwrap();
    bench.store().see(vec![seen(PoolId::generate(), "x", 4)]).await.unwrap();
    (gone.status, gone.version) = (PoolStatus::Archived, 1);
    bench.store().apply(ControlOp::PutPool(gone.clone()).into(), &actor()).await.unwrap();
    bench.store().apply(ControlOp::DeletePool(gone.id, 2).into(), &actor()).await.unwrap();
    let bench = bench.reboot();
    let rows = bench.store().load_catalog().await.unwrap();
    assert_eq!(rows.seen, [seen(stays.id, "x", 1), seen(stays.id, "y", 3)]);
}

/// What the reader of upstream answers lets through at most.
async fn the_largest_source_has_room<B: Bench>() {
    let bench = B::fresh();
    let a = imported(bench.store(), "a").await;
    let models = (0..CatalogSource::MAX_MODELS).map(|n| CatalogModel {
        slug: format!("{n:0>96}"),
        display_name: Some("n".repeat(96)),
        priority: Some(i64::MIN),
        context_window: Some(u64::MAX),
        effective_percent: Some(100),
        input_modalities: Some(vec!["m".repeat(16); 8]),
        reasoning: Some(true),
        reasoning_summary: Some(true),
        service_tiers: Some(vec!["t".repeat(24); 8]),
        ..model("x")
    });
    let largest = CatalogSource { etag: Some("e".repeat(128)), models: models.collect(), ..source(a, &[]) };
    bench.store().put_source(largest.clone()).await.unwrap();
    assert_eq!(bench.store().load_catalog().await.unwrap().sources, [largest]);
}
