//! The commands: the same answers with and without a gateway, what they refuse, and with which exit code.

use std::path::Path;

use codex_pooler::store::{SledOptions, SledStore};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{POOL, Program, Site};
use crate::support::eventually;

/// Everything that commands can tell about a site.
async fn told(site: &Site) -> Vec<(String, Vec<Value>)> {
    let mut told = Vec::new();
    for command in ["pool list", "pool show team", "key list", "key list --pool team", "account list", "requests list"]
    {
        let args: Vec<&str> = command.split(' ').collect();
        let mut rows = site.json(&args).await;
        // The one thing that only a gateway knows.
        rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove("quota")));
        told.push((command.to_owned(), rows));
    }
    for row in &told.last().unwrap().1.clone() {
        let id = row["request_id"].as_str().unwrap();
        told.push((format!("requests show {id}"), site.json(&["requests", "show", id]).await));
    }
    told
}

#[tokio::test]
async fn commands_answer_alike_with_and_without_a_gateway() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let without = told(&site).await;
    let server = site.serve().await;
    assert_eq!(told(&site).await, without);
    let client = server.client(&key);
    assert_eq!((client.ask().await.status, client.stream().await.status), (200, 200));
    site.settled(2).await;
    let with = told(&site).await;
    assert_eq!(with.len(), without.len() + 2, "two requests have been shown");
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert_eq!(told(&site).await, with);
}

#[tokio::test]
async fn the_quota_of_accounts_is_told_by_a_gateway_alone() {
    let site = Site::new().await;
    site.furnish().await;
    assert!(site.json(&["account", "list"]).await.iter().all(|row| row["quota"].is_null()));
    let server = site.serve().await;
    eventually("the accounts have told their quota", || async {
        site.json(&["account", "list"]).await.iter().all(|row| row["quota"]["class"] == "precise")
    })
    .await;
    let rows = site.json(&["account", "list"]).await;
    let quota = &rows[0]["quota"];
    assert_eq!((&quota["reason"], &quota["resets_at"]), (&json!("fresh"), &Value::Null));
    assert_eq!((&quota["primary_used_percent"], &quota["secondary_used_percent"]), (&json!(0), &json!(0)));
    let shown = site.run(&["account", "list"]).await.ok().out;
    assert!(shown.contains("precise (fresh)") && shown.contains("0% / 0%"), "{shown}");
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert!(site.run(&["account", "list"]).await.ok().out.contains("QUOTA"));
}

#[tokio::test]
async fn models_are_told_alike_by_a_gateway_and_by_its_store() {
    let site = Site::new().await;
    site.furnish().await;
    let before = site.json(&["models"]).await;
    assert_eq!((before.len(), &before[0]["model"], &before[0]["accounts"]), (1, &json!("gpt-5.5"), &Value::Null));
    let server = site.serve().await;
    let all = [site.codex.accounts().len(), 6];
    eventually("the accounts have told their models", || async {
        let rows = site.json(&["models", "--pool", POOL]).await;
        let common = rows.iter().find(|row| row["model"] == "gpt-6-sol");
        let accounts = common.and_then(|row| row["accounts"].as_array()).map_or(0, Vec::len);
        [accounts, rows.len()] == all
    })
    .await;
    let with = site.json(&["models"]).await;
    let find = |model: &str| with.iter().find(|row| row["model"] == model).unwrap();
    assert_eq!((&find("gpt-6-sol")["lite"], &find("gpt-5.5")["lite"]), (&json!(true), &json!(false)));
    assert_eq!((&find("codex-auto-review")["state"], &find("gpt-5.5")["state"]), (&json!("hidden"), &json!("listed")));
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert_eq!(site.json(&["models"]).await, with);
    let shown = site.run(&["models", "--pool", POOL]).await.ok().out;
    assert!(shown.starts_with("POOL") && shown.contains("gpt-6-sol"), "{shown}");
    let refused = site.run(&["models", "--pool", "none"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.err);
}

#[tokio::test]
async fn the_rows_of_requests_say_what_happened() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let client = server.client(&key);
    let answer = client.ask().await.json();
    client.stream().await;
    site.settled(2).await;
    let rows = site.json(&["requests", "list", "--limit", "1"]).await;
    assert_eq!(rows.len(), 1, "no more than asked for");
    let rows = site.json(&["requests", "list"]).await;
    let [streamed, asked] = rows.as_slice() else { panic!("{rows:?}") };
    for (row, stream) in [(streamed, true), (asked, false)] {
        assert_eq!((&row["route"], &row["model"]), (&json!("POST /v1/responses"), &json!("gpt-5.5")), "{row}");
        assert_eq!((&row["status"], &row["outcome"]), (&json!(200), &json!("succeeded")), "{row}");
        assert_eq!((&row["stream"], &row["pool"]), (&json!(stream), &json!(POOL)), "{row}");
        let attempts = row["attempts"].as_array().unwrap();
        assert_eq!((attempts.len(), &attempts[0]["account"]), (1, &row["account"]), "{row}");
        assert!(row["account"].as_str().unwrap().starts_with("sim-") && row["request_id"].is_string(), "{row}");
    }
    for (told, given) in [("input_tokens", "input_tokens"), ("output_tokens", "output_tokens")] {
        assert_eq!(asked["usage"][told], answer["usage"][given], "{asked}");
    }
    let id = asked["request_id"].as_str().unwrap();
    let beginning = &id[..id.len() - 1];
    assert_eq!(site.json(&["requests", "show", id]).await, std::slice::from_ref(asked));
    if !streamed["request_id"].as_str().unwrap().starts_with(beginning) {
        assert_eq!(site.json(&["requests", "show", beginning]).await, std::slice::from_ref(asked));
    }
    let shown = site.run(&["requests", "show", id]).await.ok().out;
    assert!(shown.contains(id) && shown.contains("succeeded") && shown.contains("served"), "{shown}");
}

