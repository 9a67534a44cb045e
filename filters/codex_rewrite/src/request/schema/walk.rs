//! The walk over a strict schema. Every node is looked at once, however many references lead to it.

use std::collections::HashSet;

use pooler_filter::json::{Kind, Value};

use super::keywords::Keywords;
use super::kinds::Types;
use super::place::{Flaw, Place, Step};
use super::references::{Definition, Progress, References, circular};
use super::shown;

/// How many nodes lie above each other at most, references followed: a chain of definitions must not exhaust the stack.
const DEEPEST: usize = 128;

/// What becomes of a node below the root that has no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untyped {
    /// It gets the type that the rest of it tells.
    Infer,
    /// It is refused, unless it lists its values: pydantic writes a `Literal` of several types so.
    Refuse,
}

/// The walk.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    references: References<'a>,
    untyped: Untyped,
    /// The nodes that lack a type, with the one to put in.
    missing: Vec<(Value<'a>, Types)>,
    depth: usize,
}

impl<'a> Walk<'a> {
    /// Checks a schema. Returns the nodes that lack a type, if types are to be inferred.
    pub(super) fn over(schema: Value<'a>, untyped: Untyped) -> Result<Vec<(Value<'a>, Types)>, Flaw> {
        let mut walk = Self { references: References::new(schema), untyped, missing: Vec::new(), depth: 0 };
        let mut root = Keywords::of(schema, None)?;
        if root.reference.is_none() {
            check_root(&root)?;
        }
        walk.node(schema, None)?;
        // This comes to an end: the walk found no circle.
        while let Some(reference) = root.reference {
            let definition = walk.references.find(reference).map_err(|reason| Flaw::at(None, reason))?;
            root = Keywords::of(definition.schema, None)?;
            if root.reference.is_none() {
                check_root(&root)?;
            }
        }
        Ok(walk.missing)
    }

    fn node(&mut self, node: Value<'a>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        if self.depth == DEEPEST {
            return Err(Flaw::at(here, "schema nests too deeply"));
        }
        self.depth += 1;
        let done = self.read(node, here);
        self.depth -= 1;
        done
    }

    fn read(&mut self, node: Value<'a>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        let keywords = Keywords::of(node, here)?;
        if let Some(reference) = keywords.reference {
            return self.follow(reference, here);
        }
        let types = self.types(node, &keywords, here)?;
        if let Some(branches) = keywords.any_of {
            if branches.kind() != Kind::Array || branches.is_empty() {
                return Err(Flaw::at(here, "'anyOf' must be a non-empty array"));
            }
            self.each("anyOf", branches, here)?;
        }
        if types.has(Types::OBJECT) {
            self.object(&keywords, here)?;
        }
        if types.has(Types::ARRAY) {
            self.array(&keywords, here)?;
        }
        Ok(())
    }

    fn follow(&mut self, reference: Value<'_>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        let definition = self.references.find(reference).map_err(|reason| Flaw::at(here, reason))?;
        match definition.progress {
            Progress::Done => return Ok(()),
            Progress::Open => return Err(Flaw::at(here, circular(&reference.as_str().unwrap_or_default()))),
            Progress::New => definition.progress = Progress::Open,
        }
        let Definition { group, name, schema, .. } = *definition;
        let group = Place { up: None, step: Step::Keyword(group) };
        self.node(schema, Some(&Place { up: Some(&group), step: Step::Name(name) }))?;
        let definition = self.references.find(reference).map_err(|reason| Flaw::at(here, reason))?;
        definition.progress = Progress::Done;
        Ok(())
    }

    /// The types of a node; none of them when it leaves that to its branches or its values.
    fn types(&mut self, node: Value<'a>, keywords: &Keywords<'_>, here: Option<&Place<'_>>) -> Result<Types, Flaw> {
        if let Some(kind) = keywords.kind {
            return Types::read(kind).ok_or_else(|| Flaw::at(here, "'type' must name known types"));
        }
        if keywords.any_of.is_some() {
            return Ok(Types::default());
        }
        match self.untyped {
            Untyped::Refuse if keywords.choices.is_some() => Ok(Types::default()),
            Untyped::Refuse => Err(without_type(here)),
            Untyped::Infer => {
                let types = Types::inferred(keywords).ok_or_else(|| without_type(here))?;
                self.missing.push((node, types));
                Ok(types)
            }
        }
    }

    fn object(&mut self, keywords: &Keywords<'a>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        if keywords.additional_properties.and_then(|value| value.as_bool()) != Some(false) {
            return Err(Flaw::at(here, "'additionalProperties' is required to be supplied and to be false"));
        }
        check_required(keywords, here)?;
        let group = Place { up: here, step: Step::Keyword("properties") };
        for (name, property) in keywords.properties.iter().flat_map(Value::entries) {
            self.node(property, Some(&Place { up: Some(&group), step: Step::Name(name) }))?;
        }
        Ok(())
    }

    fn array(&mut self, keywords: &Keywords<'a>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        if let Some(first) = keywords.prefix_items {
            self.each("prefixItems", first, here)?;
        }
        match keywords.items {
            None if keywords.prefix_items.is_some() => Ok(()),
            None => Err(Flaw::at(here, "array schema missing items")),
            Some(items) if items.kind() == Kind::Array => self.each("items", items, here),
            // Behind the first items there may be a plain yes or no.
            Some(items) if items.kind() == Kind::Bool && keywords.prefix_items.is_some() => Ok(()),
            Some(items) => self.node(items, Some(&Place { up: here, step: Step::Keyword("items") })),
        }
    }

    fn each(&mut self, keyword: &'static str, list: Value<'a>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
        let group = Place { up: here, step: Step::Keyword(keyword) };
        for (at, item) in list.items().enumerate() {
            self.node(item, Some(&Place { up: Some(&group), step: Step::Item(at) }))?;
        }
        Ok(())
    }
}

