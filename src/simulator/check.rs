//! What the backend refuses in a responses request, and the view of the request that the answer is made from.

mod input;
mod params;
mod previous;
mod references;
mod strict;
mod tools;

use serde_json::{Map, Value};

use super::given::Called;
use super::refusal::Refusal;
use super::tokens::Mint;

pub(super) use tools::{Choice, Tool, ToolKind};

/// A request that the backend would accept.
#[derive(Debug)]
pub(super) struct Turn {
    /// The whole body.
    pub(super) body: Map<String, Value>,
    /// Tools the model may call, namespaces flattened, in order of declaration.
    pub(super) tools: Vec<Tool>,
    /// What `tool_choice` asks for.
    pub(super) choice: Choice,
}

/// Checks a body for `account_id` in the order of the backend: parameters, model, input, tools, formats. Whether the
/// model exists for the account is the caller's to say, and so are what its earlier responses called and its files.
pub(super) fn turn(
    body: Map<String, Value>,
    account_id: &str,
    mint: &Mint,
    knows_model: impl Fn(&str) -> bool,
    recall: impl Fn(&str) -> Option<Vec<Called>>,
    has_file: impl Fn(&str) -> bool,
) -> Result<Turn, Refusal> {
    params::check(&body)?;
    params::model(&body, knows_model)?;
    let items = input::items(&body)?;
    let earlier = previous::calls(&body, items, recall)?;
    input::check(items, &earlier, account_id, mint)?;
    references::check(items, has_file)?;
    let tools = tools::declared(&body, items)?;
    let choice = tools::choice(&body, &tools)?;
    params::formats(&body)?;
    Ok(Turn { body, tools, choice })
}

impl Turn {
    /// The input items.
    pub(super) fn items(&self) -> &[Value] {
        self.body.get("input").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The model asked for.
    pub(super) fn model(&self) -> &str {
        self.body.get("model").and_then(Value::as_str).unwrap_or_default()
    }

    /// A member of the body; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.body.get(key).filter(|value| !value.is_null())
    }

    /// `reasoning.<key>`; null counts as absent.
    pub(super) fn reasoning(&self, key: &str) -> Option<&Value> {
        self.get("reasoning")?.get(key).filter(|value| !value.is_null())
    }

    /// Whether `include` names `what`.
    pub(super) fn includes(&self, what: &str) -> bool {
        let list = self.get("include").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(what)))
    }
}

/// Whether `value` is absent or null or passes `test`.
fn absent_or(value: Option<&Value>, test: impl Fn(&Value) -> bool) -> bool {
    value.is_none_or(|value| value.is_null() || test(value))
}

/// The refusal of a value of the wrong type.
pub(super) fn wrong_type(param: &str, expected: &str) -> Refusal {
    let message = format!("Invalid type for '{param}': expected {expected}.");
    Refusal::invalid("invalid_type", Some("invalid_type"), param.to_owned(), message)
}

/// The refusal of a value outside a list.
pub(super) fn wrong_value(param: &str, got: &str, allowed: &[&str]) -> Refusal {
    let message = format!("Invalid value: '{got}'. Supported values are: '{}'.", allowed.join("', '"));
    Refusal::invalid("invalid_value", Some("invalid_value"), param.to_owned(), message)
}

/// The refusal of a member that has to be there.
pub(super) fn missing(param: &str) -> Refusal {
    let message = format!("Missing required parameter: '{param}'.");
    Refusal::invalid("missing_parameter", Some("missing_required_parameter"), param.to_owned(), message)
}

/// The refusal of a member that nobody knows.
pub(super) fn unknown(name: &str) -> Refusal {
    let message = format!("Unknown parameter: '{name}'.");
    Refusal::invalid("unknown_parameter", Some("unknown_parameter"), name.to_owned(), message)
}
