//! Messages: content becomes a list of parts, instructions are lifted out, tool calls and results of chat become items of their own.

use pooler_filter::Reject;
use pooler_filter::json::{Key, Kind, Value};

use super::super::patch::{ListPatch, given, read_open};
use super::super::splice::Splice;
use super::chat::ToolMessage;
use super::origin::Origin;
use super::part::Role;
use super::{Walk, bad, check_passthrough, fix_id, not_translatable};

const NAMES: [&str; 21] = [
    "type",
    "role",
    "content",
    "id",
    "status",
    "tool_calls",
    "tool_call_id",
    "call_id",
    "metadata",
    "internal_chat_message_metadata_passthrough",
    "phase",
    "function_call",
    "audio",
    // From here on: what we, OpenAI or chat clients put there and the upstream has no use for.
    "name",
    "refusal",
    "logprobs",
    "annotations",
    "namespace",
    "caller",
    "created_by",
    "end_turn",
];

/// What becomes of a message's content.
enum Content {
    /// It stays as it is.
    Same,
    /// It is written anew.
    Edited(Splice),
    /// Nothing is left, so the message goes.
    Gone,
}

/// The texts of a message that has the form of the upstream and nothing beside it, as most have in a long conversation: it can be kept
/// after one look, while others are read by the list of all that a message may have.
fn plain<'a>(item: Value<'a>) -> Option<impl Iterator<Item = Value<'a>>> {
    let [kind, role, content] = exactly(item, |key| match () {
        () if key.is("type") => Some(0),
        () if key.is("role") => Some(1),
        () if key.is("content") => Some(2),
        () => None,
    })?;
    let part = match () {
        () if role.is_str("user") => Role::User.text_part(),
        () if role.is_str("assistant") => Role::Assistant.text_part(),
        () => return None,
    };
    let text = move |value| {
        let [kind, text] = exactly(value, |key| match () {
            () if key.is("type") => Some(0),
            () if key.is("text") => Some(1),
            () => None,
        })?;
        (kind.is_str(part) && text.kind() == Kind::String).then_some(text)
    };
    let good = kind.is_str("message") && !content.is_empty() && content.kind() == Kind::Array;
    (good && content.items().all(|part| text(part).is_some())).then(|| content.items().filter_map(text))
}

/// The members of an object that has so many, each by the place of its name and none twice.
#[inline]
fn exactly<'a, const N: usize>(object: Value<'a>, place: impl Fn(Key<'a>) -> Option<usize>) -> Option<[Value<'a>; N]> {
    if object.len() != N || object.kind() != Kind::Object {
        return None;
    }
    let mut found = [object; N];
    let mut missing = [true; N];
    for (key, value) in object.entries() {
        let at = place(key)?;
        *found.get_mut(at)? = value;
        *missing.get_mut(at)? = false;
    }
    (missing == [false; N]).then_some(found)
}

impl<'a> Walk<'a> {
    /// Whether the item was kept as a message in the form of the upstream.
    pub(super) fn plain_message(&mut self, item: Value<'a>) -> bool {
        let Some(texts) = plain(item) else { return false };
        if !self.found.visible {
            texts.for_each(|text| self.sees(text));
        }
        self.list.keep(item);
        true
    }

    /// An item with a role.
    pub(super) fn message(&mut self, item: Value<'a>) -> Result<(), Reject> {
        let (members, unlisted) = read_open(item, &NAMES).map_err(|_| not_translatable())?;
        let [kind, role, content, id, status, tool_calls, tool_call_id, call_id, metadata, passthrough, rest @ ..] =
            members;
        let origin = Origin::of(id, status);
        let mut patch = origin.patch(item, &unlisted).ok_or_else(not_translatable)?;
        let [phase, function_call, audio, ignored @ ..] = rest;
        check_passthrough(passthrough)?;
        if given(function_call).is_some() || given(audio).is_some() {
            return Err(not_translatable());
        }
        if given(role).is_some_and(|role| role.is_str("tool")) {
            let kept = [("metadata", metadata), ("internal_chat_message_metadata_passthrough", passthrough)];
            return self.tool_message(&ToolMessage { tool_call_id, call_id, content, kept });
        }
        let speaker = given(role).and_then(speaker).ok_or_else(not_translatable)?;
        let calls = check_calls(given(tool_calls), speaker)?;
        match self.message_content(given(content), speaker, origin, calls.is_some())? {
            Content::Same => {}
            Content::Edited(parts) => patch.set("content", content, parts),
            Content::Gone => {
                self.list.leave_out();
                return self.chat_calls(calls, given(metadata));
            }
        }
        patch.set_str("type", kind, "message");
        patch.set_str("role", role, speaker.name());
        fix_id(&mut patch, item, id, None);
        for member in [metadata, passthrough, phase] {
            patch.drop_null(member);
        }
        for member in [status, tool_calls, tool_call_id, call_id, function_call, audio].into_iter().chain(ignored) {
            patch.drop(member);
        }
        self.list.keep_or_put(item, patch.finish());
        self.chat_calls(calls, given(metadata))
    }

