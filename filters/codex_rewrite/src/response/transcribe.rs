//! `POST /v1/audio/transcriptions`: the transcript as JSON or as plain text (docs/v1.md, Transcriptions).

use pooler_filter::json::JsonObject;
use pooler_filter::{Carrier, Delivery, End, Exchange, Frame, FrameKind, Out, Reject, ResponseHead, Stage};

use super::{JSON, failed, set_head};
use crate::echo::{Echo, Form};

/// Sets the head of the public answer and gives the stage that writes its body.
pub(crate) fn transcribe(head: &mut ResponseHead, cx: &mut Exchange) -> Result<Box<dyn Stage>, Reject> {
    let plain_text = cx.require::<Echo>()?.form == Form::PlainText;
    let (media_type, carrier) =
        if plain_text { ("text/plain; charset=utf-8", Carrier::Opaque) } else { (JSON, Carrier::Json) };
    set_head(head, media_type, carrier, Delivery::Whole);
    Ok(Box::new(Transcript { plain_text, sent: false }))
}

/// One transcript.
struct Transcript {
    plain_text: bool,
    sent: bool,
}

impl Stage for Transcript {
    fn frame(&mut self, frame: Frame, out: &mut Out, _: &mut Exchange) -> Result<(), Reject> {
        if frame.kind() != FrameKind::Json || self.sent {
            return Err(failed::invalid());
        }
        let mut answer = JsonObject::parse(frame.data().clone()).map_err(|error| failed::invalid().because(error))?;
        self.sent = true;
        if self.plain_text {
            let mut text = answer.get_str("text").ok_or_else(failed::invalid)?.into_owned();
            text.push('\n');
            out.push(Frame::opaque(text));
        } else {
            answer.remove("languages");
            out.push(Frame::json(answer.to_bytes()));
        }
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
