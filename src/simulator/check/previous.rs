//! `previous_response_id`: over HTTP only to hand in the output of a tool, and only for a response of the same account; on a
//! websocket for a response of the same socket.

use serde_json::{Map, Value};

use super::super::given::Called;
use super::super::refusal::Refusal;
use super::super::websocket::Thread;
use super::{input, wrong_type};

const NAME: &str = "previous_response_id";

/// The calls of the response that the turn goes on from; none without one.
pub(super) fn calls(
    body: &Map<String, Value>,
    items: &[Value],
    recall: impl Fn(&str) -> Option<Vec<Called>>,
) -> Result<Vec<Called>, Refusal> {
    let Some(id) = named(body)? else { return Ok(Vec::new()) };
    if !items.iter().any(input::is_output) {
        return Err(Refusal::detail(400, "unsupported_parameter", format!("Unsupported parameter: {NAME}")));
    }
    recall(id).ok_or_else(|| not_found(id))
}

/// The same on a websocket, where the outputs of all these calls have to be in the input.
pub(super) fn on_socket(body: &Map<String, Value>, items: &[Value], thread: &Thread) -> Result<Vec<Called>, Refusal> {
    let Some(id) = named(body)? else { return Ok(Vec::new()) };
    let calls = thread.find(id).ok_or_else(|| not_found(id))?.calls.clone();
    let is_answered = |call: &&Called| {
        let mut outputs = items.iter().filter(|item| input::is_output(item));
        outputs.any(|item| item["call_id"].as_str() == Some(&call.call_id))
    };
    match calls.iter().find(|call| !is_answered(call)) {
        Some(Called { call_id, kind }) => {
            let message = format!("No tool output found for {} {call_id}.", kind.replace('_', " "));
            Err(Refusal::invalid("call_without_output", None, "input".to_owned(), message))
        }
        None => Ok(calls),
    }
}

fn named(body: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let value = body.get(NAME).filter(|value| !value.is_null());
    value.map(|value| value.as_str().ok_or_else(|| wrong_type(NAME, "a string"))).transpose()
}

fn not_found(id: &str) -> Refusal {
    let message = format!("Previous response with id '{id}' not found.");
    Refusal::invalid(NAME, Some("previous_response_not_found"), NAME.to_owned(), message)
}
