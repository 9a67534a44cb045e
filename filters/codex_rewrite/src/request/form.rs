//! Reading the parts of a form: fields by name, each once unless it is a list.

use pooler_filter::Reject;
use pooler_filter::form::{Form, Part};

/// How much of a field's name an error repeats, in characters.
const NAME_SHOWN: usize = 128;

/// Refuses fields that are not on the list, then those that come twice and are no list.
pub(super) fn check_fields(form: &Form, known: &[&str], lists: &[&str]) -> Result<(), Reject> {
    let is = |list: &[&str], part: &Part| list.contains(&part.name.as_str());
    if let Some(part) = form.parts.iter().find(|part| !is(known, part) && !is(lists, part)) {
        return Err(Reject::unsupported_parameter(part.name.chars().take(NAME_SHOWN).collect::<String>()));
    }
    for (at, part) in form.parts.iter().enumerate() {
        if !is(lists, part) && form.parts.iter().take(at).any(|before| before.name == part.name) {
            return Err(Reject::invalid(format!("{} must be given once", part.name)).at(part.name.clone()));
        }
    }
    Ok(())
}

/// The text of a part; none when it is not UTF-8.
pub(super) fn text(part: &Part) -> Option<String> {
    String::from_utf8(part.data.to_bytes().into()).ok()
}
