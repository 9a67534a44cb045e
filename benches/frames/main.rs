//! The way of an answer: bytes become events, events pass the stages of the built-in chain, and become bytes again. Beside it a search for
//! blank lines, which nothing that finds events can do without.

#[path = "../common/filters.rs"]
mod filters;
#[path = "../common/table.rs"]
mod table;
#[path = "../common/timing.rs"]
mod timing;
#[path = "../common/wire.rs"]
mod wire;

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use pooler_filter::sse::{Framer, Limits};
use pooler_filter::{End, Frame, Unobserved};

use self::filters::{BUILTIN, Bench};
use self::table::Row;
use self::timing::{Timing, time};

/// How an answer arrives.
struct Case {
    name: &'static str,
    events: u32,
    chunks: Vec<Bytes>,
}

impl Case {
    fn new(name: &'static str, events: u32, chunk: usize) -> Self {
        let text = wire::blocks(usize::try_from(events).unwrap_or(usize::MAX)).concat();
        Self { name, events, chunks: text.as_bytes().chunks(chunk).map(Bytes::copy_from_slice).collect() }
    }

    fn len(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    fn row(&self, subject: &str, timing: Timing, baseline: Timing) -> io::Result<()> {
        Row {
            rate: Some(format!("{:.0} MB/s", timing.megabytes(self.len()))),
            rate_ratio: Some(baseline.median.as_secs_f64() / timing.median.as_secs_f64()),
            p50: Some(timing.median / self.events),
            p99: Some(timing.p99 / self.events),
            ..Row::new("frames", self.name, subject)
        }
        .print()
    }
}

fn search(case: &Case) -> usize {
    case.chunks.iter().map(|chunk| memmem::find_iter(chunk, b"\n\n").count()).sum()
}

fn frame(case: &Case, mut each: impl FnMut(Frame)) {
    let mut framer = Framer::new(Limits::default());
    for chunk in &case.chunks {
        framer.push(chunk.clone());
        while let Some(block) = framer.next_block().expect("no block is too large") {
            each(Frame::from_block(block));
        }
    }
}

/// Events through the stages, as a stream or in one piece: the request says which.
fn staged(case: &Case, bench: &Bench, body: &Bytes) -> usize {
    let mut journey = bench.down(body);
    let mut stages = bench.up(&mut journey);
    let (mut out, mut bytes, mut sent) = (Vec::new(), BytesMut::new(), 0);
    frame(case, |frame| {
        stages.frame(frame, &mut out, &mut journey.cx).expect("the stream is good");
        for frame in out.drain(..) {
            frame.write_to(&mut bytes);
        }
    });
    stages.end(&End::Complete, &mut out, &mut journey.cx).expect("the stream is good");
    out.iter().for_each(|frame| frame.write_to(&mut bytes));
    sent += bytes.len();
    bench.forget();
    sent
}

fn main() -> io::Result<()> {
    table::header()?;
    let bench = Bench::new(&filters::builtin(), &BUILTIN, Arc::new(Unobserved));
    let (stream, whole) = (wire::request(512), without_stream(&wire::request(512)));
    for case in [
        Case::new("50 events, one chunk", 50, usize::MAX),
        Case::new("2000 events, 16 KB chunks", 2000, 16 << 10),
        Case::new("2000 events, 100 B chunks", 2000, 100),
    ] {
        let baseline = time(|| search(black_box(&case)));
        let framed = time(|| frame(black_box(&case), |frame| drop(black_box(frame))));
        let streamed = time(|| staged(black_box(&case), &bench, &stream));
        let collected = time(|| staged(black_box(&case), &bench, &whole));
        case.row("search (baseline)", baseline, baseline)?;
        case.row("framing", framed, baseline)?;
        case.row("framing, stages, stream", streamed, baseline)?;
        case.row("framing, stages, whole", collected, baseline)?;
    }
    Ok(())
}

fn without_stream(body: &Bytes) -> Bytes {
    let mut value: serde_json::Value = serde_json::from_slice(body).expect("the body is JSON");
    value["stream"] = serde_json::json!(false);
    Bytes::from(value.to_string())
}
