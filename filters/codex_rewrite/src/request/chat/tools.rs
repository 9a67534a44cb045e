//! `tools` and `tool_choice` of a chat, which nest what a request for a response has flat.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Patch, filled, given, read};
use super::super::splice::Splice;

/// How strictly the forms of a chat are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    /// Only those of a chat.
    Nested,
    /// Those of a request for a response too.
    Both,
}

/// The list with every tool in its flat form; what is no list goes on as it is. `fallback`: flat tools pass too.
pub(super) fn flat(tools: Value<'_>, fallback: bool) -> Result<Splice, Reject> {
    let forms = if fallback { Forms::Both } else { Forms::Nested };
    let mut list = ListPatch::new(tools);
    for tool in tools.items() {
        list.keep_or_put(tool, flat_tool(tool, forms)?);
    }
    Ok(list.finish().unwrap_or_else(|| raw(tools)))
}

/// The choice in its flat form.
pub(super) fn flat_choice(choice: Value<'_>, fallback: bool) -> Result<Splice, Reject> {
    let refuse = || Reject::invalid("tool_choice shape is not translatable").at("tool_choice");
    if choice.kind() != Kind::Object {
        return Ok(raw(choice));
    }
    let kind = choice.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    let nested = choice.get(&kind).filter(|_| matches!(kind.as_ref(), "function" | "custom"));
    let Some(nested) = nested else {
        return if fallback { Ok(raw(choice)) } else { Err(refuse()) };
    };
    let [name] = read(nested, &["name"]).map_err(|_| refuse())?;
    let name = given(name).filter(|name| filled(Some(*name)).is_some() && choice.len() == 2).ok_or_else(refuse)?;
    let mut flat = Splice::default();
    flat.lit(r#"{"type":"#).text(&kind).member("name", Some(name)).lit("}");
    Ok(flat)
}

/// The flat form of a tool; none when it has it already.
fn flat_tool(tool: Value<'_>, forms: Forms) -> Result<Option<Splice>, Reject> {
    match tool.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().as_ref() {
        "function" => function(tool, forms),
        "custom" => custom(tool, forms),
        "namespace" => namespace(tool, forms),
        "web_search" | "web_search_preview" | "image_generation" => Ok(None),
        _ if forms == Forms::Both => Ok(None),
        _ => Err(not_translatable()),
    }
}

fn function(tool: Value<'_>, forms: Forms) -> Result<Option<Splice>, Reject> {
    let Some(inner) = inner(tool, "function", forms)? else { return Ok(None) };
    let has = |name| inner.get(name).is_some_and(|value| !value.is_null());
    if !has("name") || !has("parameters") {
        return Err(missing("function"));
    }
    let mut flat = Splice::default();
    flat.lit(r#"{"type":"function""#);
    for (key, value) in inner.entries().chain(outer(tool, "function")) {
        flat.lit(",").key(key).raw(value);
    }
    flat.lit("}");
    Ok(Some(flat))
}

fn custom(tool: Value<'_>, forms: Forms) -> Result<Option<Splice>, Reject> {
    let Some(inner) = inner(tool, "custom", forms)? else { return Ok(None) };
    let mut flat = Splice::default();
    flat.lit(r#"{"type":"custom""#);
    for (key, value) in inner.entries().chain(outer(tool, "custom")) {
        flat.lit(",").key(key);
        match value.get("grammar").filter(|_| key.is("format")) {
            Some(grammar) => flat.splice(flat_format(value, grammar)),
            None => flat.raw(value),
        };
    }
    flat.lit("}");
    Ok(Some(flat))
}

/// The members of a grammar stand beside the type of the format.
fn flat_format(format: Value<'_>, grammar: Value<'_>) -> Splice {
    let mut flat = Splice::default();
    flat.lit(r#"{"type":"#);
    match format.get("type") {
        Some(kind) => flat.raw(kind),
        None => flat.lit("null"),
    };
    for (key, value) in grammar.entries().chain(outer(format, "grammar")) {
        flat.lit(",").key(key).raw(value);
    }
    flat.lit("}");
    flat
}

/// A namespace of a chat holds functions, nested or flat.
fn namespace(tool: Value<'_>, forms: Forms) -> Result<Option<Splice>, Reject> {
    let mut patch = Patch::new(tool);
    let [_, _, _, tools] = read(tool, &["type", "name", "description", "tools"]).map_err(|_| not_translatable())?;
    let Some(list) = given(tools) else { return Ok(None) };
    let mut edited = ListPatch::new(list);
    for inner in list.items() {
        if forms == Forms::Nested && !inner.get("type").is_some_and(|kind| kind.is_str("function")) {
            return Err(not_translatable());
        }
        edited.keep_or_put(inner, flat_tool(inner, Forms::Both)?);
    }
    if let Some(edited) = edited.finish() {
        patch.set("tools", tools, edited);
    }
    Ok(patch.finish())
}

/// The object that holds what a tool of that kind says about itself; none when the tool is flat and may be.
fn inner<'a>(tool: Value<'a>, kind: &'static str, forms: Forms) -> Result<Option<Value<'a>>, Reject> {
    match tool.get(kind) {
        Some(inner) if inner.kind() == Kind::Object => Ok(Some(inner)),
        None if forms == Forms::Both => Ok(None),
        Some(_) | None => Err(missing(kind)),
    }
}

/// What stands beside the inner object. It comes along, so that its keys are checked too.
fn outer<'a>(tool: Value<'a>, kind: &'static str) -> impl Iterator<Item = (pooler_filter::json::Key<'a>, Value<'a>)> {
    tool.entries().filter(move |(key, _)| !key.is("type") && !key.is(kind))
}

fn missing(kind: &str) -> Reject {
    let message = match kind {
        "custom" => "custom tool requires nested custom properties",
        _ => "function tool requires nested function name and parameters",
    };
    Reject::invalid(message).at("tools")
}

fn not_translatable() -> Reject {
    Reject::invalid("tool shape is not translatable").at("tools")
}

fn raw(value: Value<'_>) -> Splice {
    let mut out = Splice::default();
    out.raw(value);
    out
}
