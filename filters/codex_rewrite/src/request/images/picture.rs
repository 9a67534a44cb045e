//! One image of a request: the bytes of an upload, or a URL.

use std::io::{self, Write as _};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use pooler_filter::form::Chunks;
use pooler_filter::json::Value;
use pooler_filter::{Reject, RejectKind};

use super::members::Given;
use crate::request::input::is_image_url;
use crate::request::patch::{given, read};

/// How many bytes tell the format of an image.
const HEAD: usize = 12;

/// An image in a form that the upstream takes.
#[derive(Debug)]
pub(super) enum Picture<'a> {
    /// An https URL or a base64 data URL, as the client wrote it.
    Url(Value<'a>),
    /// The bytes of an upload, of this media type.
    Upload(&'static str, &'a Chunks),
}

impl<'a> Picture<'a> {
    /// Checks an image; `param` is the member that it came under.
    pub(super) fn of(image: Given<'a>, param: &'static str) -> Result<Self, Reject> {
        let found = match image {
            Given::Part(part) => media_type(&part.data).map(|kind| Self::Upload(kind, &part.data)),
            Given::Json(value) => url(value).map(Self::Url),
        };
        found.ok_or_else(|| {
            let message =
                format!("{param} must be a png, jpeg, webp or gif image: a file, a base64 data URL or an https URL");
            Reject::new(RejectKind::Invalid, "unsupported_input_image_format", message).at(param)
        })
    }

    /// How many bytes [`Self::write`] writes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Url(url) => url.raw_bytes().len(),
            Self::Upload(kind, data) => kind.len() + "\"data:;base64,\"".len() + data.len().div_ceil(3) * 4,
        }
    }

    /// Writes the image as a JSON string that is a URL. The bytes of an upload go into `out` without another copy.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Url(url) => out.extend_from_slice(&url.raw_bytes()),
            Self::Upload(kind, data) => {
                write!(out, "\"data:{kind};base64,")?;
                let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
                for piece in data.pieces() {
                    encoder.write_all(piece)?;
                }
                encoder.finish()?;
                drop(encoder);
                out.push(b'"');
            }
        }
        Ok(())
    }
}

/// The URL in a string, or in an object that has nothing else. Uploaded files are not taken.
fn url(value: Value<'_>) -> Option<Value<'_>> {
    let url = match read(value, &["image_url", "file_id"]) {
        Ok([url, file]) => given(url).filter(|_| given(file).is_none())?,
        Err(_) => value,
    };
    url.as_str().is_some_and(|text| is_image_url(&text)).then_some(url)
}

/// The media type that the first bytes tell.
fn media_type(data: &Chunks) -> Option<&'static str> {
    let head: Vec<u8> = data.pieces().flatten().copied().take(HEAD).collect();
    match head.as_slice() {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        _ => None,
    }
}
