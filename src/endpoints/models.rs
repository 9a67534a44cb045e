//! `GET /v1/models` and `GET /v1/models/:id` (docs/v1.md, Models).

use http::header;
use pooler_filter::{KeyFacts, LocalReply, Reject, RejectKind};
use serde::Serialize;

use crate::catalog::{ModelCatalog, Offer};
use crate::proxy::Segments;

/// One model as clients see it.
#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    permission: [(); 0],
    input_modalities: &'a [String],
    display_name: &'a str,
    supports_streaming: bool,
    supports_tools: bool,
    supports_reasoning: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

/// The models that this key may use.
pub(super) fn list(models: &ModelCatalog, key: &KeyFacts) -> LocalReply {
    let offers = models.shown_to(key);
    json(&List { object: "list", data: offers.iter().map(|offer| entry(offer, key)).collect() })
}

/// The same as Codex CLI wants them. As long as no account has told its models, the client does better with those that it knows itself.
pub(super) fn native(models: &ModelCatalog, key: &KeyFacts) -> Result<LocalReply, Reject> {
    let page = models.page(key).ok_or_else(|| {
        Reject::new(RejectKind::Unavailable, "models_unavailable", "no account has told its models yet")
    })?;
    let mut reply = LocalReply::json(page.body.clone());
    reply.headers.insert(header::ETAG, page.etag.clone());
    Ok(reply)
}

/// The one of them that the path names.
pub(super) fn one(models: &ModelCatalog, key: &KeyFacts, path: &str) -> Result<LocalReply, Reject> {
    let segments = Segments::decode(path)?;
    let id = segments.as_slice().get(2).map(AsRef::as_ref);
    let offers = models.shown_to(key);
    let found = offers.iter().find(|offer| Some(offer.facts.id.as_str()) == id);
    found.map(|offer| json(&entry(offer, key))).ok_or_else(|| {
        let message = "The model does not exist, or this key may not use it.";
        Reject::new(RejectKind::NotFound, "model_not_found", message).at("model")
    })
}

fn json(value: &impl Serialize) -> LocalReply {
    // Writing plain strings and numbers into memory cannot fail.
    LocalReply::json(serde_json::to_vec(value).unwrap_or_default())
}

/// A model whose age is not known otherwise is as old as the pool: it had it from the start.
fn entry<'a>(offer: &'a Offer, key: &KeyFacts) -> Entry<'a> {
    Entry {
        id: &offer.facts.id,
        object: "model",
        created: offer.created.unwrap_or_else(|| key.pool.created_at.as_secs()),
        owned_by: "codex-pooler",
        permission: [],
        input_modalities: &offer.input_modalities,
        display_name: &offer.display_name,
        supports_streaming: offer.streaming,
        supports_tools: offer.tools,
        supports_reasoning: offer.reasoning,
        context_length: offer.context_length,
    }
}
