//! `POST /v1/responses/compact`: the compacted conversation, with every key that clients may rely on (docs/v1.md, Compact).

use std::sync::Arc;

use pooler_filter::json::{Json, Kind, Value};
use pooler_filter::{Carrier, Clock, Delivery, End, Exchange, Frame, FrameKind, Out, Reject, ResponseHead, Stage};

use super::edits::{Edits, Members};
use super::normalise::{self, Place};
use super::{Asked, JSON, failed, neutral, set_head};
use crate::echo::Echo;

/// The usage of an answer that tells none: the schema wants numbers. The ledger goes by what the backend said.
const NO_USAGE: &str = "{\"input_tokens\":0,\"input_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},\
    \"output_tokens\":0,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":0}";

/// Sets the head of the public answer and gives the stage that writes its body.
pub(crate) fn compact(
    clock: Arc<dyn Clock>,
    head: &mut ResponseHead,
    cx: &mut Exchange,
) -> Result<Box<dyn Stage>, Reject> {
    let asked = Asked::of(clock, cx)?;
    set_head(head, JSON, Carrier::Json, Delivery::Whole);
    Ok(Box::new(Compact { asked, sent: false }))
}

/// One compacted conversation.
struct Compact {
    asked: Asked,
    sent: bool,
}

impl Stage for Compact {
    fn frame(&mut self, frame: Frame, out: &mut Out, cx: &mut Exchange) -> Result<(), Reject> {
        if frame.kind() != FrameKind::Json || self.sent {
            return Err(failed::invalid());
        }
        let json = Json::parse(frame.data().clone()).map_err(|error| failed::invalid().because(error))?;
        // Without any output the conversation would be gone, and the client would not notice.
        if json.root().get("output").is_none_or(|output| output.kind() != Kind::Array) {
            return Err(failed::invalid());
        }
        self.sent = true;
        out.push(Frame::json(self.filled(&json, cx.require::<Echo>()?)));
        Ok(())
    }

    fn end(&mut self, end: &End, _: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        match end {
            End::Complete | End::Cut(_) if !self.sent => Err(failed::invalid()),
            // Nothing was sent when it failed: the host answers with the refusal itself.
            End::Complete | End::Cut(_) | End::Failed(_) => Ok(()),
        }
    }
}

impl Compact {
    /// The answer of the backend with what it left out.
    fn filled(&self, json: &Json, echo: &Echo) -> bytes::Bytes {
        let root = json.root();
        let mut edits = Edits::of(json);
        let mut missing = Members::default();
        let given = |key: &str| root.get(key).filter(|value| !value.is_null());
        let mut fill = |edits: &mut Edits<'_>, key: &str, value: &[u8]| match (given(key), root.get(key)) {
            (Some(_), _) => {}
            (None, Some(null)) => edits.replace(null, value.to_vec()),
            (None, None) => missing.add(key, value),
        };
        fill(&mut edits, "id", &normalise::string(&self.asked.response_id()));
        fill(&mut edits, "object", b"\"response.compaction\"");
        fill(&mut edits, "created_at", self.asked.now().to_string().as_bytes());
        fill(&mut edits, "usage", NO_USAGE.as_bytes());
        edits.add(root, missing);
        if let Some(usage) = given("usage") {
            neutral::usage(&mut edits, usage);
        }
        if let Some(model) = given("model").filter(|model| !model.is_str(&echo.model)) {
            edits.replace(model, normalise::string(&echo.model));
        }
        for (index, item) in (0..).zip(root.get("output").iter().flat_map(Value::items)) {
            let place = Place { index, item_id: None, status: "completed" };
            normalise::item(&mut edits, item, &place, &echo.namespaces);
        }
        edits.apply()
    }
}
