//! Reads and decodes a request body.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Cap of a body, as sent and decoded.
const CAP: usize = 64 << 20;

/// The bytes as they came over the wire.
pub(super) async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, CAP).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Refusal::detail(400, "body_incomplete", "Incomplete request body")),
    }
}

/// The JSON object in a body, after `content-type` and `content-encoding`.
pub(super) fn object(headers: &HeaderMap, wire: &Bytes) -> Result<Map<String, Value>, Refusal> {
    if media_type(headers) != "application/json" {
        return Err(Refusal::detail(415, "content_type", "Unsupported Media Type"));
    }
    let decoded = decode(headers, wire)?;
    match serde_json::from_slice(&decoded) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Refusal::detail(400, "body_not_object", "Request body must be a JSON object")),
        Err(_) => Err(Refusal::detail(400, "body_not_json", "Request body is not valid JSON")),
    }
}

/// The media type of a request, lower case, without parameters; empty without one.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn decode(headers: &HeaderMap, wire: &Bytes) -> Result<Bytes, Refusal> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = codings.next().map(|value| value.as_bytes().to_ascii_lowercase());
    if codings.next().is_some() {
        return Err(unsupported_coding());
    }
    match coding.as_deref() {
        None | Some(b"identity") => Ok(wire.clone()),
        Some(b"zstd") => bounded(zstd::stream::read::Decoder::new(&wire[..]).map_err(|_| broken_coding())?),
        Some(b"gzip") => bounded(GzDecoder::new(&wire[..])),
        Some(_) => Err(unsupported_coding()),
    }
}

fn bounded(reader: impl Read) -> Result<Bytes, Refusal> {
    let mut out = Vec::new();
    let limit = u64::try_from(CAP).unwrap_or(u64::MAX) + 1;
    reader.take(limit).read_to_end(&mut out).map_err(|_| broken_coding())?;
    if out.len() > CAP { Err(too_large()) } else { Ok(out.into()) }
}

fn too_large() -> Refusal {
    Refusal::detail(413, "body_too_large", "Request Entity Too Large")
}

fn unsupported_coding() -> Refusal {
    Refusal::detail(415, "content_encoding", "Unsupported content encoding")
}

fn broken_coding() -> Refusal {
    Refusal::detail(400, "body_broken_coding", "Request body could not be decoded")
}
