//! Clients that leave at each step of a request, in good order and by a reset, and by the thousands: afterwards nothing is held for them, and what
//! was counted is settled once. Further steps: `client_gone`, `files`, `refresh`, `websocket`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use codex_pooler::config::Admission;
use codex_pooler::simulator::{Fault, FaultSpec, Who};
use codex_pooler::store::records::Outcome;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bodies::head;
use crate::failover::ended;
use crate::files::{BOUNDARY, a_file};
use crate::limits::hang_once;
use crate::program::Site;
use crate::support::gateway::{gauge, released};
use crate::support::socket::{create, frame, handshake};
use crate::support::{Client, Gateway, PATIENCE, codex, eventually};

const ASK: &[u8] = br#"{"model":"gpt-5.5","input":"Say hello"}"#;

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It closes its connection.
    Properly,
    /// It resets it, with whatever is under way.
    Reset,
}

const BOTH: [Leaves; 2] = [Leaves::Properly, Leaves::Reset];

fn leave(stream: TcpStream, how: Leaves) {
    if how == Leaves::Reset {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
    drop(stream);
}

/// Sends, waits until a part of the answer came that has this in it, and gives the connection.
async fn sent(client: &Client, bytes: &[u8], until: &str) -> TcpStream {
    let mut stream = TcpStream::connect(client.address).await.expect("the gateway listens");
    stream.write_all(bytes).await.expect("the gateway reads");
    let mut seen = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&seen).contains(until) {
            assert!(stream.read_buf(&mut seen).await.expect("an answer") > 0, "no {until:?}");
        }
    };
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("never got {until:?}"));
    stream
}

