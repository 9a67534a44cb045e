//! Heads of messages: what the client asked for (immutable), what goes upstream, and what goes back.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::{Body, Timestamp};

/// The head of the client's request as it arrived, without its credential: the host keeps that apart as a secret.
#[derive(Debug, Clone)]
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

/// The request that goes upstream: same for every attempt, without the credentials of an account, which join on the wire.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// Method.
    pub method: Method,
    /// Path and query below the account's origin.
    pub path: String,
    /// Headers: built from nothing, never copied from the client's as a whole.
    pub headers: HeaderMap,
    /// The body; frozen once the chain is through.
    pub body: Body,
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
