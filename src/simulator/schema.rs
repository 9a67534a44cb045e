//! Makes a JSON value that satisfies a JSON Schema, as arguments of a call and as structured output.
//!
//! Covers what tool schemas use: types, required, enum, const, nesting, bounds, anyOf/oneOf/allOf, local `$ref`, closed
//! objects, tuples, formats, patterns. `not`, `if`, `dependentSchemas` and remote references are not looked at.

mod merge;
mod number;
mod pattern;
mod text;

use serde_json::{Map, Value};

use super::dice::Dice;

/// Below this depth only what is required is made, so that recursive schemas end.
const LUSH_DEPTH: usize = 3;
/// A schema that demands endless nesting is cut here; nothing can satisfy it.
const DEPTH_LIMIT: usize = 60;
/// Values made at all; the second half only where they are required. A schema that demands more cannot be satisfied.
const BUDGET: usize = 20_000;
/// Cap of `minItems` and of lengths, against schemas that ask for gigabytes.
const SIZE_LIMIT: usize = 20_000;

/// A value for `schema`; a schema that is not one is satisfied by anything.
pub(super) fn satisfy(schema: &Value, dice: &mut Dice) -> Value {
    Maker { root: schema, dice, budget: BUDGET }.value(schema, "", 0)
}

/// A text that the regular expression `expression` matches, as far as it is understood.
pub(super) fn matching(expression: &str, dice: &mut Dice) -> String {
    pattern::sample(expression, dice)
}

struct Maker<'a> {
    root: &'a Value,
    dice: &'a mut Dice,
    budget: usize,
}

impl Maker<'_> {
    /// A value for the property called `name`.
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH_LIMIT || self.budget == 0 {
            return Value::Null;
        }
        self.budget -= 1;
        let schema = merge::resolve(schema, self.root);
        if let Some(chosen) = self.branch(&schema, depth) {
            return self.value(&chosen, name, depth + 1);
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let typed: Vec<&Value> = values.iter().filter(|value| merge::has_type(&schema, value)).collect();
            return self.dice.pick(&typed).map_or(Value::Null, |value| (*value).clone());
        }
        match merge::type_of(&schema) {
            "object" => self.object(&schema, depth),
            "array" => self.array(&schema, name, depth),
            "integer" => number::integer(&schema, self.dice),
            "number" => number::number(&schema, self.dice),
            "boolean" => Value::Bool(self.dice.below(2) == 0),
            "null" => Value::Null,
            _ => Value::String(text::make(&schema, name, self.dice)),
        }
    }

    fn is_lush(&self, depth: usize) -> bool {
        depth <= LUSH_DEPTH && self.budget > BUDGET / 2
    }

    /// The schema joined with one of its alternatives, if it has any.
    fn branch(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        let key = ["anyOf", "oneOf"].into_iter().find(|key| schema.get(*key).is_some_and(Value::is_array))?;
        let branches: Vec<&Value> = schema.get(key)?.as_array()?.iter().filter(|one| **one != false).collect();
        let chosen = if self.is_lush(depth) {
            self.dice.pick(&branches).copied()
        } else {
            branches.iter().copied().min_by_key(|branch| merge::weight(branch, self.root))
        };
        let mut rest = schema.clone();
        rest.as_object_mut()?.remove(key);
        let empty = Value::Bool(true);
        Some(merge::both(&rest, &merge::resolve(chosen.unwrap_or(&empty), self.root)))
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required = merge::required(schema);
        let limit = merge::count(schema, "maxProperties").unwrap_or(usize::MAX);
        let mut out = Map::new();
        for name in &required {
            let rule = properties.get(name).or_else(|| open_rule(schema, name)).cloned().unwrap_or(Value::Bool(true));
            let value = self.value(&rule, name, depth + 1);
            out.insert(name.clone(), value);
        }
        for (name, rule) in properties {
            if self.is_lush(depth) && out.len() < limit && !out.contains_key(name) && *rule != false {
                let value = self.value(rule, name, depth + 1);
                out.insert(name.clone(), value);
            }
        }
        self.fill(schema, properties, &mut out, depth);
        Value::Object(out)
    }

    /// Adds properties of any name until `minProperties` is reached.
    fn fill(&mut self, schema: &Value, properties: &Map<String, Value>, out: &mut Map<String, Value>, depth: usize) {
        let wanted = merge::count(schema, "minProperties").unwrap_or(0).min(SIZE_LIMIT);
        for (name, rule) in properties {
            if out.len() < wanted && !out.contains_key(name) {
                let value = self.value(rule, name, depth + 1);
                out.insert(name.clone(), value);
            }
        }
        let mut tries = 0;
        while out.len() < wanted && tries < wanted * 4 + 16 {
            tries += 1;
            let name =
                match schema.get("patternProperties").and_then(Value::as_object).and_then(|map| map.keys().next()) {
                    Some(expression) => pattern::sample(expression, self.dice),
                    None => match schema.get("propertyNames") {
                        Some(names) => text::make(&merge::resolve(names, self.root), "", self.dice),
                        None => format!("key_{tries}"),
                    },
                };
            let rule = open_rule(schema, &name).cloned().unwrap_or(Value::Bool(true));
            if rule != false {
                let value = self.value(&rule, &name, depth + 1);
                out.insert(name, value);
            }
        }
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let least = merge::count(schema, "minItems").unwrap_or(0).min(SIZE_LIMIT);
        let most = merge::count(schema, "maxItems").unwrap_or(usize::MAX);
        let tuple = ["prefixItems", "items"].iter().find_map(|key| schema.get(key).and_then(Value::as_array));
        let rule = schema.get("items").filter(|items| !items.is_array()).cloned().unwrap_or(Value::Bool(true));
        let lush = self.is_lush(depth);
        let mut out = Vec::new();
        if let Some(contains) = schema.get("contains") {
            out.push(self.value(contains, name, depth + 1));
        }
        let usual = if lush && rule != false { 1 + self.dice.below(2) } else { 0 };
        let wanted = tuple.map_or(usual, Vec::len).max(least).max(out.len()).min(most);
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut tries = 0;
        while out.len() < wanted && tries < wanted * 8 + 64 {
            tries += 1;
            let rule = tuple.and_then(|rules| rules.get(out.len())).unwrap_or(&rule);
            let value = self.value(rule, name, depth + 1);
            if !unique || !out.contains(&value) {
                out.push(value);
            }
        }
        Value::Array(out)
    }
}

/// The rule for a property that is not named in `properties`.
fn open_rule<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let by_pattern = patterns.and_then(|map| map.iter().find(|(expression, _)| pattern::might_match(expression, name)));
    by_pattern.map(|(_, rule)| rule).or_else(|| schema.get("additionalProperties"))
}
