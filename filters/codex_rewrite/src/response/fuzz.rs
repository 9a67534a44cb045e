//! Answers of a backend that may send anything: the client gets a valid stream or one object, and the same one however the bytes were cut.

use pooler_filter::json::Value;
use pooler_filter::sse::{Framer, Limits};
use pooler_filter::testing::pieces;
use pooler_filter::{Cut, End, Frame};

pub use super::chat::fuzz::chat;
use super::delta::Deltas;
use super::event::{self, Event};
use super::testing::{Answer, Host};
use super::{compact, images};
use crate::echo::Form;

/// Two bytes that say who asks, how the answer ends and how it is cut; then the answer.
///
/// # Panics
/// When a property does not hold.
pub fn events(input: &[u8]) {
    let [who, seed, stream @ ..] = input else { return };
    let mut framer = Framer::new(Limits::default());
    framer.push(stream.to_vec().into());
    let mut deltas = Deltas::default();
    while let Ok(Some(block)) = framer.next_block() {
        agree(&mut deltas, &Frame::from_block(block));
    }
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

/// What is read of a piece in one look is what is read with an index. Whether it was read so.
pub(super) fn agree(deltas: &mut Deltas, frame: &Frame) -> bool {
    let Some(delta) = deltas.read(frame) else { return false };
    let read = event::document(frame);
    let event = read.as_ref().and_then(|(json, label)| Event::of(json, *label)).expect("an event that passes");
    let number = |value: Option<Value<'_>>| value.and_then(|value| value.as_u64());
    assert_eq!((delta.class, frame.name()), (event.class, Some(&*event.name)));
    assert_eq!(delta.sequence_number, event.sequence_number());
    assert_eq!(delta.output_index, event.output_index());
    assert_eq!(delta.content_index, number(event.members.content_index));
    assert_eq!(delta.logprobs, event.members.logprobs.is_some());
    let quoted = delta.text.map(|text| [b"\"", text, b"\""].concat());
    assert_eq!(quoted, event.members.delta.map(|delta| delta.raw_bytes().to_vec()));
    assert!(event.response().is_none() && event.item().is_none());
    assert!(frame.data().ends_with(b"}"), "members can be added");
    true
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
