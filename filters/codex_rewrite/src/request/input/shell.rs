//! Calls of the shell, their outputs, and programs that call tools: all of them come from an answer, and go back as they are.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Member, Patch, filled, given, read, read_open};
use super::super::splice::Splice;
use super::origin::Origin;
use super::{Walk, bad, check_passthrough, fix_id, not_translatable};

/// The longest id, in characters.
const LONGEST_ID: usize = 64;
/// The most skills of an environment.
const MOST_SKILLS: usize = 200;
/// The longest text of an output, in characters.
const LONGEST_OUTPUT: usize = 10_485_760;

/// What is checked of all these items.
#[derive(Debug, Clone, Copy)]
struct Common<'a> {
    id: Option<Member<'a>>,
    status: Option<Member<'a>>,
    call_id: Option<Member<'a>>,
    caller: Option<Member<'a>>,
}

/// What all of these items have, then what the item has of its own.
macro_rules! names {
    ($($own:literal),+) => {
        [
            "type",
            "id",
            "status",
            "call_id",
            "caller",
            "metadata",
            "internal_chat_message_metadata_passthrough",
            "created_by",
            $($own,)+
        ]
    };
}

impl<'a> Walk<'a> {
    /// `shell_call`.
    pub(super) fn shell_call(&mut self, item: Value<'a>) -> Result<(), Reject> {
        let (mut patch, [.., action, environment]) = open(item, &names!("action", "environment"))?;
        given(action).filter(|action| is_action(*action)).ok_or_else(not_translatable)?;
        given(environment).map_or(Ok(()), check_environment)?;
        patch.drop_null(environment);
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// `shell_call_output`.
    pub(super) fn shell_call_output(&mut self, item: Value<'a>) -> Result<(), Reject> {
        let (mut patch, [.., output, most]) = open(item, &names!("output", "max_output_length"))?;
        let chunks = given(output).ok_or_else(|| bad("shell_call_output requires output"))?;
        if chunks.kind() != Kind::Array || !is_count(most) {
            return Err(not_translatable());
        }
        let mut list = ListPatch::new(chunks);
        for chunk in chunks.items() {
            list.keep_or_put(chunk, check_chunk(chunk)?);
        }
        if let Some(edited) = list.finish() {
            patch.set("output", output, edited);
        }
        patch.drop_null(most);
        self.found.tool_output = true;
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// `program`: code that calls tools.
    pub(super) fn program(&mut self, item: Value<'a>) -> Result<(), Reject> {
        let (patch, [.., code, fingerprint]) = open(item, &names!("code", "fingerprint"))?;
        if !is_text(code) || !is_text(fingerprint) {
            return Err(not_translatable());
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }

    /// `program_output`: what it came to. The upstream runs programs, so this is no output that a client hands in.
    pub(super) fn program_output(&mut self, item: Value<'a>) -> Result<(), Reject> {
        let (patch, [.., result]) = open(item, &names!("result"))?;
        if !is_text(result) {
            return Err(not_translatable());
        }
        self.list.keep_or_put(item, patch.finish());
        Ok(())
    }
}

/// Reads an item and checks what all of them have; gives its edits so far and its members.
fn open<'a, const N: usize>(
    item: Value<'a>,
    names: &[&str; N],
) -> Result<(Patch<'a>, [Option<Member<'a>>; N]), Reject> {
    let (members, unlisted) = read_open(item, names).map_err(|_| not_translatable())?;
    let [_, id, status, call_id, caller, metadata, passthrough, created_by] =
        *members.first_chunk().ok_or_else(not_translatable)?;
    check_passthrough(passthrough)?;
    let mut patch = Origin::of(id, status).patch(item, &unlisted).ok_or_else(not_translatable)?;
    Common { id, status, call_id, caller }.check()?;
    for member in [status, caller, metadata, passthrough] {
        patch.drop_null(member);
    }
    patch.drop(created_by);
    fix_id(&mut patch, item, id, filled(given(call_id)).as_deref());
    Ok((patch, members))
}

impl Common<'_> {
    fn check(&self) -> Result<(), Reject> {
        filled(given(self.call_id)).ok_or_else(not_translatable)?;
        let caller = given(self.caller);
        let caller_id = match caller.map(|caller| caller.get("type").and_then(|kind| kind.as_str()).unwrap_or_default())
        {
            None => None,
            Some(kind) if kind == "direct" => None,
            Some(kind) if kind == "program" => caller.and_then(|caller| caller.get("caller_id")),
            Some(_) => return Err(not_translatable()),
        };
        for id in [given(self.id), given(self.call_id), caller_id].into_iter().flatten() {
            let id = id.as_str().ok_or_else(not_translatable)?;
            if is_longer(&id, LONGEST_ID) {
                return Err(bad("ids of shell calls and programs must be 64 characters or shorter"));
            }
        }
        let status = given(self.status).is_none_or(|status| status.kind() == Kind::String);
        if status { Ok(()) } else { Err(not_translatable()) }
    }
}

