//! An upstream that costs as little as possible: it reads a request whole and answers with bytes that are ready, chunked, one event a chunk.
//! What a small request says decides how they come.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

use super::http::length;
use super::{child, wire};

/// Between two events of the paced answer.
const PACE: Duration = Duration::from_millis(10);
/// Between two events of the answer with pauses.
const PAUSE: Duration = Duration::from_millis(50);
/// Events of the answer with pauses that tell when they were sent.
const STAMPED: usize = 20;
/// What opens an answer: all that goes before the first piece of text.
const OPENING: usize = 4;
/// Only requests that are not larger are searched for what they say.
const SMALL: usize = 64 << 10;
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST: &[u8] = b"0\r\n\r\n";

/// What is answered.
#[derive(Debug, Clone, Copy)]
enum Asked {
    /// Nine events at once.
    Nine,
    /// 50 events at once, for a request that says `fifty`.
    Fifty,
    /// 50 events, one per 10 ms, for one that says `one by one`.
    Paced,
    /// Pieces of text that tell when they were sent, with pauses, for one that says `with pauses`.
    Pauses,
    /// The first events and then nothing, for one that says `then wait`.
    Silent,
}

/// The answers.
struct Answers {
    nine: Bytes,
    fifty: Bytes,
    /// The head with the first event, each of the others.
    paced: Vec<Bytes>,
    /// Head and opening.
    opening: Bytes,
    /// Pieces of text, and what comes after them.
    deltas: Vec<String>,
    closing: Bytes,
    /// Time from the end of a request to its answer.
    think: Duration,
}

impl Answers {
    fn new(think: Duration) -> Self {
        let whole = |events: usize| {
            let chunks: Vec<String> = wire::blocks(events).iter().map(|block| chunk(block)).collect();
            Bytes::from([HEAD.as_bytes(), chunks.concat().as_bytes(), LAST].concat())
        };
        let mut paced: Vec<Bytes> = wire::blocks(50).iter().map(|block| Bytes::from(chunk(block))).collect();
        paced[0] = Bytes::from([HEAD.as_bytes(), &paced[0]].concat());
        let mut blocks = wire::blocks(STAMPED + 8);
        let closing: String = blocks.split_off(OPENING + STAMPED).iter().map(|block| chunk(block)).collect();
        let deltas = blocks.split_off(OPENING);
        let opening: String = blocks.iter().map(|block| chunk(block)).collect();
        let opening = Bytes::from(HEAD.to_owned() + &opening);
        let closing = Bytes::from([closing.as_bytes(), LAST].concat());
        Self { nine: whole(9), fifty: whole(50), paced, opening, deltas, closing, think }
    }
}

/// One chunk.
fn chunk(block: &str) -> String {
    format!("{:x}\r\n{block}\r\n", block.len())
}

/// Serves until the parent is gone; `think`: how long it waits with each answer.
pub(crate) fn run(think: Duration) -> io::Result<()> {
    child::end_with_parent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        let answers = Arc::new(Answers::new(think));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks is the other side's business.
            tokio::spawn(serve(stream, Arc::clone(&answers)));
        }
    })
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    while let Some(asked) = request(&mut stream, &mut buffer).await? {
        if !answers.think.is_zero() {
            let think = answers.think;
            #[allow(
                clippy::disallowed_methods,
                reason = "a timer of the runtime counts whole milliseconds; no worker is blocked"
            )]
            let wait = move || std::thread::sleep(think);
            tokio::task::spawn_blocking(wait).await?;
        }
        match asked {
            Asked::Nine => stream.write_all(&answers.nine).await?,
            Asked::Fifty => stream.write_all(&answers.fifty).await?,
            Asked::Paced => paced(&mut stream, &answers).await?,
            Asked::Pauses => pauses(&mut stream, &answers).await?,
            Asked::Silent => {
                let first = chunk(&answers.deltas[0]);
                stream.write_all(&[&answers.opening, first.as_bytes()].concat()).await?;
            }
        }
    }
    Ok(())
}

async fn paced(stream: &mut TcpStream, answers: &Answers) -> io::Result<()> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for event in &answers.paced {
        pace.tick().await;
        stream.write_all(event).await?;
    }
    stream.write_all(LAST).await
}

async fn pauses(stream: &mut TcpStream, answers: &Answers) -> io::Result<()> {
    stream.write_all(&answers.opening).await?;
    for delta in &answers.deltas {
        stream.write_all(chunk(&stamped(delta)).as_bytes()).await?;
        tokio::time::sleep(PAUSE).await;
    }
    stream.write_all(&answers.closing).await
}

/// The event with the time of now for a text: nanoseconds, between two `@`.
fn stamped(delta: &str) -> String {
    let (begin, end) = ("\"delta\":\"", "\",\"item_id\"");
    let from = delta.find(begin).map_or(0, |at| at + begin.len());
    let to = delta.find(end).unwrap_or(from);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}@{now}@{}", &delta[..from], &delta[to..])
}

/// Reads a request to its end; none where the connection was closed.
async fn request(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<Asked>> {
    let head = loop {
        if let Some(at) = memmem::find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let mut left = head + length(&buffer[..head]).unwrap_or(0);
    let small = left <= SMALL;
    loop {
        if buffer.len() >= left {
            let asked = if small { Asked::of(&buffer[..left]) } else { Asked::Nine };
            buffer.advance(left);
            return Ok(Some(asked));
        }
        if !small {
            // It is read, not kept.
            left -= buffer.len();
            buffer.clear();
            buffer.reserve(SMALL);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

impl Asked {
    fn of(request: &[u8]) -> Self {
        let words: [(&[u8], Self); 4] = [
            (b"fifty", Self::Fifty),
            (b"one by one", Self::Paced),
            (b"with pauses", Self::Pauses),
            (b"then wait", Self::Silent),
        ];
        words.into_iter().find(|(word, _)| memmem::find(request, word).is_some()).map_or(Self::Nine, |(_, asked)| asked)
    }
}
