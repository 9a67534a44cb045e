//! The models page of the upstream, read without trust: what is not known is ignored, what is of a wrong form is as if it was not there, and
//! an entry without a usable name is skipped (docs/upstream.md, Models).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::store::records::{CatalogEntry, CatalogModel, CatalogSource};

/// Longest name of a model, and longest name for people, in bytes.
const MAX_NAME: usize = 96;
/// Most modalities and tiers of a model, and their longest names.
const MAX_LIST: usize = 8;
const MAX_MODALITY: usize = 16;
const MAX_TIER: usize = 24;

/// What a page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// The usable models, each name once, in the order of the page.
    pub(super) models: Vec<CatalogModel>,
    /// How many entries were skipped because they cannot be used.
    pub(super) skipped: usize,
}

/// Why nothing can be made of a page. It quotes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadPage {
    #[error("the answer is no JSON object with `models`")]
    NoList,
    #[error("the answer names no model that can be used")]
    Nothing,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    models: Vec<&'a RawValue>,
}

/// Largest entry that is kept as it was written, in bytes.
const MAX_ENTRY: usize = 256 << 10;
/// What of an entry is for people, or says who may have it: two accounts that differ in no more than this serve the same requests.
const FOR_PEOPLE: [&str; 10] = [
    "display_name",
    "description",
    "priority",
    "visibility",
    "availability_nux",
    "upgrade",
    "available_in_plans",
    "minimal_client_version",
    "supported_in_api",
    "model_specialty",
];

/// Reads a page. One that names no model at all is taken for a failure: it must not empty the catalog.
pub(super) fn read(body: &[u8]) -> Result<Page, BadPage> {
    let written: Written<'_> = serde_json::from_slice(body).map_err(|_| BadPage::NoList)?;
    let mut page = Page { models: Vec::new(), skipped: 0 };
    for entry in &written.models {
        let object: Option<Map<String, Value>> = serde_json::from_str(entry.get()).ok();
        let model = object.and_then(|object| model(object, entry.get()));
        match model {
            Some(Usable::Model(model))
                if page.models.len() < CatalogSource::MAX_MODELS
                    && page.models.iter().all(|m| m.slug != model.slug) =>
            {
                page.models.push(model);
            }
            Some(Usable::NotForUs) => {}
            Some(Usable::Model(_)) | None => page.skipped += 1,
        }
    }
    if page.models.is_empty() { Err(BadPage::Nothing) } else { Ok(page) }
}

enum Usable {
    Model(CatalogModel),
    /// `supported_in_api` is false.
    NotForUs,
}

fn model(mut entry: Map<String, Value>, text: &str) -> Option<Usable> {
    let slug = entry.get("slug")?.as_str()?.to_owned();
    let bad = slug.is_empty() || slug.len() > MAX_NAME || slug.chars().any(|c| c.is_whitespace() || c.is_control());
    if bad || slug.contains(['/', '\\']) {
        return None;
    }
    if entry.get("supported_in_api").and_then(Value::as_bool) == Some(false) {
        return Some(Usable::NotForUs);
    }
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool);
    let percent = entry.get("effective_context_window_percent").and_then(Value::as_u64);
    Some(Usable::Model(CatalogModel {
        slug,
        display_name: entry.get("display_name").and_then(Value::as_str).and_then(display_name),
        listed: entry.get("visibility").and_then(Value::as_str) == Some("list"),
        priority: entry.get("priority").and_then(Value::as_i64),
        context_window: entry
            .get("context_window")
            .and_then(Value::as_u64)
            .filter(|tokens| (1..=1 << 32).contains(tokens)),
        effective_percent: percent.and_then(|p| u8::try_from(p).ok()).filter(|p| (1..=100).contains(p)),
        input_modalities: entry.get("input_modalities").and_then(|v| words(v, MAX_MODALITY, Value::as_str)),
        lite: flag("use_responses_lite") == Some(true),
        reasoning: entry.get("supported_reasoning_levels").and_then(Value::as_array).map(|levels| !levels.is_empty()),
        reasoning_summary: flag("supports_reasoning_summary_parameter").or(flag("supports_reasoning_summaries")),
        service_tiers: tiers(&entry),
        entry: (text.len() <= MAX_ENTRY).then(|| {
            FOR_PEOPLE.into_iter().for_each(|name| drop(entry.remove(name)));
            // The members of a map are sorted, so equal entries are equal texts.
            let behaviour = Sha256::digest(Value::Object(entry).to_string()).into();
            CatalogEntry { text: text.into(), behaviour }
        }),
    }))
}

fn display_name(name: &str) -> Option<String> {
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    (!name.is_empty()).then(|| name[..name.floor_char_boundary(MAX_NAME)].to_owned())
}

/// The short words of a list, each once; none when it is no list.
fn words(list: &Value, longest: usize, word: impl Fn(&Value) -> Option<&str>) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    for found in list.as_array()?.iter().filter_map(word) {
        let fits = !found.is_empty() && found.len() <= longest && !found.chars().any(char::is_control);
        if fits && words.len() < MAX_LIST && words.iter().all(|w| w != found) {
            words.push(found.to_owned());
        }
    }
    Some(words)
}

/// The ids of both lists of tiers; `fast` is another name for `priority`.
fn tiers(entry: &Map<String, Value>) -> Option<Vec<String>> {
    let id = |tier: &Value| -> Option<String> {
        let id = tier.as_str().or_else(|| tier.get("id")?.as_str())?;
        Some(if id == "fast" { "priority" } else { id }.to_owned())
    };
    let lists = ["service_tiers", "additional_speed_tiers"].map(|key| entry.get(key).and_then(Value::as_array));
    if lists.iter().all(Option::is_none) {
        return None;
    }
    let ids: Vec<Value> = lists.into_iter().flatten().flatten().filter_map(id).map(Value::String).collect();
    words(&Value::Array(ids), MAX_TIER, Value::as_str)
}

#[cfg(test)]
mod tests;
