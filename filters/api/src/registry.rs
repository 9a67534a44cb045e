//! The registry: which filters exist. A value that `main` passes on, never a global.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::chain::{Chain, Link, Observer};
use crate::{
    BuildError, Contract, Filter, FilterContext, FilterFactory, HookSlots, Ports, RawConfig, Route, Served, Slot, Turn,
};

type Build = fn(&RawConfig<'_>, &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError>;

#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    contract: Contract,
    build: Build,
}

/// One entry of the chain as the configuration names it.
#[derive(Debug, Clone)]
pub struct ChainEntry<'a> {
    /// Name of the filter.
    pub filter: String,
    /// Where the entry stands, in bytes of the configuration file.
    pub span: Range<usize>,
    /// Its table.
    pub config: RawConfig<'a>,
}

impl ChainEntry<'_> {
    fn refuse(&self, index: usize, reason: String) -> ChainError {
        ChainError { index, filter: self.filter.clone(), reason, span: self.span.clone() }
    }
}

/// Why a chain cannot be built, and where.
#[derive(Debug, thiserror::Error)]
#[error("chain[{index}] `{filter}`: {reason}")]
pub struct ChainError {
    /// Place in the chain, from 0.
    pub index: usize,
    /// Name of the filter.
    pub filter: String,
    /// What is wrong.
    pub reason: String,
    /// Where, in bytes of the configuration file.
    pub span: Range<usize>,
}

/// The filters that a configuration may name.
#[derive(Default)]
pub struct Registry {
    filters: BTreeMap<&'static str, Registered>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.filters.keys()).finish()
    }
}

/// What the host itself writes before the chain runs, and before the response.
const HOST_FIRST: &[&str] = &[Route::NAME];
const HOST_RESPONSE: &[&str] = &[Served::NAME];
/// What it writes for some requests only, so that no contract can require it.
const HOST_SOMETIMES: &[&str] = &[Turn::NAME];

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same registry with one more filter. A later filter of the same name takes the place of the earlier one.
    #[must_use]
    pub fn with<F: FilterFactory>(mut self) -> Self {
        let build: Build = |config, cx| F::build(config.read::<F::Config>()?, cx);
        self.filters.insert(F::NAME, Registered { name: F::NAME, contract: F::CONTRACT, build });
        self
    }

    /// The names of all filters, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.filters.keys().copied()
    }

    /// Builds the chain in the order of the entries, after it has checked every contract.
    pub fn build_chain(
        &self,
        entries: &[ChainEntry<'_>],
        ports: &Ports,
        observer: Arc<dyn Observer>,
    ) -> Result<Chain, ChainError> {
        let found = self.look_up(entries)?;
        check_contracts(entries, &found)?;
        let mut links = Vec::with_capacity(entries.len());
        for (index, (entry, filter)) in entries.iter().zip(&found).enumerate() {
            let built = (filter.build)(&entry.config, &FilterContext::new(ports, &filter.contract));
            let built = built.map_err(|error| {
                let span = if let BuildError::Config { span, .. } = &error { span.clone() } else { entry.span.clone() };
                ChainError { span, ..entry.refuse(index, error.to_string()) }
            })?;
            links.push(Link { name: filter.name, contract: filter.contract, filter: built });
        }
        Ok(Chain::new(links, observer))
    }

    fn look_up(&self, entries: &[ChainEntry<'_>]) -> Result<Vec<Registered>, ChainError> {
        let mut found: Vec<Registered> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let refuse = |reason: String| entry.refuse(index, reason);
            let filter = self.filters.get(entry.filter.as_str()).ok_or_else(|| {
                let known: Vec<&str> = self.names().collect();
                refuse(format!("no such filter; there are {}", known.join(", ")))
            })?;
            if found.iter().any(|f| f.name == filter.name) {
                return Err(refuse("stands twice in the chain".into()));
            }
            found.push(*filter);
        }
        Ok(found)
    }
}

/// Checks that what each hook requires is written before it runs, and that no slot has two writers.
fn check_contracts(entries: &[ChainEntry<'_>], found: &[Registered]) -> Result<(), ChainError> {
    let mut written: Vec<&'static str> = HOST_FIRST.to_vec();
    let blame = |index: usize, reason: String| entries[index].refuse(index, reason);
    for (index, filter) in found.iter().enumerate() {
        check_hook(filter.contract.headers, &mut written).map_err(|reason| blame(index, reason))?;
    }
    for (index, filter) in found.iter().enumerate() {
        check_hook(filter.contract.body, &mut written).map_err(|reason| blame(index, reason))?;
    }
    written.extend(HOST_RESPONSE);
    for (index, filter) in found.iter().enumerate().rev() {
        check_hook(filter.contract.response, &mut written).map_err(|reason| blame(index, reason))?;
    }
    Ok(())
}

/// Checks one hook against what is written before it, and adds what it writes itself.
fn check_hook(slots: HookSlots, written: &mut Vec<&'static str>) -> Result<(), String> {
    if let Some(missing) = slots.requires.iter().find(|slot| !written.contains(slot)) {
        return Err(format!("requires `{missing}`, which no earlier filter provides"));
    }
    for slot in slots.provides {
        if [HOST_FIRST, HOST_RESPONSE, HOST_SOMETIMES].iter().any(|list| list.contains(slot)) {
            return Err(format!("provides `{slot}`, which the host itself writes"));
        }
        if written.contains(slot) {
            return Err(format!("provides `{slot}`, which is already provided before"));
        }
        written.push(slot);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
