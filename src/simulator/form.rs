//! Reads `multipart/form-data`.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use multer::Multipart;

use super::refusal::Refusal;

/// One part of a form.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Its `filename`; only files have one.
    pub(super) file_name: Option<String>,
    pub(super) content: Bytes,
}

impl Part {
    /// The text of a part that is no file.
    pub(super) fn text(&self) -> Option<&str> {
        if self.file_name.is_some() { None } else { std::str::from_utf8(&self.content).ok() }
    }
}

/// All parts of a form, in their order.
pub(super) async fn parts(headers: &HeaderMap, wire: Bytes) -> Result<Vec<Part>, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| Refusal::detail(415, "content_type", "Unsupported Media Type"))?;
    let body = stream::iter([Ok::<_, std::convert::Infallible>(wire)]);
    let mut form = Multipart::new(body, boundary);
    let mut out = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().ok_or_else(broken)?.to_owned();
        let file_name = field.file_name().map(str::to_owned);
        out.push(Part { name, file_name, content: field.bytes().await.map_err(|_| broken())? });
    }
    Ok(out)
}

fn broken() -> Refusal {
    Refusal::detail(400, "form", "Request body is not a valid form")
}
