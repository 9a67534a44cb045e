//! Requests that two parsers could read in two ways: each case of the corpus goes over a bare socket through the gateway to a backend that
//! forgives nothing, with a canary behind it on the same connection and another on a new one. What the backend gets are whole requests of the
//! gateway's own making, everybody gets its own answer or none, and nothing hangs.

mod answers;
pub(crate) mod cases;
pub(crate) mod origin;

use std::sync::Arc;
use std::time::{Duration, Instant};

use codex_pooler::config::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::cases::{CASES, Want};
use self::origin::Origin;
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, PATIENCE};

/// The gateway's own deadline for everything that a case may wait for.
const DEADLINE: Duration = Duration::from_secs(1);
/// Cases that run at the same time.
const TOGETHER: usize = 16;

/// A gateway that gives clients little time, in front of this backend.
pub(crate) async fn hurried(origin: &Origin) -> Gateway {
    let change = |settings: &mut Settings| {
        (settings.limits.head_timeout, settings.limits.body_idle_timeout) = (DEADLINE, DEADLINE);
        (settings.gateway.keep_alive, settings.gateway.write_timeout) = (DEADLINE, DEADLINE);
    };
    Gateway::builder().accounts(1).origin(&origin.url()).settings(change).start().await
}

fn body(prompt: &str) -> String {
    format!(r#"{{"model":"gpt-5.5","input":"{prompt}"}}"#)
}

/// A good request with this prompt.
pub(crate) fn ask(client: &Client, prompt: &str) -> Vec<u8> {
    client.request("POST", "/v1/responses", &[("content-type", "application/json")], body(prompt).as_bytes())
}

/// The bytes of a case: see `cases`.
fn fill(template: &[u8], client: &Client, prompt: &str) -> Vec<u8> {
    let (body, smuggled) = (body(prompt), ask(client, "smuggled"));
    let smuggled = String::from_utf8(smuggled).expect("a text");
    let size = |text: &str| format!("{:x}", text.len());
    let long = "y".repeat(20 << 10);
    let words: [(&str, String); 14] = [
        ("{P}", "POST /v1/responses HTTP/1.1\r\n".into()),
        ("{H}", format!("Host: {}\r\n", client.address)),
        ("{N}", client.address.to_string()),
        ("{A}", format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", client.key)),
        ("{L}", body.len().to_string()),
        ("{B}", body.clone()),
        ("{X}", size(&body)),
        ("{C}", format!("{}\r\n{body}\r\n0\r\n\r\n", size(&body))),
        ("{T}", smuggled.len().to_string()),
        ("{U}", size(&smuggled)),
        ("{S}", smuggled.clone()),
        ("{20K}", long),
        ("{96}", "X-Case: y\r\n".repeat(96)),
        ("{100}", "X-Case: y\r\n".repeat(100)),
    ];
    let mut out = Vec::new();
    let mut rest = template;
    'next: while let Some(first) = rest.first() {
        for (word, text) in &words {
            if rest.starts_with(word.as_bytes()) {
                out.extend_from_slice(text.as_bytes());
                rest = &rest[word.len()..];
                continue 'next;
            }
        }
        out.push(*first);
        rest = &rest[1..];
    }
    out
}

/// Takes the next answer out of what came; none when it is not complete. Heads of status 100 are taken out with it. `bare`: it has no body
/// whatever its head says.
pub(crate) fn next_answer(bytes: &mut Vec<u8>, bare: bool) -> Option<Answer> {
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is a text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let status: u16 = status[..3].parse().expect("a status");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        if status == 100 {
            bytes.drain(..end + 4);
            continue;
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if status != 101 && !bare {
            let length: usize = answer.header("content-length").and_then(|v| v.parse().ok()).expect("a length");
            answer.body = bytes.get(end + 4..end + 4 + length)?.to_vec();
        }
        bytes.drain(..end + 4 + answer.body.len());
        return Some(answer);
    }
}

/// Sends these pieces, and reads all answers until the connection ends, or until one repeats this prompt. True: it has ended.
pub(crate) async fn converse(client: &Client, pieces: &[&[u8]], last: &str) -> (Vec<Answer>, bool) {
    let mut stream = TcpStream::connect(client.address).await.expect("the gateway listens");
    stream.set_nodelay(true).expect("a socket");
    let (mut answers, mut bytes): (Vec<Answer>, Vec<u8>) = (Vec::new(), Vec::new());
    for piece in pieces {
        // Whoever is refused early is not read any more.
        let _ = stream.write_all(piece).await;
    }
    loop {
        while let Some(answer) = next_answer(&mut bytes, answers.is_empty() && pieces[0].starts_with(b"HEAD")) {
            let switched = answer.status == 101;
            answers.push(answer);
            if switched {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return (answers, true);
            }
        }
        if answers.last().is_some_and(|answer| answer.text().contains(last)) {
            return (answers, false);
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                assert!(bytes.is_empty(), "half an answer: {}", String::from_utf8_lossy(&bytes));
                return (answers, true);
            }
        }
    }
}

