//! `POST /v1/images/*`: a request for images becomes one for a response with the image tool (docs/v1.md, Images).

use pooler_filter::{Exchange, Reject, UpstreamRequest};

use crate::CodexRewrite;

/// Turns the public request into the one that goes upstream.
pub(crate) fn images(_: &CodexRewrite, _: &mut UpstreamRequest, _: &mut Exchange) -> Result<(), Reject> {
    Err(Reject::internal("images is not built"))
}
