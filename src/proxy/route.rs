//! The one table of endpoints: method and path to what happens there (docs/v1.md, Routes).

use std::borrow::Cow;

use http::{HeaderValue, Method, header};
use pooler_filter::{Operation, Reject, RejectKind, Route, Surface};

use super::path::Segments;

/// Who handles a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Answered here, without an upstream.
    Local,
    /// Sent upstream.
    Proxy,
    /// A websocket: each turn on it is a request of its own.
    Websocket,
    /// A file that is made upstream, uploaded and finished.
    Upload,
    /// A file that the client uploads itself.
    Bridge,
    /// Refused with `unsupported_endpoint`, for ever.
    Refuse,
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A JSON object.
    Json,
    /// A form, `multipart/form-data`.
    Form,
    /// Either, by its media type.
    JsonOrForm,
}

/// Which bulkhead a request runs in (docs/v1.md, Admission).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Requests for one answer, or for a stream, by what the body says.
    Model,
    /// A turn on a websocket.
    Turn,
    /// Compaction.
    Compact,
    /// Everything about files.
    Files,
    /// Transcription.
    Audio,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Method.
    pub method: &'static str,
    /// Path; `:id` stands for one segment, a last `*` for any rest.
    pub path: &'static str,
    /// Method and path, the name in logs, metrics and the ledger.
    pub name: &'static str,
    /// Who handles it.
    pub handler: Handler,
    /// What its body is.
    pub payload: Payload,
    /// Which bulkhead it runs in.
    pub class: Class,
    operation: Operation,
    images: bool,
}

macro_rules! row {
    ($method:literal $path:literal $handler:ident $operation:ident $($with:ident)*) => {
        Row {
            method: $method,
            path: $path,
            name: concat!($method, " ", $path),
            handler: Handler::$handler,
            payload: Payload::Json,
            class: Class::Model,
            operation: Operation::$operation,
            images: false,
        }
        $(.$with())*
    };
}

/// Every route there is. The first row that fits wins.
pub const ROUTES: &[Row] = &[
    row!("GET" "/v1/models" Local ListModels),
    row!("GET" "/v1/models/:id" Local GetModel),
    row!("POST" "/v1/responses" Proxy Responses),
    row!("GET" "/v1/responses" Websocket Responses turns),
    row!("POST" "/v1/responses/compact" Proxy Compact compact),
    row!("POST" "/v1/chat/completions" Proxy Chat),
    row!("GET" "/v1/usage" Local Usage),
    row!("GET" "/v1/files" Local ListFiles files),
    row!("POST" "/v1/files" Upload CreateFile form files),
    row!("GET" "/v1/files/:id" Local GetFile files),
    row!("GET" "/v1/files/:id/content" Local FileContent files),
    row!("DELETE" "/v1/files/:id" Local DeleteFile files),
    row!("POST" "/v1/audio/transcriptions" Proxy Transcribe form audio),
    row!("POST" "/v1/images/generations" Proxy GenerateImage images),
    row!("POST" "/v1/images/edits" Proxy EditImage json_or_form images),
    row!("POST" "/v1/images/variations" Refuse Unsupported),
    row!("POST" "/v1/content_provenance_checks" Refuse Unsupported),
    row!("POST" "/v1/embeddings" Refuse Unsupported),
    row!("POST" "/v1/batches" Refuse Unsupported),
    row!("POST" "/v1/moderations" Refuse Unsupported),
    row!("POST" "/v1/fine_tuning/jobs" Refuse Unsupported),
    row!("GET" "/v1/responses/:id" Refuse Unsupported),
    row!("POST" "/v1/responses/:id/cancel" Refuse Unsupported),
    row!("DELETE" "/v1/responses/:id" Refuse Unsupported),
    row!("GET" "/backend-api/codex/models" Local ListModels),
    row!("GET" "/backend-api/codex/v1/models" Local ListModels),
    row!("POST" "/backend-api/codex/responses" Proxy Responses),
    row!("POST" "/backend-api/codex/v1/responses" Proxy Responses),
    row!("GET" "/backend-api/codex/responses" Websocket Responses turns),
    row!("GET" "/backend-api/codex/v1/responses" Websocket Responses turns),
    row!("POST" "/backend-api/codex/responses/compact" Proxy Compact compact),
    row!("POST" "/backend-api/codex/v1/responses/compact" Proxy Compact compact),
    row!("POST" "/backend-api/codex/v1/chat/completions" Proxy Chat),
    row!("POST" "/backend-api/codex/images/generations" Proxy GenerateImage images),
    row!("POST" "/backend-api/codex/images/edits" Proxy EditImage images),
    row!("POST" "/backend-api/transcribe" Proxy Transcribe form audio),
    row!("POST" "/backend-api/files" Bridge CreateFile files),
    row!("POST" "/backend-api/files/:id/uploaded" Bridge FinishFile files),
    row!("GET" "/api/codex/usage" Local Usage),
    row!("GET" "/wham/usage" Local Usage),
    row!("GET" "/backend-api/wham/usage" Local Usage),
];

