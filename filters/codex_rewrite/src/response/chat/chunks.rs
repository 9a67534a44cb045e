//! Chunks of a completion. What is the same in all of them is written once (docs/v1.md, Chat completions, Stream).

use pooler_filter::json::Value;
use pooler_filter::{Frame, Out};

use crate::echo::Echo;
use crate::response::Asked;
use crate::response::edits::Members;

/// What may follow the list of choices, up to the end of a chunk without a tier.
const TAIL: &[u8] = b"]}";

/// Writes the chunks of one completion.
pub(super) struct Chunks {
    /// All before the first choice; empty until the first chunk is sent.
    head: Vec<u8>,
    /// All after the last choice.
    tail: Vec<u8>,
}

impl Chunks {
    /// A completion of which nothing was sent.
    pub(super) fn new() -> Self {
        Self { head: Vec::new(), tail: TAIL.to_vec() }
    }

    /// Whether a chunk was sent.
    pub(super) const fn begun(&self) -> bool {
        !self.head.is_empty()
    }

    /// Sends the first chunk, which names the role: clients break on any other. From then on id, time and model stand.
    pub(super) fn begin(&mut self, response: Option<Value<'_>>, asked: &Asked, echo: &Echo, out: &mut Out) {
        self.note_tier(response);
        if self.begun() {
            return;
        }
        let mut members = Members::default();
        members.add_str("id", &super::id(response, asked));
        members.add_str("object", "chat.completion.chunk");
        members.add_u64("created", super::created(response, asked));
        members.add_str("model", &echo.model);
        members.add("choices", b"[");
        let mut head = members.into_object();
        head.pop();
        self.head = head;
        out.push(self.delta(&[b"\"role\":\"assistant\",\"content\":\"\""]));
    }

    /// Takes the tier that a response object tells.
    fn note_tier(&mut self, response: Option<Value<'_>>) {
        if let Some(tier) = super::service_tier(response) {
            self.tail = [b"],\"service_tier\":".as_slice(), &tier.raw_bytes(), b"}"].concat();
        }
    }

    /// A chunk with these members of `delta`, handed in as pieces of text.
    pub(super) fn delta(&self, members: &[&[u8]]) -> Frame {
        self.choice(members, b"},\"finish_reason\":null}")
    }

    /// The chunk that tells why the answer ended.
    pub(super) fn finish(&self, reason: &'static str) -> Frame {
        self.choice(&[], format!("}},\"finish_reason\":\"{reason}\"}}").as_bytes())
    }

    /// The chunk that tells the usage.
    pub(super) fn usage(&self, usage: &[u8]) -> Frame {
        let rest = self.tail.get(1..).unwrap_or_default();
        Frame::unnamed([&self.head, b"],\"usage\":".as_slice(), usage, rest].concat())
    }

    fn choice(&self, members: &[&[u8]], end: &[u8]) -> Frame {
        const BEGIN: &[u8] = b"{\"index\":0,\"delta\":{";
        let length: usize = members.iter().map(|piece| piece.len()).sum();
        let mut data = Vec::with_capacity(self.head.len() + BEGIN.len() + length + end.len() + self.tail.len());
        data.extend_from_slice(&self.head);
        data.extend_from_slice(BEGIN);
        for piece in members {
            data.extend_from_slice(piece);
        }
        data.extend_from_slice(end);
        data.extend_from_slice(&self.tail);
        Frame::unnamed(data)
    }
}
