//! `POST /v1/audio/transcriptions`: the way up (docs/v1.md).

use pooler_filter::{Exchange, Reject, ResponseHead, Stage};

/// Sets the head of the public answer and gives the stage that writes its body.
pub(crate) fn transcribe(_: &mut ResponseHead, _: &mut Exchange) -> Result<Box<dyn Stage>, Reject> {
    Err(Reject::internal("transcribe is not built"))
}
