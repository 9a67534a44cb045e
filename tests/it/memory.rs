//! Many large bodies at once, against a gateway that is a process of its own: what it takes of the machine stays within `limits.body_memory`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::program::{POOL, Server, Site};
use crate::support::client::Client;
use crate::support::eventually;

const MIB: usize = 1024 * 1024;
/// `limits.body_memory`, as it is without a configuration.
const BODY_MEMORY: usize = 512 * MIB;
/// What the gateway may take beside it.
const BESIDE: usize = 200 * MIB;
const BODY: usize = 60 * MIB;
const CLIENTS: usize = 100;
/// For a burst on a slow machine; each request of it has deadlines of its own.
const PATIENCE: Duration = Duration::from_secs(150);

/// An upstream that takes whole requests and answers none until it is told to hang up.
struct Sink {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Sink {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (taken, open) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(true));
        let (count, opened) = (Arc::clone(&taken), open.subscribe());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(swallow(socket, Arc::clone(&count), opened.clone()));
            }
        });
        Self { address, taken, open }
    }
}

/// Takes bytes until there are those of one body, and waits.
async fn swallow(mut socket: TcpStream, taken: Arc<AtomicUsize>, mut open: watch::Receiver<bool>) {
    let (mut buffer, mut bytes) = (vec![0; 256 * 1024], 0);
    while bytes < BODY {
        match socket.read(&mut buffer).await {
            Ok(read @ 1..) => bytes += read,
            Ok(0) | Err(_) => return,
        }
    }
    taken.fetch_add(1, Ordering::SeqCst);
    let _ = open.wait_for(|open| !open).await;
}

/// A request of 60 MiB, packed: filled with `filler`, and with so much noise that the ratio is allowed.
fn packed(begin: &str, filler: &str, noise: impl Fn(&str) -> String, end: &str) -> Vec<u8> {
    let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("a packer");
    let filler = filler.repeat(16 * 1024 / filler.len());
    let (mut state, mut written) = (7_u64, begin.len() + end.len());
    packer.write_all(begin.as_bytes()).expect("memory");
    while written < BODY {
        let mut random = String::new();
        while random.len() < 240 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random += &format!("{:016x}", state ^ (state >> 29));
        }
        let piece = filler.clone() + &noise(&random);
        packer.write_all(piece.as_bytes()).expect("memory");
        written += piece.len();
    }
    packer.write_all(end.as_bytes()).expect("memory");
    packer.finish().expect("memory")
}

fn request(client: &Client, packed: &[u8]) -> Vec<u8> {
    let headers = [("content-encoding", "zstd"), ("content-type", "application/json"), ("connection", "close")];
    client.request("POST", "/v1/responses", &headers, packed)
}

/// Status and code of the answer.
async fn ask(address: SocketAddr, request: Arc<Vec<u8>>) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.expect("the gateway listens");
    let mut answer = Vec::new();
    // Who is refused before its last byte may be cut off while it sends.
    let _ = socket.write_all(&request).await;
    let _ = socket.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let error: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, error["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// What the kernel says of the memory of a process, in bytes.
fn memory(server: &Server, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.program.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// So many clients send this at once. How many of them got to the upstream, and what all were told.
async fn burst(server: &Server, sink: &Sink, clients: usize, request: Vec<u8>) -> (usize, Vec<(u16, String)>) {
    let request = Arc::new(request);
    sink.taken.store(0, Ordering::SeqCst);
    sink.open.send_replace(true);
    let mut asking = JoinSet::new();
    for _ in 0..clients {
        asking.spawn(ask(server.address, Arc::clone(&request)));
    }
    let mut told = Vec::new();
    let all = async {
        while told.len() + sink.taken.load(Ordering::SeqCst) < clients {
            tokio::select! {
                Some(answer) = asking.join_next() => told.push(answer.expect("an answer")),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    timeout(PATIENCE, all).await.expect("every request is served or refused");
    let taken = sink.taken.load(Ordering::SeqCst);
    sink.open.send_replace(false);
    let rest = timeout(PATIENCE, asking.join_all()).await.expect("whose upstream hangs up is told so");
    told.extend(rest);
    (taken, told)
}

async fn start(sink: &Sink) -> (Site, Server, Client) {
    // A build without optimisation is slow: nothing is to be refused for its time.
    let more = "[limits]\nbody_time = \"60s\"\nbody_memory_wait = \"15s\"\n[catalog]\nsync = false";
    let site = Site::with("", more).await;
    site.json(&["pool", "create", POOL]).await;
    let account = &site.codex.accounts()[0];
    let file = site.file("account.json", &account.auth_json().to_string());
    let origin = format!("http://{}", sink.address);
    site.run(&site.import_command(account.label(), &file, &origin)).await.ok();
    let key = site.new_key("test").await;
    let server = site.serve().await;
    let client = server.client(&key);
    (site, server, client)
}

async fn stays_within(body: Vec<u8>, kept: Option<usize>) {
    assert!(BODY / body.len() < 150, "the ratio would be refused");
    let sink = Sink::start().await;
    let (_site, server, client) = start(&sink).await;
    let request = request(&client, &body);
    let (taken, told) = burst(&server, &sink, CLIENTS, request.clone()).await;
    let peak = memory(&server, "VmHWM:");
    assert!(peak <= BODY_MEMORY + BESIDE, "{} MiB", peak / MIB);
    assert_eq!(told.len(), CLIENTS);
    for (status, code) in &told {
        let known = [(502, "upstream_request_failed"), (503, "server_is_overloaded"), (400, "invalid_request")];
        assert!(known.contains(&(*status, code.as_str())), "{status} {code}");
    }
    assert_eq!(told.iter().filter(|(status, _)| *status == 502).count(), taken, "what was sent is told of");
    assert!(taken >= kept.map_or(0, |_| 1), "nobody was served: {told:?}");
    eventually("the memory is given back", || async { memory(&server, "VmRSS:") < BESIDE }).await;
    // All of it: so many fit again, each of them whole.
    if let Some(kept) = kept {
        let (taken, told) = burst(&server, &sink, kept, request).await;
        assert_eq!(taken, kept, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes the machine for itself: `make test` runs it alone"]
async fn a_hundred_bodies_of_60_mib_at_once_stay_within_the_memory_of_bodies() {
    let text = packed(r#"{"model":"gpt-5.5","input":""#, "a", str::to_owned, r#""}"#);
    stays_within(text, Some(6)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes the machine for itself: `make test` runs it alone"]
async fn bodies_of_nothing_but_brackets_do_not_take_many_times_their_size() {
    let brackets = packed(r#"{"model":"gpt-5.5","input":["#, "[],", |noise| format!("\"{noise}\","), r#""x"]}"#);
    stays_within(brackets, None).await;
}
