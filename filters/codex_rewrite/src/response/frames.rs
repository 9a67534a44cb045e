//! Frames of the public stream: `event: <type>`, `data: <JSON on one line>`, nothing else (docs/v1.md, Framing).

use bytes::Bytes;
use pooler_filter::Frame;

use super::edits::{Edits, Members};

/// An event of ours.
pub(super) fn own(name: &'static str, number: u64, members: &Members) -> Frame {
    let mut head = Members::default();
    head.add_str("type", name);
    head.add_u64("sequence_number", number);
    head.extend(members);
    Frame::event(name, head.into_object())
}

/// An event of the backend under this name, with its edits. Without any the frame passes as it came, if it came in our form.
pub(super) fn relayed(mut frame: Frame, name: &str, edits: Edits<'_>) -> Frame {
    let named = frame.is_named(name);
    if named && edits.is_empty() && edits.are_of(frame.data()) && frame.is_in_our_form() {
        return frame;
    }
    let data = edits.apply();
    if named {
        frame.set_data(data);
        return frame;
    }
    Frame::event(Bytes::copy_from_slice(name.as_bytes()), data)
}
