//! Lines 31 and 32: models, usage, files.

use codex_pooler::simulator::{Fault, FaultSpec, Recorded, ScriptStep, Who};
use serde_json::json;

use super::{keys, one, post_form, refused, told};
use crate::files::{a_file, form, upload};
use crate::support::Gateway;
use crate::support::client::Answer;

#[tokio::test]
async fn line_31_models_and_usage_have_exactly_their_members() {
    let toml = "[[models]]\nid = \"gpt-5.5\"\ncontext_window = 1001\n\n[[models]]\nid = \"other\"\n";
    let gateway = Gateway::builder().accounts(1).toml(toml).start().await;
    let list = gateway.client.get("/v1/models").await.json();
    assert_eq!((keys(&list), &list["object"]), (vec!["data", "object"], &json!("list")));
    let always = [
        "created",
        "display_name",
        "id",
        "input_modalities",
        "object",
        "owned_by",
        "permission",
        "supports_reasoning",
        "supports_streaming",
        "supports_tools",
    ];
    let mut with_window = always.to_vec();
    with_window.insert(0, "context_length");
    assert_eq!((keys(&list["data"][0]), &list["data"][0]["context_length"]), (with_window, &json!(950)));
    assert_eq!(keys(&list["data"][1]), always);
    assert_eq!(gateway.client.get("/v1/models/gpt-5.5").await.json(), list["data"][0]);
    assert_eq!(told(&gateway.client.get("/v1/models/gpt-6").await), refused(404, "model_not_found", "model"));
    let narrow = gateway.client_with(&gateway.new_key("narrow", Some(vec!["other".into()])).await);
    assert_eq!(told(&narrow.get("/v1/models/gpt-5.5").await), refused(404, "model_not_found", "model"));
    assert_eq!(narrow.get("/v1/models").await.json()["data"].as_array().unwrap().len(), 1);

    let usage = gateway.client.get("/v1/usage").await.json();
    let members = [
        "cached_input_tokens",
        "limits",
        "request_count",
        "total_cost_status",
        "total_cost_usd",
        "total_tokens",
        "upstream_limits",
    ];
    assert_eq!(keys(&usage), members);
    assert!(usage["total_cost_usd"].is_f64());
    assert_eq!(told(&gateway.client.get("/v1/usage?b=1&a=2").await), refused(400, "unsupported_parameter", "a"));
    assert!(gateway.codex.requests().is_empty(), "no upstream is asked");
}

async fn delete(gateway: &Gateway, path: &str) -> Answer {
    gateway.client.send(gateway.client.request("DELETE", path, &[], b"")).await
}

#[tokio::test]
async fn line_32_a_file_is_made_uploaded_finished_listed_and_nobody_elses() {
    let gateway = Gateway::start().await;
    gateway.codex.inject(FaultSpec::new(Who::All, Fault::FileRetries(2)));
    let first = upload(&gateway.client, "dir/a.txt", "user_data").await;
    let members = ["bytes", "created_at", "expires_at", "filename", "id", "object", "purpose", "status"];
    assert_eq!(
        (keys(&first), &first["filename"], &first["status"]),
        (members.to_vec(), &json!("a.txt"), &json!("processed"))
    );
    let steps: Vec<Recorded> = gateway.codex.requests();
    let id = first["id"].as_str().unwrap();
    let uploaded = format!("/backend-api/files/{id}/uploaded");
    let paths: Vec<&str> = steps.iter().map(|step| step.path.as_str()).collect();
    assert_eq!((paths[0], &paths[2..]), ("/backend-api/files", &[uploaded.as_str(); 3][..]), "asked until it is ready");
    assert_eq!(steps[1].method, "PUT");
    assert_eq!((&steps[1].account, steps[1].headers.get("authorization")), (&None, None));

    let second = upload(&gateway.client, "b.txt", "batch").await;
    let list = gateway.client.get("/v1/files").await.json();
    assert_eq!(list["data"], json!([second, first]));
    assert_eq!((&list["first_id"], &list["last_id"], &list["has_more"]), (&second["id"], &first["id"], &json!(false)));
    let page = gateway.client.get("/v1/files?limit=1&order=asc").await.json();
    assert_eq!((&page["data"], &page["has_more"]), (&json!([first]), &json!(true)));
    let next = gateway.client.get(&format!("/v1/files?order=asc&after={id}")).await.json();
    assert_eq!(next["data"], json!([second]));
    assert_eq!(gateway.client.get("/v1/files?purpose=batch").await.json()["data"], json!([second]));
    assert_eq!(told(&gateway.client.get("/v1/files?limit=0").await), refused(400, "invalid_request", "limit"));
    assert_eq!(told(&gateway.client.get("/v1/files?x=0").await), refused(400, "unsupported_parameter", "x"));

    // What is another's is looked for before the endpoint is found to be none.
    let other = Gateway { client: gateway.client_with(&gateway.new_key("other", None).await), ..gateway };
    assert_eq!(
        other.client.get("/v1/files").await.json(),
        json!({"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": false})
    );
    for path in [format!("/v1/files/{id}"), format!("/v1/files/{id}/content"), "/v1/files/none/content".into()] {
        assert_eq!(told(&other.client.get(&path).await), refused(404, "file_not_found", "file_id"), "{path}");
    }
    assert_eq!(told(&delete(&other, &format!("/v1/files/{id}")).await), refused(404, "file_not_found", "file_id"));
    let own = upload(&other.client, "c", "vision").await;
    let own = format!("/v1/files/{}", own["id"].as_str().unwrap());
    assert_eq!(told(&other.client.get(&format!("{own}/content")).await), refused(404, "unsupported_endpoint", ""));
    assert_eq!(told(&delete(&other, &own).await), refused(404, "unsupported_endpoint", ""));
    assert_eq!(other.client.get(&own).await.status, 200, "it is still there");
}

#[tokio::test]
async fn line_32_an_upload_goes_to_no_private_address() {
    let gateway = one().await;
    for url in ["http://files.example/x", "https://10.1.2.3/x", "https://localhost/x", "https://u@files.example/x"] {
        let made = json!({"file_id": "file_x", "upload_url": url}).to_string();
        let head = ScriptStep::Header("content-type".into(), "application/json".into());
        let fault = Fault::Script(vec![head, ScriptStep::Send(made.into())]);
        gateway.codex.inject(FaultSpec::new(Who::All, fault).on("/backend-api/files").times(1));
        let answer = post_form(&gateway.client, "/v1/files", &a_file("a", "batch", b"x")).await;
        assert_eq!(told(&answer), refused(502, "upstream_file_bridge_invalid_response", ""), "{url}");
    }
    assert!(gateway.codex.requests().iter().all(|request| request.method != "PUT"));
    let unknown = form(&[("file", Some("a"), None, b"x"), ("purpose", None, None, b"batch"), ("x", None, None, b"")]);
    assert_eq!(
        told(&post_form(&gateway.client, "/v1/files", &unknown).await),
        refused(400, "unsupported_parameter", "x")
    );
}
