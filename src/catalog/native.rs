//! The models in the form of Codex CLI: the entries that accounts told, with what the pool decides written over them
//! (docs/native.md, Models).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use pooler_filter::ModelFacts;
use pooler_filter::json::JsonObject;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::view::{Offer, PoolModels};

/// Most lists that are kept: one for each set of models that keys may use.
const MOST_PAGES: usize = 64;

/// What a model that only the configuration knows is told to be: Codex CLI refuses a whole list for one entry without such words.
const INSTRUCTIONS: &str = "You are a coding agent in a terminal. Do what the user asks with the tools that you have, in the \
                            folder that you were started in, and say briefly what you did.";

/// What `GET /backend-api/codex/models` answers.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

/// The lists that were asked for, by the models that the key may use.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<HashMap<Option<Vec<String>>, Arc<Page>>>);

impl PoolModels {
    /// The list for a key that may use these models; none as long as no account has told an entry of any of them.
    pub(super) fn page(&self, allowed: Option<&Vec<String>>) -> Option<Arc<Page>> {
        let mut pages = self.pages.0.lock();
        if let Some(page) = pages.get(&allowed.cloned()) {
            return Some(Arc::clone(page));
        }
        let may =
            |offer: &Offer| allowed.is_none_or(|list| list.iter().any(|id| id.eq_ignore_ascii_case(&offer.facts.id)));
        let entries: Vec<&Bytes> =
            self.offers.iter().filter(|offer| may(offer)).filter_map(|offer| offer.entry.as_ref()).collect();
        if entries.is_empty() && self.offers.iter().any(|offer| may(offer)) {
            return None;
        }
        let page = Arc::new(Page::new(&entries)?);
        if pages.len() >= MOST_PAGES {
            pages.clear();
        }
        pages.insert(allowed.cloned(), Arc::clone(&page));
        Some(page)
    }
}

impl Page {
    fn new(entries: &[&Bytes]) -> Option<Self> {
        let entries: Vec<&[u8]> = entries.iter().map(|entry| &entry[..]).collect();
        let body = [&b"{\"models\":["[..], &entries.join(&b","[..]), b"]}"].concat();
        let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("W/\"cp-models-v1-{digest}\"")).ok()?;
        Some(Self { body: body.into(), etag })
    }
}

/// An entry as an account wrote it, but for name, window and form of the requests, which are what the pool says.
pub(super) fn overlaid(text: &str, facts: &ModelFacts) -> Option<Bytes> {
    let mut entry = JsonObject::parse(Bytes::copy_from_slice(text.as_bytes())).ok()?;
    if entry.get("slug").is_none_or(|slug| !slug.is_str(&facts.id)) {
        entry.set_str("slug", &facts.id);
    }
    let given = |name: &str| entry.get(name).and_then(|window| window.as_u64());
    let (window, most) = (given("context_window"), given("max_context_window"));
    if let Some(tokens) = facts.context_window.filter(|tokens| Some(*tokens) != window) {
        entry.set_u64("context_window", tokens);
    }
    if let Some(tokens) = window.filter(|_| most.is_none()) {
        entry.set_u64("max_context_window", tokens);
    }
    let lite = entry.get("use_responses_lite").and_then(|lite| lite.as_bool()).unwrap_or(false);
    if lite != facts.lite {
        entry.set_bool("use_responses_lite", facts.lite);
    }
    Some(entry.to_bytes())
}

/// The entry of a model that only the configuration knows: every key that clients look for, and nothing that nobody said.
pub(super) fn written(facts: &ModelFacts, display_name: &str, modalities: &[String]) -> Bytes {
    let levels = ["low", "medium", "high"].map(|effort| json!({"effort": effort, "description": effort}));
    let tiers = facts.service_tiers.iter().flatten().map(|id| json!({"id": id, "name": id, "description": id}));
    let tiers: Vec<serde_json::Value> = tiers.collect();
    let entry = json!({
        "slug": facts.id, "display_name": display_name, "description": display_name,
        "default_reasoning_level": "medium", "supported_reasoning_levels": levels,
        "shell_type": "shell_command", "visibility": "list", "minimal_client_version": "0.60.0", "supported_in_api": true,
        "availability_nux": null, "upgrade": null, "priority": 0,
        "model_messages": {"instructions_template": INSTRUCTIONS},
        "context_window": facts.context_window, "max_context_window": facts.context_window,
        "auto_compact_token_limit": null, "default_reasoning_summary": "none", "support_verbosity": false,
        "default_verbosity": null, "apply_patch_tool_type": "freeform", "web_search_tool_type": "text",
        "input_modalities": modalities, "supports_image_detail_original": false,
        "truncation_policy": {"mode": "tokens", "limit": 10_000}, "supports_parallel_tool_calls": true,
        "tool_mode": null, "use_responses_lite": facts.lite, "prefer_websockets": false,
        "experimental_supported_tools": [], "supports_search_tool": false, "default_service_tier": null,
        "service_tiers": tiers, "additional_speed_tiers": [],
        "supports_reasoning_summary_parameter": facts.supports_reasoning_summary,
        "supports_reasoning_summaries": facts.supports_reasoning_summary,
    });
    entry.to_string().into()
}

#[cfg(test)]
mod tests;
