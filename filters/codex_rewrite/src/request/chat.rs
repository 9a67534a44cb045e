//! `POST /v1/chat/completions`: a chat becomes a request for a response (docs/v1.md, Chat completions).

use pooler_filter::{Exchange, Reject, UpstreamRequest};

use crate::CodexRewrite;

/// Turns the public request into the one that goes upstream.
pub(crate) fn chat(_: &CodexRewrite, _: &mut UpstreamRequest, _: &mut Exchange) -> Result<(), Reject> {
    Err(Reject::internal("chat is not built"))
}
