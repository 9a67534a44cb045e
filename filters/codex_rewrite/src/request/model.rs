//! The model: whether the pool has it, whether the key may use it, and what it can do (docs/errors.md, Gateway failures).

use std::borrow::Cow;
use std::sync::Arc;

use pooler_filter::codex::{Facts, sentence};
use pooler_filter::json::Value;
use pooler_filter::{Catalog, KeyFacts, ModelFacts, Reject, RejectKind};

use super::patch::filled;

/// The model as the client names it.
pub(super) fn name(value: Option<Value<'_>>) -> Result<Cow<'_, str>, Reject> {
    filled(value).ok_or_else(|| Reject::invalid("model is required").at("model"))
}

/// Finds the model that the client named: as written, else in lower case.
pub(super) fn find(catalog: &dyn Catalog, key: &KeyFacts, name: &str) -> Result<Arc<ModelFacts>, Reject> {
    let (pool, name) = (key.pool.id, name.trim());
    let found = catalog.model(pool, name).or_else(|| catalog.model(pool, &name.to_lowercase()));
    let facts = found.ok_or_else(|| {
        Reject::new(RejectKind::Invalid, "invalid_model", "model is not available for this pool").at("model")
    })?;
    if is_allowed(key, &facts.id) { Ok(facts) } else { Err(not_allowed()) }
}

/// Whether the key may use the model of this name.
pub(super) fn is_allowed(key: &KeyFacts, id: &str) -> bool {
    key.allowed_models.as_ref().is_none_or(|allowed| allowed.contains(&id.to_lowercase()))
}

/// The key may not use the model.
pub(super) fn not_allowed() -> Reject {
    Reject::new(RejectKind::Forbidden, "model_not_allowed", "api key is not allowed to use this model")
}

/// No model of the pool can do this.
pub(super) fn no_compatible_backend() -> Reject {
    const CODE: &str = "no_compatible_backend";
    Reject::new(RejectKind::Unavailable, CODE, sentence(CODE, Facts::default()))
}

/// Refuses what the model cannot do, once the request itself is known to be well formed.
pub(super) fn check_capabilities(facts: &ModelFacts, images: bool, tier: Option<&str>) -> Result<(), Reject> {
    if images && !facts.supports_images {
        let message = "model does not support image input";
        return Err(Reject::new(RejectKind::Invalid, "unsupported_model_capability", message).at("input"));
    }
    if let (Some(tier), Some(tiers)) = (tier, &facts.service_tiers)
        && !tiers.iter().any(|known| known == tier)
    {
        return Err(no_compatible_backend());
    }
    Ok(())
}
