//! Keys.

use std::time::Duration;

use super::*;
use crate::secrets::parse_pool_key;
use crate::store::records::KeyStatus;

fn create(name: &str) -> Command {
    Command::KeyCreate { pool: "team".to_owned(), name: name.to_owned(), expires_at: None, models: None }
}

#[tokio::test]
async fn a_new_key_opens_and_only_its_digest_is_kept() {
    let bench = Bench::with_pool().await;
    let made = new_key(&bench.run(create("laptop")).await.unwrap());
    let (id, secret) = parse_pool_key(made.key.expose()).unwrap();
    let snapshot = bench.snapshot().await;
    let record = &snapshot.keys[0];
    assert_eq!((&record.id, record.pool), (&id, snapshot.pools[0].id));
    assert!(bench.keyring.peppers().verify(secret, Some((&record.digest, &record.pepper_id))));
    let listed = bench.run(Command::KeyList { pool: None }).await.unwrap();
    assert_eq!(key_row(&listed), made.row);
    assert!(!serde_json::to_string(&listed).unwrap().contains(secret));
    assert_eq!(
        (made.row.pool.as_str(), made.row.name.as_str(), made.row.status.as_str()),
        ("team", "laptop", "active")
    );
}

#[tokio::test]
async fn models_are_kept_in_lower_case_and_blanks_are_refused() {
    let bench = Bench::with_pool().await;
    let with = |models: &[&str]| Command::KeyCreate {
        pool: "team".to_owned(),
        name: "k".to_owned(),
        expires_at: None,
        models: Some(models.iter().map(|m| (*m).to_owned()).collect()),
    };
    let made = new_key(&bench.run(with(&[" GPT-5.5 ", "x"])).await.unwrap());
    assert_eq!(made.row.models.unwrap(), ["gpt-5.5", "x"]);
    assert_eq!(bench.refusal(with(&[""])).await, "invalid");
    assert_eq!(bench.refusal(with(&["a b"])).await, "invalid");
}

#[tokio::test]
async fn a_key_that_would_have_ended_or_has_no_name_or_pool_is_refused() {
    let bench = Bench::with_pool().await;
    let ending =
        |at| Command::KeyCreate { pool: "team".to_owned(), name: "k".to_owned(), expires_at: Some(at), models: None };
    assert_eq!(bench.refusal(ending(START)).await, "invalid");
    let later = START.plus(Duration::from_secs(1));
    let made = new_key(&bench.run(ending(later)).await.unwrap());
    assert_eq!(made.row.expires_at, Some(crate::admin::time::rfc3339(later)));
    assert_eq!(bench.refusal(create(" ")).await, "invalid");
    let elsewhere = Command::KeyCreate { pool: "x".to_owned(), name: "k".to_owned(), expires_at: None, models: None };
    assert_eq!(bench.refusal(elsewhere).await, "not_found");
}

#[tokio::test]
async fn revoking_is_for_ever_and_raises_the_epoch() {
    let bench = Bench::with_pool().await;
    let made = new_key(&bench.run(create("k")).await.unwrap());
    let row = key_row(&bench.run(Command::KeyRevoke { key: made.row.id.clone() }).await.unwrap());
    assert_eq!(row.status, "revoked");
    let record = bench.snapshot().await.keys[0].clone();
    assert_eq!((record.status, record.epoch), (KeyStatus::Revoked, 1));
    assert_eq!(bench.refusal(Command::KeyRevoke { key: made.row.id }).await, "conflict");
}

#[tokio::test]
async fn a_key_is_named_by_id_by_name_and_by_its_whole_text() {
    let bench = Bench::with_pool().await;
    let revoke = |key: &str| bench.run(Command::KeyRevoke { key: key.to_owned() });
    bench.run(create("by-name")).await.unwrap();
    revoke("by-name").await.unwrap();
    let whole = new_key(&bench.run(create("whole")).await.unwrap());
    revoke(whole.key.expose()).await.unwrap();
    assert_eq!(revoke("nobody").await.unwrap_err().code, "not_found");
    for _ in 0..2 {
        bench.run(create("twice")).await.unwrap();
    }
    assert_eq!(revoke("twice").await.unwrap_err().code, "ambiguous");
    assert!(bench.snapshot().await.keys.iter().filter(|k| k.name == "twice").all(|k| k.status == KeyStatus::Active));
}

#[tokio::test]
async fn keys_are_listed_for_one_pool() {
    let bench = Bench::with_pool().await;
    bench.run(Command::PoolCreate { slug: "other".to_owned(), name: None }).await.unwrap();
    bench.run(create("k")).await.unwrap();
    let list = |pool: &str| bench.run(Command::KeyList { pool: Some(pool.to_owned()) });
    assert_eq!(list("team").await.unwrap().len(), 1);
    assert_eq!(list("other").await.unwrap().len(), 0);
    assert_eq!(list("x").await.unwrap_err().code, "not_found");
}
