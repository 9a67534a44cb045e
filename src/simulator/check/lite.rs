//! The lite form: models that take their tools as the first item of the input, announced by a header.

use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::wrong_type;

/// The header that announces it.
pub(in crate::simulator) const HEADER: &str = "x-openai-internal-codex-responses-lite";
/// The type of the item that carries the tools.
pub(in crate::simulator) const ITEM: &str = "additional_tools";

/// Checks that a request has the form of its model.
pub(super) fn check(
    body: &Map<String, Value>,
    items: &[Value],
    is_lite: bool,
    header: Option<&[u8]>,
) -> Result<(), Refusal> {
    let carriers: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| item["type"] == ITEM).map(|(index, _)| index).collect();
    if !is_lite {
        return match (header, carriers.first()) {
            (Some(_), _) => Err(refused("lite_header", None, "This model does not support Responses Lite.")),
            (None, Some(at)) => {
                let message = "additional_tools is only supported with Responses Lite.";
                Err(refused("lite_item", Some(format!("input[{at}]")), message))
            }
            (None, None) => Ok(()),
        };
    }
    if header != Some(b"true") {
        return Err(refused("lite_header", None, "This model requires Responses Lite."));
    }
    if body.contains_key("tools") {
        let message = "tools is not supported with Responses Lite. Use additional_tools in the input instead.";
        return Err(refused("lite_tools", Some("tools".to_owned()), message));
    }
    if body.get("reasoning").and_then(|reasoning| reasoning.get("context")) != Some(&Value::from("all_turns")) {
        let message = "reasoning.context must be 'all_turns' with Responses Lite.";
        return Err(refused("lite_context", Some("reasoning.context".to_owned()), message));
    }
    if body.get("parallel_tool_calls") != Some(&Value::Bool(false)) {
        let message = "parallel_tool_calls must be false with Responses Lite.";
        return Err(refused("lite_parallel", Some("parallel_tool_calls".to_owned()), message));
    }
    carriers.iter().try_for_each(|at| carrier(&items[*at], *at))
}

fn carrier(item: &Value, at: usize) -> Result<(), Refusal> {
    let param = format!("input[{at}]");
    if at != 0 {
        return Err(refused("lite_item", Some(param), "additional_tools must be the first item, and the only one."));
    }
    if item["role"] != "developer" {
        return Err(refused(
            "lite_item",
            Some(format!("{param}.role")),
            "additional_tools must have role 'developer'.",
        ));
    }
    if item["tools"].is_array() { Ok(()) } else { Err(wrong_type(&format!("{param}.tools"), "an array")) }
}

fn refused(reason: &'static str, param: Option<String>, message: &str) -> Refusal {
    Refusal::invalid(reason, Some("unsupported_value"), param, message)
}
