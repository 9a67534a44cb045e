//! A program with a filter of its own, from outside the workspace: built here, and run as any other.
//!
//! It is built into the target folder of these tests, with the profile `dev` and the locked versions of this repository. So only the crates
//! of this repository are compiled again, which count as others when they are used from outside; nothing is when nothing has changed.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

use codex_pooler::simulator::{Fault, Who};
use serde_json::json;

use crate::program::{Program, Server, Site};
use crate::support::client::{Answer, Client};

/// A machine that has compiled nothing yet needs minutes.
const BUILD: Duration = Duration::from_secs(1200);

const CHAIN: &str = r#"
[[chain]]
filter = "tenant_tag"
[chain.config]
tenants = ["acme", "globex"]
[[chain]]
filter = "auth"
[[chain]]
filter = "route_gate"
[[chain]]
filter = "codex_rewrite"
[[chain]]
filter = "pool_select"
[[chain]]
filter = "accounting"
"#;

/// Builds the program and gives its path.
async fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = root.join("tests/custom_binary/Cargo.toml");
    // Cargo keeps the versions that it finds locked, and drops what this program does not need.
    std::fs::copy(root.join("Cargo.lock"), manifest.with_file_name("Cargo.lock")).unwrap();
    let stock = Path::new(env!("CARGO_BIN_EXE_codex-pooler"));
    let target = stock.ancestors().nth(2).unwrap();
    let mut cargo = Process::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--offline", "--manifest-path"]).arg(manifest).env("CARGO_TARGET_DIR", target);
    for (name, _) in std::env::vars_os() {
        // What Cargo says of the package of these tests would make build scripts of others run again.
        let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if of_this_package.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    Program::spawn(cargo, None).end_within(BUILD).await.ok();
    target.join("debug/custom-binary")
}

async fn ask(client: &Client, tenant: Option<&str>, stream: bool) -> Answer {
    let body = json!({"model": "gpt-5.5", "input": "Say hello", "stream": stream}).to_string();
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(tenant.map(|tenant| ("x-tenant", tenant)));
    client.send(client.request("POST", "/v1/responses", &headers, body.as_bytes())).await
}

#[tokio::test]
async fn a_filter_of_somebody_else_stands_in_the_chain_and_shows_in_requests_and_streams() {
    let binary = build().await;
    let site = Site::with("", CHAIN).await;
    let start = |args: &[&str]| {
        let mut process = Process::new(&binary);
        process.args(args).arg("--config").arg(site.config());
        Program::spawn(process, None)
    };
    // The stock program does not know the filter; this one does, with its configuration.
    let stock = site.run(&["check"]).await;
    assert!(stock.code == Some(1) && stock.err.contains("tenant_tag"), "{stock:?}");
    start(&["check"]).end().await.ok();

    // Commands do not need the chain.
    let key = site.furnish().await;
    let server = Server::listening(start(&["serve"])).await;
    let client = server.client(&key);
    let refused = ask(&client, None, false).await;
    assert_eq!(refused.refusal(), (400, "tenant_required".to_owned()));
    assert_eq!(ask(&client, Some("initech"), false).await.refusal(), (400, "tenant_unknown".to_owned()));
    let went_upstream = site.codex.requests().iter().any(|request| request.path.ends_with("/responses"));
    assert!(!went_upstream, "the accounts were asked for their models at most");

    let whole = ask(&client, Some("acme"), false).await;
    assert_eq!((whole.status, whole.header("x-tenant")), (200, Some("acme")), "{}", whole.text());
    assert_eq!(whole.json()["status"], "completed");
    let streamed = ask(&client, Some("globex"), true).await;
    assert_eq!((streamed.status, streamed.header("x-tenant")), (200, Some("globex")));
    assert_eq!(streamed.events().last().unwrap().name, "response.completed");
    assert!(streamed.text().ends_with("\n\n: tenant globex\n\n"), "{}", streamed.text());

    // A stream that breaks is not signed.
    site.codex.fault(Who::All, Fault::Cut { after_events: 8 });
    let broken = ask(&client, Some("acme"), true).await;
    assert!(broken.status == 200 && !broken.text().contains(": tenant"), "{}", broken.text());
}