#[tokio::test]
async fn a_client_that_leaves_before_its_request_is_complete_holds_nothing() {
    let gateway = Gateway::builder().accounts(1).start().await;
    let client = &gateway.client;
    let whole = client.request("POST", "/v1/responses", &[("content-type", "application/json")], ASK);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let form = client.request("POST", "/v1/files", &[("content-type", &kind)], &a_file("a", "batch", &[7; 100_000]));
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 1000";
    let go_ahead = head(client, "content-length: 39\r\nexpect: 100-continue");
    // What is sent, what is waited for, and whether it leaves a row.
    let steps: [(&str, &[u8], &str, bool); 12] = [
        ("nothing", b"", "", false),
        ("an empty line", b"\r\n", "", false),
        ("half a request line", &whole[..10], "", false),
        ("half a head", &whole[..80], "", false),
        ("a head without its end", &whole[..whole.len() - ASK.len() - 1], "", false),
        ("no body", &whole[..whole.len() - ASK.len()], "", true),
        ("half a body", &whole[..whole.len() - 10], "", true),
        ("half a chunk", &[head(client, "transfer-encoding: chunked"), b"27\r\n{\"mod".to_vec()].concat(), "", true),
        ("no last chunk", &[head(client, "transfer-encoding: chunked"), b"1\r\n{\r\n".to_vec()].concat(), "", true),
        ("half a compressed body", &[head(client, gzip), vec![0x1f, 0x8b, 8]].concat(), "", true),
        ("after the go-ahead", &go_ahead, "100 Continue", true),
        ("half a form", &form[..form.len() - 1000], "", true),
    ];
    let mut rows = 0;
    for how in BOTH {
        for (what, bytes, until, counts) in &steps {
            leave(sent(client, bytes, until).await, how);
            rows += usize::from(*counts);
            let settled = gateway.settled(rows).await;
            if *counts {
                let end = ended(&settled[0]);
                assert!(matches!(end.outcome, Outcome::Cancelled | Outcome::Rejected), "{what}: {end:?}");
                assert!(end.attempts.is_empty(), "{what}");
            }
        }
        gateway.released().await;
    }
    assert_eq!(gateway.upstream_counts(), [0]);
    assert_eq!(gateway.client.ask().await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_for_a_place_leaves_the_queue_at_once() {
    let wait = Duration::from_secs(60);
    let change = move |settings: &mut codex_pooler::config::Settings| {
        settings.limits.admission.http = Admission { running: 1, queued: 1, wait };
    };
    let gateway = Gateway::builder().accounts(1).settings(change).start().await;
    let request = gateway.client.request("POST", "/v1/responses", &[("content-type", "application/json")], ASK);
    hang_once(&gateway.codex);
    let first = sent(&gateway.client, &request, "").await;
    assert!(gateway.codex.wait_in_flight(1, PATIENCE).await);
    let waiting = |n: i64| {
        let gateway = &gateway;
        move || async move {
            gauge(&gateway.metrics().await, "codex_pooler_admission{class=\"http\",state=\"waiting\"}") == n
        }
    };
    for how in BOTH {
        let second = sent(&gateway.client, &request, "").await;
        eventually("it waits", waiting(1)).await;
        leave(second, how);
        eventually("it waits no more", waiting(0)).await;
    }
    drop(first);
    gateway.released().await;
    let rows = gateway.settled(3).await;
    assert!(rows.iter().all(|row| ended(row).outcome == Outcome::Cancelled && ended(row).status == 499));
}

#[tokio::test]
async fn a_client_that_leaves_while_its_answer_is_made_holds_nothing_however_it_leaves() {
    let hour = Duration::from_secs(3600);
    let stream = br#"{"model":"gpt-5.5","input":"Say hello","stream":true}"#;
    // What the upstream does, what is asked, what is waited for.
    let steps: [(&str, Fault, &[u8], &str); 6] = [
        ("before the head", Fault::SlowFirstByte(hour), stream, ""),
        ("before an event", Fault::SilentAfterHeaders(hour), stream, ""),
        ("while events are held", Fault::Stall { after_events: 1, pause: hour }, stream, ""),
        ("in mid stream", Fault::Stall { after_events: 6, pause: hour }, stream, "response.created"),
        ("while it is collected", Fault::Stall { after_events: 6, pause: hour }, ASK, ""),
        ("while events flow", Fault::Events(50_000), stream, "response.output_text.delta"),
    ];
    for how in BOTH {
        let gateway = Gateway::builder().accounts(1).start().await;
        for (n, (what, fault, body, until)) in steps.iter().enumerate() {
            let fault =
                gateway.codex.inject(FaultSpec::new(Who::All, fault.clone()).on("/backend-api/codex/responses"));
            let headers = [("content-type", "application/json")];
            let request = gateway.client.request("POST", "/v1/responses", &headers, body);
            let client = sent(&gateway.client, &request, until).await;
            eventually("the upstream is asked", || async { gateway.codex.fault_hits(fault) > 0 }).await;
            leave(client, how);
            assert!(gateway.codex.wait_in_flight(0, codex::PATIENCE).await, "{what}: the upstream works for nobody");
            let rows = gateway.settled(n + 1).await;
            assert_eq!(ended(&rows[0]).outcome, Outcome::Cancelled, "{what}");
            gateway.codex.clear_faults();
        }
        gateway.released().await;
        let rows = gateway.settled(steps.len()).await;
        let ids: HashSet<String> = rows.iter().map(|row| row.request_id.to_string()).collect();
        assert_eq!(ids.len(), steps.len());
    }
}

#[tokio::test]
async fn a_client_that_leaves_once_it_has_everything_has_been_served() {
    for how in BOTH {
        let gateway = Gateway::builder().accounts(1).start().await;
        let body = br#"{"model":"gpt-5.5","input":"Say hello","stream":true}"#;
        let request = gateway.client.request("POST", "/v1/responses", &[("content-type", "application/json")], body);
        leave(sent(&gateway.client, &request, "\r\n0\r\n\r\n").await, how);
        let rows = gateway.settled(1).await;
        assert_eq!(ended(&rows[0]).outcome, Outcome::Succeeded);
        gateway.released().await;
    }
}

#[tokio::test]
async fn a_websocket_that_is_left_at_any_step_holds_nothing() {
    let gateway = Gateway::builder().accounts(1).start().await;
    gateway.codex.fault(Who::All, Fault::Stall { after_events: 6, pause: Duration::from_secs(3600) });
    let opening = handshake(&gateway.client, &[]);
    let turn = frame(0x81, create("Say hello").to_string().as_bytes());
    let steps: [(&str, Vec<u8>, &str, usize); 5] = [
        ("half a handshake", opening[..opening.len() - 3].to_vec(), "", 0),
        ("after the handshake", opening.clone(), "101 Switching", 0),
        ("half a head of a frame", [&opening[..], &turn[..1]].concat(), "101 Switching", 0),
        ("half a message", [&opening[..], &turn[..turn.len() - 5]].concat(), "101 Switching", 0),
        ("in a turn", [&opening[..], &turn[..]].concat(), "response.created", 1),
    ];
    let mut rows = 0;
    for how in BOTH {
        for (what, bytes, until, counts) in &steps {
            leave(sent(&gateway.client, bytes, until).await, how);
            gateway.released().await;
            rows += counts;
            let settled = gateway.settled(rows).await;
            assert!(settled.iter().all(|row| ended(row).outcome == Outcome::Cancelled), "{what}");
        }
    }
}

/// A number that Linux tells of a process.
fn resident(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

fn descriptors(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).expect("the process runs").count()
}

/// Opens a connection, does a little on it, and drops it.
async fn visit(address: SocketAddr, key: String, n: usize) {
    let client = Client { address, key };
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let whole = client.request("POST", "/v1/responses", &[("content-type", "application/json")], ASK);
    let said: &[u8] = match n % 5 {
        0 => b"",
        1 => &whole[..20],
        2 => &whole[..whole.len() - ASK.len() - 2],
        3 => b"\x16\x03\x01",
        _ => b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    let _ = stream.write_all(said).await;
    leave(stream, if n.is_multiple_of(2) { Leaves::Properly } else { Leaves::Reset });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_that_are_opened_and_dropped_leave_nothing_behind() {
    const WAVES: usize = 10;
    const WAVE: usize = 1000;
    let site = Site::new().await;
    let key = site.furnish().await;
    let server = site.serve().await;
    let (id, client) = (server.program.id(), server.client(&key));
    assert_eq!(client.ask().await.status, 200);
    let (memory, open) = (resident(id), descriptors(id));
    let since = Instant::now();
    for _ in 0..WAVES {
        let mut visits = JoinSet::new();
        for n in 0..WAVE {
            visits.spawn(visit(server.address, key.clone(), n));
        }
        while timeout(PATIENCE, visits.join_next()).await.expect("nobody waits for ever").is_some() {}
        released(server.operations).await;
    }
    // The last ones may still wait to be accepted.
    eventually("their descriptors are given back", || async { descriptors(id) <= open + 8 }).await;
    let (memory_after, open_after) = (resident(id), descriptors(id));
    println!(
        "{WAVES} waves of {WAVE}: {:?}, {memory} -> {memory_after} bytes, {open} -> {open_after} descriptors",
        since.elapsed()
    );
    // 64 KiB for each connection of one wave, which an allocator may keep; the same kept for each of ten waves would be ten times as much.
    assert!(memory_after < memory + WAVE * (64 << 10), "{memory} -> {memory_after} bytes");
    assert_eq!(client.ask().await.status, 200);
    assert_eq!(site.settled(2).await.len(), 2, "what never was a request has no row");
}
