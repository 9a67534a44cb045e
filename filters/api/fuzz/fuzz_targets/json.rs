//! See `pooler_filter::fuzz::json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pooler_filter::fuzz::json(input));
