//! The models and who may use them.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BIG_PLANS: [&str; 8] = ["pro", "prolite", "promax", "team", "business", "enterprise", "edu", "k12"];

/// One model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) slug: &'static str,
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
    all: Page,
    big: Page,
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
        Catalog { all: Page::new(&models, "free"), big: Page::new(&models, BIG_PLANS[0]), models }
    }

    /// The model called `slug`, if it exists and `plan` includes it.
    pub(super) fn find(&self, slug: &str, plan: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.slug == slug && model.plans.include(plan))
    }

    /// The models endpoint for a plan.
    pub(super) fn page(&self, plan: &str) -> &Page {
        if Plans::Big.include(plan) { &self.big } else { &self.all }
    }
}

impl Page {
    fn new(models: &[Model], plan: &str) -> Page {
        let entries: Vec<&Value> = models.iter().filter(|model| model.plans.include(plan)).map(|m| &m.entry).collect();
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
        Model { slug: facts.slug, plans: facts.plans, entry: entry(at, facts, &plans) }
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
            {"effort": "xhigh", "description": "As much reasoning as it takes"},
        ],
        "shell_type": "shell_command",
        "visibility": if facts.hidden { "hide" } else { "list" },
        "minimal_client_version": "0.60.0",
        "supported_in_api": true,
        "availability_nux": null,
        "upgrade": null,
        "priority": at,
        "model_messages": null,
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
