//! `GET /v1/models`: docs/v1.md, Models.

use std::collections::BTreeSet;
use std::sync::Arc;

use codex_pooler::store::records::{Outcome, Usage};
use pooler_filter::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::client::{Answer, Client};

const TWO_MODELS: &str = r#"
[[models]]
id = "alpha"
upstream_id = "gpt-5.5"
display_name = "Alpha"
context_window = 1001
created = 1700000000
input_modalities = ["text"]
supports_tools = false

[[models]]
id = "Beta"
context_window = 1000
effective_context_percent = 50

[[models]]
id = "gamma"
"#;

async fn with_models() -> Gateway {
    Gateway::builder().accounts(1).toml(TWO_MODELS).start().await
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn ids(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    let ids =
        list["data"].as_array().expect("a list").iter().map(|model| model["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

#[tokio::test]
async fn the_list_has_exactly_these_members() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let answer = gateway.client.get("/v1/models").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let list = answer.json();
    assert_eq!((keys(&list), &list["object"]), (BTreeSet::from(["data", "object"]), &json!("list")));
    let members = BTreeSet::from([
        "id",
        "object",
        "created",
        "owned_by",
        "permission",
        "input_modalities",
        "display_name",
        "supports_streaming",
        "supports_tools",
        "supports_reasoning",
    ]);
    assert!(ids(&answer).contains(&"gpt-5.5".to_owned()));
    for model in list["data"].as_array().unwrap() {
        assert_eq!(keys(model), members, "{model}");
        assert!(model["created"].as_u64().is_some_and(|seconds| seconds > 1_500_000_000), "{model}");
    }
    assert!(gateway.codex.requests().is_empty(), "no upstream is asked");
}

#[tokio::test]
async fn a_model_is_shown_as_it_is_configured() {
    let gateway = with_models().await;
    let list = gateway.client.get("/v1/models").await.json();
    let alpha = json!({
        "id": "alpha", "object": "model", "created": 1_700_000_000, "owned_by": "codex-pooler", "permission": [],
        "input_modalities": ["text"], "display_name": "Alpha", "supports_streaming": true, "supports_tools": false,
        "supports_reasoning": true, "context_length": 950,
    });
    assert_eq!(list["data"][0], alpha);
    assert_eq!(list["data"][1]["context_length"], 500);
    assert_eq!(list["data"][2].get("context_length"), None);
}

#[tokio::test]
async fn a_key_sees_the_models_that_it_may_use() {
    let gateway = with_models().await;
    assert_eq!(ids(&gateway.client.get("/v1/models").await), ["alpha", "Beta", "gamma"]);
    for (allowed, seen) in [
        (vec!["alpha"], vec!["alpha"]),
        (vec!["BETA", "nothing"], vec!["Beta"]),
        (vec!["gamma", "alpha"], vec!["alpha", "gamma"]),
        (vec!["nothing"], vec![]),
    ] {
        let models = allowed.iter().map(ToString::to_string).collect();
        let client = gateway.client_with(&gateway.new_key(&allowed.join("-"), Some(models)).await);
        assert_eq!(ids(&client.get("/v1/models").await), seen, "{allowed:?}");
    }
}

#[tokio::test]
async fn it_leaves_one_row_that_speaks_of_no_model_and_no_account() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let answer = gateway.client.get("/v1/models?a=query").await;
    let rows = gateway.settled(1).await;
    let (row, settled) = (&rows[0], rows[0].settled.as_ref().unwrap());
    assert_eq!(row.request_id.to_string(), answer.header("x-request-id").unwrap());
    let subject = row.subject().unwrap();
    assert_eq!((subject.route.as_str(), &subject.model, subject.stream), ("GET /v1/models", &None, false));
    assert_eq!((settled.status, settled.outcome, settled.usage), (200, Outcome::Succeeded, Usage::Unknown));
    assert!(settled.attempts.is_empty() && row.account().is_none());
}

#[tokio::test]
async fn what_the_list_names_can_be_asked_and_is_named_so_in_the_answer() {
    let gateway = with_models().await;
    let answer = gateway.client.create(json!({"model": "alpha", "input": "hi"})).await;
    assert_eq!((answer.status, &answer.json()["model"]), (200, &json!("alpha")), "{}", answer.text());
    let seen = gateway.codex.requests().into_iter().find(|r| r.path.ends_with("/responses")).unwrap();
    assert_eq!(seen.body.unwrap()["model"], "gpt-5.5");
}

/// A day from now.
#[derive(Debug)]
struct Tomorrow;

impl Clock for Tomorrow {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(std::time::Duration::from_secs(24 * 60 * 60))
    }
}

#[tokio::test]
async fn a_model_does_not_become_younger_when_the_gateway_starts_again() {
    let Gateway { running, client, dir, .. } = Gateway::builder().accounts(1).start().await;
    let before = client.get("/v1/models").await.json();
    running.drain().await;
    let again = Gateway::builder().clock(Arc::new(Tomorrow)).run(&dir.path().join("data")).await;
    let client = Client { address: again.addresses()[0], key: client.key };
    let after = client.get("/v1/models").await.json();
    assert_eq!(before["data"][0]["created"], after["data"][0]["created"], "it is when the pool first saw the model");
}

#[tokio::test]
async fn one_model_is_the_entry_of_the_list() {
    let gateway = with_models().await;
    let list = gateway.client.get("/v1/models").await.json();
    for (path, index) in [("alpha", 0), ("Beta", 1), ("gamma", 2), ("%61lph%61", 0), ("%42eta?x=1", 1)] {
        let answer = gateway.client.get(&format!("/v1/models/{path}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        assert_eq!(answer.json(), list["data"][index], "{path}");
    }
    let rows = gateway.settled(6).await;
    assert_eq!(rows[0].subject().unwrap().route, "GET /v1/models/:id");
    assert!(gateway.codex.requests().is_empty(), "no upstream is asked");
}

#[tokio::test]
async fn a_model_that_is_unknown_or_not_for_the_key_is_not_found() {
    let gateway = with_models().await;
    let limited = gateway.client_with(&gateway.new_key("limited", Some(vec!["alpha".into()])).await);
    assert_eq!(limited.get("/v1/models/alpha").await.status, 200);
    for (client, path) in [
        (&gateway.client, "nothing"),
        (&gateway.client, "ALPHA"),
        (&gateway.client, "alpha%20"),
        (&gateway.client, "gpt-5.5"),
        (&limited, "gamma"),
    ] {
        let answer = client.get(&format!("/v1/models/{path}")).await;
        assert_eq!(answer.refusal(), (404, "model_not_found".into()), "{path}");
        let error = answer.error();
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &json!("model")), "{path}");
    }
    assert_eq!(gateway.client.get("/v1/models/").await.refusal(), (404, "unsupported_endpoint".into()));
    assert_eq!(gateway.client.get("/v1/models/a%2Fb").await.refusal(), (400, "invalid_request".into()));
}
