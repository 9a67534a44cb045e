//! The models and who may use them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BIG_PLANS: [&str; 8] = ["pro", "prolite", "promax", "team", "business", "enterprise", "edu", "k12"];

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) slug: &'static str,
    /// It takes its tools in the input.
    pub(super) lite: bool,
    plans: Plans,
    entry: Value,
}

#[derive(Debug, Clone, Copy)]
enum Plans {
    All,
    Big,
}

/// All models, and the models endpoint as each group of plans sees it.
#[derive(Debug)]
pub(super) struct Catalog {
    models: Vec<Model>,
    all: Arc<Page>,
    big: Arc<Page>,
}

/// What the models endpoint answers.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) body: Bytes,
    pub(super) etag: String,
}

/// Facts of a model that differ from one to the next.
struct Facts {
    slug: &'static str,
    name: &'static str,
    about: &'static str,
    window: u64,
    lite: bool,
    hidden: bool,
    plans: Plans,
}

impl Catalog {
    pub(super) fn new() -> Catalog {
        let facts =
            |slug, name, about, window, lite, hidden, plans| Facts { slug, name, about, window, lite, hidden, plans };
        let all = [
            facts(
                "gpt-6-astra",
                "GPT-6 Astra",
                "Largest model for the hardest work.",
                400_000,
                true,
                false,
                Plans::Big,
            ),
            facts("gpt-6-sol", "GPT-6 Sol", "Flagship coding model.", 400_000, true, false, Plans::All),
            facts("gpt-6-luna", "GPT-6 Luna", "Small and fast.", 400_000, true, false, Plans::All),
            facts("gpt-5.6-sol", "GPT-5.6 Sol", "Previous flagship.", 272_000, true, false, Plans::All),
            facts("gpt-5.5", "GPT-5.5", "Strong general model.", 272_000, false, false, Plans::All),
            facts("codex-auto-review", "Codex Auto Review", "Reviews approvals.", 272_000, true, true, Plans::Big),
        ];
        let models: Vec<Model> = all.iter().enumerate().map(|(at, facts)| Model::new(at, facts)).collect();
        let page = |plan| Arc::new(Page::new(&models, plan, &BTreeSet::new()));
        Catalog { all: page("free"), big: page(BIG_PLANS[0]), models }
    }

    /// The model called `slug`, if it exists and `plan` includes it.
    pub(super) fn find(&self, slug: &str, plan: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.slug == slug && model.plans.include(plan))
    }

    /// Whether there is such a model.
    pub(super) fn knows(&self, slug: &str) -> bool {
        self.models.iter().any(|model| model.slug == slug)
    }

    /// The models endpoint for a plan, without the models named.
    pub(super) fn page(&self, plan: &str, without: &BTreeSet<String>) -> Arc<Page> {
        match (without.is_empty(), Plans::Big.include(plan)) {
            (true, true) => Arc::clone(&self.big),
            (true, false) => Arc::clone(&self.all),
            (false, _) => Arc::new(Page::new(&self.models, plan, without)),
        }
    }
}

impl Page {
    fn new(models: &[Model], plan: &str, without: &BTreeSet<String>) -> Page {
        let listed = models.iter().filter(|model| model.plans.include(plan) && !without.contains(model.slug));
        let entries: Vec<&Value> = listed.map(|model| &model.entry).collect();
        let body = Bytes::from(json!({"models": entries}).to_string());
        let etag = format!("W/\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        Page { body, etag }
    }
}

impl Plans {
    fn include(self, plan: &str) -> bool {
        match self {
            Plans::All => true,
            Plans::Big => BIG_PLANS.contains(&plan),
        }
    }
}

impl Model {
    fn new(at: usize, facts: &Facts) -> Model {
        let plans: Vec<&str> = match facts.plans {
            Plans::All => ["free", "go", "plus"].into_iter().chain(BIG_PLANS).collect(),
            Plans::Big => BIG_PLANS.to_vec(),
        };
        let mut entry = entry(at, facts, &plans);
        if let (Some(all), Value::Object(more)) = (entry.as_object_mut(), unused()) {
            all.extend(more);
        }
        Model { slug: facts.slug, lite: facts.lite, plans: facts.plans, entry }
    }
}

fn entry(at: usize, facts: &Facts, plans: &[&str]) -> Value {
    json!({
        "slug": facts.slug,
        "display_name": facts.name,
        "description": facts.about,
        "default_reasoning_level": "medium",
        "supported_reasoning_levels": [
            {"effort": "low", "description": "Fast answers with little reasoning"},
            {"effort": "medium", "description": "Balances speed and depth"},
            {"effort": "high", "description": "Thinks longer about hard problems"},
            {"effort": "xhigh", "description": "Thinks for as long as it takes"},
            {"effort": "max", "description": "As much reasoning as there is"},
        ],
        "shell_type": "shell_command",
        "visibility": if facts.hidden { "hide" } else { "list" },
        "minimal_client_version": "0.60.0",
        "supported_in_api": true,
        "availability_nux": null,
        "upgrade": null,
        "priority": at,
        // Codex CLI takes no catalog without it.
        "model_messages": {"instructions_template": "You are a simulated model that helps with code."},
        "context_window": facts.window,
        "max_context_window": facts.window,
        "auto_compact_token_limit": null,
        "default_reasoning_summary": "none",
        "support_verbosity": true,
        "default_verbosity": "low",
        "apply_patch_tool_type": "freeform",
        "web_search_tool_type": "text_and_image",
        "input_modalities": ["text", "image"],
        "supports_image_detail_original": true,
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": !facts.lite,
        "tool_mode": null,
        "use_responses_lite": facts.lite,
        "prefer_websockets": true,
        "experimental_supported_tools": [],
        "available_in_plans": plans,
        "supports_search_tool": true,
        "default_service_tier": null,
        "service_tiers": [{"id": "priority", "name": "fast", "description": "Faster answers, more usage"}],
        "additional_speed_tiers": ["fast"],
        "supports_reasoning_summary_parameter": true,
        "supports_reasoning_summaries": true,
    })
}

/// Members that say the same of every model.
fn unused() -> Value {
    json!({
        "supports_reasoning_effort_updates": false,
        "include_skills_usage_instructions": true,
        "include_apps_usage_instructions": true,
        "include_plugin_usage_instructions": true,
        "guardian": null,
        "node_repl_auto_review_required": false,
        "node_repl_disabled": false,
        "requires_sandboxed_review": false,
        "auto_review_model_override": null,
        "model_specialty": null,
        "comp_hash": null,
        "multi_agent_version": null,
        "multi_agent_reasoning_effort": null,
        "supports_experimental_context": false,
    })
}
