//! Images and files inside messages: which forms the upstream takes.

use pooler_filter::json::Value;
use pooler_filter::{Reject, RejectKind};

use super::super::patch::{ListPatch, Member, Patch, given, read};
use super::super::splice::Splice;
use super::part::{check_breakpoint, part_not_translatable};
use super::{PARAM, Walk};

const IMAGES: [&str; 4] =
    ["data:image/gif;base64,", "data:image/jpeg;base64,", "data:image/png;base64,", "data:image/webp;base64,"];
const FILES: [&str; 2] = ["data:application/pdf;base64,", "data:text/plain;base64,"];

impl<'a> Walk<'a> {
    /// `input_image`: a URL, the data itself, or the id of a file.
    pub(super) fn image_part(&mut self, part: Value<'a>, parts: &mut ListPatch<'a>) -> Result<(), Reject> {
        const NAMES: [&str; 5] = ["type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"];
        let [_, url, file, detail, breakpoint] = read(part, &NAMES).map_err(|_| part_not_translatable())?;
        check_breakpoint(breakpoint)?;
        self.found.image = true;
        let mut patch = Patch::new(part);
        let named = self.file_id(file, &mut patch)?;
        let fault = match given(url) {
            Some(url) => image_fault(url),
            None => (!named).then(no_image),
        };
        self.found.visible |= fault.is_none();
        self.media = self.media.take().or(fault);
        for member in [url, detail] {
            patch.drop_null(member);
        }
        patch.drop(breakpoint);
        parts.keep_or_put(part, patch.finish());
        Ok(())
    }

    /// `input_file`: the data itself, or the id of an uploaded file. The same as a part and as an item.
    pub(super) fn file(&mut self, file: Value<'a>) -> Result<Option<Splice>, Reject> {
        const NAMES: [&str; 7] =
            ["type", "file_data", "filename", "file_id", "detail", "file_url", "prompt_cache_breakpoint"];
        let [_, data, name, id, detail, url, breakpoint] = read(file, &NAMES).map_err(|_| part_not_translatable())?;
        check_breakpoint(breakpoint)?;
        self.found.file = true;
        let mut patch = Patch::new(file);
        let named = self.file_id(id, &mut patch)?;
        let fault = match given(data) {
            _ if given(url).is_some() => Some(no_file()),
            None if named => None,
            data => file_fault(data),
        };
        self.found.visible |= named && fault.is_none();
        self.media = self.media.take().or(fault);
        for member in [data, name, detail, url] {
            patch.drop_null(member);
        }
        patch.drop(breakpoint);
        Ok(patch.finish())
    }

    /// Notes the id of an uploaded file, which the account is chosen by; a blank one names none and goes.
    fn file_id(&mut self, id: Option<Member<'_>>, patch: &mut Patch<'_>) -> Result<bool, Reject> {
        let text = given(id).map(|id| id.as_str().ok_or_else(part_not_translatable)).transpose()?;
        match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                self.found.files.push(text.into_owned());
                Ok(true)
            }
            None => {
                patch.drop(id);
                Ok(false)
            }
        }
    }
}

/// What is wrong with the URL of an image, if anything is.
pub(in super::super) fn image_fault(url: Value<'_>) -> Option<Reject> {
    let taken = url.as_str().is_some_and(|url| is_image_url(&url));
    (!taken).then(no_image)
}

/// What is wrong with the data of a file, if anything is.
pub(in super::super) fn file_fault(data: Option<Value<'_>>) -> Option<Reject> {
    let taken = data.and_then(|data| data.as_str()).is_some_and(|data| is_data(&data, &FILES));
    (!taken).then(no_file)
}

fn no_image() -> Reject {
    let message = "input_image must be an https URL, a base64 data URL of a gif, jpeg, png or webp image, or a file_id";
    Reject::new(RejectKind::Invalid, "unsupported_input_image_format", message).at(PARAM)
}

fn no_file() -> Reject {
    let message = "input_file.file_data must be a base64 data URL of application/pdf or text/plain";
    Reject::new(RejectKind::Invalid, "unsupported_input_file_format", message).at(PARAM)
}

/// Whether the upstream takes an image from this URL.
pub(in crate::request) fn is_image_url(url: &str) -> bool {
    is_https(url) || is_data(url, &IMAGES)
}

fn is_https(url: &str) -> bool {
    without_prefix(url, "https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// Whether this is a data URL with one of the heads and some base64 after it.
fn is_data(url: &str, heads: &[&str]) -> bool {
    heads.iter().find_map(|head| without_prefix(url, head)).is_some_and(is_base64)
}

fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    !data.is_empty() && text.len() - data.len() <= 2 && data.bytes().all(known)
}
