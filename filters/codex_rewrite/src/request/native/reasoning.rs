//! `reasoning` of a native request: always an object upstream, its effort by the upstream's name; and the other spellings that clients have for
//! it (docs/native.md, Reasoning).

use bytes::Bytes;
use pooler_filter::Reject;
use pooler_filter::json::{JsonObject, Kind, Value};

use super::super::patch::{Patch, given, read_open};
use super::super::reasoning::{alias, check_effort, check_summary, is_effort};
use super::super::splice::Splice;

/// The other spellings, which do not go upstream.
pub(super) const ALIASES: [&str; 6] =
    ["reasoning_effort", "reasoningEffort", "reasoning_summary", "reasoningSummary", "thinking", "enable_thinking"];
/// What is meant when a client wants reasoning and does not say how much.
const SOME: &str = "medium";

/// What the other spellings say.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    effort: Option<String>,
    summary: Option<&'static str>,
}

/// Reads them; the first that says something counts.
pub(super) fn aliases(body: &JsonObject) -> Result<Aliases, Reject> {
    let get = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut aliases = Aliases::default();
    for name in ["reasoning_effort", "reasoningEffort"] {
        if let Some(value) = get(name) {
            let effort = check_effort(value).map_err(|reject| reject.at(name))?;
            aliases.effort.get_or_insert(effort);
        }
    }
    for name in ["reasoning_summary", "reasoningSummary"] {
        if let Some(value) = get(name) {
            let summary = check_summary(value).map_err(|reject| reject.at(name))?;
            aliases.summary.get_or_insert(summary);
        }
    }
    for name in ["thinking", "enable_thinking"] {
        if let Some(value) = get(name) {
            let effort = thinking(value).map_err(|reject| reject.at(name))?;
            aliases.effort = aliases.effort.or(effort);
        }
    }
    Ok(aliases)
}

/// A switch, an effort, or an object with either; what is switched off asks for nothing.
fn thinking(value: Value<'_>) -> Result<Option<String>, Reject> {
    match value.kind() {
        Kind::Bool => Ok((value.as_bool() == Some(true)).then(|| SOME.into())),
        Kind::Object => match value.get("effort").filter(|effort| !effort.is_null()) {
            Some(effort) => check_effort(effort).map(Some),
            None if value.get("type").is_some_and(|kind| kind.is_str("disabled")) => Ok(None),
            None => Ok(Some(SOME.into())),
        },
        Kind::String | Kind::Null | Kind::Number | Kind::Array => check_effort(value).map(Some),
    }
}

/// What goes upstream.
pub(super) struct Reasoning {
    /// Effort as sent upstream.
    pub(super) effort: Option<String>,
    /// The new member, or none when the client's goes as it is.
    pub(super) edited: Option<Bytes>,
}

impl Reasoning {
    /// Rewrites the member. `takes_summary`: the model knows the summary parameter.
    pub(super) fn of(value: Option<Value<'_>>, aliases: &Aliases, takes_summary: bool) -> Self {
        let summary = aliases.summary.filter(|_| takes_summary);
        let effort = aliases.effort.as_deref().map(alias);
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return Self { effort: effort.map(Into::into), edited: Some(object(effort, summary)) };
        };
        let Ok(([own_effort, own_summary], _)) = read_open(value, &["effort", "summary"]) else {
            // The upstream says what is wrong with it.
            return Self { effort: None, edited: None };
        };
        let mut patch = Patch::new(value);
        let mut sent = effort.map(str::to_owned);
        if let Some(own) = given(own_effort) {
            sent = own.as_str().map(|text| text.trim().to_ascii_lowercase()).filter(|text| is_effort(text));
            sent = sent.map(|text| alias(&text).to_owned());
        }
        if let Some(sent) = &sent {
            patch.set_str("effort", own_effort, sent);
        }
        match (given(own_summary), summary) {
            (Some(_), _) if !takes_summary => patch.drop(own_summary),
            (None, Some(summary)) => patch.set_str("summary", own_summary, summary),
            _ => {}
        }
        Self { effort: sent, edited: patch.finish().map(Splice::join) }
    }

    /// The same for a request that gets no member it did not have.
    pub(super) fn renamed(value: Option<Value<'_>>) -> Self {
        match value.filter(|value| value.kind() == Kind::Object) {
            Some(value) => Self::of(Some(value), &Aliases::default(), true),
            None => Self { effort: None, edited: None },
        }
    }
}

fn object(effort: Option<&str>, summary: Option<&str>) -> Bytes {
    let mut out = Splice::default();
    let mut separator = "{";
    for (name, text) in [("effort", effort), ("summary", summary)] {
        if let Some(text) = text {
            out.lit(separator).text(name).lit(":").text(text);
            separator = ",";
        }
    }
    out.lit(if separator == "{" { "{}" } else { "}" });
    out.join()
}
