//! The client's side of an exchange: what was sent to it, when, and whether it is still there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use pooler_filter::RequestId;

use super::pace::Pace;
use crate::cork::Gate;

/// Bytes that the client is given at once.
const SLICE: usize = 64 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone;

/// The client's connection during one exchange.
pub(crate) struct Downstream {
    pub(crate) session: ServerSession,
    since: Instant,
    request_id: RequestId,
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
    finished: bool,
    pace: Pace,
    /// Of a connection with HTTP/1.1.
    gate: Option<Gate>,
    /// Pingora leaves out what answers a `HEAD` over HTTP/1 only.
    bodiless: bool,
}

impl std::fmt::Debug for Downstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downstream")
            .field("request_id", &self.request_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// How the length of a body is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// In the head.
    Known(usize),
    /// By its end.
    Open,
    /// There is no body: another protocol follows.
    None,
}

impl Downstream {
    /// `pace`: how slowly the client may take its answer before it counts as gone.
    pub(crate) fn new(session: ServerSession, request_id: RequestId, since: Instant, pace: Pace) -> Self {
        let gate = session.stream().and_then(Gate::of);
        let bodiless = session.is_http2() && session.req_header().method == Method::HEAD;
        Self { session, since, request_id, status: None, first_byte: None, finished: false, pace, gate, bodiless }
    }

    /// The status that was sent, once it was.
    pub(crate) const fn status(&self) -> Option<StatusCode> {
        self.status
    }

    pub(crate) const fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether the client has the whole answer.
    pub(crate) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Resolves when the client leaves. Only while an answer is being made: afterwards the next request may come.
    pub(crate) async fn gone(&mut self) -> Gone {
        loop {
            // Bytes that come early belong to the next request and are kept for it.
            if self.session.read_body_or_idle(true).await.is_err() {
                return Gone;
            }
        }
    }

    /// Sends the head together with the piece of the body that is sent next; that has to be at once.
    pub(crate) async fn head_before(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        length: Length,
    ) -> Result<(), Gone> {
        self.gate.iter().for_each(Gate::hold);
        self.head(status, headers, length).await
    }

    /// Sends the head.
    pub(crate) async fn head(&mut self, status: StatusCode, headers: &HeaderMap, length: Length) -> Result<(), Gone> {
        let head = self.build(status, headers, length).map_err(|error| {
            tracing::error!(%error, "a response head could not be built");
            Gone
        })?;
        let writing = self.session.write_response_header(Box::new(head));
        self.pace.wait(writing, |_| 0).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
        self.status = Some(status);
        self.first_byte.get_or_insert_with(|| self.since.elapsed());
        Ok(())
    }

    fn build(&self, status: StatusCode, headers: &HeaderMap, length: Length) -> pingora_error::Result<ResponseHeader> {
        let mut head = ResponseHeader::build_no_case(status, Some(headers.len() + 3))?;
        for (name, value) in headers {
            head.append_header(name.clone(), value.clone())?;
        }
        head.insert_header(REQUEST_ID, self.request_id.to_string())?;
        match length {
            Length::Known(length) => head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?,
            Length::Open if self.session.req_header().version == Version::HTTP_11 => {
                head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            Length::Open | Length::None => {}
        }
        Ok(head)
    }

    /// Sends a piece of the body; `end` with the last one. Who reads slowly reads, as long as it keeps to the lowest rate.
    pub(crate) async fn body(&mut self, mut bytes: Bytes, end: bool) -> Result<(), Gone> {
        if self.bodiless {
            bytes.clear();
        }
        if bytes.is_empty() && !end {
            return Ok(());
        }
        // The last piece and the end of the body leave together.
        self.gate.iter().for_each(|gate| if end { gate.hold() } else { gate.release() });
        loop {
            let slice = bytes.split_to(bytes.len().min(SLICE));
            let (length, last) = (slice.len(), bytes.is_empty());
            let writing = self.session.write_response_body(slice, end && last && self.gate.is_none());
            self.pace.wait(writing, |_| length).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
            if last {
                break;
            }
        }
        if let Some(gate) = self.gate.as_ref().filter(|_| end) {
            gate.release();
            self.pace.wait(self.session.finish_body(), |_| 0).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
        }
        self.finished |= end;
        Ok(())
    }

    /// Sends a whole answer.
    pub(crate) async fn whole(&mut self, status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<(), Gone> {
        self.head_before(status, headers, Length::Known(body.len())).await?;
        self.body(body, true).await
    }
}
