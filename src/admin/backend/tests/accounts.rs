//! Accounts and their import.

use std::time::Duration;

use super::*;
use crate::secrets::{Place, SecretKind};
use crate::store::records::Version;

const LOOPBACK: &str = "http://127.0.0.1:9999";

fn named(label: &str) -> [Command; 3] {
    let account = label.to_owned();
    [
        Command::AccountPause { account: account.clone() },
        Command::AccountResume { account: account.clone() },
        Command::AccountRemove { account },
    ]
}

/// Puts the account into a state that only the gateway brings about.
async fn force(bench: &Bench, status: AccountStatus) {
    let account = AccountRecord { status, ..bench.snapshot().await.accounts[0].clone() };
    bench.backend.apply(crate::store::ControlOp::PutAccount(account).into(), &Who::peer(0)).await.unwrap();
}

#[tokio::test]
async fn an_imported_login_serves_its_pool_with_sealed_tokens_and_a_warning() {
    let bench = Bench::with_pool().await;
    let (row, warnings) = account_row(&bench.run(Import::of("a")).await.unwrap());
    assert_eq!(warnings, 1, "the login must not be used elsewhere");
    assert_eq!((row.label.as_str(), row.status.as_str(), row.token_version), ("a@example.com", "active", 1));
    assert_eq!((row.origin.as_str(), row.issuer.as_str()), ("https://chatgpt.com", "https://auth.openai.com"));
    assert_eq!((row.plan.as_deref(), row.simulated), (Some("pro"), false));
    assert_eq!(row.pools, ["team"]);

    let id = bench.snapshot().await.accounts[0].id;
    let tokens = bench.backend.tokens(id).await.unwrap().unwrap();
    let place = Place { account: id, kind: SecretKind::RefreshToken, version: Version(1) };
    let opened = bench.keyring.sealer().open(&place, &tokens.tokens.refresh).unwrap();
    assert_eq!(opened.expose(), format!("rt-{CANARY}"));
    assert!(!format!("{tokens:?}").contains(CANARY));
}

