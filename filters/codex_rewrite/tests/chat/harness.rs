//! The gateway of the tests, asked on the route of chats.

use pooler_filter::{Operation, Reject, Route, Surface};

pub(crate) use crate::responses::{Gateway, Sent, compact};

const CHAT: Route =
    Route { name: "POST /v1/chat/completions", operation: Operation::Chat, surface: Surface::V1, images: false };

/// A gateway that takes chats.
pub(crate) fn gateway() -> Gateway {
    Gateway { route: CHAT, ..Gateway::new() }
}

/// A chat with these members beside model and messages.
pub(crate) fn with(members: &str) -> String {
    format!(r#"{{"model":"gpt-5.5","messages":[{{"role":"user","content":"x"}}],{members}}}"#)
}

/// A chat with these messages.
pub(crate) fn messages(messages: &str) -> String {
    format!(r#"{{"model":"gpt-5.5","messages":[{messages}]}}"#)
}

/// A chat with one message of the user that has this part.
pub(crate) fn part(part: &str) -> String {
    messages(&format!(r#"{{"role":"user","content":[{part}]}}"#))
}

pub(crate) fn send(body: &str) -> Result<Sent, Box<Reject>> {
    gateway().send(body)
}

/// What goes upstream for this chat.
pub(crate) fn sent(body: &str) -> Sent {
    send(body).unwrap_or_else(|reject| panic!("refused: {reject} (param {:?})\n{body}", reject.param))
}

/// The input that goes upstream for these messages.
pub(crate) fn input(list: &str) -> String {
    sent(&messages(list)).member("input").expect("there is always an input")
}

/// Checks all that a client sees of a refusal.
pub(crate) fn refuses(body: &str, status: u16, code: &str, param: Option<&str>, message: &str) {
    let reject = match send(body) {
        Ok(sent) => panic!("accepted:\n{body}\nas\n{}", sent.text()),
        Err(reject) => reject,
    };
    let seen = (reject.status().as_u16(), reject.code_str(), reject.param.as_deref(), reject.message.as_ref());
    assert_eq!(seen, (status, code, param, message), "{body}");
}
