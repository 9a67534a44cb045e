//! See `pooler_filter_codex_rewrite::fuzz::chat`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pooler_filter_codex_rewrite::fuzz::chat(input));
