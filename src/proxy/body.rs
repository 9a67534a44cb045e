//! Reads and decodes the body of a request, under caps. The only place where a client's body is read.

mod form;
mod inflate;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora_core::protocols::http::ServerSession;
use pooler_filter::json::{JsonError, JsonObject};
use pooler_filter::{Reject, RejectKind};
use tokio::time::timeout;

pub(crate) use self::form::{FormCaps, is_form, read_form};
use self::inflate::Coding;
use super::budget::Room;
use crate::config::Limits;

/// Memory taken for a body of unknown length, and the most that a promised length takes up front.
const FIRST_ROOM: usize = 16 * 1024;
const MOST_UP_FRONT: usize = 1024 * 1024;
/// A larger text is indexed away from the threads that serve connections.
const LARGE: usize = 1024 * 1024;

/// Reads a JSON object (docs/v1.md, Body errors). The room is held for as long as the body is.
pub(crate) async fn read_json(
    session: &mut ServerSession,
    limits: &Limits,
    room: &mut Room,
) -> Result<JsonObject, Reject> {
    let coding = Coding::of(&session.req_header().headers)?;
    if coding == Coding::Identity {
        let text = read(session, limits.max_body, limits.body_idle_timeout, room).await?;
        return index(text)
            .await
            .map_err(|e| refusal(&e, "request body must be valid JSON", "request body must be an object"));
    }
    require_json(&session.req_header().headers)?;
    let inflating = async {
        let packed =
            read(session, limits.max_compressed - 1, limits.body_idle_timeout, room).await.map_err(packed_cap)?;
        inflate::inflate(coding, packed, limits, room).await
    };
    let text = timeout(limits.body_time, inflating).await.map_err(|_| {
        Reject::new(RejectKind::Timeout, "request_decompression_timeout", "request body decompression timed out")
    })??;
    index(text).await.map_err(|e| refusal(&e, "request body must be JSON", "request body must be a JSON object"))
}

/// Whether the media type is `application/json` or `*+json`.
fn require_json(headers: &HeaderMap) -> Result<(), Reject> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.contains('/') && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(compressed(&essence))
}

fn compressed(essence: &str) -> Reject {
    let message = format!("compressed {essence} request bodies are not supported");
    Reject::new(RejectKind::UnsupportedMedia, "unsupported_media_type", message)
}

/// The length that the client promised, if it did.
fn promised(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Tells a client that waits for it to send its body.
async fn go_ahead(session: &mut ServerSession) -> Result<(), Reject> {
    if session.req_header().headers.contains_key(header::EXPECT) {
        session.write_continue_response().await.map_err(unreadable)?;
    }
    Ok(())
}

fn too_large() -> Reject {
    Reject::new(RejectKind::TooLarge, "request_too_large", "request body is too large")
}

/// The cap of a compressed body is told by its own code.
fn packed_cap(reject: Reject) -> Reject {
    if reject.code_str() != "request_too_large" {
        return reject;
    }
    Reject::new(RejectKind::TooLarge, "compressed_request_too_large", "compressed request body is too large")
}

async fn read(session: &mut ServerSession, cap: usize, idle: Duration, room: &mut Room) -> Result<Bytes, Reject> {
    let promised = promised(&session.req_header().headers);
    if promised.is_some_and(|length| length > cap) {
        return Err(too_large());
    }
    go_ahead(session).await?;
    let up_front = promised.map_or(FIRST_ROOM, |length| length.min(MOST_UP_FRONT));
    room.grow_to(up_front).await?;
    let mut body = BytesMut::with_capacity(up_front);
    loop {
        let chunk = timeout(idle, session.read_request_body()).await.map_err(|_| slow())?;
        let Some(chunk) = chunk.map_err(unreadable)? else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > cap {
            return Err(too_large());
        }
        if body.is_empty() && promised == Some(chunk.len()) {
            return finish(session, idle, chunk).await;
        }
        room.grow_to(body.len() + chunk.len()).await?;
        body.extend_from_slice(&chunk);
    }
}

/// The whole body came as one chunk: it is kept as it is, once the end was seen.
async fn finish(session: &mut ServerSession, idle: Duration, chunk: Bytes) -> Result<Bytes, Reject> {
    match timeout(idle, session.read_request_body()).await.map_err(|_| slow())?.map_err(unreadable)? {
        None => Ok(chunk),
        Some(more) if more.is_empty() => Ok(chunk),
        Some(_) => Err(unreadable("more bytes than promised")),
    }
}

fn slow() -> Reject {
    Reject::new(RejectKind::Timeout, "request_timeout", "request body was not received in time")
}

fn unreadable(cause: impl Into<pooler_filter::Source>) -> Reject {
    Reject::invalid("request body could not be read").because(cause)
}

pub(super) async fn index(text: Bytes) -> Result<JsonObject, JsonError> {
    if text.len() <= LARGE {
        return JsonObject::parse(text);
    }
    match tokio::task::spawn_blocking(move || JsonObject::parse(text)).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn refusal(error: &JsonError, not_json: &'static str, not_an_object: &'static str) -> Reject {
    match error {
        JsonError::NotJson { .. } => Reject::invalid(not_json),
        JsonError::NotAnObject => Reject::invalid(not_an_object),
        limit
        @ (JsonError::TooDeep | JsonError::TooManyKeys | JsonError::DuplicateKey(_) | JsonError::TooLarge | _) => {
            Reject::invalid(format!("request body is refused: {limit}"))
        }
    }
}
