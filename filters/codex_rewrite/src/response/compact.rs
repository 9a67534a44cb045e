//! `POST /v1/responses/compact`: the way up (docs/v1.md).

use std::sync::Arc;

use pooler_filter::{Clock, Exchange, Reject, ResponseHead, Stage};

/// Sets the head of the public answer and gives the stage that writes its body.
pub(crate) fn compact(_: Arc<dyn Clock>, _: &mut ResponseHead, _: &mut Exchange) -> Result<Box<dyn Stage>, Reject> {
    Err(Reject::internal("compact is not built"))
}
