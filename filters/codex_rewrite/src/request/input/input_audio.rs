//! `input_audio` inside messages of a request for a response.

use pooler_filter::Reject;
use pooler_filter::json::Value;

use super::super::patch::{ListPatch, Member, Patch, given, read};
use super::Walk;
use super::audio::{audio_part, check_url};
use super::part::{check_breakpoint, part_not_translatable};

impl<'a> Walk<'a> {
    /// `data` and `format`, bare or in an object of the part's name, or the data URL that they become.
    pub(super) fn audio_part(&mut self, part: Value<'a>, parts: &mut ListPatch<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 6] = ["type", "data", "format", "input_audio", "audio_url", "prompt_cache_breakpoint"];
        let [_, data, format, nested, url, breakpoint] = read(part, &NAMES).map_err(|_| part_not_translatable())?;
        check_breakpoint(breakpoint)?;
        self.found.visible = true;
        let Some(given_url) = given(url) else {
            let [data, format] = fields(data, format, nested)?;
            match audio_part(data, format) {
                Ok(audio) => parts.put(audio),
                Err(reject) => {
                    self.refuse_audio(Some(reject));
                    parts.leave_out();
                }
            }
            return Ok(());
        };
        if [data, format, nested].into_iter().any(|member| given(member).is_some()) {
            return Err(part_not_translatable());
        }
        self.refuse_audio(check_url(given_url).err());
        let mut patch = Patch::new(part);
        for member in [data, format, nested, breakpoint] {
            patch.drop(member);
        }
        parts.keep_or_put(part, patch.finish());
        Ok(())
    }

    /// Keeps the first refusal: audio is looked at only after everything else of the body.
    fn refuse_audio(&mut self, reject: Option<Reject>) {
        self.audio = self.audio.take().or(reject);
    }
}

/// `data` and `format`, wherever they stand.
fn fields<'a>(
    data: Option<Member<'a>>,
    format: Option<Member<'a>>,
    nested: Option<Member<'a>>,
) -> Result<[Option<Value<'a>>; 2], Reject> {
    let Some(nested) = given(nested) else { return Ok([given(data), given(format)]) };
    if given(data).or(given(format)).is_some() {
        return Err(part_not_translatable());
    }
    read(nested, &["data", "format"]).map(|members| members.map(given)).map_err(|_| part_not_translatable())
}
