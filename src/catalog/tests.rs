//! The catalog across take-overs, restarts, and accounts that come and go.

use std::time::Duration;

use super::*;
use crate::store::conformance::fixtures::{NOW, account, actor, assignment, pool};
use crate::store::records::{AccountRecord, CatalogModel, PoolRecord};
use crate::store::{ControlOp, ControlStore, ControlTx, MemoryStore};

struct Bench {
    store: MemoryStore,
    settings: Settings,
    catalog: ModelCatalog,
    pool: PoolRecord,
    accounts: Vec<AccountRecord>,
}

impl Bench {
    async fn new() -> Self {
        let (store, settings, pool) = (MemoryStore::new(), Settings::default(), pool("team"));
        let accounts = vec![account("a"), account("b")];
        let mut tx = ControlTx::new().with(ControlOp::PutPool(pool.clone()));
        for account in &accounts {
            tx = tx.with(ControlOp::PutAccount(account.clone()));
            tx = tx.with(ControlOp::PutAssignment(assignment(pool.id, account.id)));
        }
        store.apply(tx, &actor()).await.unwrap();
        let bench = Self { catalog: ModelCatalog::new(&settings), store, settings, pool, accounts };
        bench.take_over(0).await;
        bench
    }

    async fn take_over(&self, after: u64) {
        let snapshot = self.store.load().await.unwrap();
        self.catalog.take_over(&snapshot, &self.store, NOW.plus(Duration::from_secs(after))).await.unwrap();
    }

    async fn tells(&self, account: usize, models: &[&str], after: u64) {
        let model = |slug: &&str| CatalogModel { slug: (*slug).to_owned(), listed: true, ..CatalogModel::default() };
        let source = CatalogSource {
            account: self.accounts[account].id,
            fetched_at: NOW.plus(Duration::from_secs(after)),
            etag: None,
            models: models.iter().map(model).collect(),
        };
        self.catalog.learn(source, &self.store).await.unwrap();
    }

    fn ids(&self) -> Vec<String> {
        self.catalog.models(self.pool.id).iter().map(|facts| facts.id.clone()).collect()
    }

    fn created(&self, id: &str) -> Option<u64> {
        self.catalog.pool(self.pool.id).get(id).unwrap().created.map(|at| at - NOW.as_secs())
    }

    async fn reboot(self) -> Self {
        let store = self.store.rebooted();
        let catalog = ModelCatalog::new(&self.settings);
        catalog.load(&store).await.unwrap();
        let bench = Self { store, catalog, ..self };
        bench.take_over(1000).await;
        bench
    }
}

#[tokio::test]
async fn a_model_that_no_account_has_any_more_is_stale_and_comes_back_at_its_age() {
    let bench = Bench::new().await;
    assert_eq!(bench.ids(), ["gpt-5.5"], "nobody has told anything yet");
    bench.tells(0, &["x", "y"], 1).await;
    bench.tells(1, &["y"], 2).await;
    assert_eq!(bench.ids(), ["x", "y"]);
    bench.tells(0, &["y"], 3).await;
    assert_eq!((bench.ids(), &bench.catalog.pool(bench.pool.id).stale), (vec!["y".to_owned()], &vec!["x".to_owned()]));
    assert!(bench.catalog.model(bench.pool.id, "x").is_none());
    bench.tells(1, &["x", "y"], 4).await;
    assert_eq!((bench.created("x"), bench.created("y")), (Some(1), Some(1)));
}

#[tokio::test]
async fn the_next_process_knows_what_accounts_told_and_since_when() {
    let bench = Bench::new().await;
    bench.tells(0, &["x"], 1).await;
    bench.tells(0, &["x", "y"], 2).await;
    let bench = bench.reboot().await;
    assert_eq!((bench.ids(), bench.created("x"), bench.created("y")), (vec!["x".into(), "y".into()], Some(1), Some(2)));
    let facts = bench.catalog.model(bench.pool.id, "x").unwrap();
    let all = [bench.accounts[0].id, bench.accounts[1].id];
    assert_eq!(facts.sources.as_deref(), Some(&all[..]), "the second one has not told");
}

#[tokio::test]
async fn without_asking_what_was_told_before_does_not_count() {
    let bench = Bench::new().await;
    bench.tells(0, &["x"], 1).await;
    let mut settings = bench.settings.clone();
    settings.catalog.sync = false;
    let bench = Bench { settings, ..bench }.reboot().await;
    assert_eq!(bench.ids(), ["gpt-5.5"]);
}

#[tokio::test]
async fn what_an_account_told_goes_with_it_and_stays_while_it_is_paused() {
    let bench = Bench::new().await;
    bench.tells(0, &["x"], 1).await;
    bench.tells(1, &["y"], 1).await;
    let stored = |bench: &Bench| {
        let id = bench.accounts[1].id;
        let store = bench.store.rebooted();
        async move { store.load().await.unwrap().accounts.into_iter().find(|a| a.id == id).unwrap() }
    };
    let mut paused = stored(&bench).await;
    paused.status = AccountStatus::Paused;
    bench.store.apply(ControlOp::PutAccount(paused).into(), &actor()).await.unwrap();
    bench.take_over(5).await;
    assert_eq!(bench.ids(), ["x", "y"]);
    assert_eq!(bench.catalog.to_ask().len(), 1, "it is not asked meanwhile");
    let mut removed = stored(&bench).await;
    removed.status = AccountStatus::Deleted;
    bench.store.apply(ControlOp::PutAccount(removed).into(), &actor()).await.unwrap();
    bench.take_over(6).await;
    assert_eq!(bench.ids(), ["x"]);
    bench.tells(1, &["z"], 7).await;
    assert_eq!(bench.ids(), ["x"], "an answer that came too late");
}

#[tokio::test]
async fn each_pool_has_the_models_of_its_own_accounts() {
    let bench = Bench::new().await;
    let other = pool("other");
    let tx = ControlTx::new()
        .with(ControlOp::PutPool(other.clone()))
        .with(ControlOp::PutAssignment(assignment(other.id, bench.accounts[1].id)));
    bench.store.apply(tx, &actor()).await.unwrap();
    bench.take_over(1).await;
    bench.tells(0, &["x"], 2).await;
    bench.tells(1, &["y"], 3).await;
    assert_eq!(bench.ids(), ["x", "y"]);
    let ids: Vec<String> = bench.catalog.models(other.id).iter().map(|facts| facts.id.clone()).collect();
    assert_eq!(ids, ["y"]);
}

#[tokio::test]
async fn an_account_that_tells_ever_new_names_is_not_remembered_for_ever() {
    let bench = Bench::new().await;
    for round in 0..30 {
        let names: Vec<String> = (0..100).map(|n| format!("m{round}-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        bench.tells(0, &names, round).await;
    }
    assert_eq!(bench.catalog.known.lock().seen.len(), MOST_SEEN);
    assert_eq!(bench.store.load_catalog().await.unwrap().seen.len(), MOST_SEEN);
    assert!(bench.ids().contains(&"m29-99".to_owned()), "what is told now is served, remembered or not");
    bench.tells(0, &["m0-0"], 99).await;
    assert_eq!(bench.created("m0-0"), Some(0), "a name that is remembered keeps its age");
}
