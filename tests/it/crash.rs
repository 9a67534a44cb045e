//! kill -9 of the whole gateway under load, again and again on the same store: what a client saw begin stands in the ledger once, the tokens
//! of accounts never go back, and the store always opens.
//!
//! `CODEX_POOLER_KILLS` sets how often (20).

use std::collections::HashMap;
use std::process::Command as Process;

use codex_pooler::simulator::{Fault, FaultSpec, Who};
use pooler_filter::RequestId;
use serde_json::Value;

use crate::powercut::number;
use crate::process::{Raw, load};
use crate::program::{Program, Server, Site};
use crate::support::eventually;

/// Answers that are in the middle of their stream when the gateway dies.
const OPEN: usize = 3;

/// The version of each account's tokens, by label.
async fn versions(site: &Site) -> HashMap<String, u64> {
    let rows = site.json(&["account", "list"]).await;
    let version = |row: &Value| (row["label"].as_str().unwrap().to_owned(), row["token_version"].as_u64().unwrap());
    rows.iter().map(version).collect()
}

/// Any number below the bound; another one in each run.
fn any(bound: usize) -> usize {
    usize::from(RequestId::generate().as_bytes()[15]) % bound
}

/// What one life of the gateway left to its clients.
struct Life {
    /// Answers that began, and those of them that cannot have ended.
    begun: Vec<String>,
    open: Vec<String>,
    /// Refreshes that the issuer has answered, by account.
    refreshed: HashMap<String, u64>,
}

/// Load, refreshes, and the end at any moment.
async fn live_and_die(site: &Site, server: Server, key: &str, round: usize) -> Life {
    site.codex.forget_requests();
    let stall = Fault::Stall { after_events: 6, pause: std::time::Duration::from_secs(60) };
    site.codex.inject(FaultSpec::new(Who::All, stall).times(u32::try_from(OPEN).unwrap()));
    let mut stalled = Vec::new();
    for _ in 0..OPEN {
        stalled.push(Raw::open(&server.client(key)).await);
    }
    let (mut clients, answers) = load(&server, key, 8);
    let reached = async |count: usize| {
        eventually("the gateway is under load", || async { answers.lock().unwrap().len() >= count }).await;
    };
    reached(10).await;
    // Its next request is refused, and its login refreshed.
    site.codex.expire_access(round % site.codex.accounts().len());
    reached(10 + any(40)).await;
    server.program.kill().await;
    while clients.join_next().await.is_some_and(|ended| ended.is_ok()) {}
    let open: Vec<String> = stalled.iter().map(|answer| answer.id.clone()).collect();
    let mut begun = std::mem::take(&mut *answers.lock().unwrap());
    begun.extend(open.iter().cloned());
    let mut refreshed = HashMap::new();
    for request in site.codex.requests().iter().filter(|request| request.path == "/oauth/token") {
        assert_eq!(request.refused, None, "a refresh token was sent twice in round {round}");
        if request.status == Some(200) {
            *refreshed.entry(request.account.clone().unwrap()).or_default() += 1;
        }
    }
    Life { begun, open, refreshed }
}

/// Every answer that began stands in the ledger once, and has an end.
async fn counted(site: &Site, life: &Life, round: usize) -> usize {
    // More than one life can have left; the newest come first.
    let rows = site.json(&["requests", "list", "--limit", "2000"]).await;
    let mut states: HashMap<&str, Vec<&str>> = HashMap::new();
    for row in &rows {
        states.entry(row["request_id"].as_str().unwrap()).or_default().push(row["state"].as_str().unwrap());
    }
    for id in &life.begun {
        let found = states.get(id.as_str()).map_or(&[][..], Vec::as_slice);
        assert!(matches!(found, ["settled" | "lost"]), "{id} in round {round}: {found:?}");
    }
    for id in &life.open {
        assert_eq!(states[id.as_str()], ["lost"], "{id} was open in round {round}");
    }
    assert!(states.values().all(|states| states.len() == 1 && states[0] != "open"), "round {round}");
    rows.iter().filter(|row| row["state"] == "settled").count()
}

/// What the issuer gave was stored, but for the one token that may have been on its way: that login is imported again.
async fn kept(site: &Site, before: &HashMap<String, u64>, life: &Life, round: usize) -> usize {
    let after = versions(site).await;
    let mut lost = 0;
    for (label, version) in &after {
        let wanted = before[label] + life.refreshed.get(label).copied().unwrap_or(0);
        assert!(
            (wanted.saturating_sub(1)..=wanted).contains(version),
            "{label} in round {round}: {version} of {wanted}"
        );
        assert!(*version >= before[label], "{label} went back in round {round}");
        if *version < wanted {
            lost += 1;
            let account = site.codex.accounts().iter().find(|account| account.label() == label).unwrap();
            let file = site.file(&format!("{label}.again.json"), &account.auth_json().to_string());
            site.import(label, &file).await.ok();
        }
    }
    assert!(lost <= 1, "{lost} tokens were on their way at the same time in round {round}");
    lost
}

#[tokio::test]
async fn kill_9_under_load_loses_no_request_that_began_and_no_token_that_was_stored() {
    let kills = usize::try_from(number("CODEX_POOLER_KILLS", 20)).unwrap();
    let site = Site::new().await;
    let key = site.furnish().await;
    let (mut begun, mut settled, mut refreshed, mut on_their_way) = (0, 0, 0, 0);
    let mut server = site.serve().await;
    for round in 1..=kills {
        let before = versions(&site).await;
        let life = live_and_die(&site, server, &key, round).await;
        server = site.serve().await;
        settled = counted(&site, &life, round).await;
        begun += life.begun.len();
        refreshed += life.refreshed.values().sum::<u64>();
        on_their_way += kept(&site, &before, &life, round).await;
    }
    assert!(
        settled > 0 && begun >= kills * 10 && refreshed > 0,
        "{settled} settled, {begun} begun, {refreshed} refreshed"
    );
    assert_eq!(server.client(&key).ask().await.status, 200);
    server.program.kill().await;
    let verified = site.run(&["store", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    println!(
        "{kills} kills: {begun} answers began, none is missing; {refreshed} refreshes, {on_their_way} cut on their way"
    );
}

/// A limit of the shell stands in for a full disk: the file of the store must not grow any more, and each write beyond fails.
#[tokio::test]
async fn a_disk_that_takes_no_more_stops_the_gateway_and_costs_nothing_that_was_acknowledged() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let data = site.data().join("store/db");
    let blocks = (std::fs::metadata(&data).unwrap().len() + (300 << 10)) / 512;
    let limited = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    let mut shell = Process::new("sh");
    shell.args(["-c", limited, "sh", &blocks.to_string(), env!("CARGO_BIN_EXE_codex-pooler"), "serve", "--config"]);
    shell.arg(site.config());
    let server = Server::listening(Program::spawn(shell, None)).await;
    let (mut clients, answers) = load(&server, &key, 8);
    while let Some(ended) = clients.join_next().await {
        ended.expect("each request is answered, or its connection breaks");
    }
    let ended = server.program.end().await;
    assert!(ended.code.is_none() && ended.err.contains("the store failed, the process stops"), "{ended:?}");
    assert!(std::fs::metadata(&data).unwrap().len() <= blocks * 512);

    let begun = std::mem::take(&mut *answers.lock().unwrap());
    assert!(begun.len() > 20, "{}", begun.len());
    let server = site.serve().await;
    counted(&site, &Life { begun, open: Vec::new(), refreshed: HashMap::new() }, 0).await;
    assert_eq!(server.client(&key).ask().await.status, 200);
}
