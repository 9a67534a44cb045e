//! See `codex_pooler::fuzz::head`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| codex_pooler::fuzz::head(input));
