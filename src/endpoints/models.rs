//! `GET /v1/models`, and what the chain knows of models: the configured catalog (docs/v1.md, Models).

use std::collections::HashMap;
use std::sync::Arc;

use pooler_filter::{Catalog, KeyFacts, LocalReply, ModelFacts, PoolId};
use serde::Serialize;

use crate::config::Model;

/// The models of every pool.
#[derive(Debug)]
pub(crate) struct ModelCatalog {
    models: Vec<Model>,
    facts: HashMap<String, Arc<ModelFacts>>,
}

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

impl ModelCatalog {
    /// The configured models.
    pub(crate) fn new(models: Vec<Model>) -> Self {
        let facts = models.iter().map(|model| (model.id.clone(), Arc::new(facts(model)))).collect();
        Self { models, facts }
    }

    /// The models that this key may use.
    pub(crate) fn list(&self, key: &KeyFacts) -> LocalReply {
        let allowed =
            |id: &str| key.allowed_models.as_ref().is_none_or(|list| list.iter().any(|a| a.eq_ignore_ascii_case(id)));
        let data = self.models.iter().filter(|model| allowed(&model.id)).map(|model| entry(model, key)).collect();
        // Writing plain strings and numbers into memory cannot fail.
        LocalReply::json(serde_json::to_vec(&List { object: "list", data }).unwrap_or_default())
    }
}

/// A model whose age is not configured is as old as the pool: it had it from the start.
fn entry<'a>(model: &'a Model, key: &KeyFacts) -> Entry<'a> {
    Entry {
        id: &model.id,
        object: "model",
        created: model.created.unwrap_or_else(|| key.pool.created_at.as_secs()),
        owned_by: "codex-pooler",
        permission: [],
        input_modalities: &model.input_modalities,
        display_name: &model.display_name,
        supports_streaming: model.supports_streaming,
        supports_tools: model.supports_tools,
        supports_reasoning: model.supports_reasoning,
        context_length: model.context_window.map(|tokens| tokens * u64::from(model.effective_context_percent) / 100),
    }
}

fn facts(model: &Model) -> ModelFacts {
    ModelFacts {
        id: model.id.clone(),
        upstream_id: model.upstream_id.clone(),
        context_window: model.context_window,
        supports_reasoning_summary: model.supports_reasoning_summary,
        supports_images: model.input_modalities.iter().any(|m| m == "image"),
        service_tiers: model.service_tiers.clone(),
        lite: false,
        sources: None,
    }
}

impl Catalog for ModelCatalog {
    fn model(&self, _: PoolId, name: &str) -> Option<Arc<ModelFacts>> {
        self.facts.get(name).cloned()
    }

    fn models(&self, _: PoolId) -> Vec<Arc<ModelFacts>> {
        self.models.iter().filter_map(|model| self.facts.get(&model.id).cloned()).collect()
    }
}
