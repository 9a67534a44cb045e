//! The same answers for a client that asked for a chat.

use super::testing::{Chat, collecting, streaming, with_usage};
use crate::response::fuzz::{both_ways, whole};

/// Two bytes that say who asks, how the answer ends and how it is cut; then the answer.
///
/// # Panics
/// When a property does not hold.
pub fn chat(input: &[u8]) {
    let [who, seed, stream @ ..] = input else { return };
    let host = match who % 3 {
        0 => with_usage(),
        1 => streaming(),
        _ => collecting(),
    };
    let answer = both_ways(&host, *seed, stream, who & 0x80 != 0);
    if who % 3 == 2 {
        return whole(&answer);
    }
    if let Some(reject) = &answer.refused {
        // Before the first chunk a failure may still become a status.
        assert!(answer.frames.is_empty(), "{reject}");
        return;
    }
    let chat = Chat::of(&answer);
    assert!(chat.done != chat.error.is_some());
    let calls = chat.message()["tool_calls"].as_array().cloned().unwrap_or_default();
    let indexes = calls.iter().map(|call| call["index"].as_u64());
    assert!(indexes.eq((0..calls.len() as u64).map(Some)), "calls are numbered as they are told");
}
