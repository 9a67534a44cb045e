//! `reasoning`: effort, summary and context, always an object upstream (docs/v1.md, Reasoning).

use bytes::Bytes;
use pooler_filter::Reject;
use pooler_filter::json::{Value, write_str};

use super::patch::{Patch, Unread, given, read};

const FIELD: &str = "reasoning";
const LONGEST_EFFORT: usize = 32;

/// What the request says about reasoning.
#[derive(Default)]
pub(super) struct Reasoning {
    /// Effort as sent upstream.
    pub(super) effort: Option<String>,
    /// The new member, or none when the client's goes as it is.
    pub(super) edited: Option<Bytes>,
    /// The member of the response that repeats what the client asked for; none when it asked for nothing.
    pub(super) echo: Option<Bytes>,
}

impl Reasoning {
    /// Checks and rewrites the member. `takes_summary`: the model knows the summary parameter.
    pub(super) fn of(value: Option<Value<'_>>, takes_summary: bool) -> Result<Self, Reject> {
        let Some(value) = value else {
            return Ok(Self { edited: Some(Bytes::from_static(b"{}")), ..Self::default() });
        };
        let [effort, summary, context] =
            read(value, &["effort", "summary", "context"]).map_err(|unread| match unread {
                Unread::NotAnObject => Reject::invalid("reasoning must be an object").at(FIELD),
                Unread::Key(key) => Reject::invalid("reasoning field is not supported").at(format!("{FIELD}.{key}")),
            })?;
        let mut patch = Patch::new(value);
        for member in [effort, summary, context] {
            patch.drop_null(member);
        }
        let asked_effort = given(effort).map(check_effort).transpose()?;
        let sent_effort = asked_effort.as_deref().map(alias);
        if let Some(sent) = sent_effort {
            patch.set_str("effort", effort, sent);
        }
        let asked_summary = given(summary).map(check_summary).transpose()?;
        match asked_summary {
            Some(asked) if takes_summary => patch.set_str("summary", summary, asked),
            Some(_) => patch.drop(summary),
            None => {}
        }
        given(context).map(check_context).transpose()?;
        Ok(Self {
            effort: sent_effort.map(Into::into),
            edited: patch.finish().map(super::splice::Splice::join),
            echo: Some(echo(asked_effort.as_deref(), asked_summary)),
        })
    }
}

/// An effort in lower case, or what is wrong with it.
pub(super) fn check_effort(value: Value<'_>) -> Result<String, Reject> {
    let refuse = || Reject::invalid("reasoning effort is not supported").at("reasoning.effort");
    let text = value.as_str().ok_or_else(refuse)?;
    let effort = text.trim();
    if is_effort(effort) { Ok(effort.to_ascii_lowercase()) } else { Err(refuse()) }
}

/// A letter or digit first, then also single separators: tiers that we do not know pass.
pub(super) fn is_effort(text: &str) -> bool {
    let separator = |byte: u8| matches!(byte, b'_' | b'-');
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_EFFORT
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || separator(*byte))
        && !bytes.windows(2).any(|pair| pair.iter().all(|byte| separator(*byte)))
}

/// The upstream's name of an effort.
pub(super) fn alias(effort: &str) -> &str {
    match effort {
        "minimal" => "low",
        "ultra" => "max",
        other => other,
    }
}

/// A kind of summary, or what is wrong with it.
pub(super) fn check_summary(value: Value<'_>) -> Result<&'static str, Reject> {
    let known = value.as_str().and_then(|text| {
        let text = text.trim();
        ["auto", "concise", "detailed"].into_iter().find(|known| text.eq_ignore_ascii_case(known))
    });
    known.ok_or_else(|| Reject::invalid("reasoning summary is not supported").at("reasoning.summary"))
}

fn check_context(value: Value<'_>) -> Result<(), Reject> {
    let known = ["auto", "current_turn", "all_turns"].iter().any(|known| value.is_str(known));
    if known { Ok(()) } else { Err(Reject::invalid("reasoning context is not supported").at("reasoning.context")) }
}

fn echo(effort: Option<&str>, summary: Option<&str>) -> Bytes {
    let mut out = Vec::with_capacity(48);
    for (name, text) in [("{\"effort\":", effort), (",\"summary\":", summary)] {
        out.extend_from_slice(name.as_bytes());
        match text {
            Some(text) => write_str(&mut out, text),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    out.into()
}
