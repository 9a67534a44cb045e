//! A gateway under load, beside what it is measured against: the upstream alone, a bare Pingora `ProxyHttp`, and nginx where there is one.
//!
//! Upstream and gateways are processes of their own, on the same cores as the load: 64 connections that each send a small request as soon
//! as they have the whole answer to the last one. Rounds take turns, and the table has their medians. The upstream always answers with a
//! stream, as the Codex backend does; in the case `collect` only the gateway makes one JSON answer of it. The gateway is the stock binary
//! with its default configuration: each answer waits for its reservation on the disk, and each request is a line in the log.
//!
//! `cargo bench --bench end_to_end -- [--rounds N] [--seconds N] [--only SUBJECT] [--rows]`

mod bare;
mod child;
mod gateway;
mod load;
mod nginx;
#[path = "../common/table.rs"]
mod table;
mod upstream;
#[path = "../common/wire.rs"]
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use self::child::Child;
use self::load::{Measured, Target};
use self::table::Row;

/// Connections that are always busy.
const CONNECTIONS: usize = 64;

/// What is asked for.
struct Case {
    name: &'static str,
    body: &'static str,
}

const CASES: [Case; 2] = [
    Case { name: "collect, 9 events", body: r#"{"model":"gpt-5.5","input":"Say hello","stream":false}"# },
    Case { name: "stream, 50 events", body: r#"{"model":"gpt-5.5","input":"Count to fifty","stream":true}"# },
];

/// Who is asked. The process is none where the upstream is asked itself.
struct Subject {
    name: &'static str,
    target: Target,
    child: Option<Child>,
}

/// The baseline of all ratios.
const BARE: &str = "pingora (baseline)";

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    match after("--role").map(String::as_str) {
        Some("upstream") => return upstream::run(),
        Some("bare") => return bare::run(args.last().and_then(|arg| arg.parse().ok()).expect("an address")),
        Some(_) | None => {}
    }
    let number = |name: &str, default: u64| after(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (rounds, time) = (number("--rounds", 5).max(1), Duration::from_secs(number("--seconds", 2).max(1)));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (upstream, address) = child::role("upstream", &[])?;
    let mut subjects = runtime.block_on(subjects(address))?;
    if let Some(only) = after("--only") {
        subjects.retain(|subject| subject.name == only);
    }
    table::header()?;
    for case in &CASES {
        let mut measured: Vec<Vec<Measured>> = subjects.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (subject, measured) in subjects.iter().zip(&mut measured) {
                measured.push(runtime.block_on(load::run(subject, case.body, time))?);
            }
        }
        let medians: Vec<Measured> = measured.iter_mut().map(|rounds| Measured::median(rounds)).collect();
        print(case, &subjects, &medians)?;
    }
    drop(subjects);
    drop(upstream);
    Ok(())
}

async fn subjects(upstream: SocketAddr) -> io::Result<Vec<Subject>> {
    let path = "/backend-api/codex/responses";
    let plain = |address| Target { address, path, key: None };
    let mut subjects = vec![Subject { name: "direct", target: plain(upstream), child: None }];
    if let Some((child, address)) = nginx::start(upstream).await? {
        subjects.push(Subject { name: "nginx", target: plain(address), child: Some(child) });
    }
    let (child, address) = bare::start(upstream).await?;
    subjects.push(Subject { name: BARE, target: plain(address), child: Some(child) });
    for (name, log) in [("codex-pooler", "info"), ("codex-pooler, log off", "warn")] {
        let (child, address, key) = gateway::start(upstream, log).await?;
        let target = Target { address, path: "/v1/responses", key: Some(key) };
        subjects.push(Subject { name, target, child: Some(child) });
    }
    Ok(subjects)
}

fn print(case: &Case, subjects: &[Subject], medians: &[Measured]) -> io::Result<()> {
    let baseline = subjects.iter().position(|subject| subject.name == BARE).map(|at| medians[at]);
    for (subject, measured) in subjects.iter().zip(medians) {
        let cpu_ratio = baseline.zip(measured.cpu).and_then(|(b, cpu)| Some(cpu.as_secs_f64() / b.cpu?.as_secs_f64()));
        Row {
            rate: Some(format!("{:.0}/s", measured.per_second)),
            rate_ratio: baseline.map(|baseline| measured.per_second / baseline.per_second),
            p50: Some(measured.p50),
            p99: Some(measured.p99),
            cpu: measured.cpu,
            cpu_ratio,
            ..Row::new("end_to_end", case.name, subject.name)
        }
        .print()?;
    }
    Ok(())
}
