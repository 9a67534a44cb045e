//! Generated streams, cut anywhere: nothing is lost, and the events are those of a reader that has the whole text.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

/// An event as a reader of the whole text sees it.
type Event = (Option<Vec<u8>>, Vec<u8>);

/// The standard's algorithm, step by step, on a text that is there as a whole.
fn events_of(stream: &[u8]) -> Vec<Event> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut at = 0;
    while at < stream.len() {
        match stream[at] {
            b'\r' if stream.get(at + 1) == Some(&b'\n') => {
                lines.push(Vec::new());
                at += 1;
            }
            b'\r' | b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
        at += 1;
    }
    lines.pop();
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

/// Cuts a stream at the places named and frames it; `lazy` asks for blocks only at the end.
fn framed(stream: &[u8], cuts: &[prop::sample::Index], lazy: bool) -> (Vec<Block>, Option<Bytes>) {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let (mut framer, mut blocks) = (Framer::new(Limits::default()), Vec::new());
    for pair in places.windows(2) {
        framer.push(Bytes::copy_from_slice(&stream[pair[0]..pair[1]]));
        while !lazy && let Some(block) = framer.next_block().unwrap() {
            blocks.push(block);
        }
    }
    while let Some(block) = framer.next_block().unwrap() {
        blocks.push(block);
    }
    (blocks, framer.finish())
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

fn ending() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["\n", "\r", "\r\n"])
}

/// Streams with every feature: fields, comments, blank lines, marks, unfinished ends.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let names = vec![
        "data: ", "data:", "event: ", "event:", "id: ", ": ", "data", "event", "", "", "", "", "\u{feff}", "datum:",
    ];
    let line = (prop::sample::select(names), "[ -~é]{0,12}", ending()).prop_map(|(name, value, ending)| {
        let value = if name.is_empty() { String::new() } else { value };
        format!("{name}{value}{ending}")
    });
    let rest = prop::sample::select(vec!["", "data: x", "event: a\ndata: b\n", "\r", "\u{feff}"]);
    (any::<bool>(), vec(line, 0..24), rest).prop_map(|(mark, lines, rest)| {
        [if mark { "\u{feff}" } else { "" }, &lines.concat(), rest].concat().into_bytes()
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(b"\r\n\r\n\r\nda:t ev\xef\xbb\xbf".to_vec()), 0..40)
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop_oneof![vec(any::<prop::sample::Index>(), 0..6), vec(any::<prop::sample::Index>(), 100..200)]
}

fn check(stream: &[u8], cuts: &[prop::sample::Index], lazy: bool) -> Result<(), TestCaseError> {
    let (whole, whole_rest) = framed(stream, &[], false);
    let (blocks, rest) = framed(stream, cuts, lazy);
    let mut again: Vec<u8> = blocks.iter().flat_map(|block| block.raw.to_vec()).collect();
    again.extend(rest.iter().flatten());
    prop_assert_eq!(again, stream);
    let events: Vec<_> = blocks.iter().filter_map(|block| Some((block.event.as_ref(), block.data.as_ref()?))).collect();
    let expected = events_of(stream);
    let seen: Vec<Event> =
        events.into_iter().map(|(name, data)| (name.map(|name| name.to_vec()), data.to_vec())).collect();
    prop_assert_eq!(seen, expected);
    prop_assert_eq!(joined(blocks) == joined(whole), true, "blocks depend on the cuts");
    prop_assert_eq!(rest, whole_rest);
    Ok(())
}

proptest! {
    #[test]
    fn frames_streams_alike_however_they_are_cut(stream in stream(), cuts in cuts(), lazy in any::<bool>()) {
        check(&stream, &cuts, lazy)?;
    }

    #[test]
    fn frames_noise_alike_however_it_is_cut(stream in noise(), cuts in cuts(), lazy in any::<bool>()) {
        check(&stream, &cuts, lazy)?;
    }

    #[test]
    fn without_cr_the_very_same_blocks_come_from_every_cut(stream in stream(), cuts in cuts()) {
        let stream: Vec<u8> = stream.into_iter().filter(|byte| *byte != b'\r').collect();
        prop_assert!(framed(&stream, &cuts, false) == framed(&stream, &[], false));
    }

    #[test]
    fn reads_back_the_events_it_writes(event in prop::option::of("[ \\t\r\na-z.é]{0,12}"), data in "[ -~é\r\n]{0,40}") {
        let block = Block::new(event.as_deref(), &data);
        let mut framer = Framer::new(Limits::default());
        framer.push(block.raw.clone());
        prop_assert!(framer.next_block() == Ok(Some(block)));
        prop_assert_eq!(framer.finish(), None);
    }
}
