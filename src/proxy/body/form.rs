//! Reads a form while it arrives, under the caps of its route (docs/v1.md, Multipart bodies).

mod blocks;
#[cfg(any(test, fuzzing))]
pub(in crate::proxy) mod fuzz;
mod parameters;
mod parser;

use http::{HeaderMap, header};
use pingora_core::protocols::http::ServerSession;
use pooler_filter::form::{Form, Part};
use pooler_filter::{Operation, Reject, RejectKind};

use self::parser::FormParser;
use super::inflate::Coding;
use super::{compressed, promised, too_large};
use crate::config::Settings;
use crate::proxy::budget::Room;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Largest part that is not a file.
const FIELD: usize = 256 * KIB;
/// What a form may have beside its file: other fields, heads, boundaries.
const BESIDE: usize = MIB;
/// Largest recording.
const RECORDING: usize = 26_214_400;
/// Largest form with images, mask included.
const IMAGES: usize = 50 * MIB;
/// Longest boundary (RFC 2046, 5.1.1).
const BOUNDARY: usize = 70;
/// Parts that hold a file, whether or not they name one.
const FILE_FIELDS: [&str; 4] = ["file", "image", "image[]", "mask"];

/// Sizes that the form of a route may have, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormCaps {
    /// The whole body.
    total: usize,
    /// One file in it.
    file: usize,
    /// How it is told that a file, or the body, is too large.
    told: Told,
}

/// How it is told that a file is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// As 400: the upload of a file.
    FileSize,
    /// As 413, with the field at fault.
    File,
    /// As 413.
    Body,
}

impl FormCaps {
    /// The caps for this operation; `limits.max_body` bounds them all.
    pub(crate) fn of(operation: Operation, settings: &Settings) -> Self {
        let (file, total, told) = match operation {
            Operation::CreateFile => (settings.files.max_size, settings.files.max_size + BESIDE, Told::FileSize),
            Operation::Transcribe => (RECORDING, RECORDING + BESIDE, Told::File),
            Operation::EditImage | _ => (IMAGES, IMAGES, Told::Body),
        };
        Self { total: total.min(settings.limits.max_body), file, told }
    }

    /// The most that this part may hold.
    fn part(&self, part: &Part) -> usize {
        if is_file(part) { self.file } else { FIELD }
    }

    /// The answer to a part that is too large.
    fn refusal(&self, part: &Part) -> Reject {
        if is_file(part) { self.too_large() } else { too_large().at(part.name.clone()) }
    }

    /// The answer to a body that is too large.
    fn too_large(&self) -> Reject {
        match self.told {
            Told::FileSize => Reject::invalid("file_size exceeds the supported limit").at("file_size"),
            Told::File => {
                let message = format!("file is larger than {} bytes", self.file);
                Reject::new(RejectKind::TooLarge, "request_too_large", message).at("file")
            }
            Told::Body => too_large(),
        }
    }
}

fn is_file(part: &Part) -> bool {
    part.filename.is_some() || FILE_FIELDS.contains(&part.name.as_str())
}

/// Whether the media type of the body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|(essence, _)| essence == "multipart/form-data")
}

fn media_type(headers: &HeaderMap) -> Option<(String, Vec<(String, String)>)> {
    parameters::parse(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
}

/// The boundary of a form that is not compressed.
fn boundary(headers: &HeaderMap) -> Result<String, Reject> {
    let coding = Coding::of(headers)?;
    if !is_form(headers) {
        let message = "request body must be multipart/form-data";
        return Err(Reject::new(RejectKind::UnsupportedMedia, "unsupported_media_type", message));
    }
    if coding != Coding::Identity {
        return Err(compressed("multipart/form-data"));
    }
    let given = media_type(headers).unwrap_or_default().1;
    let boundary = parameters::get(&given, "boundary").unwrap_or_default();
    let fits = (1..=BOUNDARY).contains(&boundary.len()) && boundary.bytes().all(|b| (b' '..=b'~').contains(&b));
    if !fits || boundary.ends_with(' ') {
        return Err(Reject::invalid("the boundary of the multipart body is missing or not valid"));
    }
    Ok(boundary.to_owned())
}

/// Reads a form. The room is held for as long as the form is.
pub(crate) async fn read_form(
    session: &mut ServerSession,
    settings: &Settings,
    caps: FormCaps,
    room: &mut Room,
) -> Result<Form, Reject> {
    let boundary = boundary(&session.req_header().headers)?;
    if promised(&session.req_header().headers).is_some_and(|length| length > caps.total) {
        return Err(caps.too_large());
    }
    super::go_ahead(session).await?;
    let mut pace = super::pace(&settings.limits);
    let mut parser = FormParser::new(&boundary, caps);
    let mut read = 0;
    loop {
        let Some(piece) = super::piece(session, &mut pace).await? else { return parser.finish() };
        read += piece.len();
        if read > caps.total {
            return Err(caps.too_large());
        }
        room.grow_to(parser.held() + piece.len()).await?;
        parser.push(&piece)?;
    }
}

#[cfg(test)]
mod tests;
