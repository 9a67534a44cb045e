use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::proxy::budget::Budget;

fn limits() -> Limits {
    Limits { max_body: 1 << 20, ..Limits::default() }
}

async fn run(coding: Coding, packed: Vec<u8>, limits: &Limits) -> Result<Bytes, Reject> {
    let budget = Budget::new(64 << 20, Duration::from_secs(1));
    inflate(coding, packed.into(), limits, &mut budget.open()).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_window(text: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Text that compresses a little only.
fn text(len: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + u8::try_from(state >> 24).unwrap() % 26
    };
    (0..len).map(|_| next()).collect()
}

#[tokio::test]
async fn every_coding_gives_back_what_was_packed() {
    for len in [0, 1, STEP - 1, STEP, STEP + 1, 300_000] {
        let text = text(len);
        assert_eq!(run(Coding::Gzip, gzip(&text), &limits()).await.unwrap(), text);
        assert_eq!(run(Coding::Deflate, deflate(&text), &limits()).await.unwrap(), text);
        assert_eq!(run(Coding::Zstd, zstd_window(&text, 20), &limits()).await.unwrap(), text);
    }
}

#[tokio::test]
async fn a_bomb_is_refused_by_ratio_and_a_large_text_by_size() {
    let bomb = vec![b' '; 1 << 20];
    for (coding, packed) in [(Coding::Gzip, gzip(&bomb)), (Coding::Zstd, zstd_window(&bomb, 20))] {
        assert_eq!(run(coding, packed, &limits()).await.unwrap_err().code_str(), "decompression_ratio_exceeded");
    }
    let large = text((1 << 20) + 1);
    let refused = run(Coding::Gzip, gzip(&large), &limits()).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code_str()), (413, "decompressed_request_too_large"));
    let whole = text(1 << 20);
    assert_eq!(run(Coding::Gzip, gzip(&whole), &limits()).await.unwrap().len(), 1 << 20);
}

/// Something small that comes to much, in every coding.
fn bombs() -> Vec<(&'static str, Coding, Vec<u8>)> {
    let blank = vec![b' '; 4 << 20];
    let part = vec![b' '; 64 * 1024];
    let packed = zstd_window(&part, 20);
    vec![
        ("one", Coding::Gzip, gzip(&blank)),
        ("one", Coding::Deflate, deflate(&blank)),
        ("one", Coding::Zstd, zstd_window(&blank, 20)),
        ("members", Coding::Gzip, gzip(&part).repeat(64)),
        ("frames", Coding::Zstd, packed.repeat(64)),
        // A frame that is skipped counts as packed bytes and is nothing.
        ("skipped", Coding::Zstd, [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], &packed[..]].concat().repeat(64)),
    ]
}

#[tokio::test]
async fn a_bomb_of_any_kind_is_refused_before_it_has_grown() {
    for (kind, coding, packed) in bombs() {
        let most = packed.len() * limits().max_ratio as usize + 2 * STEP;
        let budget = Budget::new(packed.len() + most.min(limits().max_body) + 2 * STEP, Duration::ZERO);
        let mut room = budget.open();
        let refused = inflate(coding, packed.clone().into(), &limits(), &mut room).await.unwrap_err();
        let expected = if packed.len() * 200 < limits().max_body {
            "decompression_ratio_exceeded"
        } else {
            "decompressed_request_too_large"
        };
        assert_eq!((refused.status().as_u16(), refused.code_str()), (413, expected), "{kind} {coding:?}");
    }
}

