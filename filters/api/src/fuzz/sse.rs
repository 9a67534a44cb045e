//! Framing against the standard's algorithm on the whole text, however the stream is cut.

use bytes::{Bytes, BytesMut};

use crate::sse::{Block, BlockTooLarge, Framer, Limits};
use crate::testing::pieces;

/// A byte that says how the stream is cut, and the stream.
///
/// # Panics
/// When a property does not hold.
pub fn sse(input: &[u8]) {
    let Some((seed, stream)) = input.split_first() else { return };
    for lazy in [false, true] {
        check(stream, pieces(*seed, stream), lazy);
    }
    limited(*seed, stream);
    runs(*seed, stream);
    let text = String::from_utf8_lossy(stream);
    let (name, data) = text.split_once('\n').unwrap_or(("", &text));
    reads_back(name, data);
}

/// An event as a reader of the whole text sees it.
type Event = (Option<Vec<u8>>, Vec<u8>);

/// The standard's algorithm, step by step, on a text that is there as a whole.
fn events_of(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(byte) = stream.get(at) {
        match byte {
            b'\r' | b'\n' => {
                lines.push(std::mem::take(&mut line));
                at += usize::from(*byte == b'\r' && stream.get(at + 1) == Some(&b'\n'));
            }
            byte => line.push(*byte),
        }
        at += 1;
    }
    let (mut events, mut name, mut data) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut name), std::mem::take(&mut data));
            if data.pop().is_some() {
                let name: Vec<u8> = name.trim_ascii().to_vec();
                events.push(((!name.is_empty()).then_some(name), data));
            }
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = value.to_vec(),
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            _ => {}
        }
    }
    events
}

/// Frames a stream that comes in these pieces; `lazy` asks for blocks only at the end. What is left at the end comes last.
pub(crate) fn framed<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: Limits,
    lazy: bool,
) -> (Vec<Block>, Result<Option<Bytes>, BlockTooLarge>) {
    let (mut framer, mut blocks) = (Framer::new(limits), Vec::new());
    let mut take = |framer: &mut Framer| {
        while let Some(block) = framer.next_block()? {
            blocks.push(block);
        }
        Ok(())
    };
    let mut failed = Ok(());
    for piece in pieces {
        framer.push(Bytes::copy_from_slice(piece));
        if !lazy && failed.is_ok() {
            failed = take(&mut framer);
        }
    }
    let failed = failed.and_then(|()| take(&mut framer));
    (blocks, failed.map(|()| framer.finish()))
}

/// Joins an LF that was handed out on its own to the CR before it.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::new();
    for block in blocks {
        match joined.last_mut() {
            Some(before) if block.raw == "\n" && before.raw.ends_with(b"\r") => {
                before.raw = BytesMut::from_iter(before.raw.iter().chain(&block.raw).copied()).freeze();
            }
            _ => joined.push(block),
        }
    }
    joined
}

/// Nothing is lost, the events are those of a reader of the whole, and the cuts do not show.
pub(crate) fn check<'a>(stream: &[u8], pieces: impl IntoIterator<Item = &'a [u8]>, lazy: bool) {
    let (whole, whole_rest) = framed([stream], Limits::default(), false);
    let (blocks, rest) = framed(pieces, Limits::default(), lazy);
    let mut again: Vec<u8> = blocks.iter().flat_map(|block| block.raw.to_vec()).collect();
    again.extend(rest.iter().flatten().flatten());
    assert_eq!(again, stream);
    let events = blocks.iter().filter_map(|block| Some((block.event.as_ref(), block.data.as_ref()?)));
    let seen: Vec<Event> = events.map(|(name, data)| (name.map(|name| name.to_vec()), data.to_vec())).collect();
    assert_eq!(seen, events_of(stream));
    assert!(joined(blocks) == joined(whole), "blocks depend on the cuts");
    assert_eq!(rest, whole_rest);
}

/// Under limits, what is handed out is the beginning of what comes without, no block is over its limit, and what is held is bounded.
fn limited(seed: u8, stream: &[u8]) {
    let limits = Limits { ordinary: 48, terminal: 96 };
    let (whole, _) = framed([stream], Limits::default(), false);
    let mut framer = Framer::new(limits);
    let mut blocks = Vec::new();
    'stream: for piece in pieces(seed, stream) {
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            match framer.next_block() {
                Ok(Some(block)) => blocks.push(block),
                Ok(None) => break,
                Err(BlockTooLarge { limit }) => {
                    assert!(limit == limits.ordinary || limit == limits.terminal);
                    assert_eq!(framer.next_block(), Err(BlockTooLarge { limit }), "it stays so");
                    break 'stream;
                }
            }
        }
        assert!(framer.partial_len() <= limits.terminal);
    }
    assert!(blocks.iter().all(|block| block.raw.len() <= limits.terminal));
    assert!(joined(whole).starts_with(&joined(blocks)));
}

/// Blocks that are taken in runs are those that come one by one.
fn runs(seed: u8, stream: &[u8]) {
    let limits = Limits { ordinary: 48, terminal: 96 };
    let (one_by_one, _) = framed(pieces(seed, stream), limits, false);
    let (mut framer, mut blocks) = (Framer::new(limits), Vec::new());
    for piece in pieces(seed, stream) {
        framer.push(Bytes::copy_from_slice(piece));
        loop {
            if let Some(run) = framer.next_run(|name| name.len() % 2 == usize::from(seed % 2)) {
                let (run, rest) = framed([&run[..]], limits, false);
                assert!(!run.is_empty() && rest == Ok(None));
                assert!(
                    run.iter().all(|block| block.event.as_ref().map_or(0, Bytes::len) % 2 == usize::from(seed % 2))
                );
                blocks.extend(run);
            }
            let Ok(Some(block)) = framer.next_block() else { break };
            blocks.push(block);
        }
    }
    assert!(blocks == one_by_one);
}

/// An event is read back as it was written, a line break in its name aside.
fn reads_back(name: &str, data: &str) {
    let block = Block::new(Some(name), data);
    let mut framer = Framer::new(Limits::default());
    framer.push(block.raw.clone());
    assert_eq!(framer.next_block(), Ok(Some(block)));
    assert_eq!(framer.finish(), None);
}
