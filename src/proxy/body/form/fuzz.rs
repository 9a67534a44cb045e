//! Forms of clients that may send anything: the same parts however the bytes are cut, and never more of them than came.

use http::{HeaderMap, HeaderValue, header};
use pooler_filter::Reject;
use pooler_filter::form::{Form, Part};
use pooler_filter::testing::pieces;

use super::parser::{FormParser, MOST_PARTS};
use super::{BOUNDARY, Coding, FormCaps, KIB, Told, boundary, is_form};
use crate::proxy::intake::fuzz::refused;

const CAPS: FormCaps = FormCaps { total: 64 * KIB, file: 100, told: Told::File };

/// What the head says of the body.
pub(in crate::proxy) fn media(headers: &HeaderMap) -> Result<(), Reject> {
    Coding::of(headers)?;
    if is_form(headers) {
        let boundary = boundary(headers)?;
        assert!((1..=BOUNDARY).contains(&boundary.len()));
    }
    super::super::require_json(headers)
}

pub(in crate::proxy) fn form(input: &[u8]) {
    let Some((seed, rest)) = input.split_first() else { return };
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (kind, body) = rest.split_at(line);
    let Ok(kind) = HeaderValue::from_bytes(kind) else { return };
    let boundary = match boundary(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind)])) {
        Ok(boundary) => boundary,
        Err(reject) => return refused(&reject),
    };
    let body = body.get(1..).unwrap_or_default();
    let whole = parse(&boundary, [body]);
    let cut = parse(&boundary, pieces(*seed, body));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(seen(&whole), seen(&cut));
            assert!(whole.parts.len() <= MOST_PARTS && whole.parts.iter().all(|part| !part.name.is_empty()));
            let held: usize = whole.parts.iter().map(|part| part.data.len()).sum();
            assert!(held <= body.len());
        }
        (Err(whole), Err(cut)) => {
            refused(&whole);
            assert_eq!((whole.status(), whole.envelope()), (cut.status(), cut.envelope()));
        }
        (whole, cut) => panic!("as a whole: {:?}, in pieces: {:?}", whole.is_ok(), cut.is_ok()),
    }
}

fn parse<'a>(boundary: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Form, Reject> {
    let mut parser = FormParser::new(boundary, CAPS);
    let mut came = 0;
    for piece in pieces {
        parser.push(piece)?;
        came += piece.len();
        assert!(parser.held() <= came, "more is counted than came");
    }
    parser.finish()
}

type Seen<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Vec<u8>);

fn seen(form: &Form) -> Vec<Seen<'_>> {
    let part = |part: &'_ Part| part.data.to_bytes().to_vec();
    form.parts.iter().map(|p| (p.name.as_str(), p.filename.as_deref(), p.content_type.as_deref(), part(p))).collect()
}
