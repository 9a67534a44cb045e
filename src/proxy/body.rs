//! Reads and decodes the body of a request, under caps. The only place where a client's body is read.

mod form;
mod inflate;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora_core::protocols::http::ServerSession;
use pooler_filter::json::{JsonError, JsonObject};
use pooler_filter::{Reject, RejectKind};
use tokio::time::timeout;

#[cfg(any(test, fuzzing))]
pub(super) use self::form::fuzz;
pub(crate) use self::form::{FormCaps, is_form, read_form};
use self::inflate::Coding;
use super::budget::{LARGE, Room};
use super::pace::Pace;
use crate::config::Limits;

/// Memory taken for a body of unknown length, and the most that a promised length takes up front.
const FIRST_ROOM: usize = 16 * 1024;
const MOST_UP_FRONT: usize = 1024 * 1024;
/// Memory for the first piece of a body that is larger than that.
const FIRST_PIECE: usize = 64 * 1024;
/// Which part of its text an index may be without room of its own.
const SMALL_INDEX: usize = 16;
/// Which part of its text the index of a conversation is at most. It is tried first, where there is room.
const LIKELY_INDEX: usize = 2;
/// How many times its text an index is at most.
const DENSEST: usize = 8;

/// Reads a JSON object (docs/v1.md, Body errors). The room is held for as long as the body is.
pub(crate) async fn read_json(
    session: &mut ServerSession,
    limits: &Limits,
    native: bool,
    room: &mut Room,
) -> Result<JsonObject, Reject> {
    let coding = Coding::of(&session.req_header().headers)?;
    if coding == Coding::Identity {
        let text = read(session, limits.max_body, pace(limits), room).await?;
        let object = if native { "request body must be a JSON object" } else { "request body must be an object" };
        return index(text, room).await.map_err(|e| e.told("request body must be valid JSON", object));
    }
    require_json(&session.req_header().headers)?;
    let inflating = async {
        let packed = read(session, limits.max_compressed - 1, pace(limits), room).await.map_err(packed_cap)?;
        inflate::inflate(coding, packed, limits, room).await
    };
    let text = timeout(limits.body_time, inflating).await.map_err(|_| {
        Reject::new(RejectKind::Timeout, "request_decompression_timeout", "request body decompression timed out")
    })??;
    index(text, room).await.map_err(|e| e.told("request body must be JSON", "request body must be a JSON object"))
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
    let head = session.req_header();
    if head.version != http::Version::HTTP_10 && head.headers.contains_key(header::EXPECT) {
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

/// How slowly a client may send its body.
const fn pace(limits: &Limits) -> Pace {
    Pace::new(limits.body_idle_timeout, limits.body_min_rate)
}

/// The next piece of the body; none at its end.
async fn piece(session: &mut ServerSession, pace: &mut Pace) -> Result<Option<Bytes>, Reject> {
    let came =
        |read: &pingora_error::Result<Option<Bytes>>| read.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len);
    pace.wait(session.read_request_body(), came).await.map_err(|_| slow())?.map_err(unreadable)
}

async fn read(session: &mut ServerSession, cap: usize, mut pace: Pace, room: &mut Room) -> Result<Bytes, Reject> {
    let promised = promised(&session.req_header().headers);
    if promised.is_some_and(|length| length > cap) {
        return Err(too_large());
    }
    go_ahead(session).await?;
    let up_front = promised.map_or(FIRST_ROOM, |length| length.min(MOST_UP_FRONT));
    room.grow_to(up_front).await?;
    // Whoever sends the first piece of a large body sends the rest as well: it gets its memory then, and is not copied while it grows.
    let mut body = BytesMut::with_capacity(if promised.is_some_and(|whole| whole > MOST_UP_FRONT) {
        FIRST_PIECE
    } else {
        up_front
    });
    loop {
        let Some(chunk) = piece(session, &mut pace).await? else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > cap {
            return Err(too_large());
        }
        if body.is_empty() && promised == Some(chunk.len()) {
            return finish(session, &mut pace, chunk).await;
        }
        room.grow_to(body.len() + chunk.len()).await?;
        make_way(&mut body, chunk.len(), promised, cap);
        body.extend_from_slice(&chunk);
    }
}

/// Makes a place for the next bytes of a body of this length, if it is known, and at most `cap`. A large one has all of its address space at
/// once: memory that is not written to is none, and a body that moves while it grows is in memory twice.
fn make_way(body: &mut BytesMut, more: usize, whole: Option<usize>, cap: usize) {
    let len = body.len();
    if body.capacity() - len < more {
        let most = whole.or((len + more > LARGE).then_some(cap)).unwrap_or_default();
        body.reserve(most.saturating_sub(len).max(more));
    }
}

/// The whole body came as one chunk: it is kept as it is, once the end was seen.
async fn finish(session: &mut ServerSession, pace: &mut Pace, chunk: Bytes) -> Result<Bytes, Reject> {
    match piece(session, pace).await? {
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

/// Why a text is no object that can be worked with.
#[derive(Debug)]
pub(super) enum Unread {
    /// Something is wrong with it.
    Json(JsonError),
    /// There is no room for its index.
    NoRoom(Reject),
}

impl Unread {
    fn told(self, not_json: &'static str, not_an_object: &'static str) -> Reject {
        match self {
            Self::NoRoom(reject) => reject,
            Self::Json(JsonError::NotJson { .. }) => Reject::invalid(not_json),
            Self::Json(JsonError::NotAnObject) => Reject::invalid(not_an_object),
            Self::Json(
                limit @ (JsonError::TooDeep
                | JsonError::TooManyKeys
                | JsonError::DuplicateKey(_)
                | JsonError::TooLarge
                | JsonError::IndexTooLarge
                | _),
            ) => Reject::invalid(format!("request body is refused: {limit}")),
        }
    }
}

/// Indexes a text that has room already. The index of a text with long values is small beside it; a larger one takes room of its own
/// before it is written, and the most that it may have is bounded too.
pub(super) async fn index(text: Bytes, room: &mut Room) -> Result<JsonObject, Unread> {
    let (len, held) = (text.len(), room.held());
    let (small, likely) = ((len / SMALL_INDEX).max(FIRST_ROOM), len / LIKELY_INDEX);
    // Nobody waits for room that may not be needed.
    let first = if likely > small && room.grow_now(len + likely).is_ok() { likely } else { small };
    let object = parse(text.clone(), first).await;
    let size = object.as_ref().map_or(0, JsonObject::index_size);
    room.shrink_to(held.max(if size > small { len + size } else { 0 }));
    match object {
        Err(JsonError::IndexTooLarge) => {}
        done => return done.map_err(Unread::Json),
    }
    let most = len.min(LARGE) * DENSEST + len.saturating_sub(LARGE);
    room.grow_to(len + most).await.map_err(Unread::NoRoom)?;
    let object = parse(text, most).await;
    room.shrink_to(len + object.as_ref().map_or(0, JsonObject::index_size));
    object.map_err(Unread::Json)
}

/// A large text is indexed away from the threads that serve connections.
async fn parse(text: Bytes, most_index: usize) -> Result<JsonObject, JsonError> {
    if text.len() <= LARGE {
        return JsonObject::parse_within(text, most_index);
    }
    match tokio::task::spawn_blocking(move || JsonObject::parse_within(text, most_index)).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::budget::Budget;
    use super::*;

    /// An object with so many strings of this length.
    fn text(count: usize, len: usize) -> Bytes {
        let item = format!("{{\"text\":\"{}\"}}", "x".repeat(len));
        format!("{{\"input\":[{}]}}", vec![item; count].join(",")).into()
    }

    #[test]
    fn a_large_body_has_its_place_once_and_a_small_one_no_more_than_it_needs() {
        let chunk = [7; 16 * 1024];
        for whole in [None, Some(4 << 20)] {
            let (mut body, mut places) = (BytesMut::new(), Vec::new());
            for _ in 0..(4 << 20) / chunk.len() {
                make_way(&mut body, chunk.len(), whole, 32 << 20);
                body.extend_from_slice(&chunk);
                if body.len() > LARGE {
                    places.push(body.as_ptr());
                }
                assert!(body.len() > LARGE || whole.is_some() || body.capacity() <= 2 * body.len());
            }
            places.dedup();
            assert_eq!(places.len(), 1, "{whole:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_index_that_is_not_small_has_room_of_its_own() {
        for (text, counted) in [(text(2000, 80), true), (text(2000, 10), true), (text(2, 80_000), false)] {
            let budget = Budget::new(16 << 20, Duration::from_secs(1));
            let mut room = budget.open();
            room.grow_to(text.len()).await.unwrap();
            let before = room.held();
            let object = index(text.clone(), &mut room).await.unwrap();
            let wanted = if counted { text.len() + object.index_size() } else { before };
            assert!((wanted..wanted + 4096).contains(&room.held()), "{} for {wanted}", room.held());
            assert!(!counted || object.index_size() > text.len() / SMALL_INDEX);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_only_a_small_index_is_written() {
        for (text, small) in [(text(2000, 80), false), (text(2, 80_000), true)] {
            let budget = Budget::new(text.len() + 8192, Duration::from_secs(1));
            let mut room = budget.open();
            room.grow_to(text.len()).await.unwrap();
            let before = room.held();
            let object = index(text, &mut room).await;
            assert_eq!(object.is_ok(), small);
            assert!(small || matches!(object, Err(Unread::NoRoom(_))));
            assert_eq!(room.held(), before);
        }
    }
}
