//! Tools that the backend runs itself, or that have items of their own: which there are, and what they may say.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::{unknown, wrong_type, wrong_value};

const KINDS: [&str; 6] =
    ["web_search", "image_generation", "tool_search", "programmatic_tool_calling", "local_shell", "shell"];

/// What a member may be.
#[derive(Debug, Clone, Copy)]
enum Rule {
    OneOf(&'static [&'static str]),
    Flag,
    Number(u64),
    Object,
    Texts,
}

const PICTURE: [(&str, Rule); 10] = [
    ("model", Rule::OneOf(&["gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini", "gpt-image-2"])),
    ("size", Rule::OneOf(&["auto", "1024x1024", "1024x1536", "1536x1024"])),
    ("quality", Rule::OneOf(&["auto", "low", "medium", "high"])),
    ("background", Rule::OneOf(&["auto", "transparent", "opaque"])),
    ("input_fidelity", Rule::OneOf(&["low", "high"])),
    ("output_format", Rule::OneOf(&["png", "jpeg", "webp"])),
    ("output_compression", Rule::Number(100)),
    ("moderation", Rule::OneOf(&["auto", "low"])),
    ("partial_images", Rule::Number(3)),
    ("action", Rule::OneOf(&["auto", "generate", "edit"])),
];

const SEARCH: [(&str, Rule); 6] = [
    ("external_web_access", Rule::Flag),
    ("index_gated_web_access", Rule::Flag),
    ("filters", Rule::Object),
    ("search_context_size", Rule::OneOf(&["low", "medium", "high"])),
    ("user_location", Rule::Object),
    ("search_content_types", Rule::Texts),
];

/// Whether this is the type of a hosted tool.
pub(super) fn is_one(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Checks the members of a hosted tool.
pub(super) fn check(tool: &Map<String, Value>, kind: &str, param: &str) -> Result<(), Refusal> {
    let rules: &[(&str, Rule)] = match kind {
        "image_generation" => &PICTURE,
        "web_search" => &SEARCH,
        _ => return Ok(()),
    };
    members(tool.iter().filter(|(key, _)| *key != "type"), rules, &format!("{param}."))
}

/// Checks those members of a request for a picture that the tool has, too; gives back the names of the others.
pub(in crate::simulator) fn picture(body: &Map<String, Value>) -> Result<Vec<&str>, Refusal> {
    let knows = |key: &str| PICTURE.iter().any(|(name, _)| *name == key);
    members(body.iter().filter(|(key, _)| knows(key)), &PICTURE, "")?;
    Ok(body.keys().map(String::as_str).filter(|key| !knows(key)).collect())
}

fn members<'a>(
    all: impl Iterator<Item = (&'a String, &'a Value)>,
    rules: &[(&str, Rule)],
    prefix: &str,
) -> Result<(), Refusal> {
    for (key, value) in all {
        let param = format!("{prefix}{key}");
        let Some((_, rule)) = rules.iter().find(|(name, _)| name == key) else { return Err(unknown(&param)) };
        fits(value, *rule, &param)?;
    }
    Ok(())
}

fn fits(value: &Value, rule: Rule, param: &str) -> Result<(), Refusal> {
    let texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
    match rule {
        Rule::OneOf(allowed) => match value.as_str() {
            Some(text) if allowed.contains(&text) => Ok(()),
            Some(text) => Err(wrong_value(param, text, allowed)),
            None => Err(wrong_type(param, "a string")),
        },
        Rule::Flag if value.is_boolean() => Ok(()),
        Rule::Flag => Err(wrong_type(param, "a boolean")),
        Rule::Number(most) if value.as_u64().is_some_and(|number| number <= most) => Ok(()),
        Rule::Number(most) => Err(wrong_type(param, &format!("an integer from 0 to {most}"))),
        Rule::Object if value.is_object() || value.is_null() => Ok(()),
        Rule::Object => Err(wrong_type(param, "an object")),
        Rule::Texts if value.as_array().is_some_and(texts) => Ok(()),
        Rule::Texts => Err(wrong_type(param, "an array of strings")),
    }
}
