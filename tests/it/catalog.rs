//! What accounts tell of their models: docs/routing.md, Catalog.

use codex_pooler::admin::{Command, ModelRow, Reply};
use codex_pooler::simulator::{Fault, FaultBody, FaultId, FaultSpec, Recorded, Who};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::POOL;
use crate::support::{Gateway, eventually};

const PATH: &str = "/backend-api/codex/models";
/// What the simulator lists to an account of a big plan, and to one of a small plan.
const BIG: [&str; 5] = ["gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-sol", "gpt-5.5"];

async fn ids(client: &Client) -> Vec<String> {
    let list = client.get("/v1/models").await.json();
    list["data"].as_array().expect("a list").iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
}

async fn offers(client: &Client, expected: &[&str]) {
    eventually(&format!("{expected:?} are offered"), || async { ids(client).await == expected }).await;
}

/// With accounts of the plans pro, plus and team, all of which have told their models.
async fn synced() -> Gateway {
    let gateway = Gateway::builder().catalog().start().await;
    all_have_told(&gateway).await;
    gateway
}

async fn all_have_told(gateway: &Gateway) {
    eventually("every account has told its models", || async {
        let told = gateway.running.state().stores().catalog.load_catalog().await.unwrap().sources;
        told.len() == gateway.codex.accounts().len()
    })
    .await;
    offers(&gateway.client, &BIG).await;
}

fn asked(gateway: &Gateway) -> Vec<Recorded> {
    gateway.codex.requests().into_iter().filter(|request| request.path == PATH).collect()
}

/// The answer of the models endpoint from now on.
fn tells(gateway: &Gateway, who: Who, status: u16, body: FaultBody) -> FaultId {
    let headers = Default::default();
    gateway.codex.inject(FaultSpec::new(who, Fault::Status { status, body, headers }).on(PATH))
}

fn page(slugs: &[&str]) -> FaultBody {
    let models: Vec<Value> = slugs.iter().map(|slug| json!({"slug": slug, "visibility": "list"})).collect();
    FaultBody::Json(json!({"models": models}))
}

async fn hit(gateway: &Gateway, fault: FaultId, times: u64) {
    eventually("the answer was read", || async { gateway.codex.fault_hits(fault) >= times }).await;
}

async fn models(gateway: &Gateway) -> Vec<ModelRow> {
    let replies = gateway.execute(Command::ModelList { pool: Some(POOL.into()) }).await;
    let row = |reply| match reply {
        Reply::Model(row) => row,
        other => panic!("{other:?}"),
    };
    replies.into_iter().map(row).collect()
}

async fn model(gateway: &Gateway, id: &str) -> Option<ModelRow> {
    models(gateway).await.into_iter().find(|row| row.model == id)
}

fn labels(row: &ModelRow) -> Vec<&str> {
    row.accounts.as_ref().expect("accounts").iter().map(String::as_str).collect()
}

async fn status_of(gateway: &Gateway, model: &str) -> u16 {
    gateway.client.create(json!({"model": model, "input": "hi"})).await.status
}

#[tokio::test]
async fn each_account_is_asked_in_our_own_name_and_the_pool_offers_what_any_of_them_has() {
    let gateway = synced().await;
    assert_eq!(ids(&gateway.client).await, BIG);
    for label in ["sim-0", "sim-1", "sim-2"] {
        let seen = asked(&gateway).into_iter().find(|r| r.account.as_deref() == Some(label)).expect(label);
        assert_eq!((seen.method.as_str(), seen.query.as_deref()), ("GET", Some("client_version=0.169.0")));
        assert_eq!(seen.headers["originator"], "codex-pooler");
        assert_eq!(seen.headers["accept"], "application/json");
        assert!(seen.headers["user-agent"].starts_with("codex-pooler/"), "{:?}", seen.headers);
        assert!(seen.headers.contains_key("chatgpt-account-id"), "{:?}", seen.headers);
        for absent in ["version", "content-type", "content-length", "if-none-match"] {
            assert!(!seen.headers.contains_key(absent), "{absent}");
        }
    }
    let astra = model(&gateway, "gpt-6-astra").await.unwrap();
    assert_eq!((astra.lite, astra.state.as_str(), labels(&astra)), (true, "listed", vec!["sim-0", "sim-2"]));
    let full = model(&gateway, "gpt-5.5").await.unwrap();
    assert_eq!((full.lite, labels(&full)), (false, vec!["sim-0", "sim-1", "sim-2"]));
    let hidden = model(&gateway, "codex-auto-review").await.unwrap();
    assert_eq!((hidden.state.as_str(), labels(&hidden)), ("hidden", vec!["sim-0", "sim-2"]));
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("codex_pooler_catalog_syncs_total{result=\"ok\"}"), "{metrics}");
}

