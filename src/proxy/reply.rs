//! What the client gets: refusals, answers given here, and the frames of the upstream's answer. The only place where error JSON becomes a
//! response, and where the first byte waits for the reservation.

mod native;
mod quiet;
mod relay;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pooler_filter::codex::sentence;
use pooler_filter::{Exchange, LocalReply, Reject, RejectKind, Reservation};

use super::downstream::{Downstream, Gone, Length};

pub(crate) use self::native::native;
pub(crate) use self::relay::{Fault, Relay, Relayed};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Sends a refusal as a status of its own: headers by its kind and code, the envelope as body.
pub(crate) async fn refuse(down: &mut Downstream, reject: &Reject) -> Result<(), Gone> {
    let mut headers = reject.headers.clone();
    let body = match &reject.verbatim {
        Some(told) => {
            told.content_type.iter().for_each(|kind| drop(headers.insert(header::CONTENT_TYPE, kind.clone())));
            told.body.clone()
        }
        None => {
            headers.insert(header::CONTENT_TYPE, JSON);
            Bytes::from(reject.envelope())
        }
    };
    if reject.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = reject.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if reject.forbids_retry() {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    down.whole(reject.status(), &headers, body).await
}

/// Sends an answer that was given here.
pub(crate) async fn local(down: &mut Downstream, reply: LocalReply) -> Result<(), Gone> {
    down.whole(reply.status, &reply.headers, reply.body).await
}

/// Waits until the request is counted for certain; before that the client gets nothing.
pub(crate) async fn counted(cx: &Exchange) -> Result<(), Reject> {
    let Some(Reservation(durable)) = cx.get::<Reservation>() else { return Ok(()) };
    durable.wait().await.map_err(|error| {
        let code = "gateway_reservation_failed";
        Reject::new(RejectKind::Unavailable, code, sentence(code, Default::default())).because(error)
    })
}

/// The head of a stream that is committed before any answer is known (docs/decisions.md, R2).
pub(crate) async fn silent_head(down: &mut Downstream) -> Result<(), Gone> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    down.head_before(StatusCode::OK, &headers, Length::Open).await?;
    comment(down).await
}

/// A comment: keeps the connection alive, and clients skip it.
pub(crate) async fn comment(down: &mut Downstream) -> Result<(), Gone> {
    down.body(Bytes::from_static(b": keepalive\n\n"), false).await
}
