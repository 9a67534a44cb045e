//! The models that are offered when the configuration names none.

use super::settings::Model;

/// Slugs of the Codex backend that are listed for people. Context windows are left out: they are not known here.
const LISTED: &[(&str, &str)] = &[
    ("gpt-5.5", "GPT-5.5"),
    ("gpt-6-astra", "GPT-6 Astra"),
    ("gpt-6.1-sol", "GPT-6.1 Sol"),
    ("gpt-6.1-terra", "GPT-6.1 Terra"),
    ("gpt-6-sol", "GPT-6 Sol"),
    ("gpt-6-luna", "GPT-6 Luna"),
    ("gpt-5.6-sol", "GPT-5.6 Sol"),
    ("gpt-5.6-terra", "GPT-5.6 Terra"),
    ("gpt-5.6-luna", "GPT-5.6 Luna"),
];

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
