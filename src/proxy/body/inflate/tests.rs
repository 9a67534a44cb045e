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
