//! What the backend refuses in a request, and the view of the request that the answer is made from.

mod hosted;
mod input;
mod items;
mod lite;
mod params;
mod previous;
mod references;
mod strict;
mod tools;

use serde_json::{Map, Value};

use super::accounts::Account;
use super::refusal::Refusal;
use super::state::State;
use super::websocket::Thread;

pub(super) use hosted::picture as picture_options;
pub(super) use lite::HEADER as LITE_HEADER;
pub(super) use lite::ITEM as LITE_ITEM;
pub(super) use references::unknown as file_not_found;
pub(super) use tools::{Choice, Tool, ToolKind};

/// Who asks.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) state: &'a State,
    pub(super) account: &'a Account,
    /// Value of the header that announces the lite form.
    pub(super) lite: Option<&'a [u8]>,
    /// On a websocket: what it has answered.
    pub(super) thread: Option<&'a Thread>,
}

/// A request that the backend would accept.
#[derive(Debug)]
pub(super) struct Turn {
    /// The whole body.
    pub(super) body: Map<String, Value>,
    /// Tools the model may call, namespaces flattened, in order of declaration.
    pub(super) tools: Vec<Tool>,
    /// Tools that the backend runs or that have items of their own, in order of declaration.
    hosted: Vec<Value>,
    /// What `tool_choice` asks for.
    pub(super) choice: Choice,
    /// The input ends with a `compaction_trigger`.
    pub(super) compacts: bool,
}

/// Checks a body in the order of the backend: parameters, model, input, tools, formats.
pub(super) fn turn(body: Map<String, Value>, asker: &Asker<'_>) -> Result<Turn, Refusal> {
    let compacts = input::ends_in_trigger(&body);
    params::check(&body, compacts)?;
    let turn = understood(body, asker, compacts)?;
    params::formats(&turn.body)?;
    Ok(turn)
}

/// Checks the body of a compaction, which has fewer members and no stream.
pub(super) fn compaction(body: Map<String, Value>, asker: &Asker<'_>) -> Result<Turn, Refusal> {
    params::check_compaction(&body)?;
    if let Some(at) = input::items(&body)?.iter().position(|item| item["type"] == input::TRIGGER) {
        return Err(input::misplaced_trigger(at));
    }
    if input::items(&body)?.is_empty() {
        let message = "Invalid 'input': empty array. Expected at least one item.";
        return Err(Refusal::invalid("input_empty", Some("empty_array"), "input".to_owned(), message));
    }
    let turn = understood(body, asker, true)?;
    params::formats(&turn.body)?;
    Ok(turn)
}

fn understood(body: Map<String, Value>, asker: &Asker<'_>, compacts: bool) -> Result<Turn, Refusal> {
    let Asker { state, account, lite, thread } = asker;
    let is_lite = params::model(&body, |slug| state.model(account, slug).map(|model| model.lite))?;
    let items = input::items(&body)?;
    lite::check(&body, items, is_lite, *lite)?;
    let earlier = match thread {
        Some(thread) => previous::on_socket(&body, items, thread)?,
        None => previous::calls(&body, items, |id| state.given.calls(account.index(), id))?,
    };
    input::check(items, &earlier, account.id(), &state.mint)?;
    references::check(items, |id| state.files.usable(account.index(), id))?;
    let carried = thread.and_then(|thread| thread.carrier(&body, items)).map(|carrier| [&[carrier], items].concat());
    let mut declared = tools::declared(&body, carried.as_deref().unwrap_or(items))?;
    let choice = tools::choice(&body, &mut declared)?;
    Ok(Turn { tools: declared.callable, hosted: declared.hosted, choice, compacts, body })
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

    /// Whether the answer is a stream.
    pub(super) fn streams(&self) -> bool {
        self.body.get("stream") == Some(&Value::Bool(true))
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

    /// The declaration of a hosted tool.
    pub(super) fn hosted(&self, kind: &str) -> Option<&Value> {
        self.hosted.iter().find(|tool| tool["type"] == kind)
    }

    /// The types of the hosted tools.
    pub(super) fn hosted_kinds(&self) -> impl Iterator<Item = &str> {
        self.hosted.iter().filter_map(|tool| tool["type"].as_str())
    }

    /// Whether the input has content that only its account can read.
    pub(super) fn has_sealed(&self) -> bool {
        self.items().iter().any(|item| item["encrypted_content"].is_string())
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