#[tokio::test]
async fn the_same_login_again_brings_new_tokens_to_the_same_account() {
    let bench = Bench::with_pool().await;
    let (first, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    force(&bench, AccountStatus::ReauthRequired).await;
    let again = Import { label: Some("mine"), ..Import::of("a") };
    let (second, _) = account_row(&bench.run(again).await.unwrap());
    assert_eq!((second.id, second.token_version), (first.id, 2));
    assert_eq!((second.label.as_str(), second.status.as_str()), ("mine", "active"), "new tokens heal the account");
    assert_eq!(second.pools, ["team"]);
}

#[tokio::test]
async fn new_tokens_do_not_undo_a_pause() {
    let bench = Bench::with_pool().await;
    bench.run(Import::of("a")).await.unwrap();
    bench.run(Command::AccountPause { account: "a@example.com".to_owned() }).await.unwrap();
    let (row, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    assert_eq!((row.status.as_str(), row.token_version), ("paused", 2));
}

#[tokio::test]
async fn one_login_may_serve_several_pools() {
    let bench = Bench::with_pool().await;
    bench.run(Command::PoolCreate { slug: "other".to_owned(), name: None }).await.unwrap();
    bench.run(Import::of("a")).await.unwrap();
    let (mut row, _) = account_row(&bench.run(Import { pool: "other", ..Import::of("a") }).await.unwrap());
    row.pools.sort();
    assert_eq!(row.pools, ["other", "team"]);
}

#[tokio::test]
async fn an_account_keeps_the_issuer_and_the_kind_it_was_imported_with() {
    let bench = Bench::with_pool().await;
    bench.run(Import::of("a")).await.unwrap();
    let issuer = Some("https://issuer.example");
    assert_eq!(bench.refusal(Import { issuer, ..Import::of("a") }).await, "conflict");

    let (origin, issuer) = (Some(LOOPBACK), Some(LOOPBACK));
    let simulated = Import { origin, issuer, simulated: true, ..Import::of("b") };
    bench.run(simulated).await.unwrap();
    assert_eq!(bench.refusal(Import { origin, issuer, ..Import::of("b") }).await, "conflict");
}

#[tokio::test]
async fn a_simulated_account_is_marked_and_refused_for_any_real_place() {
    let bench = Bench::with_pool().await;
    let there = Some(LOOPBACK);
    assert_eq!(bench.refusal(Import { simulated: true, ..Import::of("a") }).await, "simulated_account");
    assert_eq!(bench.refusal(Import { simulated: true, origin: there, ..Import::of("a") }).await, "simulated_account");
    assert_eq!(bench.refusal(Import { simulated: true, issuer: there, ..Import::of("a") }).await, "simulated_account");
    let import = Import { simulated: true, origin: there, issuer: there, ..Import::of("a") };
    let (row, warnings) = account_row(&bench.run(import).await.unwrap());
    assert!(row.simulated);
    assert_eq!((row.origin.as_str(), warnings), (LOOPBACK, 0));
}

#[tokio::test]
async fn tokens_go_to_https_or_loopback_only() {
    let bench = Bench::with_pool().await;
    for place in ["http://chatgpt.com", "https://a.example/path", "chatgpt.com"] {
        assert_eq!(bench.refusal(Import { origin: Some(place), ..Import::of("a") }).await, "invalid", "{place}");
        assert_eq!(bench.refusal(Import { issuer: Some(place), ..Import::of("a") }).await, "invalid", "{place}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_refused_with_its_code() {
    let bench = Bench::with_pool().await;
    let ended = Import { auth_json: auth_json("a", START), ..Import::of("a") };
    assert_eq!(bench.refusal(ended).await, "expired_token");
    let broken = Import { auth_json: Secret::new(format!("{{\"tokens\": \"{CANARY}\"}}")), ..Import::of("a") };
    assert_eq!(bench.refusal(broken).await, "invalid_auth_json");
    assert_eq!(bench.refusal(Import { pool: "x", ..Import::of("a") }).await, "not_found");
}

#[tokio::test]
async fn a_label_of_another_account_is_refused() {
    let bench = Bench::with_pool().await;
    bench.run(Import::of("a")).await.unwrap();
    assert_eq!(bench.refusal(Import { label: Some("a@example.com"), ..Import::of("b") }).await, "conflict");
}

#[tokio::test]
async fn pausing_takes_the_account_and_its_assignments_out_and_resuming_back() {
    let bench = Bench::with_pool().await;
    let (row, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    let [pause, resume, _] = named(&row.label);
    let statuses = || async {
        let snapshot = bench.snapshot().await;
        (snapshot.accounts[0].status, snapshot.assignments[0].status)
    };
    let (paused, _) = account_row(&bench.run(pause.clone()).await.unwrap());
    assert_eq!(paused.status, "paused");
    assert_eq!(statuses().await, (AccountStatus::Paused, AccountStatus::Paused));
    assert_eq!(bench.refusal(pause).await, "conflict");
    bench.run(resume).await.unwrap();
    assert_eq!(statuses().await, (AccountStatus::Active, AccountStatus::Active));
}

#[tokio::test]
async fn resuming_needs_an_access_token_that_has_not_ended() {
    let bench = Bench::with_pool().await;
    let (row, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    let [pause, resume, _] = named(&row.id);
    bench.run(pause).await.unwrap();
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(bench.refusal(resume).await, "expired_token");
}

#[tokio::test]
async fn an_account_whose_login_is_gone_cannot_be_resumed() {
    let bench = Bench::with_pool().await;
    let (row, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    let [_, resume, _] = named(&row.id);
    for status in [AccountStatus::ReauthRequired, AccountStatus::Errored, AccountStatus::Disabled] {
        force(&bench, status).await;
        assert_eq!(bench.refusal(resume.clone()).await, "conflict", "{status}");
    }
}

#[tokio::test]
async fn removing_ends_the_tokens_the_assignments_and_the_name() {
    let bench = Bench::with_pool().await;
    let (row, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    let [pause, _, remove] = named(&row.label);
    let (gone, _) = account_row(&bench.run(remove.clone()).await.unwrap());
    assert_eq!((gone.status.as_str(), gone.pools.len(), gone.token_version), ("deleted", 0, 0));
    let snapshot = bench.snapshot().await;
    assert!(snapshot.assignments.is_empty());
    assert!(bench.backend.tokens(snapshot.accounts[0].id).await.unwrap().is_none());
    assert!(bench.run(Command::AccountList { pool: None }).await.unwrap().is_empty());
    assert_eq!(bench.refusal(pause).await, "not_found");
    assert_eq!(bench.refusal(remove).await, "not_found");
    let (new, _) = account_row(&bench.run(Import::of("a")).await.unwrap());
    assert_ne!(new.id, row.id, "the same login is a new account");
}

#[tokio::test]
async fn accounts_are_listed_by_label_and_by_pool() {
    let bench = Bench::with_pool().await;
    bench.run(Command::PoolCreate { slug: "other".to_owned(), name: None }).await.unwrap();
    bench.run(Import::of("b")).await.unwrap();
    bench.run(Import { pool: "other", ..Import::of("a") }).await.unwrap();
    let labels = |rows: Vec<Reply>| -> Vec<String> {
        rows.iter().map(|row| account_row(std::slice::from_ref(row)).0.label).collect()
    };
    let list = |pool: Option<&str>| bench.run(Command::AccountList { pool: pool.map(str::to_owned) });
    assert_eq!(labels(list(None).await.unwrap()), ["a@example.com", "b@example.com"]);
    assert_eq!(labels(list(Some("team")).await.unwrap()), ["b@example.com"]);
    assert_eq!(list(Some("x")).await.unwrap_err().code, "not_found");
}
