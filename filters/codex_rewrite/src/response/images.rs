//! `POST /v1/images/*`: the images in a response of the backend become one JSON answer (docs/v1.md, Images).
//!
//! An image is megabytes of base64: it is never decoded or copied but into the answer itself.

use std::sync::Arc;

use pooler_filter::codex::{Facts, sentence};
use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{
    Carrier, Clock, Code, Delivery, End, Exchange, Frame, FrameKind, Out, Reject, RejectKind, ResponseHead, Stage,
};

use super::edits::Members;
use super::event::{self, Class, Event};
use super::{Asked, JSON, MOST_BYTES, failed, set_head};

/// What of an image's settings is repeated.
const SETTINGS: [&str; 4] = ["background", "output_format", "quality", "size"];

/// Sets the head of the public answer and gives the stage that writes its body.
pub(crate) fn images(
    clock: Arc<dyn Clock>,
    head: &mut ResponseHead,
    cx: &mut Exchange,
) -> Result<Box<dyn Stage>, Reject> {
    let asked = Asked::of(clock, cx)?;
    set_head(head, JSON, Carrier::Json, Delivery::Whole);
    Ok(Box::new(Images { asked, made: Vec::new(), failed: None, response: None, ended: false, bytes: 0 }))
}

/// What was gathered of one answer.
struct Images {
    asked: Asked,
    /// The items that are images.
    made: Vec<Json>,
    /// Why the first image that failed did.
    failed: Option<Reject>,
    /// The last response object.
    response: Option<Json>,
    /// The terminal came.
    ended: bool,
    bytes: usize,
}

impl Stage for Images {
    fn frame(&mut self, frame: Frame, _: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        self.bytes = self.bytes.saturating_add(frame.wire_len());
        if self.bytes > MOST_BYTES {
            return Err(failed::bad_gateway("upstream_response_too_large"));
        }
        if self.ended {
            return Ok(());
        }
        match frame.kind() {
            FrameKind::Sse => match event::document(&frame) {
                Some((json, label)) => Event::of(&json, label).map_or(Ok(()), |event| self.event(&event)),
                None => Ok(()),
            },
            FrameKind::Json => {
                let json = event::answer(frame.data())?;
                self.event(&Event::of(&json, None).ok_or_else(failed::invalid)?)
            }
            FrameKind::Opaque => Err(failed::invalid()),
        }
    }

    fn end(&mut self, end: &End, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        if matches!(end, End::Failed(_)) {
            // Nothing was sent: the host answers with the refusal itself.
            return Ok(());
        }
        if !self.ended {
            return Err(failed::bad_gateway("upstream_request_failed"));
        }
        if self.made.is_empty() {
            return Err(self.failed.take().unwrap_or_else(|| failed::bad_gateway("image_generation_failed")));
        }
        out.push(Frame::json(self.answer()));
        Ok(())
    }
}

impl Images {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Reject> {
        if let Some(failure) = event.failure(&*self.asked.clock) {
            return Err(failure.public_reject(self.asked.input_file, self.asked.context_window));
        }
        if let (Class::ItemDone, Some(item)) = (event.class, event.item()) {
            self.item(item, true);
        }
        if event.class.is_terminal() {
            self.ended = true;
            let response = event.response();
            for item in response.and_then(|response| response.get("output")).iter().flat_map(Value::items) {
                self.item(item, false);
            }
            self.response = response.map(|response| response.to_json());
        }
        Ok(())
    }

    /// Takes note of an item. `done`: of its own event; the terminal repeats what such events told.
    fn item(&mut self, item: Value<'_>, done: bool) {
        let is = |key: &str, text: &str| item.get(key).is_some_and(|value| value.is_str(text));
        if !is("type", "image_generation_call") {
            return;
        }
        let result = item.get("result").filter(|result| result.kind() == Kind::String && !result.is_str(""));
        if is("status", "failed") || result.is_none() {
            if is("status", "failed") || item.get("error").is_some_and(|error| !error.is_null()) {
                self.failed.get_or_insert_with(|| failure(item.get("error")));
            }
            return;
        }
        let id = item.get("id").and_then(|id| id.as_str()).filter(|id| !id.is_empty());
        let known = match id {
            Some(id) => self.made.iter().any(|made| made.root().get("id").is_some_and(|known| known.is_str(&id))),
            None => !done && !self.made.is_empty(),
        };
        if !known {
            self.made.push(item.to_json());
        }
    }

    /// The body of the answer.
    fn answer(&self) -> Vec<u8> {
        let response = self.response.as_ref().map(Json::root);
        let created = response.and_then(|response| response.get("created_at")?.as_u64());
        let mut data = Vec::with_capacity(self.made.iter().map(|item| item.bytes().len()).sum());
        for (place, item) in self.made.iter().enumerate() {
            data.push(if place == 0 { b'[' } else { b',' });
            data.extend_from_slice(&image(item.root()).into_object());
        }
        data.push(b']');
        let mut members = Members::default();
        members.add_u64("created", created.unwrap_or_else(|| self.asked.now()));
        members.add("data", &data);
        for name in SETTINGS {
            let setting = self.made.first().and_then(|item| item.root().get(name));
            if let Some(setting) = setting.filter(|setting| setting.kind() == Kind::String) {
                members.add(name, &setting.raw_bytes());
            }
        }
        let usage = response.and_then(|response| response.get("tool_usage")?.get("image_gen"));
        if let Some(usage) = usage.filter(|usage| usage.kind() == Kind::Object) {
            members.add("usage", &usage.raw_bytes());
        }
        members.into_object()
    }
}

/// One image of the answer.
fn image(item: Value<'_>) -> Members {
    let mut members = Members::default();
    for (name, key) in [("b64_json", "result"), ("revised_prompt", "revised_prompt")] {
        if let Some(text) = item.get(key).filter(|text| text.kind() == Kind::String) {
            members.add(name, &text.raw_bytes());
        }
    }
    members
}

/// What the client is told of an image that failed: the provider's code with our sentence.
fn failure(error: Option<Value<'_>>) -> Reject {
    let text = |key: &str| error?.get(key)?.as_str();
    let kind = match text("type").as_deref() {
        Some("invalid_request_error") => RejectKind::Invalid,
        _ => RejectKind::BadGateway,
    };
    let code = text("code").and_then(|code| Code::from_upstream(&code));
    let code = code.unwrap_or(Code::new("image_generation_failed"));
    let message = sentence(code.as_str(), Facts::default());
    Reject::with_code(kind, code, message)
}
