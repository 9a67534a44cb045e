//! Answers of a backend that may send anything: the client gets a valid stream or one object, and the same one however the bytes were cut.

use pooler_filter::testing::pieces;
use pooler_filter::{Cut, End};

pub use super::chat::fuzz::chat;
use super::testing::{Answer, Host};
use super::{compact, images};
use crate::echo::Form;

/// Two bytes that say who asks, how the answer ends and how it is cut; then the answer.
///
/// # Panics
/// When a property does not hold.
pub fn events(input: &[u8]) {
    let [who, seed, stream @ ..] = input else { return };
    let trigger = Form::CompactionTrigger { streamed: true };
    let (streams, host) = match who % 6 {
        0 | 1 => (true, Host::streaming()),
        2 => (false, Host::collecting()),
        3 => (false, Host::collecting().form(trigger)),
        4 => (false, Host::of(images)),
        _ => (false, Host::of(compact)),
    };
    let answer = both_ways(&host, *seed, stream, who & 0x80 != 0);
    if !streams {
        return whole(&answer);
    }
    assert!(answer.refused.is_none(), "a stream tells its failure itself");
    let types = answer.types();
    let terminal =
        |kind: &String| matches!(kind.as_str(), "response.completed" | "response.incomplete" | "response.failed");
    assert_eq!(types.iter().position(terminal), types.len().checked_sub(1), "one terminal, at the end: {types:?}");
    assert!(types.len() == 1 || types[0] == "response.created", "{types:?}");
    assert!(types.iter().all(|kind| kind.starts_with("response.") && kind != "response.done"), "{types:?}");
}

/// The answer to a stream as a whole, which has to be the answer to the same stream in pieces.
pub(super) fn both_ways(host: &Host, seed: u8, stream: &[u8], cut: bool) -> Answer {
    let end = || if cut { End::Cut(Cut::Closed) } else { End::Complete };
    let sizes: Vec<usize> = pieces(seed, stream).map(<[u8]>::len).collect();
    let answer = host.run_split(stream, &[], end());
    let split = host.run_split(stream, &sizes, end());
    assert_eq!(answer.bytes(), split.bytes());
    let told = |answer: &Answer| answer.refused.as_ref().map(|reject| (reject.status(), reject.envelope()));
    assert_eq!(told(&answer), told(&split));
    answer
}

/// One object, or a refusal and nothing else. What the provider got wrong is never the client's mistake.
pub(super) fn whole(answer: &Answer) {
    match &answer.refused {
        None => assert!(answer.json().is_object()),
        Some(reject) => {
            assert!(answer.frames.is_empty());
            assert!(serde_json::from_slice::<serde_json::Value>(&reject.envelope()).is_ok_and(|told| told.is_object()));
        }
    }
}
