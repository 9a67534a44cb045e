//! Generated streams, cut anywhere: nothing is lost, and the events are those of a reader that has the whole text.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::fuzz::{check, framed};

/// A stream, cut at the places named.
fn cut<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
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

proptest! {
    #[test]
    fn frames_streams_alike_however_they_are_cut(stream in stream(), cuts in cuts(), lazy in any::<bool>()) {
        check(&stream, cut(&stream, &cuts), lazy);
    }

    #[test]
    fn frames_noise_alike_however_it_is_cut(stream in noise(), cuts in cuts(), lazy in any::<bool>()) {
        check(&stream, cut(&stream, &cuts), lazy);
    }

    #[test]
    fn without_cr_the_very_same_blocks_come_from_every_cut(stream in stream(), cuts in cuts()) {
        let stream: Vec<u8> = stream.into_iter().filter(|byte| *byte != b'\r').collect();
        let framed = |cuts| framed(cut(&stream, cuts), Limits::default(), false);
        prop_assert!(framed(&cuts) == framed(&[]));
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