#[tokio::test]
async fn an_account_that_fails_keeps_what_it_told_before() {
    let gateway = synced().await;
    let failures = [
        (500, FaultBody::Text(String::new())),
        (401, FaultBody::Json(json!({"detail": "no"}))),
        (200, FaultBody::Text("<html>".to_owned())),
        (200, FaultBody::Json(json!({"models": []}))),
        (200, FaultBody::Json(json!({"models": [{"slug": 5}, "x"]}))),
        (302, FaultBody::Text(String::new())),
    ];
    for (status, body) in failures {
        let fault = tells(&gateway, Who::Account(0), status, body);
        let other = tells(&gateway, Who::Account(2), 503, FaultBody::Text(String::new()));
        hit(&gateway, fault, 3).await;
        hit(&gateway, other, 1).await;
        assert_eq!(ids(&gateway.client).await, BIG, "{status}");
        assert_eq!(labels(&model(&gateway, "gpt-6-astra").await.unwrap()), ["sim-0", "sim-2"]);
        gateway.codex.clear_faults();
    }
    let metrics = gateway.metrics().await;
    for result in ["refused", "unusable"] {
        assert!(metrics.contains(&format!("codex_pooler_catalog_syncs_total{{result=\"{result}\"}}")), "{metrics}");
    }
}

#[tokio::test]
async fn a_bad_entry_does_not_cost_the_others() {
    let gateway = Gateway::builder().accounts(1).catalog().start().await;
    let entries = json!([null, {"slug": ""}, {"slug": "good", "visibility": "list"}, {"visibility": "list"}, 7]);
    tells(&gateway, Who::All, 200, FaultBody::Json(json!({"models": entries, "new": {}})));
    offers(&gateway.client, &["good"]).await;
}

#[tokio::test]
async fn a_model_that_every_account_lost_is_stale_until_one_has_it_again() {
    let gateway = synced().await;
    let before = gateway.client.get("/v1/models/gpt-6-sol").await.json();
    tells(&gateway, Who::All, 200, page(&["gpt-5.5"]));
    offers(&gateway.client, &["gpt-5.5"]).await;
    assert_eq!(model(&gateway, "gpt-6-sol").await.unwrap().state, "stale");
    let answer = gateway.client.create(json!({"model": "gpt-6-sol", "input": "hi"})).await;
    assert_eq!(answer.refusal(), (400, "invalid_model".into()));
    assert_eq!(status_of(&gateway, "gpt-5.5").await, 200);
    gateway.codex.clear_faults();
    offers(&gateway.client, &BIG).await;
    assert_eq!(gateway.client.get("/v1/models/gpt-6-sol").await.json(), before, "of the same age");
}

#[tokio::test]
async fn a_restart_without_an_upstream_knows_the_models_and_their_age() {
    let gateway = synced().await;
    let before = gateway.client.get("/v1/models").await.json();
    let Gateway { running, codex, client, dir } = gateway;
    running.drain().await;
    codex.stop().await;
    let again = Gateway::builder().catalog().run(&dir.path().join("data")).await;
    let client = Client { address: again.addresses()[0], key: client.key };
    assert_eq!(client.get("/v1/models").await.json(), before);
}

#[tokio::test]
async fn what_an_account_told_goes_with_it_and_stays_while_it_is_paused() {
    let gateway = synced().await;
    gateway.execute(Command::AccountRemove { account: "sim-0".into() }).await;
    gateway.execute(Command::AccountPause { account: "sim-2".into() }).await;
    assert_eq!(ids(&gateway.client).await, BIG, "one account that has all of them is out of service");
    assert_eq!(labels(&model(&gateway, "gpt-6-astra").await.unwrap()), ["sim-2"]);
    let answer = gateway.client.create(json!({"model": "gpt-6-astra", "input": "hi"})).await;
    assert_eq!(answer.refusal(), (503, "no_eligible_backend".into()));
    gateway.execute(Command::AccountRemove { account: "sim-2".into() }).await;
    assert_eq!(ids(&gateway.client).await, BIG[1..]);
    let stored = gateway.running.state().stores().catalog.load_catalog().await.unwrap();
    assert_eq!(stored.sources.len(), 1);
}

