//! Tools that the client runs: functions and custom tools.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{Member, Patch, filled, given, read};
use super::super::schema::{self, Functions, Spot};
use super::super::splice::Splice;
use super::{Callable, bad, not_translatable};

/// The kind of a tool, its name, and its edited form if it does not go as it is.
type Checked = (Callable, String, Option<Splice>);

/// Checks a tool of the type `function` or `custom`, which stands at that place.
pub(super) fn check(tool: Value<'_>, kind: &str, spot: Spot, functions: &mut Functions) -> Result<Checked, Reject> {
    if kind == "function" { function(tool, spot, functions) } else { custom(tool) }
}

/// Flat: the nested form belongs to chat. Members that are null are taken out, `strict` above all.
fn function(tool: Value<'_>, spot: Spot, functions: &mut Functions) -> Result<Checked, Reject> {
    const NAMES: [&str; 8] =
        ["type", "name", "description", "parameters", "strict", "defer_loading", "allowed_callers", "output_schema"];
    if tool.get("name").is_none() || tool.get("parameters").is_none_or(|parameters| parameters.is_null()) {
        return Err(bad("function tool requires flat name and parameters"));
    }
    let [_, name, description, parameters, strict, defer, callers, output_schema] =
        read(tool, &NAMES).map_err(|_| not_translatable())?;
    let name = filled(given(name)).ok_or_else(|| bad("function tool requires a non-empty name"))?;
    check_kind(description, Kind::String)?;
    check_kind(strict, Kind::Bool)?;
    check_kind(defer, Kind::Bool)?;
    check_callers(callers)?;
    let mut patch = Patch::new(tool);
    for member in [description, strict, defer, callers, output_schema] {
        patch.drop_null(member);
    }
    let schema = given(parameters).ok_or_else(not_translatable)?;
    let edited = if given(strict).and_then(|strict| strict.as_bool()) == Some(true) {
        functions.check(&name, schema, spot)
    } else {
        schema::lowered(schema).map_err(|_| bad("function parameters must be a JSON schema"))?
    };
    if let Some(edited) = edited {
        functions.grew(edited.len().saturating_sub(schema.raw().len()))?;
        patch.set("parameters", parameters, edited);
    }
    Ok((Callable::Function, name.into_owned(), patch.finish()))
}

fn custom(tool: Value<'_>) -> Result<Checked, Reject> {
    const NAMES: [&str; 6] = ["type", "name", "description", "defer_loading", "allowed_callers", "format"];
    let [_, name, description, defer, callers, format] = read(tool, &NAMES).map_err(|_| not_translatable())?;
    let name = filled(given(name)).ok_or_else(not_translatable)?;
    check_kind(description, Kind::String)?;
    check_kind(defer, Kind::Bool)?;
    check_callers(callers)?;
    given(format).map_or(Ok(()), check_format)?;
    let mut patch = Patch::new(tool);
    for member in [description, defer, callers, format] {
        patch.drop_null(member);
    }
    Ok((Callable::Custom, name.into_owned(), patch.finish()))
}

fn check_kind(member: Option<Member<'_>>, kind: Kind) -> Result<(), Reject> {
    if given(member).is_some_and(|value| value.kind() != kind) { Err(not_translatable()) } else { Ok(()) }
}

/// `allowed_callers`: a list of `direct` and `programmatic`.
fn check_callers(callers: Option<Member<'_>>) -> Result<(), Reject> {
    let Some(callers) = given(callers) else { return Ok(()) };
    let known = |caller: Value<'_>| caller.is_str("direct") || caller.is_str("programmatic");
    if callers.kind() == Kind::Array && callers.items().all(known) { Ok(()) } else { Err(not_translatable()) }
}

/// `format`: plain text, or a grammar.
fn check_format(format: Value<'_>) -> Result<(), Reject> {
    let [kind, definition, syntax] = read(format, &["type", "definition", "syntax"]).map_err(|_| not_translatable())?;
    let kind = given(kind).and_then(|kind| kind.as_str());
    let known = match kind.as_deref() {
        Some("text") => given(definition).is_none() && given(syntax).is_none(),
        Some("grammar") => {
            let syntax = given(syntax).is_some_and(|syntax| syntax.is_str("lark") || syntax.is_str("regex"));
            syntax && given(definition).is_some_and(|definition| definition.kind() == Kind::String)
        }
        _ => false,
    };
    if known { Ok(()) } else { Err(not_translatable()) }
}
