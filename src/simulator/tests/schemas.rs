//! Values made for a schema satisfy it: random schemas against a checker that shares no code with the maker.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::dice::Dice;
use super::super::schema::{matching, satisfy};

/// A plain reading of JSON Schema, for the keywords that the strategy below uses.
fn holds(schema: &Value, root: &Value, value: &Value) -> bool {
    let Some(rules) = schema.as_object() else { return *schema == true };
    rules.iter().all(|(key, rule)| keyword(key, rule, schema, root, value))
}

fn keyword(key: &str, rule: &Value, schema: &Value, root: &Value, value: &Value) -> bool {
    let length = |value: &Value| value.as_str().map(|text| text.chars().count() as f64);
    let items = |value: &Value| value.as_array().map(|list| list.len() as f64);
    let number = rule.as_f64();
    match key {
        "type" => rule.as_array().map_or_else(|| is(rule, value), |names| names.iter().any(|name| is(name, value))),
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "$ref" => holds(root.pointer(&rule.as_str().unwrap()[1..]).unwrap(), root, value),
        "anyOf" => rule.as_array().unwrap().iter().any(|one| holds(one, root, value)),
        "allOf" => rule.as_array().unwrap().iter().all(|one| holds(one, root, value)),
        "minimum" => value.as_f64().is_none_or(|n| n >= number.unwrap()),
        "maximum" => value.as_f64().is_none_or(|n| n <= number.unwrap()),
        "exclusiveMinimum" => value.as_f64().is_none_or(|n| n > number.unwrap()),
        "exclusiveMaximum" => value.as_f64().is_none_or(|n| n < number.unwrap()),
        "multipleOf" => value.as_f64().is_none_or(|n| (n / number.unwrap()).fract() == 0.0),
        "minLength" => length(value).is_none_or(|n| n >= number.unwrap()),
        "maxLength" => length(value).is_none_or(|n| n <= number.unwrap()),
        "minItems" => items(value).is_none_or(|n| n >= number.unwrap()),
        "maxItems" => items(value).is_none_or(|n| n <= number.unwrap()),
        "uniqueItems" => value.as_array().is_none_or(|list| (1..list.len()).all(|n| !list[..n].contains(&list[n]))),
        "items" => value.as_array().is_none_or(|list| list.iter().all(|one| holds(rule, root, one))),
        "required" => value
            .as_object()
            .is_none_or(|map| rule.as_array().unwrap().iter().all(|name| map.contains_key(name.as_str().unwrap()))),
        "properties" => value.as_object().is_none_or(|map| {
            rule.as_object().unwrap().iter().all(|(name, rule)| map.get(name).is_none_or(|one| holds(rule, root, one)))
        }),
        "additionalProperties" if *rule == false => {
            let known = |name: &String| schema["properties"].get(name).is_some();
            value.as_object().is_none_or(|map| map.keys().all(known))
        }
        "$defs" | "description" => true,
        other => panic!("the checker does not know {other}"),
    }
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other}"),
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "null"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"const": {"a": [1]}})),
        Just(json!({"$ref": "#/$defs/tree"})),
        Just(json!({"type": "string", "enum": ["a", "b", "c"]})),
        (0..30u32, 0..30u32).prop_map(|(least, more)| json!({"type": "string", "minLength": least, "maxLength": least + more})),
        (-50..50i32, 0..20i32).prop_map(|(low, more)| json!({"type": "integer", "minimum": low, "maximum": low + more})),
        (-50..50i32, 2..20i32).prop_map(|(low, more)| json!({"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": low + more})),
        (-9..9i32, 1..9i32).prop_map(|(low, more)| json!({"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": f64::from(low) + f64::from(more) / 10.0})),
        (-50..50i32, 1..9i32).prop_map(|(low, step)| json!({"type": "integer", "minimum": low, "multipleOf": step})),
        (-50..50i32).prop_map(|high| json!({"type": "number", "maximum": high})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 4, |inner| {
        let properties = prop::collection::btree_map("[a-d]{1,2}", inner.clone(), 0..4);
        prop_oneof![
            (properties.clone(), any::<bool>()).prop_map(|(properties, all)| {
                let required: Vec<&String> = properties.keys().take(if all { 9 } else { 1 }).collect();
                json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
            }),
            (properties.clone(), properties).prop_map(|(one, mut two)| {
                two.retain(|name, _| !one.contains_key(name));
                let object = |map: Value| json!({"type": "object", "properties": map});
                json!({"allOf": [object(json!(one)), object(json!(two))]})
            }),
            (inner.clone(), 0..3u32, 0..3u32).prop_map(|(items, least, more)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})
            }),
            prop::collection::vec(inner, 1..4).prop_map(|branches| json!({"anyOf": branches})),
            Just(json!({"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": true})),
        ]
    })
}

