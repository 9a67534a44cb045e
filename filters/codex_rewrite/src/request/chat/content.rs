//! Parts of a message's content.

use pooler_filter::Reject;
use pooler_filter::json::{Kind, Value};

use super::super::input::{audio_part, file_fault, image_fault};
use super::super::patch::read_some;
use super::super::splice::Splice;
use super::messages::{Role, Walk, bad, filled_value, marked_assistant};
use super::result::Inline;

impl<'a> Walk<'a> {
    /// The parts of a message. A call or an output among them is an item of its own, and ends the message before it.
    pub(super) fn parts(&mut self, parts: Value<'a>, role: Role) -> Result<(), Reject> {
        let mut begun = false;
        for part in parts.items() {
            let kind = part.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
            let marked = is_marked(part)?;
            if marked && role == Role::Assistant {
                return Err(marked_assistant());
            }
            match kind.as_ref() {
                "text" | "input_text" | "output_text" if role == Role::Developer && !marked => {
                    self.lifted.push(text_of(part, "text")?);
                    continue;
                }
                "thinking" | "redacted_thinking" | "reasoning" if role == Role::Assistant => continue,
                _ => {}
            }
            if let Some(inline) = Inline::of(&kind, role) {
                if std::mem::take(&mut begun) {
                    self.out.lit("]}");
                }
                self.inline(part, inline)?;
                continue;
            }
            let separator = if begun { "," } else { role.head() };
            let out = if begun { &mut self.out } else { self.item() };
            out.lit(separator);
            begun = true;
            self.part(part, &kind, role)?;
        }
        if begun {
            self.out.lit("]}");
        }
        Ok(())
    }

    /// One part that stays in its message.
    pub(super) fn part(&mut self, part: Value<'a>, kind: &str, role: Role) -> Result<(), Reject> {
        match kind {
            "text" | "input_text" | "output_text" => {
                self.out.lit(role.text()).raw(text_of(part, "text")?).lit("}");
                Ok(())
            }
            "refusal" if role == Role::Assistant => {
                self.out.lit(role.text()).raw(text_of(part, "refusal")?).lit("}");
                Ok(())
            }
            "image_url" if role != Role::Assistant => self.image(part),
            "file" if role != Role::Assistant => self.file(part),
            "input_audio" if role != Role::Assistant => self.audio(part),
            _ => Err(no_part()),
        }
    }

    fn image(&mut self, part: Value<'a>) -> Result<(), Reject> {
        let image = part.get("image_url").filter(|image| !image.is_null()).ok_or_else(no_part)?;
        let [url, detail] = if image.kind() == Kind::Object {
            read_some(image, &["url", "detail"]).ok_or_else(no_part)?
        } else {
            [Some(image), None]
        };
        let url = url.ok_or_else(no_part)?;
        if detail.is_some_and(|detail| detail.kind() != Kind::String) {
            return Err(no_part());
        }
        self.found.image = true;
        self.media = self.media.take().or_else(|| image_fault(url));
        self.out.lit(r#"{"type":"input_image","image_url":"#).raw(url).member("detail", detail).lit("}");
        Ok(())
    }

    fn file(&mut self, part: Value<'a>) -> Result<(), Reject> {
        let file = part.get("file").ok_or_else(no_part)?;
        let [id, name, data] = read_some(file, &["file_id", "filename", "file_data"]).ok_or_else(no_part)?;
        if name.is_some_and(|name| name.kind() != Kind::String) {
            return Err(no_part());
        }
        self.found.file = true;
        self.out.lit(r#"{"type":"input_file""#);
        match filled_value(id) {
            Some(id) => {
                self.found.files.extend(id.as_str().map(Into::into));
                self.out.member("file_id", Some(id));
            }
            None => {
                self.media = self.media.take().or_else(|| file_fault(data));
                self.out.member("filename", name).member("file_data", data);
            }
        }
        self.out.lit("}");
        Ok(())
    }

    fn audio(&mut self, part: Value<'a>) -> Result<(), Reject> {
        let audio = part.get("input_audio").ok_or_else(no_part)?;
        let [data, format] = read_some(audio, &["data", "format"]).ok_or_else(no_part)?;
        let part = audio_part(data, format).unwrap_or_else(|reject| {
            self.audio.get_or_insert(reject);
            Splice::default()
        });
        self.out.splice(part);
        Ok(())
    }
}

/// Whether a part carries `prompt_cache_breakpoint`, which has to be an object of the mode `explicit`.
fn is_marked(part: Value<'_>) -> Result<bool, Reject> {
    match part.get("prompt_cache_breakpoint").filter(|breakpoint| !breakpoint.is_null()) {
        None => Ok(false),
        Some(value) if value.get("mode").is_some_and(|mode| mode.is_str("explicit")) => Ok(true),
        Some(_) => Err(bad("prompt_cache_breakpoint must be an object with the mode explicit")),
    }
}

fn text_of<'a>(part: Value<'a>, name: &str) -> Result<Value<'a>, Reject> {
    part.get(name).filter(|text| text.kind() == Kind::String).ok_or_else(no_part)
}

pub(super) fn no_part() -> Reject {
    bad("message content part is not translatable")
}
