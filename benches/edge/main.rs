//! What clients and hosts notice of a gateway beside its CPU time: time to the first byte, gaps in a stream, memory, what a burst of
//! connections leaves behind, and wake-ups at rest; each beside a bare Pingora `ProxyHttp` that does the same, where it can also beside nginx.
//!
//! Upstream and gateways are processes of their own, on the same cores as the clients. The gateway is the stock binary with its default
//! configuration. Rounds take turns. The last column has the targets; one that is missed is marked, and ends nothing.
//!
//! `cargo bench --bench edge -- [--rounds N] [--seconds N] [--streams N] [--rest N] [--case CASE] [--only SUBJECT] [--rows]`; `--streams`:
//! silent streams that are open at once, 2,000; `--rest`: seconds in which wake-ups are counted, 10. It needs Linux, as `upload` does.

#[path = "../common/bare.rs"]
mod bare;
mod burst;
#[path = "../common/child.rs"]
mod child;
#[path = "../common/descriptors.rs"]
mod descriptors;
mod first_byte;
#[path = "../common/gateway.rs"]
mod gateway;
#[path = "../common/http.rs"]
mod http;
mod idle;
#[path = "../common/measured.rs"]
mod measured;
#[path = "../common/memory.rs"]
mod memory;
#[path = "../common/nginx.rs"]
mod nginx;
mod pauses;
#[path = "../common/servers.rs"]
mod servers;
mod silent;
#[path = "../common/table.rs"]
mod table;
#[path = "../common/upstream.rs"]
mod upstream;
#[path = "../common/wire.rs"]
mod wire;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;

use self::child::Child;
use self::servers::{BACKEND, BARE, GATEWAY, RESPONSES, Server};
use self::table::{Row, Target};

/// Of all rows.
const BENCH: &str = "edge";
/// Answers that come before a process is looked at, so that code and tables are there.
const WARM_UP: usize = 50;
/// After an answer the process still has to write it down.
const SETTLE: Duration = Duration::from_secs(1);
const SAY_HELLO: &str = r#"{"model":"gpt-5.5","input":"Say hello","stream":true}"#;

/// What the command line says.
struct Options {
    args: Vec<String>,
    rounds: u32,
    /// Of one round.
    time: Duration,
    /// Silent streams.
    streams: u32,
    /// How long an idle process is watched.
    rest: Duration,
}

impl Options {
    fn new(args: Vec<String>) -> Self {
        let number =
            |name: &str, default: u32| after(&args, name).and_then(|n| n.parse().ok()).unwrap_or(default).max(1);
        let seconds = |name: &str, default| Duration::from_secs(number(name, default).into());
        let (rounds, streams) = (number("--rounds", 5), number("--streams", 2000));
        let (time, rest) = (seconds("--seconds", 2), seconds("--rest", 10));
        Self { rounds, time, streams, rest, args }
    }

    fn wants_case(&self, case: &str) -> bool {
        after(&self.args, "--case").is_none_or(|only| only == case)
    }

    fn wants(&self, subject: &str) -> bool {
        after(&self.args, "--only").is_none_or(|only| only == subject)
    }

    /// An upstream that thinks this long, and those of the subjects before it that are wanted.
    async fn start(&self, think: Duration, subjects: &[&str]) -> io::Result<(Child, Vec<Server>)> {
        let (upstream, address) = child::role("upstream", &[think.as_millis().to_string()])?;
        let wanted = |name: &str| subjects.contains(&name) && self.wants(name);
        let mut servers = servers::start(address, wanted).await?;
        servers.retain(|server| wanted(server.name));
        Ok((upstream, servers))
    }
}

/// The argument after this one.
fn after<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).map(String::as_str)
}

impl Server {
    /// A request for a response.
    fn request(&self, body: &[u8]) -> Bytes {
        http::request(self, if self.name == GATEWAY { RESPONSES } else { BACKEND }, body)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Has it serve a few requests, and waits until it has written them down.
    async fn warm_up(&self) -> io::Result<()> {
        let (mut stream, request) = (self.connect().await?, self.request(SAY_HELLO.as_bytes()));
        let mut buffer = Vec::new();
        for _ in 0..WARM_UP {
            http::exchange(&mut stream, &request, &mut buffer).await?;
        }
        drop(stream);
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    /// The number of its process.
    fn id(&self) -> io::Result<u32> {
        self.child.as_ref().map(Child::id).ok_or_else(|| io::Error::other("not a process of ours"))
    }

    /// What its rows are called.
    fn subject(&self) -> String {
        if self.name == BARE { format!("{BARE} (baseline)") } else { self.name.to_owned() }
    }

    /// The target, for the gateway; the others have none.
    fn target(&self, figure: f64, limit: f64, unit: &'static str) -> Option<Target> {
        (self.name == GATEWAY).then_some(Target { figure: Some(figure), limit, unit })
    }
}

fn main() -> io::Result<()> {
    descriptors::raise()?;
    let options = Options::new(std::env::args().collect());
    let told = options.args.last();
    match after(&options.args, "--role") {
        Some("upstream") => {
            let think = told.and_then(|arg| arg.parse().ok()).expect("milliseconds");
            return upstream::run(Duration::from_millis(think));
        }
        Some("bare") => return bare::run(told.and_then(|arg| arg.parse().ok()).expect("an address")),
        Some(_) | None => {}
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        table::header()?;
        first_byte::run(&options).await?;
        pauses::run(&options).await?;
        silent::run(&options).await?;
        burst::run(&options).await?;
        idle::run(&options).await
    })
}
