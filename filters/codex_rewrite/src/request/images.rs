//! `POST /v1/images/*`: a request for images becomes one for a response with the image tool (docs/v1.md, Images).
//!
//! An image model is no model of the backend: a text model of the pool is asked, and has to use the tool with the image model that the
//! client named.

mod asked;
mod members;
mod payload;
mod picture;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use pooler_filter::json::{JsonError, JsonObject};
use pooler_filter::{
    Body, Catalog, Exchange, Intent, KeyFacts, ModelFacts, Operation, Principal, Reject, RejectKind, Route,
    UpstreamRequest,
};

use self::asked::Asked;
use super::{PATH, model};
use crate::CodexRewrite;
use crate::echo::Echo;

/// Turns the public request into the one that goes upstream.
pub(crate) fn images(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let edit = cx.require::<Route>()?.operation == Operation::EditImage;
    let asked = Asked::of(&request.body, edit)?;
    let host = host(filter.catalog.as_ref(), &key)?;
    let intent = Intent {
        model: asked.model.into(),
        estimated_input_tokens: asked.input_tokens(),
        estimated_output_tokens: asked.output_tokens(),
        context_window: host.context_window,
        sources: host.sources.clone(),
        ..Intent::default()
    };
    let echo = Echo { model: asked.model.into(), ..Echo::default() };
    let payload = payload::of(&asked, &host.upstream_id).map_err(Reject::internal)?;
    request.body = Body::Json(JsonObject::parse(Bytes::from(payload)).map_err(unread)?);
    request.method = Method::POST;
    request.path = PATH.into();
    filter.identity.write(&mut request.headers);
    cx.put(intent)?;
    cx.put(echo)
}

/// The text model that uses the tool: the first that the pool shows, that the key may use, that sees images and takes ordinary requests.
/// A lite model would not take the choice of the tool.
fn host(catalog: &dyn Catalog, key: &KeyFacts) -> Result<Arc<ModelFacts>, Reject> {
    let models = catalog.models(key.pool.id).into_iter();
    let mut fit = models.filter(|facts| facts.supports_images && !facts.lite && model::is_allowed(key, &facts.id));
    fit.next().ok_or_else(model::no_compatible_backend)
}

/// Why our own text is refused: it is larger than the client's by a third.
fn unread(error: JsonError) -> Reject {
    if error == JsonError::TooLarge {
        return Reject::new(RejectKind::TooLarge, "request_too_large", "request body is too large");
    }
    Reject::internal(error)
}
