//! The models that are offered when the configuration names none.

use super::settings::Model;

/// The models that take requests in the full form. The newer ones of the backend want the lite form (docs/upstream.md, Constraints), which
/// is not built yet: to offer one of them all the same, configure it.
const LISTED: &[(&str, &str)] = &[("gpt-5.5", "GPT-5.5")];

pub(super) fn default_models() -> Vec<Model> {
    LISTED.iter().map(|(id, name)| Model { display_name: (*name).to_owned(), ..plain(id) }).collect()
}

/// A model of which nothing but its id is said.
pub(super) fn plain(id: &str) -> Model {
    Model {
        id: id.to_owned(),
        upstream_id: id.to_owned(),
        display_name: id.to_owned(),
        context_window: None,
        effective_context_percent: 95,
        input_modalities: vec!["text".to_owned(), "image".to_owned()],
        supports_streaming: true,
        supports_tools: true,
        supports_reasoning: true,
        supports_reasoning_summary: true,
        service_tiers: None,
        created: None,
    }
}
