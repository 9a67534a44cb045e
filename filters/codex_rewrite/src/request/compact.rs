//! `POST /v1/responses/compact`: a conversation is sent to be compacted (docs/v1.md, Compact).

use std::sync::Arc;

use http::{HeaderValue, Method, header};
use pooler_filter::json::JsonObject;
use pooler_filter::{Exchange, Expects, Intent, Principal, Reject, UpstreamRequest};

use super::Checked;
use super::source::Source;
use crate::CodexRewrite;

/// Where the upstream compacts.
const PATH: &str = "/backend-api/codex/responses/compact";
/// The members that it takes.
const SENT: [&str; 9] = [
    "model",
    "instructions",
    "input",
    "tools",
    "parallel_tool_calls",
    "reasoning",
    "service_tier",
    "prompt_cache_key",
    "text",
];

/// Turns the public request into the one that goes upstream: checked as one for a response, sent with fewer members, and never to a second
/// account (docs/decisions.md, S7).
pub(crate) fn compact(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json_mut().ok_or_else(|| Reject::invalid("request body must be an object"))?;
    let checked = Checked::of(filter, &key, Source::responses(body))?;
    let intent = Intent { stream: false, one_account: true, ..checked.intent(body) };
    let echo = checked.echo();
    checked.edits(false).apply(body);
    project(body);
    request.method = Method::POST;
    request.path = PATH.into();
    request.expects = Expects::Json;
    filter.identity.write(&mut request.headers);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    cx.put(intent)?;
    cx.put(echo)
}

/// Leaves nothing but what the upstream takes.
fn project(body: &mut JsonObject) {
    let sent = |name: &str| SENT.contains(&name);
    let gone: Vec<String> = body.keys().map(|key| key.as_str().into_owned()).filter(|name| !sent(name)).collect();
    for name in gone {
        body.remove(&name);
    }
}