#[tokio::test]
async fn what_comes_to_nothing_ends_however_much_it_is() {
    for (coding, packed) in
        [(Coding::Gzip, gzip(b"").repeat(50_000)), (Coding::Zstd, zstd_window(b"", 20).repeat(50_000))]
    {
        assert_eq!(run(coding, packed, &limits()).await.unwrap(), "", "{coding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn large_bodies_are_unpacked_in_turn_and_small_ones_need_none() {
    let limits = Limits { max_body: 8 << 20, ..Limits::default() };
    let budget = Budget::new(64 << 20, Duration::from_secs(5));
    let mut holding = budget.open();
    holding.turn().await.unwrap();
    let large: Bytes = gzip(&text(2 << 20)).into();
    let refused = inflate(Coding::Gzip, large.clone(), &limits, &mut budget.open()).await.unwrap_err();
    assert_eq!(refused.code_str(), "server_is_overloaded");
    assert!(inflate(Coding::Gzip, gzip(&text(1 << 20)).into(), &limits, &mut budget.open()).await.is_ok());
    drop(holding);
    for _ in 0..3 {
        assert_eq!(inflate(Coding::Gzip, large.clone(), &limits, &mut budget.open()).await.unwrap().len(), 2 << 20);
    }
}

#[tokio::test]
async fn a_window_over_8_mib_is_refused() {
    let limits = Limits { max_ratio: 1_000_000, max_body: 64 << 20, ..Limits::default() };
    let text = text(24 << 20);
    let refused = run(Coding::Zstd, zstd_window(&text, 24), &limits).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code_str()), (413, "decompressed_request_too_large"));
    assert!(run(Coding::Zstd, zstd_window(&text, 23), &limits).await.is_ok());
}

#[tokio::test]
async fn corrupt_and_truncated_streams_are_refused() {
    let text = text(100_000);
    for (coding, packed) in
        [(Coding::Gzip, gzip(&text)), (Coding::Deflate, deflate(&text)), (Coding::Zstd, zstd_window(&text, 20))]
    {
        let mut cut = packed.clone();
        cut.truncate(packed.len() / 2);
        let mut garbage = packed.clone();
        garbage[0] ^= 0xff;
        for broken in [cut, garbage] {
            let refused = run(coding, broken, &limits()).await.unwrap_err();
            assert_eq!(refused.message, "compressed request body is invalid", "{coding:?}");
        }
    }
}

#[test]
fn codings_are_matched_trimmed_and_in_any_case_and_one_only() {
    let with = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
        }
        Coding::of(&headers)
    };
    assert_eq!(with(&[]).unwrap(), Coding::Identity);
    assert_eq!(with(&[" Identity "]).unwrap(), Coding::Identity);
    assert_eq!(with(&["GZIP"]).unwrap(), Coding::Gzip);
    assert_eq!(with(&["deflate"]).unwrap(), Coding::Deflate);
    assert_eq!(with(&["zstd"]).unwrap(), Coding::Zstd);
    for refused in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"], &["x-gzip"]] {
        assert_eq!(with(refused).unwrap_err().status().as_u16(), 415, "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_decoder_counts_while_it_works_and_not_afterwards() {
    let text = text(300_000);
    for (coding, packed, fits) in [
        (Coding::Gzip, gzip(&text), true),
        (Coding::Deflate, deflate(&text), true),
        (Coding::Zstd, zstd_window(&text, 20), false),
    ] {
        let budget = Budget::new(16 << 20, Duration::from_secs(1));
        let mut other = budget.open();
        other.grow_to((16 << 20) - packed.len() - text.len() - 2 * SMALL_DECODER).await.unwrap();
        let mut room = budget.open();
        let inflated = inflate(coding, packed.clone().into(), &limits(), &mut room).await;
        assert_eq!(inflated.is_ok(), fits, "{coding:?}");
        drop((other, inflated));
        let mut room = budget.open();
        assert_eq!(inflate(coding, packed.into(), &limits(), &mut room).await.unwrap(), text);
        assert_eq!(room.held(), text.len().next_multiple_of(4096));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_all_the_memory_there_is_needs_no_more_for_its_decoder() {
    let text = text(1 << 20);
    let packed = zstd_window(&text, 20);
    let all = (text.len() + packed.len()).next_multiple_of(4096);
    let budget = Budget::new(all, Duration::from_secs(1));
    assert_eq!(inflate(Coding::Zstd, packed.into(), &limits(), &mut budget.open()).await.unwrap(), text);
}