/// What is wrong with the answers to a case; none when they are as they should be.
fn judge(want: Want, answers: &[Answer], ended: bool, prompt: &str, canary: &str) -> Result<(), String> {
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    let told = || format!("{statuses:?}, ended: {ended}, {:?}", answers.iter().map(Answer::text).collect::<Vec<_>>());
    for answer in answers {
        if answer.text().contains("smuggled") {
            return Err(format!("the answer to a smuggled request: {}", told()));
        }
        if answer.status >= 400
            && !answer.body.is_empty()
            && (answer.json()["error"]["message"].is_null() || answer.header("x-request-id").is_none())
        {
            return Err(format!("no envelope: {}", told()));
        }
    }
    let (own, behind) = match want {
        Want::Answers(wanted) => answers.split_at(wanted.len().min(answers.len())),
        _ => answers.split_at(1.min(answers.len())),
    };
    let fits = match want {
        Want::Refused(allowed) => own.len() == 1 && allowed.contains(&own[0].status) && behind.is_empty() && ended,
        Want::Told(status) => own.len() == 1 && own[0].status == status,
        Want::Served => own.len() == 1 && own[0].status == 200,
        Want::Last => own.len() == 1 && own[0].status == 200 && behind.is_empty() && ended,
        Want::Answers(wanted) => own.iter().map(|answer| answer.status).eq(wanted.iter().copied()),
        Want::Switched => own.len() == 1 && own[0].status == 101 && behind.is_empty() && ended,
    };
    let served = |answer: &Answer| answer.status == 200 && answer.json()["object"] == "response";
    let own_words = own.iter().filter(|answer| served(answer)).all(|answer| answer.text().contains(prompt));
    // The canary has its own answer, or none. A refusal may stand before the end: of bytes that became no request.
    let canary_fits = match behind {
        [] => ended,
        [one] if one.status == 200 => one.text().contains(canary),
        [one] => one.status == 400 && ended,
        _ => false,
    };
    if fits && own_words && canary_fits { Ok(()) } else { Err(told()) }
}

async fn run(client: Client, origin: Arc<Origin>, n: usize, split: bool) -> Option<String> {
    let (name, want, template) = CASES[n];
    let mark = format!("{n}-{split}.");
    let (prompt, canary) = (format!("case-{mark}"), format!("canary-{mark}"));
    let (bytes, behind) = (fill(template, &client, &prompt), ask(&client, &canary));
    let since = Instant::now();
    let all = [&bytes[..], &behind[..]].concat();
    let pieces: Vec<&[u8]> = if split {
        vec![&all[..bytes.len() / 2], &all[bytes.len() / 2..bytes.len() - 1], &all[bytes.len() - 1..]]
    } else {
        vec![&all]
    };
    let (answers, ended) =
        timeout(PATIENCE, converse(&client, &pieces, &canary)).await.unwrap_or_else(|_| panic!("{name} hangs"));
    if since.elapsed() > PATIENCE / 2 {
        return Some(format!("{name}: took {:?}", since.elapsed()));
    }
    if let Err(wrong) = judge(want, &answers, ended, &prompt, &canary) {
        return Some(format!("{name} ({split}): {want:?}, got {wrong}"));
    }
    let served = answers.iter().filter(|answer| answer.status == 200 && answer.text().contains(&prompt)).count();
    let reached = origin.seen().iter().filter(|seen| seen.prompt == prompt).count();
    if served != reached {
        return Some(format!("{name}: {served} answers to {reached} requests"));
    }
    let other = format!("other-{mark}");
    let (fresh, _) = converse(&client, &[&ask(&client, &other)], &other).await;
    let fresh: Vec<(u16, bool)> = fresh.iter().map(|answer| (answer.status, answer.text().contains(&other))).collect();
    (fresh != [(200, true)]).then(|| format!("{name}: a canary on a new connection got {fresh:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_gets_through() {
    let origin = Arc::new(Origin::start().await);
    let gateway = hurried(&origin).await;
    let mut wrong = Vec::new();
    let mut running = JoinSet::new();
    for (n, split) in (0..CASES.len()).flat_map(|n| [(n, false), (n, true)]) {
        if running.len() == TOGETHER {
            wrong.extend(running.join_next().await.unwrap().unwrap());
        }
        running.spawn(run(gateway.client.clone(), Arc::clone(&origin), n, split));
    }
    while let Some(ended) = running.join_next().await {
        wrong.extend(ended.unwrap());
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(origin.faults(), Vec::<String>::new());
    let strangers: Vec<_> = origin
        .seen()
        .into_iter()
        .filter(|seen| !["case-", "canary-", "other-"].iter().any(|known| seen.prompt.starts_with(known)))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}
