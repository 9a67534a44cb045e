//! Strict schemas: what is accepted, what is refused and where, and what is repaired.

use std::fmt::Write;
use std::fs;

use pooler_filter::json::Json;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::harness::{compact, refused, refuses, send, sent, with};

/// A request with one function of these parameters.
fn function(parameters: &str) -> String {
    with(&format!(r#""tools":[{{"type":"function","name":"f","parameters":{parameters},"strict":true}}]"#))
}

/// A request for an answer of this schema.
fn format(schema: &str) -> String {
    with(&format!(r#""text":{{"format":{{"type":"json_schema","name":"n","schema":{schema},"strict":true}}}}"#))
}

/// A closed object with one required property.
fn object(property: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"a":{property}}},"required":["a"],"additionalProperties":false}}"#)
}

/// The same with these definitions.
fn defining(property: &str, definitions: &str) -> String {
    format!(
        r#"{{"$defs":{definitions},"type":"object","properties":{{"a":{property}}},"required":["a"],"additionalProperties":false}}"#
    )
}

/// The schemas of a file, by name.
fn file(name: &str) -> Vec<(String, String)> {
    let path = format!("{}/tests/responses/schemas/{name}", env!("CARGO_MANIFEST_DIR"));
    let file = Json::parse(fs::read(path).expect("the file is there").into()).expect("the file is JSON");
    file.root().entries().map(|(name, schema)| (name.as_str().into_owned(), schema.raw().to_owned())).collect()
}

/// Checks that a schema passes both as parameters and as a format, byte for byte.
fn passes(schema: &str) {
    for body in [function(schema), format(schema)] {
        assert!(sent(&body).text().contains(schema), "{schema} was changed");
    }
}

/// Checks that a schema is refused both as parameters and as a format.
fn refuses_schema(schema: &str, flaw: &str) {
    let message = format!("Invalid schema for function 'f': {flaw}");
    refuses(&function(schema), 400, "invalid_function_parameters", Some("tools.0.parameters"), &message);
    let message = format!("Invalid schema for response_format 'n': {flaw}");
    refuses(&format(schema), 400, "invalid_json_schema", Some("text.format.schema"), &message);
}