/// `{commands, timeout_ms, max_output_length}`.
fn is_action(action: Value<'_>) -> bool {
    read(action, &["commands", "timeout_ms", "max_output_length"]).is_ok_and(|[commands, timeout, most]| {
        let lists =
            |list: Value<'_>| list.kind() == Kind::Array && list.items().all(|line| line.kind() == Kind::String);
        given(commands).is_some_and(lists) && is_count(timeout) && is_count(most)
    })
}

/// `{type: "local", skills}` or `{type: "container_reference", container_id}`.
fn check_environment(environment: Value<'_>) -> Result<(), Reject> {
    let [kind, skills, container] =
        read(environment, &["type", "skills", "container_id"]).map_err(|_| not_translatable())?;
    match given(kind).and_then(|kind| kind.as_str()).as_deref() {
        Some("local") if given(container).is_none() => given(skills).map_or(Ok(()), check_skills),
        Some("container_reference") if given(skills).is_none() && filled(given(container)).is_some() => Ok(()),
        _ => Err(not_translatable()),
    }
}

fn check_skills(skills: Value<'_>) -> Result<(), Reject> {
    if skills.len() > MOST_SKILLS {
        return Err(bad("a shell environment may have 200 skills or fewer"));
    }
    let is_skill = |skill: Value<'_>| {
        read(skill, &["name", "description", "path"]).is_ok_and(|texts| texts.into_iter().all(is_text))
    };
    if skills.kind() == Kind::Array && skills.items().all(is_skill) { Ok(()) } else { Err(not_translatable()) }
}

/// What one command printed and how it ended.
fn check_chunk(chunk: Value<'_>) -> Result<Option<Splice>, Reject> {
    let [stdout, stderr, outcome, created_by] =
        read(chunk, &["stdout", "stderr", "outcome", "created_by"]).map_err(|_| not_translatable())?;
    for text in [stdout, stderr] {
        let text = given(text).and_then(|text| text.as_str()).ok_or_else(not_translatable)?;
        if is_longer(&text, LONGEST_OUTPUT) {
            return Err(bad("output of a shell call must be 10485760 characters or shorter"));
        }
    }
    let [kind, code] =
        read(given(outcome).ok_or_else(not_translatable)?, &["type", "exit_code"]).map_err(|_| not_translatable())?;
    let known = match given(kind).and_then(|kind| kind.as_str()).as_deref() {
        Some("timeout") => given(code).is_none(),
        Some("exit") => given(code).is_some_and(|code| code.as_i64().is_some()),
        _ => false,
    };
    if !known {
        return Err(not_translatable());
    }
    let mut patch = Patch::new(chunk);
    patch.drop(created_by);
    Ok(patch.finish())
}

/// Whether a text has more characters than that. Most texts have fewer bytes.
fn is_longer(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

fn is_text(member: Option<Member<'_>>) -> bool {
    given(member).is_some_and(|text| text.kind() == Kind::String)
}

/// Whether a member is a whole number, if it is there.
fn is_count(member: Option<Member<'_>>) -> bool {
    given(member).is_none_or(|count| count.as_u64().is_some())
}
