//! `serve` as a process: signals, draining, the admin socket.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codex_pooler::simulator::{Fault, Who};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::program::{SOON, Server, Site};
use crate::support::client::Client;
use crate::support::{PATIENCE, eventually};

/// Waits until nobody can connect any more.
async fn refuses_connections(address: SocketAddr) {
    eventually("new connections are refused", || async move {
        TcpStream::connect(address).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
    .await;
}

#[tokio::test]
async fn an_idle_gateway_leaves_within_a_second_of_sigterm() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let client = server.client(&key);
    // A connection that stays open after its answer keeps nobody here.
    let mut idle = client.open(client.request("GET", "/v1/models", &[], b"")).await;
    assert_eq!(idle.rest().await.status, 200);
    assert_eq!(server.ready().await, 200);
    let (ended, took) = server.program.stop(Signal::TERM).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn no_thread_keeps_the_time_a_hundred_times_a_second() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let client = server.client(&key);
    // Waiting for a head, for a slow upstream, and for the next request.
    let idle = TcpStream::connect(server.address).await.unwrap();
    site.codex.fault(Who::All, Fault::SlowFirstByte(Duration::from_millis(30)));
    site.codex.fault(Who::All, Fault::Pace(Duration::from_millis(5)));
    assert_eq!(client.ask().await.status, 200);
    let mut kept = client.open(client.request("GET", "/v1/models", &[], b"")).await;
    assert_eq!(kept.rest().await.status, 200);
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.program.id())).unwrap();
    let names: Vec<String> =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap()).collect();
    assert!(names.iter().any(|name| name.trim() == "gateway"), "{names:?}");
    assert!(!names.iter().any(|name| name.trim() == "Timer thread"), "{names:?}");
    drop(idle);
}

#[tokio::test]
async fn a_stream_of_three_seconds_survives_sigterm_and_then_the_process_leaves() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    site.codex.fault(Who::All, Fault::Events(20));
    site.codex.fault(Who::All, Fault::Pace(Duration::from_millis(110)));
    let mut stream = server.client(&key).open_stream().await;
    let first = stream.event().await.unwrap();
    assert_eq!(first.name, "response.created");
    let since = Instant::now();
    server.program.signal(Signal::TERM);
    refuses_connections(server.address).await;
    assert_eq!(server.ready().await, 503);
    let mut last = first;
    while let Some(event) = stream.event().await {
        last = event;
    }
    let lasted = since.elapsed();
    assert_eq!(last.name, "response.completed");
    assert!(lasted > Duration::from_secs(2), "the stream was over before it could be cut: {lasted:?}");
    let ended = server.program.end_within(SOON).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows = site.ledger().await;
    assert_eq!((rows.len(), &rows[0]["outcome"]), (1, &json!("succeeded")));
}

#[tokio::test]
async fn what_still_runs_after_the_grace_period_is_cut() {
    let site = Site::with("shutdown_grace = \"1s\"", "").await;
    let key = site.furnish().await;
    let server = site.serve().await;
    site.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: Duration::from_secs(60) });
    let mut answer = Raw::open(&server.client(&key)).await;
    let (ended, took) = server.program.stop(Signal::TERM).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let grace = Duration::from_secs(1);
    assert!(took >= grace && took < grace + SOON, "{took:?}");
    let rest = answer.rest().await;
    assert!(!rest.ends_with("0\r\n\r\n") && !rest.contains("response.completed"), "{rest}");
    // The row has no end; the next start finds it.
    let server = site.serve().await;
    let rows = site.ledger().await;
    assert_eq!((rows.len(), &rows[0]["state"], &rows[0]["request_id"]), (1, &json!("lost"), &json!(answer.id)));
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
}

#[tokio::test]
async fn a_second_ctrl_c_ends_it_at_once() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let mut server = site.serve().await;
    site.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: Duration::from_secs(60) });
    let _answer = Raw::open(&server.client(&key)).await;
    server.program.signal(Signal::INT);
    eventually("it drains", || async { server.ready().await == 503 }).await;
    assert!(server.program.runs(), "it waits for the stream");
    let (ended, took) = server.program.stop(Signal::INT).await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_directory_is_refused() {
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let second = site.run(&["serve"]).await;
    assert_eq!(second.code, Some(75), "{second:?}");
    assert_eq!(second.err.lines().filter(|line| line.starts_with("codex-pooler: ")).count(), 1, "{second:?}");
    assert!(second.err.contains(site.data().to_str().unwrap()) && second.out.is_empty(), "{second:?}");
    assert_eq!(server.client(&key).ask().await.status, 200, "the first one goes on");
    assert!(!site.json(&["pool", "list"]).await.is_empty(), "and so does its socket");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_admin_socket_is_private_and_goes_with_the_gateway() {
    let site = Site::new().await;
    let server = site.serve().await;
    assert_eq!((mode(&site.data()), mode(&site.socket())), (0o700, 0o600));
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert!(!site.socket().exists());
}

#[tokio::test]
async fn a_socket_that_a_crash_left_behind_is_replaced() {
    let site = Site::new().await;
    site.serve().await.program.kill().await;
    assert!(site.socket().exists(), "nobody was left to remove it");
    // A command finds nobody there and opens the store itself.
    site.json(&["pool", "create", "before"]).await;
    let server = site.serve().await;
    assert_eq!(mode(&site.socket()), 0o600);
    site.json(&["pool", "create", "after"]).await;
    assert_eq!(site.json(&["pool", "list"]).await.len(), 2);
    assert_eq!(server.program.stop(Signal::TERM).await.0.code, Some(0));
    assert!(!site.socket().exists());
}

/// One request on a connection of its own, read so that a cut is no failure.
pub struct Raw {
    stream: TcpStream,
    pub id: String,
    /// Whether it is an answer, and no refusal.
    served: bool,
}

impl Raw {
    /// Sends a request for a stream, and waits for the head of the answer.
    pub async fn open(client: &Client) -> Self {
        Self::send(client, true).await.expect("an answer begins")
    }

    async fn send(client: &Client, stream: bool) -> std::io::Result<Self> {
        let body = json!({"model": "gpt-5.5", "input": "Say hello", "stream": stream}).to_string();
        let headers = [("content-type", "application/json"), ("connection", "close")];
        let request = client.request("POST", "/v1/responses", &headers, body.as_bytes());
        let answer = async {
            let mut stream = TcpStream::connect(client.address).await?;
            stream.write_all(&request).await?;
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut head).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("every answer has an id");
            Ok(Self { stream, id: id.trim().to_owned(), served: head.starts_with("http/1.1 200") })
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("a head within the patience of the test")
    }

    /// What comes until the connection ends, however it ends.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = async { while self.stream.read_buf(&mut rest).await.is_ok_and(|read| read > 0) {} };
        tokio::time::timeout(PATIENCE, read).await.expect("the end within the patience of the test");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Clients that ask again and again until nobody answers; the ids of all answers that began.
pub fn load(server: &Server, key: &str, clients: usize) -> (JoinSet<()>, Arc<Mutex<Vec<String>>>) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for n in 0..clients {
        let (client, begun) = (server.client(key), Arc::clone(&begun));
        tasks.spawn(async move {
            while let Ok(mut answer) = Raw::send(&client, n % 2 == 0).await {
                if answer.served {
                    begun.lock().unwrap().push(answer.id.clone());
                }
                answer.rest().await;
            }
        });
    }
    (tasks, begun)
}
