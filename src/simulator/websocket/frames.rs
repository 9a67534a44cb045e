//! The messages of a client.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;

/// A message that is understood.
#[derive(Debug)]
pub(super) enum Frame {
    /// `response.create`: a turn or a warm-up.
    Create(Create),
    /// `response.processed`, which has no answer.
    Processed,
}

/// The members of a `response.create`.
#[derive(Debug)]
pub(super) struct Create {
    /// The body as over HTTP, and `previous_response_id`.
    pub(super) body: Map<String, Value>,
    /// False for a warm-up.
    pub(super) generates: bool,
}

/// Reads a text message.
pub(super) fn read(text: &str) -> Result<Frame, Refusal> {
    let mut object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(refused("message_not_object", None, None, "Websocket message must be a JSON object.")),
        Err(_) => return Err(refused("message_not_json", None, None, "Websocket message must be valid JSON.")),
    };
    match object.remove("type") {
        Some(Value::String(kind)) if kind == "response.create" => create(object).map(Frame::Create),
        Some(Value::String(kind)) if kind == "response.processed" => match object.get("response_id") {
            Some(Value::String(_)) => Ok(Frame::Processed),
            _ => Err(wrong("response_id", "missing_required_parameter", "response.processed requires response_id.")),
        },
        Some(Value::String(kind)) => {
            let message = format!("Invalid value: '{kind}'. Supported values are: 'response.create'.");
            Err(wrong("type", "invalid_value", &message))
        }
        _ => Err(wrong("type", "missing_required_parameter", "Missing required parameter: 'type'.")),
    }
}

fn create(mut body: Map<String, Value>) -> Result<Create, Refusal> {
    let generates = match body.remove("generate") {
        None | Some(Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(_) => return Err(wrong("generate", "invalid_type", "Invalid type for 'generate': expected a boolean.")),
    };
    if body.get("stream") == Some(&Value::Bool(false)) {
        return Err(Refusal::detail(400, "stream", "Stream must be set to true"));
    }
    // There is nothing but streams here, so the member that asks for one may be left out.
    body.entry("stream").or_insert(Value::Bool(true));
    Ok(Create { body, generates })
}

fn wrong(param: &str, code: &str, message: &str) -> Refusal {
    refused("message_member", Some(code), Some(param.to_owned()), message)
}

fn refused(reason: &'static str, code: Option<&str>, param: Option<String>, message: &str) -> Refusal {
    Refusal::invalid(reason, code, param, message)
}
