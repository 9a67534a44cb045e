//! `POST /v1/audio/transcriptions`: a recording is sent to be transcribed (docs/v1.md, Transcriptions).

use pooler_filter::{Exchange, Reject, UpstreamRequest};

use crate::CodexRewrite;

/// Turns the public request into the one that goes upstream.
pub(crate) fn transcribe(_: &CodexRewrite, _: &mut UpstreamRequest, _: &mut Exchange) -> Result<(), Reject> {
    Err(Reject::internal("transcribe is not built"))
}