#[tokio::test]
async fn a_new_account_is_asked_without_waiting_for_the_next_round() {
    let gateway = Gateway::builder()
        .settings(|settings| {
            settings.catalog.sync = true;
            settings.catalog.interval = std::time::Duration::from_secs(24 * 60 * 60);
        })
        .start()
        .await;
    all_have_told(&gateway).await;
    assert_eq!(asked(&gateway).len(), 3, "each of them once");
    gateway.execute(Command::AccountPause { account: "sim-1".into() }).await;
    gateway.execute(Command::AccountResume { account: "sim-1".into() }).await;
    eventually("a changed account is asked anew", || async { asked(&gateway).len() == 4 }).await;
    assert_eq!(asked(&gateway)[3].account.as_deref(), Some("sim-1"));
}

#[tokio::test]
async fn only_accounts_that_have_the_model_are_tried() {
    let gateway = synced().await;
    tells(&gateway, Who::Account(1), 200, page(&["gpt-5.5", "gpt-6-sol"]));
    tells(&gateway, Who::Account(0), 200, page(&["gpt-6-sol"]));
    tells(&gateway, Who::Account(2), 200, page(&["gpt-6-sol"]));
    offers(&gateway.client, &["gpt-5.5", "gpt-6-sol"]).await;
    eventually("only one has it", || async { labels(&model(&gateway, "gpt-5.5").await.unwrap()) == ["sim-1"] }).await;
    for _ in 0..6 {
        assert_eq!(status_of(&gateway, "gpt-5.5").await, 200);
    }
    assert_eq!(gateway.upstream_counts(), [0, 6, 0]);
}

#[tokio::test]
async fn a_hidden_model_is_in_no_list_and_can_be_used_by_its_name() {
    let gateway = Gateway::builder().accounts(1).catalog().start().await;
    let hidden = json!([{"slug": "shown", "visibility": "list"}, {"slug": "gpt-5.5", "visibility": "hide"},
                        {"slug": "not-for-the-api", "visibility": "list", "supported_in_api": false}]);
    tells(&gateway, Who::All, 200, FaultBody::Json(json!({"models": hidden})));
    offers(&gateway.client, &["shown"]).await;
    let one = gateway.client.get("/v1/models/gpt-5.5").await;
    assert_eq!(one.refusal(), (404, "model_not_found".into()));
    assert_eq!((status_of(&gateway, "gpt-5.5").await, status_of(&gateway, "not-for-the-api").await), (200, 400));
}

#[tokio::test]
async fn what_is_configured_goes_over_what_accounts_tell_and_stands_beside_it() {
    let toml = "[[models]]\nid = \"gpt-5.5\"\ndisplay_name = \"Mine\"\nsupports_tools = false\n\
                [[models]]\nid = \"alias\"\nupstream_id = \"gpt-5.5\"\n";
    let gateway = Gateway::builder().accounts(1).catalog().toml(toml).start().await;
    offers(&gateway.client, &["alias", "gpt-6-astra", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-sol", "gpt-5.5"]).await;
    let one = gateway.client.get("/v1/models/gpt-5.5").await.json();
    assert_eq!((&one["display_name"], &one["supports_tools"]), (&json!("Mine"), &json!(false)));
    assert_eq!(one["context_length"], 272_000 * 95 / 100, "as the account tells");
    assert_eq!(gateway.client.get("/v1/models/alias").await.json()["context_length"], 272_000 * 95 / 100);
    let answer = gateway.client.create(json!({"model": "alias", "input": "hi"})).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("alias")), "{}", answer.text());
}

#[tokio::test]
async fn an_upstream_that_tells_nothing_leaves_the_configured_models() {
    let gateway = Gateway::builder().accounts(1).catalog().start().await;
    let fault = tells(&gateway, Who::All, 404, FaultBody::Text("no".to_owned()));
    gateway.running.reload().await;
    // It may have told before the fault was there.
    gateway.execute(Command::AccountRemove { account: "sim-0".into() }).await;
    let account = &gateway.codex.accounts()[0];
    let origin = Some(gateway.codex.origin());
    let import = Command::AccountImport {
        auth_json: pooler_filter::Secret::new(account.auth_json().to_string()),
        pool: POOL.into(),
        label: Some("again".into()),
        origin: origin.clone(),
        issuer: origin,
        simulated: true,
    };
    let hits = gateway.codex.fault_hits(fault);
    gateway.execute(import).await;
    hit(&gateway, fault, hits + 2).await;
    assert_eq!(ids(&gateway.client).await, ["gpt-5.5"]);
    assert_eq!(status_of(&gateway, "gpt-5.5").await, 200);
}
