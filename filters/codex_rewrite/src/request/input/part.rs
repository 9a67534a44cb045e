//! Parts of a message's content.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::patch::{ListPatch, Member, given, read, read_open};
use super::super::splice::Splice;
use super::origin::Origin;
use super::{Walk, bad};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
    /// Also `system`, which the upstream does not know.
    Developer,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Developer => "developer",
        }
    }

    /// The type of a text part of this role.
    pub(super) const fn text_part(self) -> &'static str {
        match self {
            Self::User | Self::Developer => "input_text",
            Self::Assistant => "output_text",
        }
    }

    /// The beginning of a content that is one text part, up to the text.
    pub(super) const fn text_part_head(self) -> &'static str {
        match self {
            Self::User | Self::Developer => r#"[{"type":"input_text","text":"#,
            Self::Assistant => r#"[{"type":"output_text","text":"#,
        }
    }
}

impl<'a> Walk<'a> {
    /// One part: kept, rewritten, lifted or left out.
    pub(super) fn part(
        &mut self,
        part: Value<'a>,
        role: Role,
        origin: Origin,
        parts: &mut ListPatch<'a>,
    ) -> Result<(), Reject> {
        let kind = part.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
        match kind.as_ref() {
            "text" | "input_text" | "output_text" => self.text_part(part, role, origin, parts),
            "input_image" => self.image_part(part, parts),
            "input_file" => {
                let edited = self.file(part)?;
                parts.keep_or_put(part, edited);
                Ok(())
            }
            "input_audio" => self.audio_part(part, parts),
            "thinking" if role == Role::Assistant => {
                parts.leave_out();
                Ok(())
            }
            "refusal" if role == Role::Assistant => {
                const NAMES: [&str; 4] = ["type", "refusal", "annotations", "logprobs"];
                let ([_, refusal, ..], unlisted) = read_open(part, &NAMES).map_err(|_| part_not_translatable())?;
                origin.patch(part, &unlisted).ok_or_else(part_not_translatable)?;
                let said =
                    given(refusal).filter(|text| text.kind() == Kind::String).ok_or_else(part_not_translatable)?;
                let mut text = Splice::default();
                text.lit(r#"{"type":"output_text","text":"#).raw(said).lit("}");
                parts.put(text);
                Ok(())
            }
            _ => Err(part_not_translatable()),
        }
    }

    fn text_part(
        &mut self,
        part: Value<'a>,
        role: Role,
        origin: Origin,
        parts: &mut ListPatch<'a>,
    ) -> Result<(), Reject> {
        const NAMES: [&str; 6] = ["type", "text", "annotations", "prompt_cache_breakpoint", "logprobs", "parsed"];
        let ([kind, text, annotations, breakpoint, logprobs, parsed], unlisted) =
            read_open(part, &NAMES).map_err(|_| part_not_translatable())?;
        let mut patch = origin.patch(part, &unlisted).ok_or_else(part_not_translatable)?;
        let text = given(text).filter(|text| text.kind() == Kind::String).ok_or_else(part_not_translatable)?;
        let marked = check_breakpoint(breakpoint)?;
        if role == Role::Developer && !marked {
            self.lifted.push(text);
            parts.leave_out();
            return Ok(());
        }
        self.sees(text);
        if role == Role::Assistant {
            given(annotations).map_or(Ok(()), check_annotations)?;
            patch.drop_null(annotations);
        } else {
            patch.drop(annotations);
        }
        for member in [breakpoint, logprobs, parsed] {
            patch.drop(member);
        }
        patch.set_str("type", kind, role.text_part());
        parts.keep_or_put(part, patch.finish());
        Ok(())
    }
}

/// Whether a part carries `prompt_cache_breakpoint`, which has to be an object of the mode `explicit`.
pub(super) fn check_breakpoint(breakpoint: Option<Member<'_>>) -> Result<bool, Reject> {
    match given(breakpoint) {
        None => Ok(false),
        Some(value) if value.get("mode").is_some_and(|mode| mode.is_str("explicit")) => Ok(true),
        Some(_) => Err(bad("prompt_cache_breakpoint must be an object with the mode explicit")),
    }
}

/// The annotations of a replayed answer: those that OpenAI returns, a citation of a URL with exactly its keys.
fn check_annotations(annotations: Value<'_>) -> Result<(), Reject> {
    if annotations.kind() != Kind::Array {
        return Err(part_not_translatable());
    }
    for annotation in annotations.items() {
        match annotation.get("type").and_then(|kind| kind.as_str()).as_deref() {
            Some("url_citation") => {
                let found = read(annotation, &["type", "start_index", "end_index", "title", "url"]);
                if !found.is_ok_and(|members| members.iter().all(Option::is_some)) {
                    return Err(part_not_translatable());
                }
            }
            Some("file_citation" | "container_file_citation" | "file_path") => {}
            _ => return Err(part_not_translatable()),
        }
    }
    Ok(())
}

pub(super) fn part_not_translatable() -> Reject {
    bad("message content part is not translatable")
}
