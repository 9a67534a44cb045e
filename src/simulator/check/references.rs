//! Files that a request names: by `file_id` in its parts, and as `sediment://<id>` wherever an address may stand.

use serde_json::Value;

use super::super::refusal::Refusal;

const SCHEME: &str = "sediment://";

/// Refuses a file that the account does not have, wherever in the input it is named.
pub(super) fn check(items: &[Value], has: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    items.iter().try_for_each(|item| visit(item, &has))
}

fn visit(value: &Value, has: &impl Fn(&str) -> bool) -> Result<(), Refusal> {
    match value {
        Value::Array(list) => list.iter().try_for_each(|one| visit(one, has)),
        Value::Object(map) => {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
            let is_media = ["input_file", "input_image", "input_audio"].contains(&kind);
            for (key, inner) in map {
                match inner.as_str() {
                    Some(id) if is_media && key == "file_id" => known(id, has)?,
                    Some(url) if is_media || key == "image_url" => {
                        url.strip_prefix(SCHEME).map_or(Ok(()), |id| known(id, has))?;
                    }
                    _ => visit(inner, has)?,
                }
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn known(id: &str, has: &impl Fn(&str) -> bool) -> Result<(), Refusal> {
    if has(id) { Ok(()) } else { Err(unknown(id)) }
}

/// The refusal of a file that the account does not have.
pub(in crate::simulator) fn unknown(id: &str) -> Refusal {
    let message = format!("File with id '{id}' was not found.");
    let mut refusal = Refusal::invalid("file_unknown", Some("file_not_found"), "input".to_owned(), message);
    refusal.status = 404;
    refusal
}
