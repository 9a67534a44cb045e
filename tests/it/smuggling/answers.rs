//! The other side: a backend that is broken or malicious. Whatever it sends, the next request gets its own answer and nothing that came before;
//! a connection on which an end could be read in two ways is not used again.

use std::time::{Duration, Instant};

use codex_pooler::config::Settings;
use tokio::time::timeout;

use super::origin::{Act, Origin, Seen, events, good};
use super::{ask, converse};
use crate::support::{Gateway, PATIENCE, eventually};

/// What follows a bad answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It was taken, and its connection may be used again.
    Kept,
    /// It was taken, and its connection is not used again.
    Left,
    /// The client is told that the upstream failed; the connection is not used again.
    Failed,
    /// The client is told that the upstream failed; the connection may be used again.
    Refused,
}

const SSE: &str = "content-type: text/event-stream\r\n";
const LEAK: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"leak\":\"leaked\"}";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Name, what follows, what the backend does. Each answers with its name, so that the client can tell whose answer it has.
#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Then, Act)> {
    let mut cases = Vec::new();
    let mut add = |name: &'static str, then: Then, act: &dyn Fn(&str) -> Act| cases.push((name, then, act(name)));
    let sent = |text: String| Act::Send(text.into_bytes());
    // How long an answer is.
    let framed = |lines: &'static str, body: fn(&str) -> String| {
        move |name: &str| {
            let events = events(name);
            let lines = lines.replace("{L}", &events.len().to_string());
            Act::Send(format!("HTTP/1.1 200 OK\r\n{SSE}{lines}\r\n{}", body(&events)).into_bytes())
        }
    };
    let plain: fn(&str) -> String = str::to_owned;
    let chunked: fn(&str) -> String = |text| chunk(text) + "0\r\n\r\n";
    add("plain", Then::Kept, &framed("content-length: {L}\r\n", plain));
    add("chunked", Then::Kept, &framed("transfer-encoding: chunked\r\n", chunked));
    add("cl-te", Then::Left, &framed("content-length: 5\r\ntransfer-encoding: chunked\r\n", chunked));
    add("te-cl", Then::Left, &framed("transfer-encoding: chunked\r\ncontent-length: {L}\r\n", chunked));
    add("cl-twice", Then::Left, &framed("content-length: {L}\r\ncontent-length: {L}\r\n", plain));
    add("cl-list", Then::Left, &framed("content-length: {L}, {L}\r\n", plain));
    add("cl-two", Then::Failed, &framed("content-length: {L}\r\ncontent-length: 3\r\n", plain));
    add("cl-sign", Then::Failed, &framed("content-length: +{L}\r\n", plain));
    add("cl-huge", Then::Failed, &framed("content-length: 99999999999999999999\r\n", plain));
    add("te-twice", Then::Failed, &framed("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunked));
    add("te-list", Then::Failed, &framed("transfer-encoding: x, chunked\r\n", chunked));
    add("lf-lines", Then::Left, &framed("content-length: {L}\nx: y\r\n", plain));
    add("fold", Then::Failed, &framed("x: y\r\n z\r\ncontent-length: {L}\r\n", plain));
    add("blank-colon", Then::Left, &framed("content-length : {L}\r\n", plain));
    // More than an answer.
    let behind = |name: &str| Act::Send([good(name), LEAK.into()].concat());
    add("another-behind", Then::Left, &behind);
    add("another-behind-chunks", Then::Left, &|name| {
        sent(format!(
            "HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n{LEAK}",
            chunk(&events(name))
        ))
    });
    add("another-later", Then::Left, &|name| Act::Later(good(name), LEAK.into()));
    add("trailers", Then::Kept, &|name| {
        let body = chunk(&events(name));
        sent(format!("HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\n{body}0\r\ncontent-length: 9\r\n\r\n"))
    });
    // Broken off, or broken.
    add("bad-chunk", Then::Failed, &|_| {
        sent(format!("HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\nzz\r\n{LEAK}"))
    });
    add("chunk-overflow", Then::Failed, &|_| {
        sent(format!("HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{LEAK}"))
    });
    add("cut-in-chunk", Then::Failed, &|name| {
        let half = &events(name)[..100];
        Act::Close(format!("HTTP/1.1 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\nfff\r\n{half}").into())
    });
    add("cut-in-length", Then::Failed, &|name| Act::Close(good(name)[..200].to_vec()));
    add("cut-in-head", Then::Failed, &|_| Act::Close(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()));
    add("cut-at-once", Then::Failed, &|_| Act::Close(Vec::new()));
    add("nonsense", Then::Failed, &|_| sent("\u{1}\u{2}\u{3} nonsense\r\n\r\n".into()));
    add("no-version", Then::Failed, &|_| sent(format!("200 OK\r\n\r\n{LEAK}")));
    add("old-chunks", Then::Left, &|name| {
        sent(format!("HTTP/1.0 200 OK\r\n{SSE}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk(&events(name))))
    });
    add("to-the-end", Then::Left, &|name| Act::Close(format!("HTTP/1.1 200 OK\r\n{SSE}\r\n{}", events(name)).into()));
    add("closes", Then::Left, &framed("connection: close\r\ncontent-length: {L}\r\n", plain));
    // Statuses that change what follows.
    add("switched", Then::Failed, &|_| sent(format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n{LEAK}")));
    add("no-content", Then::Failed, &|_| sent(format!("HTTP/1.1 204 No Content\r\n\r\n{LEAK}")));
    add("not-modified", Then::Failed, &|_| {
        sent(format!("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n{LEAK}"))
    });
    add("status-999", Then::Refused, &|_| sent("HTTP/1.1 999 Huh\r\ncontent-length: 0\r\n\r\n".into()));
    add("one-1xx", Then::Kept, &|name| {
        Act::Send([&b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n"[..], &good(name)].concat())
    });
    add("flood-of-1xx", Then::Failed, &|_| Act::Flood(b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100), 1_000_000));
    // Sizes.
    add("head-of-2-mib", Then::Failed, &|_| {
        Act::Flood([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 2 << 20]].concat(), 1)
    });
    add("head-of-300-lines", Then::Failed, &|_| sent(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(300))));
    // What could become headers of ours.
    add(
        "headers",
        Then::Kept,
        &framed(
            "set-cookie: leaked=1\r\nx-leaked: leaked\r\nlocation: http://leaked/\r\ncontent-length: {L}\r\n",
            plain,
        ),
    );
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_upstream_sends_the_next_request_gets_its_own_answer() {
    let table = cases();
    let acts: Vec<(String, Act)> = table.iter().map(|(name, _, act)| ((*name).to_owned(), act.clone())).collect();
    let origin =
        Origin::acting(move |prompt| acts.iter().find(|(name, _)| name == prompt).map(|(_, act)| act.clone())).await;
    // A refused client waits for the end of its connection.
    let change = |settings: &mut Settings| settings.gateway.keep_alive = Duration::from_millis(100);
    let gateway = Gateway::builder().accounts(1).origin(&origin.url()).settings(change).start().await;
    let client = &gateway.client;
    let (mut wrong, mut again) = (Vec::new(), false);
    for (name, then, _) in table {
        let since = Instant::now();
        let lines = |seen: &[Seen], prompt: &str| {
            seen.iter().filter(|s| s.prompt == prompt).map(|s| s.line).collect::<Vec<_>>()
        };
        let (mut answers, mut after) = (Vec::new(), Vec::new());
        let next = format!("next-{name}");
        let both = async {
            answers = converse(client, &[&ask(client, name)], "\"object\":\"response\"").await.0;
            if name == "another-later" {
                eventually("the rest was sent", || async { origin.late() }).await;
            }
            after = converse(client, &[&ask(client, &next)], &next).await.0;
        };
        if timeout(PATIENCE, both).await.is_err() || since.elapsed() > PATIENCE / 2 {
            wrong.push(format!("{name}: took too long"));
            continue;
        }
        let told: Vec<(u16, String)> =
            answers.iter().chain(&after).map(|a| (a.status, format!("{:?} {}", a.headers, a.text()))).collect();
        let expected = if matches!(then, Then::Failed | Then::Refused) { 502 } else { 200 };
        let fits = matches!(&told[..], [(first, _), (200, text)] if *first == expected && text.contains(&next));
        let (bad, good) = (lines(&origin.seen(), name), lines(&origin.seen(), &next));
        let reused = good.iter().any(|line| bad.contains(line));
        again |= reused;
        if !fits
            || (reused && matches!(then, Then::Left | Then::Failed))
            || told.iter().any(|(_, text)| text.contains("leaked"))
        {
            wrong.push(format!("{name}: {then:?}, reused: {reused}, {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(again, "no connection was used again at all");
    assert_eq!(origin.faults(), Vec::<String>::new());
    eventually("what is left was closed", || async { origin.open() <= 1 }).await;
}