#[tokio::test]
async fn a_key_opens_the_gateway_from_its_creation_to_its_revocation() {
    let site = Site::new().await;
    site.furnish().await;
    let server = site.serve().await;
    let key = site.new_key("second").await;
    assert_eq!(server.client(&key).ask().await.status, 200);
    let listed = site.json(&["key", "list"]).await;
    let row = listed.iter().find(|row| row["name"] == "second").unwrap();
    let id = row["id"].as_str().unwrap();
    assert!(key.starts_with(id) && key.len() > id.len(), "the id is the public half");
    let secret = key.strip_prefix(id).unwrap();
    assert!(listed.iter().all(|row| !row.to_string().contains(secret)), "a list opens nothing");
    assert_eq!(site.json(&["key", "revoke", id]).await[0]["status"], "revoked");
    let refused = server.client(&key).ask().await;
    assert_eq!(refused.refusal(), (401, "api_key_disabled".to_owned()));
}

#[tokio::test]
async fn pools_are_made_shown_and_changed() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let made = site.json(&["pool", "create", "other", "--name", "The other"]).await;
    assert_eq!((&made[0]["slug"], &made[0]["name"]), (&json!("other"), &json!("The other")));
    let again = site.run(&["pool", "create", "other"]).await;
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""), "{again:?}");
    let changed = site.json(&["pool", "set", POOL, "--ring-size", "1", "--images", "off", "--name", "Us"]).await;
    let expected = (&json!(1), &json!(false), &json!("Us"));
    assert_eq!((&changed[0]["ring_size"], &changed[0]["images"], &changed[0]["name"]), expected);
    assert_eq!(site.json(&["pool", "show", POOL]).await, changed);
    assert_eq!(server.client(&key).ask().await.status, 200);
    site.json(&["pool", "set", POOL, "--status", "disabled"]).await;
    assert!(matches!(server.client(&key).ask().await.status, 401 | 403), "a disabled pool lets nobody in");
    site.json(&["pool", "set", POOL, "--status", "active"]).await;
    assert_eq!(server.client(&key).ask().await.status, 200);
}

#[tokio::test]
async fn an_account_is_imported_from_a_file_or_from_standard_input() {
    let site = Site::new().await;
    site.json(&["pool", "create", POOL]).await;
    let key = site.new_key("k").await;
    let server = site.serve().await;
    assert_eq!(server.client(&key).ask().await.refusal(), (503, "no_eligible_backend".to_owned()));

    let [first, second, _] = site.codex.accounts() else { panic!("three accounts") };
    let file = site.file("auth.json", &first.auth_json().to_string());
    let imported = site.import("first", &file).await.ok();
    let row = &imported.json()[0];
    assert_eq!((&row["label"], &row["chatgpt_account_id"]), (&json!("first"), &json!(first.id())));
    assert_eq!((&row["pools"], &row["simulated"], &row["status"]), (&json!([POOL]), &json!(true), &json!("active")));
    assert_eq!(server.client(&key).ask().await.status, 200, "it serves at once");

    let origin = site.codex.origin();
    let command = site.import_command("second", "-", &origin);
    let imported = site.run_with(&command, &second.auth_json().to_string()).await.ok();
    assert_eq!(imported.json()[0]["chatgpt_account_id"], second.id());
    assert_eq!(site.json(&["account", "list"]).await.len(), 2);
    let secrets = [first.login().refresh_token, second.login().refresh_token];
    let all = imported.out + &imported.err;
    assert!(secrets.iter().all(|secret| !all.contains(secret)));
}

#[tokio::test]
async fn the_import_of_a_login_that_was_not_made_up_warns_of_its_refresh_token() {
    let site = Site::new().await;
    site.json(&["pool", "create", POOL]).await;
    // There is no gateway, so nobody uses it.
    let file = site.file("auth.json", &site.codex.accounts()[0].auth_json().to_string());
    let imported = site.run(&["account", "import", &file, "--pool", POOL, "--json"]).await.ok();
    assert_eq!(imported.json().len(), 1, "the warning is not for programs: {imported:?}");
    assert_eq!(imported.json()[0]["origin"], "https://chatgpt.com");
    assert!(imported.err.contains("warning") && imported.err.contains("refresh token"), "{imported:?}");
}

