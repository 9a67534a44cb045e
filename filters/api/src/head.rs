//! Heads of messages: what the client asked for (immutable), what goes upstream, and what goes back.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::{Body, Timestamp};

/// The names of headers, for `Debug`: their values may be content.
pub(crate) struct Names<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The head of the client's request as it arrived, without its credential: the host keeps that apart as a secret. `Debug` tells no query
/// and no value of a header.
#[derive(Clone)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// Path as sent, still percent-encoded, without the query.
    pub path: String,
    /// Query, without the question mark; empty when there is none.
    pub query: String,
    /// Headers except `authorization`.
    pub headers: HeaderMap,
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &Names(&self.headers))
            .finish_non_exhaustive()
    }
}

impl RequestHead {
    /// A header as text; none when it is absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Where the request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// When the request's head had arrived.
    pub received_at: Timestamp,
}

/// The request that goes upstream: same for every attempt, without the credentials of an account, which join on the wire. `Debug` tells no
/// value of a header.
pub struct UpstreamRequest {
    /// Method.
    pub method: Method,
    /// Path and query below the account's origin.
    pub path: String,
    /// Headers: built from nothing, never copied from the client's as a whole.
    pub headers: HeaderMap,
    /// The body; frozen once the chain is through.
    pub body: Body,
    /// What a good answer looks like.
    pub expects: Expects,
}

/// What a good answer of the upstream looks like. Anything else is a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expects {
    /// Events of a response, or one response object.
    #[default]
    Response,
    /// One JSON object of any kind.
    Json,
}

impl fmt::Debug for UpstreamRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &Names(&self.headers))
            .field("body", &self.body)
            .field("expects", &self.expects)
            .finish()
    }
}

/// What the frames of a response are carried in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A stream of server-sent events.
    Sse,
    /// One JSON text.
    Json,
    /// Bytes that nobody looks into.
    Opaque,
}

/// When the client gets the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Frame by frame, as they come.
    Stream,
    /// At the end, in one piece: status and length are known then.
    Whole,
}

/// The head of the response on its way to the client. The host adds `x-request-id` and the framing headers.
#[derive(Debug)]
pub struct ResponseHead {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// What the frames that the client gets are carried in.
    pub carrier: Carrier,
    /// When the client gets them.
    pub delivery: Delivery,
}

impl ResponseHead {
    /// A head with this status and no headers.
    #[must_use]
    pub fn new(status: StatusCode, carrier: Carrier, delivery: Delivery) -> Self {
        Self { status, headers: HeaderMap::new(), carrier, delivery }
    }

    /// Keeps only the headers that the list names.
    pub fn retain_headers(&mut self, allowed: &[HeaderName]) {
        let names: Vec<HeaderName> = self.headers.keys().filter(|n| !allowed.contains(n)).cloned().collect();
        for name in names {
            self.headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_of_a_head_tells_no_query_and_no_value() {
        let headers = HeaderMap::from_iter([(http::header::COOKIE, http::HeaderValue::from_static("CANARY"))]);
        let head = RequestHead { method: Method::GET, path: "/v1/models".into(), query: "CANARY".into(), headers };
        let text = format!("{head:?}");
        assert!(text.contains("/v1/models") && text.contains("cookie") && !text.contains("CANARY"), "{text}");
    }
}
