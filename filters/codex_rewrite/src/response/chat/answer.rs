//! One completion out of a gathered response (docs/v1.md, Chat completions, Answer).

use pooler_filter::Frame;
use pooler_filter::json::{Kind, Value};

use super::calls::Call;
use super::parts::{self, Piece};
use crate::echo::Echo;
use crate::response::Asked;
use crate::response::collect::Gathered;
use crate::response::edits::Members;

/// What the items of an output say together.
#[derive(Default)]
struct Message {
    /// As the inside of a JSON string.
    content: Vec<u8>,
    /// As the inside of a JSON string.
    refusal: Vec<u8>,
    /// Elements with commas between them.
    annotations: Vec<u8>,
    /// Elements with commas between them.
    calls: Vec<u8>,
    call_count: usize,
}

/// Writes the completion.
pub(super) fn completion(gathered: &Gathered, asked: &Asked, echo: &Echo) -> Option<Frame> {
    let response = Some(gathered.response.root());
    let message = Message::of(gathered.response.root());
    let mut choice = Members::default();
    choice.add("index", b"0");
    let reason = super::finish_reason(gathered.class, response, message.call_count > 0);
    choice.add("message", &message.into_object());
    choice.add("logprobs", b"null");
    choice.add_str("finish_reason", reason);
    let mut members = Members::default();
    members.add_str("id", &super::id(response, asked));
    members.add_str("object", "chat.completion");
    members.add_u64("created", super::created(response, asked));
    members.add_str("model", &echo.model);
    members.add("choices", &[b"[", choice.into_object().as_slice(), b"]"].concat());
    if let Some(usage) = super::usage(response) {
        members.add("usage", &usage);
    }
    if let Some(tier) = super::service_tier(response) {
        members.add("service_tier", &tier.raw_bytes());
    }
    Some(Frame::json(members.into_object()))
}

impl Message {
    fn of(response: Value<'_>) -> Self {
        let mut message = Self::default();
        // Parts with text so far: places in the text of a part count on from their end.
        let mut before: Vec<Value<'_>> = Vec::new();
        for item in super::output(response) {
            if let Some(call) = Call::of(item) {
                separate(&mut message.calls);
                call.write(&mut message.calls, message.call_count);
                message.call_count += 1;
            } else if parts::is_message(item) {
                for part in item.get("content").into_iter().flat_map(|content| content.items()) {
                    message.part(part, &mut before);
                }
            }
        }
        message
    }

    fn part<'a>(&mut self, part: Value<'a>, before: &mut Vec<Value<'a>>) {
        match Piece::of(part) {
            Some(Piece::Content(text)) => {
                self.content.extend_from_slice(inside(&text));
                self.annotate(part, before);
                before.extend(part.get("text"));
            }
            Some(Piece::Refusal(text)) => self.refusal.extend_from_slice(inside(&text)),
            None => {}
        }
    }

    /// Takes over the citations of a part; other annotations have no form in a chat.
    fn annotate(&mut self, part: Value<'_>, before: &[Value<'_>]) {
        let annotations = part.get("annotations").into_iter().flat_map(|list| list.items());
        let citations = annotations.filter(|one| one.get("type").is_some_and(|kind| kind.is_str("url_citation")));
        let mut shift = None;
        for citation in citations {
            let index = |key: &str| citation.get(key).and_then(|index| index.as_u64());
            let url = citation.get("url").filter(|url| url.kind() == Kind::String);
            let (Some(start), Some(end), Some(url)) = (index("start_index"), index("end_index"), url) else { continue };
            let shift = *shift.get_or_insert_with(|| before.iter().map(characters).sum::<u64>());
            let mut inner = Members::default();
            inner.add_u64("start_index", start.saturating_add(shift));
            inner.add_u64("end_index", end.saturating_add(shift));
            inner.add("title", &super::calls::literal(citation.get("title")));
            inner.add("url", &url.raw_bytes());
            let mut outer = Members::default();
            outer.add_str("type", "url_citation");
            outer.add("url_citation", &inner.into_object());
            separate(&mut self.annotations);
            self.annotations.extend_from_slice(&outer.into_object());
        }
    }

    fn into_object(self) -> Vec<u8> {
        let silent = self.call_count > 0 || !self.refusal.is_empty();
        let mut members = Members::default();
        members.add_str("role", "assistant");
        if self.content.is_empty() && silent {
            members.add("content", b"null");
        } else {
            members.add("content", &[b"\"", self.content.as_slice(), b"\""].concat());
        }
        if self.refusal.is_empty() {
            members.add("refusal", b"null");
        } else {
            members.add("refusal", &[b"\"", self.refusal.as_slice(), b"\""].concat());
        }
        members.add("annotations", &[b"[", self.annotations.as_slice(), b"]"].concat());
        if self.call_count > 0 {
            members.add("tool_calls", &[b"[", self.calls.as_slice(), b"]"].concat());
        }
        members.into_object()
    }
}

/// What stands between the quotes of a JSON string.
fn inside(literal: &[u8]) -> &[u8] {
    literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default()
}

fn characters(text: &Value<'_>) -> u64 {
    text.as_str().map_or(0, |text| text.chars().count() as u64)
}

/// Puts a comma between elements.
fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}
