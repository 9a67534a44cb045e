//! Schemas (docs/v1.md, Schemas). Strict ones, which the backend holds a model to, are checked: one that it would not take is refused here,
//! where the answer can name the place. Those of other functions are put into the words that it takes.
//!
//! Only what it is known to refuse is refused: whether its limits on size are kept, it says itself.

mod keywords;
mod kinds;
mod lower;
mod place;
mod references;
mod repair;
mod walk;

use std::fmt;

use pooler_filter::json::Value;
use pooler_filter::{Reject, RejectKind};

pub(super) use self::lower::lowered;

use self::place::Flaw;
use self::walk::{Untyped, Walk};
use super::splice::Splice;
use super::tools::Home;

/// How much of a name an error repeats, in characters.
const NAME_SHOWN: usize = 128;
/// The most that all schemas of a request may get on top, in bytes: some 200,000 nodes.
const MOST_ADDED: usize = 8 << 20;

/// Where a function stands. Reads as the path to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// The list that it is in, or its namespace is.
    pub(super) home: Home,
    /// The place of its namespace in that list, if it stands in one.
    pub(super) outer: Option<usize>,
    /// Its own place.
    pub(super) at: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Home::Item(item) = self.home {
            write!(f, "input.{item}.")?;
        }
        if let Some(namespace) = self.outer {
            write!(f, "tools.{namespace}.")?;
        }
        write!(f, "tools.{}", self.at)
    }
}

/// The parameters of the strict functions. The first refusal waits until all tools were seen: the shape of a tool is checked before any
/// schema.
#[derive(Debug, Default)]
pub(super) struct Functions {
    refused: Option<Reject>,
    /// Bytes that schemas have got on top.
    added: usize,
}

impl Functions {
    /// Checks the parameters of one function. Returns them with the types that nodes below the root left out, none when there are all.
    pub(super) fn check(&mut self, name: &str, parameters: Value<'_>, spot: Spot) -> Option<Splice> {
        if self.refused.is_some() {
            return None;
        }
        match Walk::over(parameters, Untyped::Infer) {
            Ok(missing) => repair::with_types(parameters, missing),
            Err(flaw) => {
                let subject = format!("function '{}'", shown(name));
                let reject = refusal("invalid_function_parameters", &subject, &flaw);
                self.refused = Some(reject.at(format!("{spot}.parameters")));
                None
            }
        }
    }

    /// A schema has become so much longer: to each small node of it a type is written.
    pub(super) fn grew(&mut self, bytes: usize) -> Result<(), Reject> {
        self.added = self.added.saturating_add(bytes);
        if self.added <= MOST_ADDED {
            return Ok(());
        }
        let message = "the schemas of the tools are too large";
        Err(Reject::new(RejectKind::TooLarge, "request_too_large", message).at("tools"))
    }

    /// The first refusal, if there was one.
    pub(super) fn finish(self) -> Result<(), Reject> {
        self.refused.map_or(Ok(()), Err)
    }
}

/// Checks the schema that `text` asks a strict answer to have, if it asks for one.
pub(super) fn check_text_format(text: Option<Value<'_>>) -> Result<(), Reject> {
    let Some(format) = text.and_then(|text| text.get("format")).filter(is_strict_schema) else { return Ok(()) };
    let checked = match format.get("schema") {
        Some(schema) => Walk::over(schema, Untyped::Refuse).map(drop),
        None => Err(Flaw::at(None, "schema is required")),
    };
    checked.map_err(|flaw| {
        let name = format.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let subject = format!("response_format '{}'", shown(&name));
        refusal("invalid_json_schema", &subject, &flaw).at("text.format.schema")
    })
}

fn is_strict_schema(format: &Value<'_>) -> bool {
    let strict = format.get("strict").and_then(|strict| strict.as_bool()) == Some(true);
    strict && format.get("type").is_some_and(|kind| kind.is_str("json_schema"))
}

fn refusal(code: &'static str, subject: &str, flaw: &Flaw) -> Reject {
    Reject::new(RejectKind::Invalid, code, format!("Invalid schema for {subject}: {flaw}"))
}

fn shown(name: &str) -> String {
    name.chars().take(NAME_SHOWN).collect()
}
