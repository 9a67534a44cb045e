//! `tool_choice`: a mode, a declared tool, or a list of allowed ones (docs/v1.md, Tools and tool_choice).

use bytes::Bytes;
use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::patch::{ListPatch, Patch, filled, given, read};
use super::splice::Splice;
use super::tools::{Callable, Tools};

/// Checks and rewrites the member; none when the client's goes as it is.
pub(super) fn of(value: Option<Value<'_>>, tools: &Tools) -> Result<Option<Bytes>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let edited = match value.kind() {
        Kind::String if ["auto", "none", "required"].iter().any(|mode| value.is_str(mode)) => None,
        Kind::Object if value.get("type").is_some_and(|kind| kind.is_str("allowed_tools")) => allowed(value, tools)?,
        Kind::Object => one(value, tools)?,
        Kind::String | Kind::Null | Kind::Bool | Kind::Number | Kind::Array => return Err(not_translatable()),
    };
    Ok(edited.map(Splice::join))
}

/// One tool: a declared one by its name, a hosted one by its type.
fn one(choice: Value<'_>, tools: &Tools) -> Result<Option<Splice>, Reject> {
    let [kind, name] = read(choice, &["type", "name"]).map_err(|_| not_translatable())?;
    let named = |callable| filled(given(name)).is_some_and(|name| tools.declares(callable, &name));
    let mut patch = Patch::new(choice);
    let fits = match given(kind).and_then(|kind| kind.as_str()).as_deref() {
        Some("function") => named(Callable::Function),
        Some("custom") => named(Callable::Custom),
        Some("image_generation" | "programmatic_tool_calling" | "web_search") => given(name).is_none(),
        Some("web_search_preview") => {
            patch.set_str("type", kind, "web_search");
            given(name).is_none()
        }
        _ => false,
    };
    if !fits {
        return Err(not_translatable());
    }
    patch.drop_null(name);
    Ok(patch.finish())
}

/// `{type:"allowed_tools", mode, tools}`.
fn allowed(choice: Value<'_>, tools: &Tools) -> Result<Option<Splice>, Reject> {
    let [_, mode, list] = read(choice, &["type", "mode", "tools"]).map_err(|_| not_translatable())?;
    if !given(mode).is_some_and(|mode| mode.is_str("auto") || mode.is_str("required")) {
        return Err(not_translatable());
    }
    let listed = given(list).filter(|list| list.kind() == Kind::Array && !list.is_empty());
    let listed = listed.ok_or_else(not_translatable)?;
    let mut edited = ListPatch::new(listed);
    for tool in listed.items() {
        edited.keep_or_put(tool, one(tool, tools)?);
    }
    let mut patch = Patch::new(choice);
    if let Some(edited) = edited.finish() {
        patch.set("tools", list, edited);
    }
    Ok(patch.finish())
}

fn not_translatable() -> Reject {
    Reject::invalid("tool_choice shape is not translatable").at("tool_choice")
}