#[test]
fn schemas_that_would_become_many_times_their_size_are_refused() {
    let tools = |nodes: usize| {
        let node = r#""a":{}"#;
        let properties = vec![node; nodes].join(",");
        with(&format!(r#""tools":[{{"type":"function","name":"f","parameters":{{"properties":{{{properties}}}}}}}]"#))
    };
    assert!(send(&tools(10_000)).is_ok());
    let reject = send(&tools(1_000_000)).err().expect("it is refused");
    assert_eq!(
        (reject.status().as_u16(), reject.code_str(), reject.param.as_deref()),
        (413, "request_too_large", Some("tools"))
    );
}

#[test]
fn schemas_that_are_supported_pass_unchanged() {
    for property in [
        r#"{"type":"string","minLength":1,"maxLength":9,"pattern":"^a$","format":"email","title":"A","description":"d","default":null}"#,
        r#"{"type":"number","minimum":0,"exclusiveMaximum":5,"multipleOf":0.5}"#,
        r#"{"type":["string","null"],"enum":["a",null]}"#,
        r#"{"type":["object","null"],"properties":{},"additionalProperties":false}"#,
        r#"{"type":"string","const":"x"}"#,
        r#"{"type":"array","items":{"type":"array","items":{"type":"integer"}},"minItems":1,"maxItems":3,"uniqueItems":true}"#,
        r#"{"type":"array","prefixItems":[{"type":"string"}],"items":false}"#,
        r#"{"type":"array","prefixItems":[{"type":"string"}]}"#,
        r#"{"type":"array","items":[{"type":"string"}]}"#,
        r#"{"anyOf":[{"type":"string"},{"type":"null"}],"title":"A"}"#,
        r#"{"type":"object","additionalProperties":false}"#,
        r#"{ "type" : "object" , "properties" : { } , "required" : [ ] , "additionalProperties" : false }"#,
        // Names of keywords are fine as names of properties, and as text.
        r#"{"type":"object","properties":{"not":{"type":"string"},"$ref":{"type":"null"}},"required":["$ref","not"],"additionalProperties":false}"#,
        r#"{"type":"string","const":{"allOf":[]}}"#,
        r#"{"type":"string","enum":["\ud800"],"x-vendor":{"oneOf":[]}}"#,
    ] {
        passes(&object(property));
    }
    passes(r#"{"type":["object"],"additionalProperties":false,"$schema":"http://json-schema.org/draft-07/schema#"}"#);
}

#[test]
fn references_to_definitions_pass_unchanged() {
    for (property, definitions) in [
        (r##"{"$ref":"#/$defs/A"}"##, r#"{"A":{"type":"string"}}"#),
        (r##"{"$ref":"#/$defs/A","description":"d"}"##, r#"{"A":{"type":"string"}}"#),
        (r##"{"type":"array","items":{"$ref":"#/$defs/A"}}"##, r##"{"A":{"$ref":"#/$defs/B"},"B":{"type":"string"}}"##),
        (r##"{"anyOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/A"}]}"##, r#"{"A":{"type":"string"}}"#),
        (r##"{"$ref":"#/$defs/A%3Cint%3E"}"##, r#"{"A<int>":{"type":"integer"}}"#),
        (r##"{"$ref":"#/$defs/a~1b"}"##, r#"{"a/b":{"type":"integer"}}"#),
        (r##"{"$ref":"#/$defs/a/b"}"##, r#"{"a/b":{"type":"integer"}}"#),
        (r##"{"$ref":"#/$defs/\u0041"}"##, r#"{"A":{"type":"integer"}}"#),
        // A definition that nothing refers to says nothing about the answer.
        (r#"{"type":"string"}"#, r##"{"Unused":{"allOf":[{"$ref":"#/$defs/Unused"}]}}"##),
    ] {
        passes(&defining(property, definitions));
        let older = |text: &str| text.replace("$defs", "definitions");
        passes(&older(&defining(property, definitions)));
    }
    passes(&format!(r##"{{"$ref":"#/definitions/R","definitions":{{"R":{}}}}}"##, object(r#"{"type":"string"}"#)));
}

#[test]
fn a_root_that_is_no_object_is_refused() {
    let typed =
        |kind: &str| format!("In context=(), schema must be a JSON Schema of 'type: \"object\"', got 'type: {kind}'.");
    for (root, flaw) in [
        ("{}", typed(r#""None""#)),
        (r#"{"type":"array","items":{"type":"string"}}"#, typed(r#""array""#)),
        (r#"{"type":["object","null"],"additionalProperties":false}"#, typed(r#"["object","null"]"#)),
        (r##"{"$ref":"#/$defs/S","$defs":{"S":{"type":"string"}}}"##, typed(r#""string""#)),
        (r#"{"properties":{},"additionalProperties":false}"#, typed(r#""None""#)),
        ("true", "In context=(), schema must be an object.".to_owned()),
        (
            r#"{"type":"object","additionalProperties":false,"anyOf":[{"type":"null"}]}"#,
            "In context=(), 'anyOf' is not permitted at the root.".to_owned(),
        ),
        (r#"{"oneOf":[{"type":"null"}]}"#, "In context=(), 'oneOf' is not permitted.".to_owned()),
    ] {
        refuses_schema(root, &flaw);
    }
}

#[test]
fn what_strict_schemas_do_not_have_is_refused_with_its_place() {
    const CLOSED: &str = "'additionalProperties' is required to be supplied and to be false.";
    const LISTED: &str = "'required' is required to be supplied and to be an array including every key in properties.";
    const TYPED: &str = "schema must have a 'type' key.";
    let a = "In context=('properties', 'a'), ";
    for (property, flaw) in [
        (r#"{"type":"object","properties":{}}"#, CLOSED.to_owned()),
        (r#"{"type":"object","additionalProperties":true}"#, CLOSED.to_owned()),
        (r#"{"type":["null","object"],"additionalProperties":{"type":"string"}}"#, CLOSED.to_owned()),
        (
            r#"{"type":"object","properties":{"b":{"type":"null"}},"additionalProperties":false}"#,
            format!("{LISTED} Missing 'b'."),
        ),
        (
            r#"{"type":"object","properties":{"b":{},"c":{}},"required":["b"],"additionalProperties":false}"#,
            format!("{LISTED} Missing 'c'."),
        ),
        (
            r#"{"type":"object","properties":{"b":{"type":"null"}},"required":["b","c"],"additionalProperties":false}"#,
            format!("{LISTED} Extra required key 'c' supplied."),
        ),
        (r#"{"type":"object","required":"b","additionalProperties":false}"#, LISTED.to_owned()),
        (r#"{"type":"object","required":[1],"additionalProperties":false}"#, LISTED.to_owned()),
        (r#"{"type":"object","properties":[],"additionalProperties":false}"#, "'properties' must be an object.".into()),
        (r#"{"type":"array"}"#, "array schema missing items.".to_owned()),
        (r#"{"type":"text"}"#, "'type' must name known types.".to_owned()),
        (r#"{"type":[]}"#, "'type' must name known types.".to_owned()),
        (r#"{"type":["string",null]}"#, "'type' must name known types.".to_owned()),
        (r#"{"anyOf":[]}"#, "'anyOf' must be a non-empty array.".to_owned()),
        (r#"{"anyOf":{"type":"string"}}"#, "'anyOf' must be a non-empty array.".to_owned()),
        ("{}", TYPED.to_owned()),
        (r#"{"description":"anything"}"#, TYPED.to_owned()),
        (r#"{"default":5}"#, TYPED.to_owned()),
        ("true", "schema must be an object.".to_owned()),
    ] {
        refuses_schema(&object(property), &format!("{a}{flaw}"));
    }
}

#[test]
fn keywords_that_strict_schemas_do_not_have_are_refused_anywhere() {
    for keyword in
        ["allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"]
    {
        let node = format!(r#"{{"type":"string","{keyword}":{{}}}}"#);
        let flaw = format!("'{keyword}' is not permitted.");
        refuses_schema(&object(&node), &format!("In context=('properties', 'a'), {flaw}"));
        let items = object(&format!(r#"{{"type":"array","items":{node}}}"#));
        refuses_schema(&items, &format!("In context=('properties', 'a', 'items'), {flaw}"));
        let branch = object(&format!(r#"{{"anyOf":[{{"type":"null"}},{node}]}}"#));
        refuses_schema(&branch, &format!("In context=('properties', 'a', 'anyOf', '1'), {flaw}"));
        let defined = defining(r##"{"$ref":"#/$defs/A"}"##, &format!(r#"{{"A":{}}}"#, object(&node)));
        refuses_schema(&defined, &format!("In context=('$defs', 'A', 'properties', 'a'), {flaw}"));
    }
}

#[test]
fn references_that_lead_nowhere_or_back_are_refused() {
    const TOP: &str = "reference can only point to definitions defined at the top level of the schema.";
    let circle = |to: &str| format!("circular references are not supported: '{to}' leads back to itself.");
    let a = "In context=('properties', 'a'), ";
    for (reference, flaw) in [
        (
            "https://a.example/s.json",
            "reference 'https://a.example/s.json' is not local: only definitions of the schema can be used.".into(),
        ),
        ("#/$defs/B", "reference '#/$defs/B' was not found in the schema.".to_owned()),
        ("#/definitions/A", "reference '#/definitions/A' was not found in the schema.".to_owned()),
        ("#/$defs/A/properties/a", TOP.to_owned()),
        ("#/properties/a", TOP.to_owned()),
        ("#anchor", TOP.to_owned()),
        ("#", circle("#")),
    ] {
        let schema = defining(&format!(r#"{{"$ref":"{reference}"}}"#), r#"{"A":{"type":"string"}}"#);
        refuses_schema(&schema, &format!("{a}{flaw}"));
    }
    refuses_schema(&object(r#"{"$ref":5}"#), &format!("{a}'$ref' must be a string."));
    let a = r##"{"$ref":"#/$defs/A"}"##;
    refuses_schema(
        &defining(a, &format!(r#"{{"A":{a}}}"#)),
        &format!("In context=('$defs', 'A'), {}", circle("#/$defs/A")),
    );
    let definitions =
        format!(r##"{{"A":{},"B":{{"anyOf":[{{"type":"null"}},{a}]}}}}"##, object(r##"{"$ref":"#/$defs/B"}"##));
    let flaw = format!("In context=('$defs', 'B', 'anyOf', '1'), {}", circle("#/$defs/A"));
    refuses_schema(&defining(a, &definitions), &flaw);
    let root = format!(r#"{{"$defs":{{"A":{a}}},"$ref":"{}"}}"#, "#/$defs/A");
    refuses_schema(&root, &format!("In context=('$defs', 'A'), {}", circle("#/$defs/A")));
}

#[test]
fn schemas_of_the_python_sdk_pass() {
    let schemas = file("pydantic.json");
    let wanted = ["Person", "Boxes", "Empty"];
    let passing: Vec<_> = schemas.iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect();
    assert_eq!(passing.len(), wanted.len());
    for (name, schema) in passing {
        assert!(sent(&format(schema)).text().contains(schema), "{name}");
    }
    for (name, fragment) in [
        ("Node", "circular references are not supported: '#/$defs/Node'"),
        ("Tagged", "In context=('properties', 'pet'), 'oneOf' is not permitted"),
        ("Free", "In context=('properties', 'any'), 'additionalProperties' is required"),
    ] {
        let (_, schema) = schemas.iter().find(|(other, _)| other == name).expect("the file has it");
        for body in [function(schema), format(schema)] {
            assert!(refused(&body).message.contains(fragment), "{name}");
        }
    }
}

#[test]
fn a_literal_of_several_types_passes_as_the_python_sdk_writes_it_and_gets_its_types_in_a_function() {
    let (_, person) = file("pydantic.json").into_iter().find(|(name, _)| name == "Person").expect("the file has it");
    let untyped = r#"{"enum":["a","b",null],"title":"Mode"}"#;
    let typed = r#"{"type":["string","null"],"enum":["a","b",null],"title":"Mode"}"#;
    assert!(person.contains(untyped));
    assert!(sent(&function(&person)).text().contains(&person.replace(untyped, typed)));
}

#[test]
fn schemas_of_the_node_sdk_pass() {
    let schemas = file("zod.json");
    let (circular, passing): (Vec<_>, Vec<_>) = schemas.into_iter().partition(|(name, _)| name.starts_with("rec"));
    assert_eq!((circular.len(), passing.len()), (2, 4));
    for (_, schema) in passing {
        passes(&schema);
    }
    for (name, schema) in circular {
        for body in [function(&schema), format(&schema)] {
            assert!(refused(&body).message.contains("circular references are not supported"), "{name}");
        }
    }
}

#[test]
fn nested_nodes_of_a_strict_function_get_the_type_that_they_tell() {
    for (untyped, types) in [
        (r#"{"const":"x"}"#, r#""string""#),
        (r#"{"const":null}"#, r#""null""#),
        (r#"{"enum":[1,2]}"#, r#""integer""#),
        (r#"{"enum":[1,2.5]}"#, r#""number""#),
        (r#"{"enum":[1e3]}"#, r#""number""#),
        (r#"{"enum":[null,"a",true,"b"]}"#, r#"["string","boolean","null"]"#),
        (r#"{ "properties": {"b":{"type":"null"}}, "required":["b"],"additionalProperties":false}"#, r#""object""#),
        (r#"{"items":{"type":"string"}}"#, r#""array""#),
        (r#"{"prefixItems":[{"type":"string"}]}"#, r#""array""#),
    ] {
        let repaired = untyped.replacen('{', &format!(r#"{{"type":{types},"#), 1);
        let text = sent(&function(&object(untyped))).text();
        assert!(text.contains(&object(&repaired)), "{untyped} became {text}");
    }
}

#[test]
fn a_repair_changes_nothing_but_the_nodes_without_a_type() {
    let before = r##"{ "type":"object","$defs":{"A":{"enum" : [ "\u0061" ]},"Unused":{"const":1}},
        "properties":{"x":{"items":{"properties":{},"additionalProperties":false}, "minItems":1E0},"y":{"$ref":"#/$defs/A"},"z":{"anyOf":[{"$ref":"#/$defs/A"},{"const":5}]}},
        "required":["x","y","z"], "additionalProperties":false }"##;
    let after = r##"{ "type":"object","$defs":{"A":{"type":"string","enum" : [ "\u0061" ]},"Unused":{"const":1}},
        "properties":{"x":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false}, "minItems":1E0},"y":{"$ref":"#/$defs/A"},"z":{"anyOf":[{"$ref":"#/$defs/A"},{"type":"integer","const":5}]}},
        "required":["x","y","z"], "additionalProperties":false }"##;
    assert!(sent(&function(before)).text().contains(after));
    let in_namespace = |schema: &str| {
        let tool = format!(r#"{{"type":"function","name":"g","strict":true,"parameters":{schema}}}"#);
        with(&format!(r#""tools":[{{"type":"namespace","name":"n","description":"d","tools":[{tool}]}}]"#))
    };
    assert!(sent(&in_namespace(before)).text().contains(after));
}

#[test]
fn a_node_that_gets_its_type_is_checked_as_one_of_that_type() {
    let schema = object(r#"{"properties":{"b":{"type":"string"}},"required":["b"]}"#);
    let message = "Invalid schema for function 'f': In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false.";
    refuses(&function(&schema), 400, "invalid_function_parameters", Some("tools.0.parameters"), message);
}

#[test]
fn a_list_of_values_that_is_none_tells_no_type() {
    let message = "Invalid schema for function 'f': In context=('properties', 'a'), schema must have a 'type' key.";
    for untyped in [r#"{"enum":[]}"#, r#"{"enum":{"b":1}}"#] {
        let body = function(&object(untyped));
        refuses(&body, 400, "invalid_function_parameters", Some("tools.0.parameters"), message);
    }
}

#[test]
fn a_format_is_not_repaired() {
    let message =
        "Invalid schema for response_format 'n': In context=('properties', 'a'), schema must have a 'type' key.";
    for untyped in [r#"{"const":"x"}"#, r#"{"properties":{}}"#, r#"{"items":{"type":"string"}}"#] {
        refuses(&format(&object(untyped)), 400, "invalid_json_schema", Some("text.format.schema"), message);
    }
}

#[test]
fn a_strict_format_has_a_schema() {
    let body = with(r#""text":{"format":{"type":"json_schema","name":"n","strict":true}}"#);
    let message = "Invalid schema for response_format 'n': In context=(), schema is required.";
    refuses(&body, 400, "invalid_json_schema", Some("text.format.schema"), message);
}

#[test]
fn formats_that_are_not_strict_pass_unread() {
    let schema = r##"{"allOf":[{"$ref":"#"}],"type":"text","x":true}"##;
    for strict in ["", r#","strict":false"#] {
        let format = format!(r#"{{"type":"json_schema","name":"n","schema":{schema}{strict}}}"#);
        assert!(sent(&with(&format!(r#""text":{{"format":{format}}}"#))).text().contains(schema));
    }
    let text = with(r#""text":{"format":{"type":"text","strict":true}}"#);
    assert_eq!(sent(&text).member("text").as_deref(), Some(r#"{"format":{"type":"text","strict":true}}"#));
}

#[test]
fn nulls_in_a_format_are_absent() {
    let body = with(
        r#""text":{"format":{"type":"json_schema","name":"n","description":null,"schema":{"default":null},"strict":null}}"#,
    );
    let expected = r#"{"format":{"type":"json_schema","name":"n","schema":{"default":null}}}"#;
    assert_eq!(sent(&body).member("text").as_deref(), Some(expected));
}

/// A function of these parameters that is not strict.
fn loose(parameters: &str) -> String {
    with(&format!(r#""tools":[{{"type":"function","name":"f","parameters":{parameters}}}]"#))
}

#[test]
fn schemas_that_are_not_strict_and_in_known_words_pass_byte_for_byte() {
    for schema in [
        r##"{ "type":"object" , "properties":{ "a" :{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string","x":null}}}"##.replace(r#","x":null"#, ""),
        r#"{"type":"object","properties":{"const":{"type":"string"},"encrypted":{"type":"boolean"},"x-y":{"type":"null"}},"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false}"#.to_owned(),
        r#"{"oneOf":[{"required":["a"],"type":"object","properties":{}}],"type":"object","properties":{},"not":{"const":1},"if":true,"examples":[{"encrypted":true,"zzz":1}]}"#.to_owned(),
        r#"{"type":"object","properties":{"t":{"type":["array","null"],"items":{"type":"string"},"default":null},"p":{"type":"array","prefixItems":[{"type":"string"}]}}}"#.to_owned(),
    ] {
        assert!(sent(&loose(&schema)).text().contains(&schema), "{schema} was changed");
    }
}

#[test]
fn a_schema_in_unknown_words_keeps_the_rest_of_its_text() {
    let before = r#"{ "type":"object","properties":{"a" : {"type":"string", "maxLength":1E1},"b":{"type":"string","x-zzz":{"const":1},"pattern": "\u0061"}} }"#;
    let after = r#"{"type":"string","pattern":"\u0061"}"#;
    let text = sent(&loose(before)).text();
    assert!(text.contains(r#"{"type":"string", "maxLength":1E1}"#), "{text}");
    assert!(compact(&text).contains(after), "{text}");
}

#[test]
fn one_value_beside_a_list_of_values_counts() {
    let sent = sent(&loose(r#"{"type":"object","properties":{"a":{"enum":[1,2],"const":1}}}"#));
    assert!(sent.text().contains(r#"{"enum":[1],"type":"integer"}"#), "{}", sent.text());
}

#[test]
fn the_param_names_the_function_in_its_namespace() {
    let tools = r#""tools":[{"type":"custom","name":"c"},{"type":"namespace","name":"n","description":"d","tools":[
        {"type":"custom","name":"x"},{"type":"function","name":"g","parameters":{},"strict":true}]}]"#;
    let message = "Invalid schema for function 'g': In context=(), schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.";
    refuses(&with(tools), 400, "invalid_function_parameters", Some("tools.1.tools.1.parameters"), message);
}

#[test]
fn shapes_of_tools_are_checked_before_schemas_and_schemas_before_the_choice() {
    let bad = r#"{"type":"function","name":"f","parameters":{},"strict":true}"#;
    let body = with(&format!(r#""tools":[{bad},{{"type":"mcp"}}]"#));
    refuses(&body, 400, "invalid_request", Some("tools"), "remote MCP tools are not supported");
    let body = with(&format!(r#""tools":[{bad},{}],"tool_choice":5"#, bad.replace("\"f\"", "\"g\"")));
    let reject = refused(&body);
    assert_eq!(reject.param.as_deref(), Some("tools.0.parameters"), "the first of two, before the choice");
}

#[test]
fn formats_are_checked_after_stream_options_and_before_media() {
    let format = r#""text":{"format":{"type":"json_schema","schema":{},"strict":true}}"#;
    let reject = refused(&with(&format!(r#"{format},"stream_options":{{"x":1}}"#)));
    assert_eq!(reject.param.as_deref(), Some("stream_options.x"));
    let body = format!(
        r#"{{"model":"gpt-5.5",{format},"input":[{{"role":"user","content":[{{"type":"input_image","image_url":"data:image/tiff;base64,AA=="}}]}}]}}"#
    );
    assert_eq!(refused(&body).code_str(), "invalid_json_schema");
    assert_eq!(refused(&body.replace("true", "false")).code_str(), "unsupported_input_image_format");
}

#[test]
fn many_references_are_followed_once_each() {
    let mut definitions = String::from("{");
    for at in 0..60 {
        let next = format!(r##"{{"$ref":"#/$defs/D{}"}}"##, at + 1);
        let _ = write!(definitions, r#""D{at}":{{"anyOf":[{next},{next},{next}]}},"#);
    }
    definitions.push_str(r#""D60":{"type":"string"}}"#);
    passes(&defining(r##"{"$ref":"#/$defs/D0"}"##, &definitions));
}

#[test]
fn a_chain_of_definitions_ends_before_the_stack_does() {
    let mut definitions = String::from("{");
    for at in 0..100_000 {
        let _ = write!(definitions, r##""D{at}":{{"$ref":"#/$defs/D{}"}},"##, at + 1);
    }
    definitions.push_str(r#""D100000":{"type":"string"}}"#);
    let reject = refused(&format(&defining(r##"{"$ref":"#/$defs/D0"}"##, &definitions)));
    assert!(reject.message.ends_with("schema nests too deeply."), "{}", reject.message);
}

#[test]
fn an_error_repeats_long_names_and_places_in_part() {
    let long = "n".repeat(5000);
    let body = with(&format!(r#""tools":[{{"type":"function","name":"{long}","parameters":{{}},"strict":true}}]"#));
    assert!(refused(&body).message.len() < 400);
    let mut deep = r#"{"type":"oops"}"#.to_owned();
    for _ in 0..30 {
        deep = object(&deep).replace("\"a\"", &format!("\"{long}\""));
    }
    let message = refused(&format(&deep)).message.into_owned();
    assert!(message.len() < 4000 && message.contains(", ...), "), "{message}");
}

/// Anything that has the words of a schema, in their places or not.
fn familiar() -> impl Strategy<Value = String> {
    let words = "string object array null integer #/$defs/a #/definitions/b # a b x";
    let word = select(words.split_whitespace().map(|word| format!("\"{word}\"")).collect::<Vec<_>>());
    let leaf = prop_oneof![word, Just("false".to_owned()), Just("1.5".to_owned()), Just("{}".to_owned())];
    leaf.prop_recursive(6, 48, 5, |inner| {
        let keys = "type properties required additionalProperties items prefixItems anyOf enum const $ref $defs definitions a b";
        let key = select(keys.split_whitespace().collect::<Vec<_>>());
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            btree_map(key, inner.clone(), 0..5).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{ {} }}", entries.join(","))
            }),
            inner.prop_map(|property| object(&property)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schema_makes_the_filter_panic_and_a_repaired_one_needs_no_repair(
        property in familiar(),
        definitions in familiar(),
        bare in any::<bool>(),
    ) {
        let schema = if bare { property } else { defining(&property, &definitions) };
        let _ = send(&format(&schema));
        if let Ok(once) = send(&loose(&schema)) {
            let tools = once.body.get("tools").expect("the tools are sent").raw().to_owned();
            prop_assert_eq!(sent(&with(&format!("\"tools\":{tools}"))).body.get("tools").map(|tools| tools.raw().to_owned()), Some(tools));
        }
        if let Ok(once) = send(&function(&schema)) {
            let tools = once.body.get("tools").expect("the tools are sent").raw().to_owned();
            let again = sent(&with(&format!("\"tools\":{tools}")));
            prop_assert_eq!(again.body.get("tools").expect("the tools are sent").raw(), tools);
        }
    }
}
