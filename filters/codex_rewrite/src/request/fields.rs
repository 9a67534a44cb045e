//! The closed table of top-level members: which exist, and what becomes of them upstream (docs/v1.md, Top-level fields).

use pooler_filter::json::{JsonObject, Value};

use super::patch::shown;

/// What becomes of a member that was given. One that is null is absent, so it never goes upstream (docs/decisions.md, T8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Goes upstream, as it is or rewritten.
    Forwarded,
    /// Is read here and goes no further.
    Dropped,
}

macro_rules! fields {
    ($($field:ident $name:literal $fate:ident,)+) => {
        /// A top-level member.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field {
            $(#[doc = $name] $field,)+
        }

        impl Field {
            /// All of them.
            pub(super) const ALL: &'static [Self] = &[$(Self::$field,)+];

            /// The member of that name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)+
                    _ => None,
                }
            }

            /// Its name in the request.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                }
            }

            const fn fate(self) -> Fate {
                match self {
                    $(Self::$field => Fate::$fate,)+
                }
            }
        }
    };
}

fields! {
    Model "model" Forwarded,
    Input "input" Forwarded,
    Instructions "instructions" Forwarded,
    Stream "stream" Forwarded,
    Store "store" Forwarded,
    Include "include" Forwarded,
    Reasoning "reasoning" Forwarded,
    Text "text" Forwarded,
    Tools "tools" Forwarded,
    ToolChoice "tool_choice" Forwarded,
    ParallelToolCalls "parallel_tool_calls" Forwarded,
    PreviousResponseId "previous_response_id" Forwarded,
    PromptCacheKey "prompt_cache_key" Forwarded,
    ClientMetadata "client_metadata" Forwarded,
    Moderation "moderation" Forwarded,
    ServiceTier "service_tier" Forwarded,
    Metadata "metadata" Forwarded,
    PromptCacheOptions "prompt_cache_options" Dropped,
    PromptCacheRetention "prompt_cache_retention" Dropped,
    MaxOutputTokens "max_output_tokens" Dropped,
    Temperature "temperature" Dropped,
    TopP "top_p" Dropped,
    SafetyIdentifier "safety_identifier" Dropped,
    StreamOptions "stream_options" Dropped,
    Truncation "truncation" Dropped,
    User "user" Dropped,
    Background "background" Dropped,
    MaxToolCalls "max_tool_calls" Dropped,
    TopLogprobs "top_logprobs" Dropped,
    ContextManagement "context_management" Dropped,
    Conversation "conversation" Dropped,
    Prompt "prompt" Dropped,
    Logprobs "logprobs" Dropped,
}

/// The members of one request, by field.
#[derive(Debug)]
pub(super) struct Members<'a> {
    values: [Option<Value<'a>>; Field::ALL.len()],
    /// The first key that is on no list.
    unknown: Option<String>,
}

impl<'a> Members<'a> {
    /// Sorts the members of the body in one pass.
    pub(super) fn of(body: &'a JsonObject) -> Self {
        let mut members = Self { values: [None; Field::ALL.len()], unknown: None };
        for (key, value) in body.entries() {
            let name = key.as_str();
            match Field::named(&name) {
                Some(field) => members.values[field as usize] = Some(value),
                None => {
                    members.unknown.get_or_insert_with(|| shown(key));
                }
            }
        }
        members
    }

    /// The value of a member, unless it is absent or null.
    pub(super) fn get(&self, field: Field) -> Option<Value<'a>> {
        self.values[field as usize].filter(|value| !value.is_null())
    }

    /// The first key that no list names.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// The members that are there and must not go upstream.
    pub(super) fn unwanted(&self) -> impl Iterator<Item = &'static str> + '_ {
        let there = Field::ALL.iter().filter_map(|field| Some((*field, self.values[*field as usize]?)));
        there.filter(|(field, value)| field.fate() == Fate::Dropped || value.is_null()).map(|(field, _)| field.name())
    }
}
