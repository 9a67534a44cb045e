//! `POST /v1/chat/completions`: a chat becomes a request for a response, then the checks and edits of that one apply (docs/v1.md, Chat
//! completions).
//!
//! The messages are read where they stand, with the index of the body that is there already. All other members are few and small: they are
//! written anew as those of a request for a response, the head.

mod content;
mod head;
mod members;
mod messages;
mod result;
mod tools;

use std::mem;
use std::sync::Arc;

use pooler_filter::{Body, Exchange, Principal, Reject, UpstreamRequest};

use self::head::Head;
use self::members::Chat;
use super::source::Source;
use super::{Checked, PATH};
use crate::CodexRewrite;
use crate::echo::Form;

pub(super) use self::messages::read as read_messages;

/// Turns the public request into the one that goes upstream.
pub(crate) fn chat(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json().ok_or_else(|| Reject::invalid("request body must be an object"))?;
    let chat = Chat::of(body)?;
    let Head { mut object, refused, words } = Head::of(&chat)?;
    let source = Source { refused, ..Source::chat(&object, &chat) };
    let mut checked = Checked::of(filter, &key, source).map_err(|reject| words.of_the_client(reject))?;
    // The head has no input: what is not written anew is put there as it is.
    let input = &mut checked.input.edited;
    *input = input.take().or_else(|| chat.input().map(|input| input.raw_bytes()));
    if checked.input.found.trigger {
        return Err(Reject::invalid("compaction_trigger input items are not supported").at("input"));
    }
    let mut upstream = checked.upstream(filter.forward_metadata, body);
    if upstream.intent.stream && chat.wants_usage() {
        upstream.echo.form = Form::ChatUsage;
    }
    mem::take(&mut upstream.edits).apply(&mut object);
    request.body = Body::Json(object);
    upstream.write(PATH, filter, request, cx)
}

#[cfg(test)]
mod tests;
