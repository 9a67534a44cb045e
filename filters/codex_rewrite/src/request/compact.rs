//! `POST /v1/responses/compact`: a conversation is sent to be compacted (docs/v1.md, Compact).

use pooler_filter::{Exchange, Reject, UpstreamRequest};

use crate::CodexRewrite;

/// Turns the public request into the one that goes upstream.
pub(crate) fn compact(_: &CodexRewrite, _: &mut UpstreamRequest, _: &mut Exchange) -> Result<(), Reject> {
    Err(Reject::internal("compact is not built"))
}
