//! What the checks of a request read: the members by their names in a request for a response, and the conversation in the form it came.

use pooler_filter::json::{JsonObject, Value};
use pooler_filter::{Reject, Turn};

use super::chat;
use super::fields::{Field, Members};
use super::input::{Input, ends_with_trigger};

/// A request as the checks read it.
pub(super) struct Source<'a> {
    pub(super) members: Members<'a>,
    pub(super) conversation: Conversation<'a>,
    pub(super) refused: Refused,
    /// The input is to be compacted: then the response that the request continues is not named upstream.
    pub(super) compacts: bool,
    pub(super) continuation: Continuation,
}

/// What a request may continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuation {
    /// A response whose tool was called: over HTTP the upstream takes no other.
    ToolOutput,
    /// A response that was given on the same websocket, with any input; whether it was.
    Socket(bool),
}

impl Continuation {
    /// What this request may continue: that of a turn depends on its websocket.
    pub(super) const fn of(turn: Option<&Turn>) -> Self {
        match turn {
            Some(turn) => Self::Socket(turn.continues),
            None => Self::ToolOutput,
        }
    }

    /// Whether the request is a turn.
    pub(super) const fn is_socket(self) -> bool {
        matches!(self, Self::Socket(_))
    }

    /// Checks a request that names the response that it continues.
    pub(super) fn check(self, tool_output: bool) -> Result<(), Reject> {
        match self {
            Self::ToolOutput if !tool_output => {
                let message = "previous_response_id requires a tool-output continuation";
                Err(Reject::invalid(message).at("previous_response_id"))
            }
            Self::Socket(false) => Err(Reject::previous_response_not_found()),
            Self::ToolOutput | Self::Socket(true) => Ok(()),
        }
    }
}

impl<'a> Source<'a> {
    /// A body that is a request for a response.
    pub(super) fn responses(body: &'a JsonObject, turn: Option<&Turn>) -> Self {
        let members = Members::of(body);
        let input = members.get(Field::Input);
        // On a websocket what the turn continues is not in its input, and part of what is to be compacted.
        let compacts = turn.is_none() && input.is_some_and(ends_with_trigger);
        let continuation = Continuation::of(turn);
        Self { members, conversation: Conversation::Input(input), refused: Refused::default(), continuation, compacts }
    }

    /// A body that is a request to compact its input.
    pub(super) fn compact(body: &'a JsonObject) -> Self {
        Self { compacts: true, ..Self::responses(body, None) }
    }
}

/// Where the conversation stands.
pub(super) enum Conversation<'a> {
    /// In `input`.
    Input(Option<Value<'a>>),
    /// In the `messages` of a chat.
    Messages(Option<Value<'a>>),
}

impl<'a> Conversation<'a> {
    /// Checks and rewrites it. `continued`: the request names the response that it continues.
    pub(super) fn read(self, continued: bool) -> Result<Input<'a>, Reject> {
        match self {
            Self::Input(value) => Input::of(value, continued),
            Self::Messages(value) => chat::read_messages(value),
        }
    }
}

/// Members that could not be mapped from another API. Each is refused when its turn comes, so that the first failure wins here too.
#[derive(Debug, Default)]
pub(super) struct Refused(Vec<(Field, Reject)>);

impl Refused {
    /// Notes why the member is refused.
    pub(super) fn note(&mut self, field: Field, reject: Reject) {
        self.0.push((field, reject));
    }

    /// Raises what was noted of the member.
    pub(super) fn raise(&mut self, field: Field) -> Result<(), Reject> {
        match self.0.iter().position(|(noted, _)| *noted == field) {
            Some(at) => Err(self.0.swap_remove(at).1),
            None => Ok(()),
        }
    }
}
