//! The head: all members of a chat but its messages, written as those of a request for a response.

use pooler_filter::Reject;
use pooler_filter::json::{JsonObject, Kind, Value};

use super::super::fields::{Field, Members};
use super::super::source::{Continuation, Conversation, Refused, Source};
use super::super::splice::Splice;
use super::members::Chat;
use super::tools;

/// The members of a chat in their new form.
pub(super) struct Head {
    /// The members, without the input.
    pub(super) object: JsonObject,
    /// Those that have no new form.
    pub(super) refused: Refused,
    pub(super) words: Words,
}

impl Head {
    /// Writes the head of a chat.
    pub(super) fn of(chat: &Chat<'_>) -> Result<Self, Reject> {
        let mut head = Writer { chat, text: Splice::roomy(), separator: "{", refused: Refused::default() };
        let mut words = Words::default();
        for (key, value) in &chat.same {
            head.next().key(*key).raw(*value);
        }
        if !chat.fallback {
            words.0.push(("input", "messages"));
        }
        head.member(Field::Tools, |chat| chat.tools.map(|tools| tools::flat(tools, chat.fallback)).transpose());
        head.member(Field::ToolChoice, |chat| {
            chat.tool_choice.map(|choice| tools::flat_choice(choice, chat.fallback)).transpose()
        });
        head.member(Field::MaxOutputTokens, max_tokens);
        if head.member(Field::Reasoning, effort) {
            words.0.push(("reasoning.effort", "reasoning_effort"));
        }
        if head.member(Field::Text, text) {
            words.0.push(("text.format.schema", "response_format"));
        }
        if chat.same(Field::ServiceTier).and_then(|tier| tier.as_str()).is_some_and(|tier| is_ultrafast(&tier)) {
            let reject = Reject::invalid("service_tier is not supported").at(Field::ServiceTier.name());
            head.refused.note(Field::ServiceTier, reject);
        }
        let Writer { mut text, refused, .. } = head;
        text.lit("}");
        let object = JsonObject::parse(text.join()).map_err(Reject::internal)?;
        Ok(Self { object, refused, words })
    }
}

impl<'a> Source<'a> {
    /// A chat with its head.
    pub(super) fn chat(head: &'a JsonObject, chat: &Chat<'a>) -> Self {
        let conversation = match chat.input() {
            Some(input) => Conversation::Input(Some(input)),
            None => Conversation::Messages(chat.messages),
        };
        Self {
            members: Members::of(head),
            conversation,
            refused: Refused::default(),
            continuation: Continuation::ToolOutput,
            compacts: false,
        }
    }
}

/// What members are called in a request for a response, and what the client calls them.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<(&'static str, &'static str)>);

impl Words {
    /// The refusal with the name that the client knows.
    pub(super) fn of_the_client(&self, reject: Reject) -> Reject {
        let word = self.0.iter().find(|(ours, _)| reject.param.as_deref() == Some(*ours));
        match word {
            Some((_, theirs)) => reject.at(*theirs),
            None => reject,
        }
    }
}

/// The head so far.
struct Writer<'c, 'a> {
    chat: &'c Chat<'a>,
    text: Splice,
    separator: &'static str,
    refused: Refused,
}

impl<'a> Writer<'_, 'a> {
    fn next(&mut self) -> &mut Splice {
        let separator = std::mem::replace(&mut self.separator, ",");
        self.text.lit(separator)
    }

    /// Adds a member in its new form; whether there is one. A member that goes on as it is counts before those that become it.
    fn member(&mut self, field: Field, new: impl FnOnce(&Chat<'a>) -> Result<Option<Splice>, Reject>) -> bool {
        if self.chat.same(field).is_some() {
            return false;
        }
        match new(self.chat) {
            Ok(Some(value)) => {
                self.next().text(field.name()).lit(":").splice(value);
                true
            }
            Ok(None) => false,
            Err(reject) => {
                self.refused.note(field, reject);
                false
            }
        }
    }
}

/// `max_completion_tokens`, else `max_tokens`; both are checked.
fn max_tokens(chat: &Chat<'_>) -> Result<Option<Splice>, Reject> {
    let mut most = None;
    for (name, value) in [("max_completion_tokens", chat.max_completion_tokens), ("max_tokens", chat.max_tokens)] {
        let Some(value) = value else { continue };
        if value.as_u64().is_none_or(|tokens| tokens == 0) {
            return Err(Reject::invalid(format!("{name} must be a positive integer")).at(name));
        }
        most = most.or(Some(value));
    }
    Ok(most.map(raw))
}

/// `reasoning`, of `reasoning_effort`. What is no string is refused here: it may nest too deeply for the place that it would get.
fn effort(chat: &Chat<'_>) -> Result<Option<Splice>, Reject> {
    match chat.reasoning_effort {
        Some(effort) if effort.kind() != Kind::String => {
            Err(Reject::invalid("reasoning effort is not supported").at("reasoning_effort"))
        }
        effort => Ok(effort.map(|effort| object("effort", effort))),
    }
}

/// `text`, of `response_format` and `verbosity`.
fn text(chat: &Chat<'_>) -> Result<Option<Splice>, Reject> {
    let format = chat.response_format.map(format).transpose()?;
    if chat.verbosity.is_some_and(|value| !["low", "medium", "high"].iter().any(|known| value.is_str(known))) {
        return Err(Reject::invalid("verbosity is not supported").at("verbosity"));
    }
    Ok(match (format, chat.verbosity) {
        (None, None) => None,
        (None, Some(verbosity)) => Some(object("verbosity", verbosity)),
        (Some(format), verbosity) => {
            let mut text = Splice::default();
            text.lit(r#"{"format":"#).splice(format).member("verbosity", verbosity).lit("}");
            Some(text)
        }
    })
}

/// The format of an answer: the members of a schema stand beside its type.
fn format(value: Value<'_>) -> Result<Splice, Reject> {
    const NAME: &str = "response_format";
    let mut format = Splice::default();
    match value.get("type").and_then(|kind| kind.as_str()).as_deref() {
        Some(kind @ ("text" | "json_object")) => format.lit(r#"{"type":"#).text(kind).lit("}"),
        Some("json_schema") => {
            let schema = value.get("json_schema").filter(|schema| schema.kind() == Kind::Object);
            let schema =
                schema.ok_or_else(|| Reject::invalid("response_format json_schema must be an object").at(NAME))?;
            format.lit(r#"{"type":"json_schema""#);
            for (key, value) in schema.entries().filter(|(key, value)| !key.is("type") && !value.is_null()) {
                format.lit(",").key(key).raw(value);
            }
            format.lit("}")
        }
        _ => return Err(Reject::unsupported_parameter(NAME)),
    };
    Ok(format)
}

fn is_ultrafast(tier: &str) -> bool {
    tier.trim().eq_ignore_ascii_case("ultrafast")
}

fn raw(value: Value<'_>) -> Splice {
    let mut out = Splice::default();
    out.raw(value);
    out
}

/// An object of one member.
fn object(name: &str, value: Value<'_>) -> Splice {
    let mut out = Splice::default();
    out.lit("{").text(name).lit(":").raw(value).lit("}");
    out
}
