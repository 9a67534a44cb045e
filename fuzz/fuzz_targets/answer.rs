//! See `codex_pooler::fuzz::answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| codex_pooler::fuzz::answer(input));