    fn message_content(
        &mut self,
        content: Option<Value<'a>>,
        role: Role,
        origin: Origin,
        has_calls: bool,
    ) -> Result<Content, Reject> {
        let Some(content) = content.filter(|content| !is_empty(*content)) else {
            return match role {
                Role::Assistant if has_calls => Ok(Content::Gone),
                // An answer may be empty, and clients send it back without the id that would show that it is one.
                Role::Assistant => Ok(Content::Edited(silence())),
                Role::User | Role::Developer => Err(bad("message content must not be empty")),
            };
        };
        match content.kind() {
            Kind::String if role == Role::Developer => {
                self.lifted.push(content);
                Ok(Content::Gone)
            }
            Kind::String => {
                self.sees(content);
                let mut parts = Splice::default();
                parts.lit(role.text_part_head()).raw(content).lit("}]");
                Ok(Content::Edited(parts))
            }
            Kind::Array => self.message_parts(content, role, origin, has_calls),
            Kind::Null | Kind::Bool | Kind::Number | Kind::Object => Err(not_translatable()),
        }
    }

    fn message_parts(
        &mut self,
        content: Value<'a>,
        role: Role,
        origin: Origin,
        has_calls: bool,
    ) -> Result<Content, Reject> {
        let mut parts = ListPatch::new(content);
        for part in content.items() {
            self.part(part, role, origin, &mut parts)?;
        }
        if parts.len() == 0 {
            return Ok(if role == Role::Assistant && !has_calls { Content::Edited(silence()) } else { Content::Gone });
        }
        Ok(parts.finish().map_or(Content::Same, Content::Edited))
    }

    fn chat_calls(&mut self, calls: Option<Value<'a>>, metadata: Option<Value<'a>>) -> Result<(), Reject> {
        calls.iter().flat_map(Value::items).try_for_each(|call| self.chat_call(call, metadata))
    }
}

fn speaker(role: Value<'_>) -> Option<Role> {
    match role.as_str()?.as_ref() {
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        "system" | "developer" => Some(Role::Developer),
        _ => None,
    }
}

/// The tool calls of a chat message, if there are any: only an assistant makes some.
fn check_calls(calls: Option<Value<'_>>, role: Role) -> Result<Option<Value<'_>>, Reject> {
    match calls {
        Some(calls) if calls.kind() != Kind::Array => Err(not_translatable()),
        Some(calls) if calls.is_empty() => Ok(None),
        Some(_) if role != Role::Assistant => Err(not_translatable()),
        calls => Ok(calls),
    }
}

fn is_empty(content: Value<'_>) -> bool {
    content.is_str("") || (content.kind() == Kind::Array && content.is_empty())
}

/// What an assistant said when nothing of it can be sent.
fn silence() -> Splice {
    let mut parts = Splice::default();
    parts.lit(r#"[{"type":"output_text","text":""}]"#);
    parts
}

#[cfg(test)]
mod tests {
    use pooler_filter::json::Json;

    use super::*;

    fn texts(message: &str) -> Option<Vec<String>> {
        let json = Json::parse(message.to_owned().into()).unwrap();
        plain(json.root()).map(|texts| texts.map(|text| text.raw().to_owned()).collect())
    }

    #[test]
    fn only_a_message_that_goes_as_it_came_is_plain() {
        let user = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"text":"","type":"input_text"}]}"#;
        assert_eq!(texts(user).unwrap(), ["\"a\"", "\"\""]);
        let assistant = r#"{"content":[{"type":"output_text","text":"\n"}],"role":"\u0061ssistant","type":"message"}"#;
        assert_eq!(texts(assistant).unwrap(), [r#""\n""#]);
        for (from, to) in [
            (r#""type":"message","#, ""),
            (r#""message""#, "null"),
            (r#""message""#, r#""reasoning""#),
            (r#""type":"message""#, r#""role":"user""#),
            (r#""user""#, r#""assistant""#),
            (r#""user""#, r#""developer""#),
            (r#""user""#, r#""user","id":"msg_1""#),
            (r#""user""#, r#""user","role":"user""#),
            (r#"{"type":"input_text","text":"a"}"#, "null"),
            (r#""text":"a""#, r#""text":"a","annotations":[]"#),
            (r#""text":"a""#, r#""text":"a","text":"a""#),
            (r#""text":"a""#, r#""text":null"#),
            (r#""text":"a""#, r#""type":"input_text""#),
            (r#""input_text","text":"a""#, r#""input_image","text":"a""#),
        ] {
            let other = user.replacen(from, to, 1);
            assert!(other != user && texts(&other).is_none(), "{other}");
        }
        for content in ["[]", "\"a\"", "null", "{}"] {
            assert_eq!(texts(&format!(r#"{{"type":"message","role":"user","content":{content}}}"#)), None);
        }
        assert_eq!((texts("[1,2,3]"), texts("7")), (None, None));
    }
}
