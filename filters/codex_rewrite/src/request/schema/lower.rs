//! Schemas of functions that are not strict, in the words that the backend takes. What is in them already keeps its text.

use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Patch, members};
use super::super::splice::Splice;
use super::keywords::Keywords;
use super::kinds::Types;

/// What stands where anything may: a text can say everything.
const ANYTHING: &str = r#"{"type":"string"}"#;

/// The words of JSON Schema, of all its versions and of OpenAPI, that are not walked into, sorted. Any other is taken out.
const KNOWN: [&str; 52] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "pattern",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];

/// Parameters that are no schema at all.
#[derive(Debug)]
pub(in super::super) struct NoSchema;

/// What a schema is the schema of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    /// The arguments, which are an object.
    Arguments,
    /// A value of its own, which has a type.
    Value,
    /// A value of which another schema tells the type too.
    Branch,
}

/// The parameters of a function in words that the backend takes, none when they are.
pub(in super::super) fn lowered(parameters: Value<'_>) -> Result<Option<Splice>, NoSchema> {
    match parameters.kind() {
        Kind::Object => Ok(node(parameters, Seat::Arguments)),
        Kind::Bool => Ok(Some(literal(r#"{"type":"object","properties":{}}"#))),
        Kind::Null | Kind::Number | Kind::String | Kind::Array => Err(NoSchema),
    }
}

fn schema(value: Value<'_>, seat: Seat) -> Option<Splice> {
    match value.kind() {
        Kind::Object => node(value, seat),
        Kind::Bool => Some(literal(ANYTHING)),
        Kind::Null | Kind::Number | Kind::String | Kind::Array => None,
    }
}

fn node(node: Value<'_>, seat: Seat) -> Option<Splice> {
    let mut patch = Patch::new(node);
    let (mut constant, mut choices, mut shared) = (None, None, false);
    for (key, member) in members(node) {
        let value = member.value;
        let edited = match key.as_str().as_ref() {
            "const" => {
                patch.drop(constant.replace(member));
                None
            }
            "enum" => {
                choices = Some(member);
                None
            }
            "properties" | "patternProperties" | "$defs" | "definitions" => each_member(value),
            "items" if value.kind() == Kind::Array => each_item(value, Seat::Value),
            "items" => schema(value, Seat::Value),
            "prefixItems" => each_item(value, Seat::Value),
            "additionalProperties" | "additionalItems" if value.kind() == Kind::Bool => None,
            "additionalProperties" | "additionalItems" => schema(value, Seat::Value),
            "contains" => schema(value, Seat::Branch),
            "anyOf" | "oneOf" | "allOf" => {
                shared = true;
                each_item(value, Seat::Branch)
            }
            known if KNOWN.binary_search(&known).is_ok() => {
                shared |= matches!(known, "$ref" | "$dynamicRef" | "$recursiveRef" | "not" | "if");
                None
            }
            _ => {
                patch.drop(Some(member));
                None
            }
        };
        if let Some(edited) = edited {
            patch.replace(member, edited);
        }
    }
    if let Some(constant) = constant {
        let mut only = Splice::default();
        only.lit("[").raw(constant.value).lit("]");
        patch.drop(Some(constant));
        patch.set("enum", choices, only);
    }
    // Other schemas that a node refers to tell its type too.
    let seat = if shared && seat == Seat::Value { Seat::Branch } else { seat };
    complete(&mut patch, &Keywords::lenient(node), seat);
    patch.finish()
}

/// Puts in what has to be there: the type, and what a type has to tell of its inside.
fn complete(patch: &mut Patch<'_>, keywords: &Keywords<'_>, seat: Seat) {
    let types = match (keywords.kind, seat) {
        (Some(kind), _) => Types::read(kind),
        (None, Seat::Arguments) => Some(Types::OBJECT),
        (None, Seat::Value) => Some(Types::inferred(keywords).unwrap_or(Types::STRING)),
        (None, Seat::Branch) => Types::inferred(keywords),
    };
    let Some(types) = types else { return };
    if keywords.kind.is_none() {
        patch.set("type", None, literal(&types.to_json()));
    }
    if types.has(Types::OBJECT) && keywords.properties.is_none() {
        patch.set("properties", None, literal("{}"));
    }
    if types.has(Types::ARRAY) && keywords.items.or(keywords.prefix_items).is_none() {
        patch.set("items", None, literal(ANYTHING));
    }
}

fn each_member(object: Value<'_>) -> Option<Splice> {
    let mut patch = Patch::new(object);
    for (_, member) in members(object) {
        if let Some(edited) = schema(member.value, Seat::Value) {
            patch.replace(member, edited);
        }
    }
    patch.finish()
}

fn each_item(array: Value<'_>, seat: Seat) -> Option<Splice> {
    let mut list = ListPatch::new(array);
    for item in array.items() {
        list.keep_or_put(item, schema(item, seat));
    }
    list.finish()
}

fn literal(text: &str) -> Splice {
    let mut out = Splice::default();
    out.lit(text);
    out
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn known_words_are_sorted() {
        assert!(KNOWN.is_sorted());
    }
}