#[tokio::test]
async fn what_is_no_login_is_not_imported_and_not_repeated() {
    let site = Site::new().await;
    site.json(&["pool", "create", POOL]).await;
    let large = format!("{{\"tokens\": \"{}\"}}", "x".repeat(64 * 1024));
    for (name, text) in [("no-json", "CANARY"), ("no-tokens", "{\"OPENAI_API_KEY\": \"CANARY\"}"), ("large", &large)] {
        let file = site.file(name, text);
        let refused = site.import("x", &file).await;
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{name}: {refused:?}");
        assert!(!refused.err.contains("CANARY") && refused.err.len() < 500, "{name}: {refused:?}");
    }
    let missing = site.import("x", "/nowhere/auth.json").await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("/nowhere/auth.json"), "{missing:?}");
    assert!(site.json(&["account", "list"]).await.is_empty());
}

#[tokio::test]
async fn a_paused_account_serves_nobody_until_it_is_resumed_and_a_removed_one_is_gone() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let client = server.client(&key);
    for label in ["sim-0", "sim-1", "sim-2"] {
        let row = &site.json(&["account", "pause", label]).await[0];
        assert_eq!((&row["label"], &row["status"]), (&json!(label), &json!("paused")));
    }
    assert_eq!(client.ask().await.refusal(), (503, "no_eligible_backend".to_owned()));
    assert_eq!(site.json(&["account", "resume", "sim-1"]).await[0]["status"], "active");
    assert_eq!(client.ask().await.status, 200);
    let rows = site.settled(2).await;
    assert_eq!((&rows[0]["account"], &rows[1]["account"]), (&json!("sim-1"), &Value::Null));
    site.json(&["account", "remove", "sim-1"]).await;
    assert_eq!(client.ask().await.refusal(), (503, "no_eligible_backend".to_owned()));
    let left = site.json(&["account", "list"]).await;
    let mut labels: Vec<&str> = left.iter().map(|row| row["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["sim-0", "sim-2"]);
    let unknown = site.run(&["account", "pause", "sim-1"]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("not_found"), "{unknown:?}");
}

#[tokio::test]
async fn check_takes_the_files_that_come_with_the_program() {
    for name in ["codex-pooler.toml", "minimal.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name);
        let ended = Program::start(["check", "--config", path.to_str().unwrap()]).end().await.ok();
        assert!(ended.out.contains(name) && ended.out.trim_end().ends_with(": ok"), "{ended:?}");
    }
}

#[tokio::test]
async fn check_names_file_line_and_key_of_a_mistake() {
    let site = Site::new().await;
    for (text, place, key) in [
        ("[gateway]\nlisten = [\"127.0.0.1:0\"]\nkeep_alive = 5\n", ":3:", "gateway.keep_alive"),
        ("[data]\ndirectory = \"x\"\n", ":2:", "directory"),
        ("[[chain]]\nfilter = \"auth\"\n\n[[chain]]\nfilter = \"no_such_filter\"\n", ":5:", "no_such_filter"),
        ("[limits\n", ":1:", ""),
    ] {
        let file = site.file("broken.toml", text);
        for command in ["check", "serve"] {
            let ended = Program::start([command, "--config", &file]).end().await;
            assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
            let told = ended.err.lines().last().unwrap();
            assert!(told.contains(&format!("{file}{place}")) && told.contains(key), "{command}: {told}");
        }
    }
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_told_in_one_line() {
    for args in [
        &["pool", "destroy"][..],
        &["serve", "--no-such-option"],
        &["requests", "list", "--limit", "none"],
        &["pool", "set", "team"],
        &["check", "--config", "a", "--data", "b"],
    ] {
        let ended = Program::start(args).end().await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{args:?}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{args:?}: {ended:?}");
        assert!(ended.err.starts_with("codex-pooler: "), "{args:?}: {ended:?}");
    }
    let help = Program::start(["--help"]).end().await.ok();
    assert!(help.out.contains("serve") && help.err.is_empty(), "{help:?}");
}

#[tokio::test]
async fn a_store_that_another_process_holds_without_an_answer_is_told_with_a_code_of_its_own() {
    let site = Site::new().await;
    site.json(&["pool", "create", POOL]).await;
    let held = SledStore::open(&SledOptions::new(site.data().join("store"))).expect("nobody else holds it");
    for args in [&["pool", "list"][..], &["key", "create", "--pool", POOL, "--name", "k"], &["serve"]] {
        let ended = site.run(args).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(75), ""), "{args:?}: {ended:?}");
        assert!(ended.err.contains("in use") || ended.err.contains("locked"), "{args:?}: {ended:?}");
    }
    held.close();
    assert_eq!(site.json(&["pool", "list"]).await.len(), 1);
}

#[tokio::test]
async fn reading_commands_make_no_store() {
    let site = Site::new().await;
    let ended = site.run(&["requests", "list", "--json"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert!(!site.data().exists(), "nothing was made");
}
