//! `POST /v1/responses/compact`: a conversation is sent to be compacted (docs/v1.md, Compact).

use std::sync::Arc;

use pooler_filter::{Exchange, Expects, Intent, Principal, Reject, UpstreamRequest};

use super::edits::Edits;
use super::fields::Field;
use super::source::Source;
use super::upstream::Upstream;
use super::{Checked, projection};
use crate::CodexRewrite;

/// Where the upstream compacts.
pub(super) const PATH: &str = "/backend-api/codex/responses/compact";

/// Turns the public request into the one that goes upstream: checked as one for a response, sent with fewer members, and never to a second
/// account (docs/decisions.md, S7).
pub(crate) fn compact(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json_mut().ok_or_else(|| Reject::invalid("request body must be an object"))?;
    let mut checked = Checked::of(filter, &key, Source::compact(body))?;
    checked.input.cut_trigger(checked.members.get(Field::Input));
    let Upstream { edits, intent, echo, lite, .. } = checked.upstream(false, body);
    projection::compact(edits).apply(body);
    let intent = Intent { stream: false, one_account: true, ..intent };
    let upstream = Upstream { edits: Edits::default(), intent, echo, expects: Expects::Json, lite };
    upstream.write(PATH, filter, request, cx)
}
