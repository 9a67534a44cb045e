//! `tools`: every tool is checked by its type, names are unique (docs/v1.md, Tools and tool_choice).

mod callable;
mod hosted;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::patch::{ListPatch, Patch, filled, given, read};
use super::schema::{Functions, Spot};
use super::splice::Splice;

const PARAM: &str = "tools";

/// The kinds of tools that a model calls by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Callable {
    /// A function with JSON arguments.
    Function,
    /// A tool that takes text.
    Custom,
}

/// Where a list of tools stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// It is the member `tools`.
    Member,
    /// It is in the item of the input with this place.
    Item(usize),
}

/// What lists of tools declare, and what is wrong with their schemas.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// What can be called by name, those inside namespaces included.
    names: HashSet<(Callable, String)>,
    /// The namespace of a name; none when it stands outside of one or in several.
    owners: HashMap<String, Option<String>>,
    functions: Functions,
}

impl Declared {
    /// Checks and rewrites a list of tools; none when it goes as it is.
    pub(super) fn read(&mut self, list: Value<'_>, home: Home) -> Result<Option<Splice>, Reject> {
        let read = Walk { declared: self, names: HashSet::new(), home }.over(list);
        match home {
            Home::Member => read,
            Home::Item(_) => read.map_err(|reject| reject.at("input")),
        }
    }

    fn add(&mut self, callable: Callable, name: String, namespace: Option<&str>) {
        let owner = self.owners.entry(name.clone());
        owner
            .and_modify(|owner| *owner = owner.take().filter(|owner| Some(owner.as_str()) == namespace))
            .or_insert_with(|| namespace.map(Into::into));
        self.names.insert((callable, name));
    }
}

/// The tools of a request.
#[derive(Default)]
pub(super) struct Tools {
    /// The new list, or none when the client's goes as it is.
    pub(super) edited: Option<Bytes>,
    names: HashSet<(Callable, String)>,
    /// The namespace of each name that stands in one namespace and nowhere else.
    pub(super) namespaces: HashMap<String, String>,
}

impl Tools {
    /// Checks and rewrites the member. `declared`: what the input declares besides.
    pub(super) fn of(value: Option<Value<'_>>, mut declared: Declared) -> Result<Self, Reject> {
        let edited = value.map(|value| declared.read(value, Home::Member)).transpose()?.flatten();
        declared.functions.finish()?;
        let namespaces = declared.owners.into_iter().filter_map(|(name, owner)| Some((name, owner?))).collect();
        Ok(Self { edited: edited.map(Splice::join), names: declared.names, namespaces })
    }

    /// Whether a tool of that kind and name is declared.
    pub(super) fn declares(&self, kind: Callable, name: &str) -> bool {
        self.names.contains(&(kind, name.into()))
    }
}

/// The walk over one list.
struct Walk<'d> {
    declared: &'d mut Declared,
    /// Names at the top, namespaces included.
    names: HashSet<String>,
    home: Home,
}

impl Walk<'_> {
    fn over(mut self, value: Value<'_>) -> Result<Option<Splice>, Reject> {
        if value.kind() != Kind::Array {
            return Err(bad("tools must be an array"));
        }
        let mut list = ListPatch::new(value);
        for (at, tool) in value.items().enumerate() {
            list.keep_or_put(tool, self.tool(at, tool)?);
        }
        Ok(list.finish())
    }

    fn tool(&mut self, at: usize, tool: Value<'_>) -> Result<Option<Splice>, Reject> {
        let kind = tool.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
        match kind.as_ref() {
            "function" | "custom" => {
                let spot = Spot { home: self.home, outer: None, at };
                let (callable, name, edited) = callable::check(tool, &kind, spot, &mut self.declared.functions)?;
                self.claim(&name)?;
                self.declared.add(callable, name, None);
                Ok(edited)
            }
            "namespace" => self.namespace(at, tool),
            "programmatic_tool_calling" => Ok(None),
            "web_search" | "web_search_preview" => hosted::web_search(tool),
            "image_generation" => hosted::image_generation(tool),
            "mcp" => Err(bad("remote MCP tools are not supported")),
            "tool_search" if self.home != Home::Member => Err(bad("tool_search tools are not supported")),
            _ => Err(not_translatable()),
        }
    }

    fn namespace(&mut self, at: usize, tool: Value<'_>) -> Result<Option<Splice>, Reject> {
        let [_, name, description, tools] =
            read(tool, &["type", "name", "description", "tools"]).map_err(|_| not_translatable())?;
        let namespace = filled(given(name)).ok_or_else(not_translatable)?.into_owned();
        filled(given(description)).ok_or_else(not_translatable)?;
        let list = given(tools).filter(|list| list.kind() == Kind::Array && !list.is_empty());
        let list = list.ok_or_else(not_translatable)?;
        self.claim(&namespace)?;
        let mut inner = ListPatch::new(list);
        let mut names = HashSet::with_capacity(list.len());
        for (place, tool) in list.items().enumerate() {
            let kind = tool.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            if !matches!(kind.as_ref(), "function" | "custom") {
                return Err(not_translatable());
            }
            let spot = Spot { home: self.home, outer: Some(at), at: place };
            let (callable, name, edited) = callable::check(tool, &kind, spot, &mut self.declared.functions)?;
            if !names.insert(name.clone()) {
                return Err(not_unique());
            }
            self.declared.add(callable, name, Some(&namespace));
            inner.keep_or_put(tool, edited);
        }
        let mut patch = Patch::new(tool);
        if let Some(edited) = inner.finish() {
            patch.set("tools", tools, edited);
        }
        Ok(patch.finish())
    }

    fn claim(&mut self, name: &str) -> Result<(), Reject> {
        if self.names.insert(name.into()) { Ok(()) } else { Err(not_unique()) }
    }
}

fn bad(message: &'static str) -> Reject {
    Reject::invalid(message).at(PARAM)
}

fn not_translatable() -> Reject {
    bad("tool shape is not translatable")
}

fn not_unique() -> Reject {
    bad("tool names must be unique")
}
