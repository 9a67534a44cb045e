//! See `pooler_filter::fuzz::sse`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pooler_filter::fuzz::sse(input));
