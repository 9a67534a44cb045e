//! The closed table of a chat's members (docs/v1.md, Chat completions).

use pooler_filter::Reject;
use pooler_filter::json::{JsonObject, Key, Kind, Value};

use super::super::fields::Field;
use super::super::patch::shown;
use super::super::{model, options};

/// Members that are the same in a request for a response, where the rest is said about them.
const SAME: [&str; 15] = [
    "model",
    "metadata",
    "moderation",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "user",
];

/// The members of a chat that were given, which is to say that they are not null.
#[derive(Default)]
pub(super) struct Chat<'a> {
    /// There are no messages but an input: the request is one for a response in the envelope of a chat.
    pub(super) fallback: bool,
    pub(super) messages: Option<Value<'a>>,
    input: Option<Value<'a>>,
    /// Those that go on as they are.
    pub(super) same: Vec<(Key<'a>, Value<'a>)>,
    pub(super) tools: Option<Value<'a>>,
    pub(super) tool_choice: Option<Value<'a>>,
    pub(super) max_completion_tokens: Option<Value<'a>>,
    pub(super) max_tokens: Option<Value<'a>>,
    pub(super) reasoning_effort: Option<Value<'a>>,
    pub(super) response_format: Option<Value<'a>>,
    pub(super) verbosity: Option<Value<'a>>,
    /// The first that asks for what there is not.
    unsupported: Option<Reject>,
    /// The first key that is on no list.
    unknown: Option<String>,
}

impl<'a> Chat<'a> {
    /// Sorts the members of the body in one pass. The checks that need no other member are made here, in their order.
    pub(super) fn of(body: &'a JsonObject) -> Result<Self, Reject> {
        let given = |name| body.get(name).filter(|value| !value.is_null());
        options::check_logprobs(given("logprobs"))?;
        let (messages, input) = (given("messages"), given("input"));
        let none = messages.is_none_or(|messages| messages.kind() == Kind::Array && messages.is_empty());
        let mut chat = Self { fallback: none && input.is_some(), messages, input, ..Self::default() };
        for (key, value) in body.entries() {
            chat.take(key, value);
        }
        if let Some(name) = chat.unknown {
            return Err(Reject::unsupported_parameter(name));
        }
        model::name(given("model"))?;
        chat.unsupported.take().map_or(Ok(chat), Err)
    }

    /// The input, if it counts.
    pub(super) fn input(&self) -> Option<Value<'a>> {
        self.input.filter(|_| self.fallback)
    }

    /// The value of a member that goes on as it is.
    pub(super) fn same(&self, field: Field) -> Option<Value<'a>> {
        self.same.iter().find_map(|(key, value)| key.is(field.name()).then_some(*value))
    }

    /// Whether a stream is to tell its usage.
    pub(super) fn wants_usage(&self) -> bool {
        let options = self.same(Field::StreamOptions);
        options.and_then(|options| options.get("include_usage")).and_then(|usage| usage.as_bool()) == Some(true)
    }

    fn take(&mut self, key: Key<'a>, value: Value<'a>) {
        let name = key.as_str();
        let place = match name.as_ref() {
            "messages" | "input" | "seed" | "logprobs" => return,
            "instructions" if !self.fallback => return,
            "tools" => &mut self.tools,
            "tool_choice" => &mut self.tool_choice,
            "max_completion_tokens" => &mut self.max_completion_tokens,
            "max_tokens" => &mut self.max_tokens,
            "reasoning_effort" => &mut self.reasoning_effort,
            "response_format" => &mut self.response_format,
            "verbosity" => &mut self.verbosity,
            same if SAME.contains(&same) => return self.go_on(key, value),
            other => {
                if let Some(asks_nothing) = unsupported(other) {
                    if !value.is_null() && !asks_nothing(value) {
                        self.unsupported.get_or_insert_with(|| refusal(other));
                    }
                } else if self.fallback && Field::named(other).is_some() {
                    self.go_on(key, value);
                } else {
                    self.unknown.get_or_insert_with(|| shown(key));
                }
                return;
            }
        };
        *place = Some(value).filter(|value| !value.is_null());
    }

    fn go_on(&mut self, key: Key<'a>, value: Value<'a>) {
        if !value.is_null() {
            self.same.push((key, value));
        }
    }
}

/// For a member that is known but not supported: whether a value asks for nothing (docs/decisions.md, T8).
fn unsupported(name: &str) -> Option<fn(Value<'_>) -> bool> {
    Some(match name {
        "n" => |value| value.as_f64() == Some(1.0),
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => {
            |value| value.as_f64() == Some(0.0) || is_empty(value, Kind::Array)
        }
        "logit_bias" => |value| is_empty(value, Kind::Object) || is_empty(value, Kind::Array),
        "modalities" => |value| value.kind() == Kind::Array && value.items().all(|item| item.is_str("text")),
        "stop" | "audio" | "prediction" | "web_search_options" | "functions" | "function_call" => {
            |value| is_empty(value, Kind::Array)
        }
        _ => return None,
    })
}

fn is_empty(value: Value<'_>, kind: Kind) -> bool {
    value.kind() == kind && value.is_empty()
}

fn refusal(name: &str) -> Reject {
    match name {
        "functions" => Reject::invalid("legacy functions are not translatable").at("functions"),
        "function_call" => Reject::invalid("legacy function_call is not translatable").at("function_call"),
        _ => Reject::unsupported_parameter(name.to_owned()),
    }
}