/// What is under `/v1` and not in the table, or asked with another method (docs/decisions.md, S14).
const UNKNOWN_V1: Row = row!("*" "/v1/*" Refuse Unsupported);

/// A route that was found, with the facts for the chain.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Who handles it.
    pub handler: Handler,
    /// What its body is.
    pub payload: Payload,
    /// Which bulkhead it runs in.
    pub class: Class,
    /// The slot.
    pub route: Route,
}

impl Row {
    fn surface(&self) -> Surface {
        if self.path.starts_with("/v1/") { Surface::V1 } else { Surface::Native }
    }

    fn fits(&self, segments: &[Cow<'_, str>]) -> bool {
        let mut wanted = self.path.split('/').skip(1);
        let mut given = segments.iter();
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(":id"), Some(id)) if !id.is_empty() => {}
                (Some(name), Some(segment)) if name == segment => {}
                _ => return false,
            }
        }
    }

    const fn images(self) -> Self {
        Self { images: true, ..self }
    }

    const fn form(self) -> Self {
        Self { payload: Payload::Form, ..self }
    }

    const fn json_or_form(self) -> Self {
        Self { payload: Payload::JsonOrForm, ..self }
    }

    const fn compact(self) -> Self {
        Self { class: Class::Compact, ..self }
    }

    const fn turns(self) -> Self {
        Self { class: Class::Turn, ..self }
    }

    const fn files(self) -> Self {
        Self { class: Class::Files, ..self }
    }

    const fn audio(self) -> Self {
        Self { class: Class::Audio, ..self }
    }

    fn found(&self) -> Found {
        let route = Route { name: self.name, operation: self.operation, surface: self.surface(), images: self.images };
        Found { handler: self.handler, payload: self.payload, class: self.class, route }
    }
}

/// The route of a request. Outside `/v1`, an unknown path is 404 and a wrong method 405; under `/v1` both are a route that is refused
/// after authentication.
pub fn find(method: &Method, path: &str) -> Result<Found, Reject> {
    // Nearly every request: a path that stands in the table as it came.
    if let Some(row) = ROUTES.iter().find(|row| row.path == path && row.method == method.as_str()) {
        return Ok(row.found());
    }
    let segments = Segments::decode(path)?;
    let rows = || ROUTES.iter().filter(|row| row.fits(segments.as_slice()));
    if let Some(row) = rows().find(|row| row.method == method.as_str()) {
        return Ok(row.found());
    }
    if segments.as_slice().first().is_some_and(|first| first == "v1") {
        return Ok(UNKNOWN_V1.found());
    }
    let mut allowed: Vec<&str> = rows().map(|row| row.method).collect();
    allowed.dedup();
    if allowed.is_empty() {
        return Err(Reject::new(RejectKind::NotFound, "not_found", "Not Found"));
    }
    let reject = Reject::new(RejectKind::MethodNotAllowed, "method_not_allowed", "Method Not Allowed");
    let allow = HeaderValue::from_str(&allowed.join(", "));
    Err(match allow {
        Ok(value) => reject.header(header::ALLOW, value),
        Err(_) => reject,
    })
}

/// The refusal of an endpoint that is not supported (docs/v1.md, Unsupported endpoints).
pub(crate) fn unsupported() -> Reject {
    Reject::new(RejectKind::NotFound, "unsupported_endpoint", "Unsupported OpenAI /v1 endpoint")
}

#[cfg(test)]
mod tests;
