//! Routes of the native surface whose bodies pass: images as JSON, transcriptions as a form (docs/native.md, Images and transcriptions).

use std::borrow::Cow;

use http::Method;
use pooler_filter::form::Form as Multipart;
use pooler_filter::{Body, Exchange, Expects, Intent, Operation, Reject, UpstreamRequest};

use super::super::patch::filled;
use super::super::{estimate, form, transcribe};
use super::headers;
use crate::CodexRewrite;
use crate::echo::Echo;

/// The model of a request for images that names none.
const IMAGE_MODEL: &str = "gpt-image-2";
/// Fields of a recording's form; the model has no choice and is not sent.
const FIELDS: [&str; 3] = ["file", "prompt", "model"];

/// `POST /backend-api/codex/images/*`.
pub(super) fn images(
    filter: &CodexRewrite,
    operation: Operation,
    request: &mut UpstreamRequest,
    cx: &mut Exchange,
) -> Result<(), Reject> {
    let body = request.body.json().ok_or_else(|| Reject::invalid("request body must be a JSON object"))?;
    let model = filled(body.get("model")).map_or(IMAGE_MODEL.into(), Cow::into_owned);
    let intent = Intent {
        model: model.clone(),
        estimated_input_tokens: estimate::input_tokens(body),
        estimated_output_tokens: estimate::LEAST_OUTPUT,
        ..Intent::default()
    };
    let path = if operation == Operation::EditImage { "edits" } else { "generations" };
    request.path = format!("/backend-api/codex/images/{path}");
    request.headers = headers::of(cx.head(), &filter.identity);
    headers::json_body(&mut request.headers, &intent, &model);
    send(request, cx, intent)
}

/// `POST /backend-api/transcribe`.
pub(super) fn transcription(
    filter: &CodexRewrite,
    request: &mut UpstreamRequest,
    cx: &mut Exchange,
) -> Result<(), Reject> {
    let form = request.body.form().ok_or_else(|| Reject::invalid("request body must be multipart/form-data"))?;
    form::check_fields(form, &FIELDS, &[])?;
    let file = transcribe::check_file(form.part("file"))?;
    let intent = transcribe::intent(file, form.part("prompt").into_iter());
    let parts = form.parts.iter().filter(|part| part.name != "model").cloned().collect();
    request.body = Body::Multipart(Multipart { parts });
    request.path = transcribe::PATH.into();
    request.headers = headers::of(cx.head(), &filter.identity);
    send(request, cx, intent)
}

fn send(request: &mut UpstreamRequest, cx: &mut Exchange, intent: Intent) -> Result<(), Reject> {
    request.method = Method::POST;
    request.expects = Expects::Json;
    headers::json_answer(&mut request.headers);
    let model = intent.model.clone();
    cx.put(intent)?;
    cx.put(Echo { model, ..Echo::default() })
}
