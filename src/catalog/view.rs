//! The models of one pool, made out of what its accounts told and what is configured.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use pooler_filter::{AccountId, ModelFacts, PoolId, Timestamp};

use super::native::{self, Pages};
use crate::config::Model;
use crate::store::records::{CatalogEntry, CatalogModel, CatalogSource};

/// Share of the context window that is told to clients when nobody says otherwise, in percent.
const PERCENT: u8 = 95;

/// An account that is assigned to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) account: AccountId,
    /// Whether it takes requests now.
    pub(crate) routes: bool,
    /// Counts the changes of its record.
    pub(crate) version: u64,
}

/// A model as a pool offers it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) facts: Arc<ModelFacts>,
    pub(crate) display_name: String,
    /// Unix seconds; none: as old as the pool.
    pub(crate) created: Option<u64>,
    pub(crate) input_modalities: Vec<String>,
    pub(crate) streaming: bool,
    pub(crate) tools: bool,
    pub(crate) reasoning: bool,
    /// Tokens that clients are told of.
    pub(crate) context_length: Option<u64>,
    /// Whether lists show it; otherwise it can be used by its name.
    pub(crate) listed: bool,
    /// Its entry for Codex CLI; none as long as no account has told one.
    pub(super) entry: Option<Bytes>,
}

/// The models of a pool.
#[derive(Debug, Default)]
pub(crate) struct PoolModels {
    /// All of them, the preferred first.
    pub(crate) offers: Vec<Arc<Offer>>,
    by_id: HashMap<String, Arc<Offer>>,
    /// Names of models that the pool had and that no account has any more.
    pub(crate) stale: Vec<String>,
    /// The list for Codex CLI.
    pub(super) pages: Pages,
}

/// What the models of a pool are made of.
pub(super) struct Parts<'a> {
    pub(super) configured: &'a [Model],
    pub(super) members: &'a [Member],
    pub(super) sources: &'a HashMap<AccountId, CatalogSource>,
    pub(super) seen: &'a HashMap<(PoolId, String), Timestamp>,
    pub(super) pool: Option<PoolId>,
    /// Whether accounts are asked.
    pub(super) asks: bool,
}

/// A model as accounts of the pool told of it; never empty.
type Told<'a> = Vec<(&'a Member, &'a CatalogModel)>;

impl PoolModels {
    pub(super) fn new(parts: &Parts<'_>) -> Self {
        let mut told: BTreeMap<&str, Told<'_>> = BTreeMap::new();
        let mut unheard = Vec::new();
        for member in parts.members {
            match parts.sources.get(&member.account) {
                Some(source) => {
                    for model in &source.models {
                        told.entry(&model.slug).or_default().push((member, model));
                    }
                }
                None => unheard.push(member.account),
            }
        }
        let offers = if told.is_empty() {
            parts.configured.iter().map(|model| Arc::new(parts.unheard_of(model))).collect()
        } else {
            parts.merged(&told, &unheard)
        };
        let by_id = offers.iter().map(|offer| (offer.facts.id.clone(), Arc::clone(offer))).collect();
        let known = |name: &str| told.is_empty() || told.contains_key(name);
        let seen = parts.seen.keys().filter(|(pool, name)| Some(*pool) == parts.pool && !known(name));
        let mut stale: Vec<String> = seen.map(|(_, name)| name.clone()).collect();
        stale.sort();
        Self { offers, by_id, stale, pages: Pages::default() }
    }

    /// The model of that name, listed or not.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Offer>> {
        self.by_id.get(id)
    }

    /// The models that lists show.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &Arc<Offer>> {
        self.offers.iter().filter(|offer| offer.listed)
    }
}

impl Parts<'_> {
    /// A model as long as no account has told any.
    fn unheard_of(&self, model: &Model) -> Offer {
        let mut offer = offer(&model.id, None, Some(model), &[], None);
        if model.fallback && self.asks {
            // An account will tell more of it soon; a client that knows it does better with what it knows.
            offer.entry = None;
        }
        offer
    }

    /// What accounts told, with what is written over it; written models that no account has under this name come first.
    fn merged(&self, told: &BTreeMap<&str, Told<'_>>, unheard: &[AccountId]) -> Vec<Arc<Offer>> {
        let written = || self.configured.iter().filter(|model| !model.fallback);
        let mut offers: Vec<Arc<Offer>> = written()
            .filter(|model| !told.contains_key(model.id.as_str()))
            .map(|model| Arc::new(offer(&model.id, told.get(model.upstream()), Some(model), unheard, None)))
            .collect();
        let mut found: Vec<(&str, &Told<'_>)> = told.iter().map(|(slug, told)| (*slug, told)).collect();
        // The sort is stable: among equals names decide.
        found.sort_by_key(|(_, told)| told.iter().filter_map(|(_, model)| model.priority).min().unwrap_or(i64::MAX));
        for (slug, told_here) in found {
            let model = written().find(|model| model.id == slug);
            let facts = model.map_or(Some(told_here), |model| told.get(model.upstream()));
            // The pool had from the start what is configured, also where that was only until an account told.
            let configured = self.configured.iter().any(|model| model.id == slug);
            let seen = self.pool.filter(|_| !configured).and_then(|pool| self.seen.get(&(pool, slug.to_owned())));
            offers.push(Arc::new(offer(slug, facts, model, unheard, seen.copied())));
        }
        offers
    }
}

