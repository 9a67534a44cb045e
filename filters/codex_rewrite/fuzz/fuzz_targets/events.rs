//! See `pooler_filter_codex_rewrite::fuzz::events`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pooler_filter_codex_rewrite::fuzz::events(input));
