//! Tools that the upstream runs.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{Patch, given, read};
use super::super::splice::Splice;
use super::not_translatable;

/// How many domains a filter may name.
const MOST_DOMAINS: usize = 100;

/// `web_search`, and `web_search_preview`, which becomes it (docs/decisions.md, T17).
pub(super) fn web_search(tool: Value<'_>) -> Result<Option<Splice>, Reject> {
    const NAMES: [&str; 7] = [
        "type",
        "external_web_access",
        "index_gated_web_access",
        "filters",
        "search_context_size",
        "user_location",
        "search_content_types",
    ];
    let members = read(tool, &NAMES).map_err(|_| not_translatable())?;
    let [kind, external, indexed, filters, size, location, types] = members;
    let known = given(external).is_none_or(|value| value.kind() == Kind::Bool)
        && given(indexed).is_none_or(|value| value.kind() == Kind::Bool)
        && given(filters).is_none_or(are_filters)
        && given(size).is_none_or(|value| value.kind() == Kind::String)
        && given(location).is_none_or(|value| value.kind() == Kind::Object)
        && given(types).is_none_or(is_list_of_strings);
    if !known {
        return Err(not_translatable());
    }
    let mut patch = Patch::new(tool);
    for member in members.into_iter().skip(1) {
        patch.drop_null(member);
    }
    patch.set_str("type", kind, "web_search");
    Ok(patch.finish())
}

/// `image_generation`: the settings that the upstream knows, each a string.
pub(super) fn image_generation(tool: Value<'_>) -> Result<Option<Splice>, Reject> {
    const NAMES: [&str; 7] = ["type", "model", "size", "quality", "background", "input_fidelity", "output_format"];
    let members = read(tool, &NAMES).map_err(|_| not_translatable())?;
    if !members.iter().all(|member| given(*member).is_none_or(|value| value.kind() == Kind::String)) {
        return Err(not_translatable());
    }
    let mut patch = Patch::new(tool);
    for member in members {
        patch.drop_null(member);
    }
    Ok(patch.finish())
}

fn are_filters(filters: Value<'_>) -> bool {
    let names = ["allowed_domains", "blocked_domains"];
    let domains = |list: Value<'_>| is_list_of_strings(list) && (1..=MOST_DOMAINS).contains(&list.len());
    read(filters, &names).is_ok_and(|lists| lists.into_iter().all(|list| given(list).is_none_or(domains)))
}

fn is_list_of_strings(value: Value<'_>) -> bool {
    value.kind() == Kind::Array && value.items().all(|item| item.kind() == Kind::String)
}