/// The schema with the recursive definition that its leaves refer to.
fn rooted(schema: &Value) -> Value {
    let tree = json!({"type": "object", "properties": {
        "value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "required": ["value", "next", "children"], "additionalProperties": false});
    json!({"$defs": {"tree": tree}, "allOf": [schema]})
}

proptest! {
    #[test]
    fn makes_values_that_satisfy_their_schema(schema in schema(), seed in any::<u64>()) {
        let root = rooted(&schema);
        let value = satisfy(&root, &mut Dice::of(&[&seed.to_le_bytes()]));
        prop_assert!(holds(&root, &root, &value), "{root}\n{value}");
    }

    #[test]
    fn never_panics_on_text_as_an_expression(expression in "\\PC{0,40}", seed in any::<u64>()) {
        matching(&expression, &mut Dice::of(&[&seed.to_le_bytes()]));
    }

    #[test]
    fn never_panics_on_nonsense_as_a_schema(
        entries in prop::collection::btree_map("minimum|maximum|multipleOf|minLength|minItems|items|enum|type|anyOf|pattern|required|properties|\\$ref",
            prop_oneof![Just(json!(null)), Just(json!(-1)), Just(json!(1e308)), Just(json!("#")), Just(json!([])), Just(json!([{}])),
                Just(json!({})), Just(json!({"a": {"$ref": "#"}})), Just(json!(true)), Just(json!("array")), Just(json!(["object"]))], 0..6),
        seed in any::<u64>(),
    ) {
        let map: Map<String, Value> = entries.into_iter().collect();
        satisfy(&Value::Object(map), &mut Dice::of(&[&seed.to_le_bytes()]));
    }
}

/// An expression, and what its samples look like.
type Case = (&'static str, fn(&str) -> bool);

#[test]
fn samples_match_common_expressions() {
    let cases: [Case; 9] = [
        ("^[a-z]{3}$", |s| s.len() == 3 && s.bytes().all(|b| b.is_ascii_lowercase())),
        (r"^\d{4}-\d{2}$", |s| s.len() == 7 && s.as_bytes()[4] == b'-'),
        ("^(cat|dog)s?$", |s| ["cat", "dog", "cats", "dogs"].contains(&s)),
        (r"^#[0-9A-Fa-f]{6}$", |s| s.len() == 7 && s[1..].bytes().all(|b| b.is_ascii_hexdigit())),
        (r"^[^\s@]+@[^\s@]+\.com$", |s| s.ends_with(".com") && s.matches('@').count() == 1),
        (r"^(?:v)?\d+(\.\d+){2}$", |s| s.trim_start_matches('v').split('.').count() == 3),
        (r"^x(?:-\d)+$", |s| s.starts_with("x-")),
        (r"^[\u0041-\u0043]+$", |s| !s.is_empty() && s.bytes().all(|b| (b'A'..=b'C').contains(&b))),
        (r"^[\w.-]{2,4}$", |s| (2..=4).contains(&s.len())),
    ];
    for (expression, fits) in cases {
        for seed in 0..50u8 {
            let sample = matching(expression, &mut Dice::of(&[&[seed]]));
            assert!(fits(&sample), "{expression}: {sample}");
        }
    }
}

#[test]
fn stretches_a_pattern_to_its_length() {
    let schema = json!({"type": "string", "pattern": "^[A-Z]{2}-\\d{3,5}$", "minLength": 7, "maxLength": 7});
    for seed in 0..50u8 {
        assert_eq!(satisfy(&schema, &mut Dice::of(&[&[seed]])).as_str().unwrap().len(), 7);
    }
}

#[test]
fn ends_on_hostile_expressions_and_schemas() {
    let mut dice = Dice::of(&[b"x"]);
    assert!(matching(&"(".repeat(100_000), &mut dice).is_empty());
    assert!(matching(&")".repeat(100_000), &mut dice).is_empty());
    assert!(matching("(((a{1000}){1000}){1000}){1000}", &mut dice).len() < 100_000);
    let endless =
        json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]});
    let bounded = satisfy(&endless, &mut dice).to_string();
    assert!(bounded.len() < 10_000_000);
}