/// One model: what is written, else what accounts told, else what holds for most models.
fn offer(
    id: &str,
    told: Option<&Told<'_>>,
    written: Option<&Model>,
    unheard: &[AccountId],
    seen: Option<Timestamp>,
) -> Offer {
    let none = Model::default();
    let model = written.unwrap_or(&none);
    let all = || told.into_iter().flatten();
    // One account that can is enough: a request that needs it may go there.
    let any = |fact: fn(&CatalogModel) -> Option<bool>| {
        let told: Vec<bool> = all().filter_map(|(_, model)| fact(model)).collect();
        (!told.is_empty()).then(|| told.contains(&true))
    };
    let first = |fact: fn(&CatalogModel) -> Option<&String>| all().find_map(|(_, model)| fact(model)).cloned();
    let modalities =
        model.input_modalities.clone().or_else(|| union(all().map(|(_, m)| m.input_modalities.as_deref()), true));
    let modalities = modalities.unwrap_or_else(|| vec!["text".to_owned(), "image".to_owned()]);
    // The smallest one: a request must fit wherever it goes.
    let window = model.context_window.or_else(|| all().filter_map(|(_, m)| m.context_window).min());
    let percent = all().filter_map(|(_, m)| m.effective_percent).min();
    let percent = model.effective_context_percent.or(percent).unwrap_or(PERCENT);
    let partition = told.and_then(Partition::of);
    let facts = ModelFacts {
        id: id.to_owned(),
        upstream_id: written.map_or(id, Model::upstream).to_owned(),
        context_window: window,
        supports_reasoning_summary: model.supports_reasoning_summary.or(any(|m| m.reasoning_summary)).unwrap_or(true),
        supports_images: modalities.iter().any(|m| m == "image"),
        service_tiers: model
            .service_tiers
            .clone()
            .or_else(|| union(all().map(|(_, m)| m.service_tiers.as_deref()), false)),
        lite: is_lite(told),
        sources: told
            .map(|told| told.iter().map(|(member, _)| member.account).chain(unheard.iter().copied()).collect()),
        native_sources: partition.as_ref().map(|partition| partition.accounts.iter().chain(unheard).copied().collect()),
    };
    let display_name =
        model.display_name.clone().or_else(|| first(|m| m.display_name.as_ref())).unwrap_or_else(|| id.to_owned());
    let entry = match (partition, written) {
        (Some(partition), _) => native::overlaid(&partition.text, &facts),
        (None, Some(_)) => Some(native::written(&facts, &display_name, &modalities)),
        (None, None) => None,
    };
    Offer {
        facts: Arc::new(facts),
        display_name,
        created: model.created.or(seen.map(Timestamp::as_secs)),
        input_modalities: modalities,
        streaming: model.supports_streaming.unwrap_or(true),
        tools: model.supports_tools.unwrap_or(true),
        reasoning: model.supports_reasoning.or(any(|m| m.reasoning)).unwrap_or(true),
        context_length: window.map(|tokens| tokens * u64::from(percent) / 100),
        listed: written.is_some() || all().any(|(_, model)| model.listed),
        entry,
    }
}

/// Accounts that serve a model in the same way. A native client makes its requests as the entry says that it was shown, so they go to no
/// account whose entry says otherwise.
struct Partition {
    text: Arc<str>,
    accounts: Vec<AccountId>,
}

impl Partition {
    /// The one in which the most accounts take requests; among equals the larger one, then the first. Those that have not told their entry in
    /// this process belong to it until they do.
    fn of(told: &Told<'_>) -> Option<Self> {
        let mut groups: Vec<(&CatalogEntry, usize, usize)> = Vec::new();
        for (member, entry) in told.iter().filter_map(|(member, model)| Some((member, model.entry.as_ref()?))) {
            let routes = usize::from(member.routes);
            match groups.iter_mut().find(|(other, ..)| other.behaviour == entry.behaviour) {
                Some((_, routing, all)) => (*routing, *all) = (*routing + routes, *all + 1),
                None => groups.push((entry, routes, 1)),
            }
        }
        let best = groups.iter().map(|(_, routing, all)| (*routing, *all)).max()?;
        let (chosen, ..) = groups.iter().find(|(_, routing, all)| (*routing, *all) == best)?;
        let belongs = |model: &CatalogModel| model.entry.as_ref().is_none_or(|e| e.behaviour == chosen.behaviour);
        let accounts = told.iter().filter(|(_, model)| belongs(model)).map(|(member, _)| member.account).collect();
        Some(Self { text: Arc::clone(&chosen.text), accounts })
    }
}

/// Whether an account that takes requests has it in the lite form; while none of them takes any, whether any account has.
fn is_lite(told: Option<&Told<'_>>) -> bool {
    let told = || told.into_iter().flatten();
    let routable = told().any(|(member, _)| member.routes);
    told().any(|(member, model)| model.lite && (member.routes || !routable))
}

/// All words of these lists. Lists that were not told are passed over (`lenient`), or make the whole unknown.
fn union<'a>(lists: impl Iterator<Item = Option<&'a [String]>>, lenient: bool) -> Option<Vec<String>> {
    let mut all: Option<Vec<String>> = None;
    for list in lists {
        let Some(list) = list else {
            if lenient {
                continue;
            }
            return None;
        };
        let all = all.get_or_insert_default();
        for word in list {
            if !all.contains(word) {
                all.push(word.clone());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
