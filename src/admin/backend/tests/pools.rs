//! Pools.

use super::*;
use crate::admin::command::PoolChange;
use crate::store::records::PoolStatus;

fn set(change: PoolChange) -> Command {
    Command::PoolSet { pool: "team".to_owned(), change }
}

#[tokio::test]
async fn a_new_pool_has_the_defaults_and_a_lowercase_slug() {
    let bench = Bench::new();
    let create = Command::PoolCreate { slug: " Team-1 ".to_owned(), name: Some("The Team".to_owned()) };
    let row = pool_row(&bench.run(create).await.unwrap());
    assert_eq!((row.slug.as_str(), row.name.as_str(), row.status.as_str()), ("team-1", "The Team", "active"));
    assert_eq!((row.v1_compatibility, row.images, row.ring_size, row.prompt_cache_affinity), (true, true, 3, true));
    assert_eq!((row.keys, row.accounts), (0, 0));
    assert_eq!(row.created_at, crate::admin::time::rfc3339(START));
    let shown = bench.run(Command::PoolShow { pool: row.id.clone() }).await.unwrap();
    assert_eq!(pool_row(&shown), row);
}

#[tokio::test]
async fn pools_are_listed_by_slug() {
    let bench = Bench::with_pool().await;
    bench.run(Command::PoolCreate { slug: "a".to_owned(), name: None }).await.unwrap();
    let rows = bench.run(Command::PoolList {}).await.unwrap();
    let slugs: Vec<_> = rows.iter().map(|r| pool_row(std::slice::from_ref(r)).slug).collect();
    assert_eq!(slugs, ["a", "team"]);
}

#[tokio::test]
async fn a_slug_that_is_taken_or_malformed_is_refused() {
    let bench = Bench::with_pool().await;
    for (slug, code) in
        [("team", "conflict"), ("TEAM", "conflict"), ("-a", "invalid"), ("a b", "invalid"), ("", "invalid")]
    {
        let create = Command::PoolCreate { slug: slug.to_owned(), name: Some("x".to_owned()) };
        assert_eq!(bench.refusal(create).await, code, "{slug}");
    }
}

#[tokio::test]
async fn sets_what_is_asked_and_nothing_else() {
    let bench = Bench::with_pool().await;
    let before = pool_row(&bench.run(Command::PoolShow { pool: "team".to_owned() }).await.unwrap());
    let off = PoolChange { v1_compatibility: Some(false), ring_size: Some(5), ..PoolChange::default() };
    let row = pool_row(&bench.run(set(off)).await.unwrap());
    assert_eq!(row, PoolRow { v1_compatibility: false, ring_size: 5, ..before });
    let all = PoolChange {
        name: Some("N".to_owned()),
        status: Some(PoolStatus::Disabled),
        v1_compatibility: Some(true),
        images: Some(false),
        ring_size: Some(1),
        prompt_cache_affinity: Some(false),
    };
    let row = pool_row(&bench.run(set(all)).await.unwrap());
    assert_eq!((row.name.as_str(), row.status.as_str(), row.ring_size), ("N", "disabled", 1));
    assert_eq!((row.v1_compatibility, row.images, row.prompt_cache_affinity), (true, false, false));
}

#[tokio::test]
async fn refuses_an_empty_change_an_unknown_pool_and_a_ring_of_none() {
    let bench = Bench::with_pool().await;
    assert_eq!(bench.refusal(set(PoolChange::default())).await, "invalid");
    assert_eq!(bench.refusal(set(PoolChange { ring_size: Some(0), ..PoolChange::default() })).await, "invalid");
    let other =
        Command::PoolSet { pool: "x".to_owned(), change: PoolChange { images: Some(true), ..PoolChange::default() } };
    assert_eq!(bench.refusal(other).await, "not_found");
}
