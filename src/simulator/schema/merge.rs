//! References, conjunctions and the type of a schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

const HOPS: usize = 32;

/// `schema` without `$ref` and `allOf`: their targets are joined into it. Endless references end after some hops.
pub(super) fn resolve(schema: &Value, root: &Value) -> Value {
    let mut out = schema.clone();
    for _ in 0..HOPS {
        let Some(map) = out.as_object_mut() else { return out };
        if let Some(Value::String(pointer)) = map.remove("$ref") {
            let target = follow(&pointer, root).cloned().unwrap_or(Value::Bool(true));
            out = both(&target, &out);
        } else if let Some(Value::Array(all)) = map.remove("allOf") {
            out = all.iter().fold(out, |joined, one| both(&joined, one));
        } else {
            return out;
        }
    }
    out
}

fn follow<'a>(pointer: &str, root: &'a Value) -> Option<&'a Value> {
    let path = pointer.strip_prefix('#')?;
    root.pointer(&path.replace("%24", "$").replace("%20", " "))
}

/// A schema that asks for what both ask for, as far as keywords can be joined; else the second one's keyword stands.
pub(super) fn both(first: &Value, second: &Value) -> Value {
    let (Some(one), Some(two)) = (first.as_object(), second.as_object()) else {
        return if *first == false || *second == true { first.clone() } else { second.clone() };
    };
    let mut out = one.clone();
    for (key, value) in two {
        let joined = match one.get(key) {
            None => value.clone(),
            Some(old) => join(key, old, value),
        };
        out.insert(key.clone(), joined);
    }
    Value::Object(out)
}

fn join(key: &str, old: &Value, new: &Value) -> Value {
    match key {
        "properties" | "patternProperties" => maps(old, new),
        "required" => lists(old, new, true),
        "enum" | "type" if old.is_array() || new.is_array() => lists(old, new, false),
        "type" if old == "integer" && new == "number" => old.clone(),
        "allOf" => lists(old, new, true),
        "items" | "additionalProperties" | "propertyNames" | "contains" => both(old, new),
        "minimum" | "minLength" | "minItems" | "minProperties" | "exclusiveMinimum" => tighter(old, new, true),
        "maximum" | "maxLength" | "maxItems" | "maxProperties" | "exclusiveMaximum" => tighter(old, new, false),
        _ => new.clone(),
    }
}

fn maps(old: &Value, new: &Value) -> Value {
    let mut out = old.as_object().cloned().unwrap_or_default();
    for (name, rule) in new.as_object().into_iter().flatten() {
        let joined = out.get(name).map_or_else(|| rule.clone(), |known| both(known, rule));
        out.insert(name.clone(), joined);
    }
    Value::Object(out)
}

/// Union or intersection of two lists; a single value counts as a list of one.
fn lists(old: &Value, new: &Value, union: bool) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let (mut one, two) = (list(old), list(new));
    if union {
        one.extend(two);
    } else {
        one.retain(|value| two.contains(value));
    }
    Value::Array(one)
}

fn tighter(old: &Value, new: &Value, larger: bool) -> Value {
    match (old.as_f64(), new.as_f64()) {
        (Some(one), Some(two)) if (one > two) == larger => old.clone(),
        _ => new.clone(),
    }
}

/// The names that have to be there, each once, with those that depend on them.
pub(super) fn required(schema: &Value) -> BTreeSet<String> {
    let names = |value: Option<&Value>| {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|name| name.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let mut out: BTreeSet<String> = names(schema.get("required")).into_iter().collect();
    let empty = Map::new();
    let dependent = schema.get("dependentRequired").and_then(Value::as_object).unwrap_or(&empty);
    for _ in 0..dependent.len() {
        for (name, needs) in dependent {
            if out.contains(name) {
                out.extend(names(Some(needs)));
            }
        }
    }
    out
}

/// A keyword that counts something.
pub(super) fn count(schema: &Value, key: &str) -> Option<usize> {
    let number = schema.get(key)?;
    let whole = number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(|n| n.ceil() as u64))?;
    usize::try_from(whole).ok()
}

/// The type to make: as named, the first that is not null of several, else what the keywords hint at.
pub(super) fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => return name,
        Some(Value::Array(names)) => {
            let named = names.iter().filter_map(Value::as_str);
            return named.clone().find(|name| *name != "null").or_else(|| named.clone().next()).unwrap_or("string");
        }
        _ => {}
    }
    let hints: [(&str, &[&str]); 3] = [
        ("object", &["properties", "required", "additionalProperties", "minProperties", "patternProperties"]),
        ("array", &["items", "prefixItems", "minItems", "uniqueItems", "contains"]),
        ("number", &["minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"]),
    ];
    let hinted = hints.iter().find(|(_, keys)| keys.iter().any(|key| schema.get(key).is_some()));
    hinted.map_or("string", |(name, _)| *name)
}

/// Whether `value` is of a type that the schema allows.
pub(super) fn has_type(schema: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    };
    match schema.get("type") {
        Some(Value::String(name)) => fits(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}

/// How much a branch tends to nest: the lightest is taken where a value has to end.
pub(super) fn weight(branch: &Value, root: &Value) -> usize {
    let target = branch.get("$ref").and_then(Value::as_str).and_then(|pointer| follow(pointer, root));
    let schema = target.unwrap_or(branch);
    let own = match type_of(schema) {
        "null" => 0,
        "object" => 3 + 4 * required(schema).len(),
        "array" => 2 + 4 * count(schema, "minItems").unwrap_or(0),
        _ if schema.get("anyOf").is_some() || schema.get("oneOf").is_some() => 3,
        _ => 1,
    };
    own + usize::from(target.is_some())
}
