//! See `codex_pooler::fuzz::form`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| codex_pooler::fuzz::form(input));
