//! The rules of strict schemas: every object closed, every property required.

use serde_json::Value;

const ROOT: &str = "schema must be a JSON Schema of 'type: \"object\"'.";

/// Says what is wrong with a strict schema.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(ROOT.to_owned());
    }
    node(schema, "")
}

/// The weaker rule for schemas that are not strict: a type, if named, is object.
pub(super) fn check_root(schema: &Value) -> Result<(), String> {
    match schema.get("type").and_then(Value::as_str) {
        None | Some("object") => Ok(()),
        Some(_) => Err(ROOT.to_owned()),
    }
}

fn node(schema: &Value, at: &str) -> Result<(), String> {
    if schema.get("properties").is_some() || schema.get("type").and_then(Value::as_str) == Some("object") {
        object(schema, at)?;
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, child) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
            node(child, &format!("{at}/{key}/{name}"))?;
        }
    }
    for key in ["anyOf", "allOf", "prefixItems"] {
        for (index, child) in schema.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            node(child, &format!("{at}/{key}/{index}"))?;
        }
    }
    schema.get("items").map_or(Ok(()), |items| node(items, &format!("{at}/items")))
}

fn object(schema: &Value, at: &str) -> Result<(), String> {
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(format!("In context=('{at}'), 'additionalProperties' is required to be supplied and to be false."));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(name)));
    for name in schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name) {
        if !is_required(name) {
            return Err(format!(
                "In context=('{at}'), 'required' is required to be supplied and to be an array including every key in \
                 properties. Missing '{name}'."
            ));
        }
    }
    Ok(())
}