/// The root is an object and nothing else.
fn check_root(root: &Keywords<'_>) -> Result<(), Flaw> {
    if root.any_of.is_some() {
        return Err(Flaw::at(None, "'anyOf' is not permitted at the root"));
    }
    if root.kind.and_then(Types::read) == Some(Types::OBJECT) {
        return Ok(());
    }
    let kind = root.kind.map_or(r#""None""#.to_owned(), |kind| shown(kind.raw()));
    Err(Flaw::at(None, format_args!(r#"schema must be a JSON Schema of 'type: "object"', got 'type: {kind}'"#)))
}

/// `required` lists every property, and nothing else.
fn check_required(keywords: &Keywords<'_>, here: Option<&Place<'_>>) -> Result<(), Flaw> {
    let refuse = |what: String| {
        let rule = "'required' is required to be supplied and to be an array including every key in properties";
        Err(Flaw::at(here, format_args!("{rule}{what}")))
    };
    if keywords.properties.is_some_and(|properties| properties.kind() != Kind::Object) {
        return Err(Flaw::at(here, "'properties' must be an object"));
    }
    let listed = || keywords.required.iter().flat_map(Value::items).map(|name| name.as_str());
    let Some(required) = listed().collect::<Option<HashSet<_>>>() else { return refuse(String::new()) };
    let names = || keywords.properties.iter().flat_map(Value::entries).map(|(name, _)| name.as_str());
    if let Some(name) = names().find(|name| !required.contains(name)) {
        return refuse(format!(". Missing '{}'", shown(&name)));
    }
    if keywords.required.is_some_and(|required| required.kind() != Kind::Array) {
        return refuse(String::new());
    }
    let names: HashSet<_> = names().collect();
    match listed().flatten().find(|name| !names.contains(name)) {
        Some(name) => refuse(format!(". Extra required key '{}' supplied", shown(&name))),
        None => Ok(()),
    }
}

fn without_type(here: Option<&Place<'_>>) -> Flaw {
    Flaw::at(here, "schema must have a 'type' key")
}
