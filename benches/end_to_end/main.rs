//! A gateway under load, beside what it is measured against: the upstream alone, a bare Pingora `ProxyHttp`, and nginx where there is one;
//! for a chat, the same question as a request for a response of the same gateway.
//!
//! Upstream and gateways are processes of their own, on the same cores as the load: 64 connections that each send a small request as soon
//! as they have the whole answer to the last one, and fewer of them where the request is large. Rounds take turns, and the table has their
//! medians. The upstream always answers with a stream, as the Codex backend does: in one burst, or one event per 10 ms; in the cases named
//! `collect` only the gateway makes one JSON answer of it. The gateway is the stock binary with its default configuration: each answer waits
//! for its reservation on the disk, and each request is a line in the log. The last column tells the most that a ratio of CPU time may be.
//!
//! `cargo bench --bench end_to_end -- [--rounds N] [--seconds N] [--case CASE] [--only SUBJECT] [--rows]`

#[path = "../common/bare.rs"]
mod bare;
mod cases;
#[path = "../common/child.rs"]
mod child;
#[path = "../common/gateway.rs"]
mod gateway;
#[path = "../common/http.rs"]
mod http;
mod load;
#[path = "../common/measured.rs"]
mod measured;
#[path = "../common/nginx.rs"]
mod nginx;
#[path = "../common/servers.rs"]
mod servers;
#[path = "../common/table.rs"]
mod table;
#[path = "../common/upstream.rs"]
mod upstream;
#[path = "../common/wire.rs"]
mod wire;

use std::io;
use std::time::Duration;

use self::cases::{Case, Subject};
use self::child::Child;
use self::measured::Measured;
use self::servers::Server;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    match after("--role").map(String::as_str) {
        Some("upstream") => return upstream::run(Duration::ZERO),
        Some("bare") => return bare::run(args.last().and_then(|arg| arg.parse().ok()).expect("an address")),
        Some(_) | None => {}
    }
    let number = |name: &str, default: u64| after(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (rounds, time) = (number("--rounds", 5).max(1), Duration::from_secs(number("--seconds", 2).max(1)));

    let mut cases: Vec<Case> = cases::cases().into();
    cases.retain(|case| after("--case").is_none_or(|name| case.name == name));
    for case in &mut cases {
        case.subjects.retain(|subject| after("--only").is_none_or(|name| subject.name == name));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (upstream, address) = child::role("upstream", &[])?;
    let wanted = |name: &str| cases.iter().flat_map(|case| &case.subjects).any(|subject| subject.server == name);
    let servers = runtime.block_on(servers::start(address, wanted))?;
    table::header()?;
    for case in &cases {
        let server = |subject: &Subject| servers.iter().find(|server| server.name == subject.server);
        let mut subjects: Vec<(&Subject, &Server, Vec<Measured>)> =
            case.subjects.iter().filter_map(|subject| Some((subject, server(subject)?, Vec::new()))).collect();
        for _ in 0..rounds {
            for (subject, server, measured) in &mut subjects {
                measured.push(runtime.block_on(load::run(case, subject, server, time))?);
            }
        }
        let median = |(subject, _, rounds): &(&Subject, _, Vec<Measured>)| (subject.name, Measured::median(rounds));
        let medians: Vec<_> = subjects.iter().map(median).collect();
        measured::print("end_to_end", case.name, case.baseline, Some(case.target), &medians)?;
    }
    drop(servers);
    drop(upstream);
    Ok(())
}
