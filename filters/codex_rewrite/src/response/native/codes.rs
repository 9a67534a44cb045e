//! The codes of failures in a stream: one name for one thing, the one that Codex CLI acts on; and never a word on the login of an account
//! (docs/native.md, Streams; docs/decisions.md, S11).

use pooler_filter::Timestamp;
use pooler_filter::codex::{EventKind, Facts, Failure, sentence};
use pooler_filter::json::{Kind, Value, write_str};

use super::super::edits::Edits;

const OVERLOADED: &str = "server_is_overloaded";

/// Writes the codes of a failed event in their canonical form; nothing else of it changes, unless it speaks of the account.
pub(super) fn canonical(root: Value<'_>, edits: &mut Edits<'_>) {
    let kind = root.get("type").and_then(|kind| kind.as_str()).map_or(EventKind::Failed, |kind| EventKind::of(&kind));
    // The time only dates waits, which nobody reads here.
    let failure = Failure::in_event(kind, root, Timestamp::default());
    let Some(failure) = failure else { return };
    let about_account = failure.is_about_account();
    let inner = root.get("response").and_then(|response| response.get("error"));
    let errors = [inner, root.get("error")].into_iter().flatten().filter(|error| error.kind() == Kind::Object);
    let mut found = false;
    for error in errors {
        found = true;
        one(error, about_account, edits);
    }
    if !found && kind == EventKind::Error {
        one(root, about_account, edits);
    }
}

/// One object with `code` and `message`.
fn one(error: Value<'_>, about_account: bool, edits: &mut Edits<'_>) {
    if let Some(code) = error.get("code")
        && let Some(given) = code.as_str()
    {
        let wanted = if about_account { OVERLOADED } else { name_of(&given) };
        if wanted != given {
            edits.replace(code, literal(wanted));
        }
    }
    if about_account && let Some(message) = error.get("message") {
        edits.replace(message, literal(&sentence(OVERLOADED, Facts::default())));
    }
}

/// The canonical name of a code.
fn name_of(code: &str) -> &str {
    match code.trim() {
        "overloaded_error" => OVERLOADED,
        "invalid_previous_response_id" => "previous_response_not_found",
        trimmed => trimmed,
    }
}

fn literal(text: &str) -> Vec<u8> {
    let mut literal = Vec::with_capacity(text.len() + 2);
    write_str(&mut literal, text);
    literal
}
