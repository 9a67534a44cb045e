//! `previous_response_id`: over HTTP only to hand in the output of a tool, and only for a response of the same account.

use serde_json::{Map, Value};

use super::super::given::Called;
use super::super::refusal::Refusal;
use super::{input, wrong_type};

const NAME: &str = "previous_response_id";

/// The calls of the response that the turn goes on from; none without one.
pub(super) fn calls(
    body: &Map<String, Value>,
    items: &[Value],
    recall: impl Fn(&str) -> Option<Vec<Called>>,
) -> Result<Vec<Called>, Refusal> {
    let Some(value) = body.get(NAME).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let id = value.as_str().ok_or_else(|| wrong_type(NAME, "a string"))?;
    if !items.iter().any(input::is_output) {
        return Err(Refusal::detail(400, "unsupported_parameter", format!("Unsupported parameter: {NAME}")));
    }
    recall(id).ok_or_else(|| {
        let message = format!("Previous response with id '{id}' not found.");
        Refusal::invalid(NAME, Some("previous_response_not_found"), NAME.to_owned(), message)
    })
}
