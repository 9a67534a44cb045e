//! The two routes by which Codex CLI uploads a file itself: one promises it, the other says that it is there (docs/native.md, Files).

use bytes::Bytes;
use http::{Method, header};
use pooler_filter::json::{JsonObject, write_str};
use pooler_filter::{Body, Exchange, Expects, Intent, Reject, UpstreamRequest};

use super::super::patch::filled;
use super::headers;
use crate::CodexRewrite;

/// Where the upstream makes files.
const PATH: &str = "/backend-api/files";
/// What files are for: there is nothing else.
const USE_CASE: &str = "codex";

/// `POST /backend-api/files`.
pub(super) fn create(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let body = request.body.json().ok_or_else(|| Reject::invalid("request body must be a JSON object"))?;
    let refuse = |param: &'static str, what: &str| Reject::invalid(format!("{param} {what}")).at(param);
    let name = filled(body.get("file_name")).ok_or_else(|| refuse("file_name", "must be a non-empty string"))?;
    let size = body.get("file_size").and_then(|size| size.as_u64());
    let size = size.ok_or_else(|| refuse("file_size", "must be a number of bytes"))?;
    if body.get("use_case").is_some_and(|given| !given.is_null() && !given.is_str(USE_CASE)) {
        return Err(refuse("use_case", "must be codex"));
    }
    let mut text = b"{\"file_name\":".to_vec();
    write_str(&mut text, &name);
    text.extend_from_slice(format!(",\"file_size\":{size},\"use_case\":\"{USE_CASE}\"}}").as_bytes());
    request.body = Body::Json(JsonObject::parse(Bytes::from(text)).map_err(Reject::internal)?);
    send(filter, PATH.into(), request, cx)
}

/// `POST /backend-api/files/:id/uploaded`. The path names the file; the body says nothing.
pub(super) fn finish(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    request.body = Body::Json(JsonObject::empty());
    let path = request.path.clone();
    send(filter, path, request, cx)
}

fn send(filter: &CodexRewrite, path: String, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    request.method = Method::POST;
    request.path = path;
    request.expects = Expects::Json;
    request.headers = headers::of(cx.head(), &filter.identity);
    request.headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers::json_answer(&mut request.headers);
    cx.put(Intent::default())
}
