//! Refusals: what went wrong, said once, rendered by whoever owns the carrier.
//!
//! A [`Reject`] carries a kind (which decides status and `type`), a stable code for machines, a sentence for people and a source for the
//! log. The one JSON form of it is [`Reject::error_object`] (docs/errors.md, Envelope).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::Timestamp;

mod render;

/// A boxed cause, logged and never sent.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a request is refused; decides the HTTP status and the `type` of the error (docs/decisions.md, E11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectKind {
    /// 400: the request is not well formed, or asks for what is not supported.
    Invalid,
    /// 401: no credential, or not a valid one.
    Unauthorized,
    /// 403: a valid credential that may not do this.
    Forbidden,
    /// 404.
    NotFound,
    /// 405, outside `/v1` only.
    MethodNotAllowed,
    /// 406: the client accepts none of our media types.
    NotAcceptable,
    /// 408: the client was too slow.
    Timeout,
    /// 409.
    Conflict,
    /// 413: a body or a part of it is over its cap.
    TooLarge,
    /// 415: content coding or media type.
    UnsupportedMedia,
    /// 429: a rate, ours or the provider's.
    RateLimited,
    /// 429: a quota is used up.
    UsageLimit,
    /// 500: a fault of ours.
    Internal,
    /// 502: the upstream failed or answered with something unusable.
    BadGateway,
    /// 503: nothing can serve this now.
    Unavailable,
    /// 503: this gateway is overloaded.
    Overloaded,
    /// A status of the upstream that is passed on, 400 to 599.
    Upstream(StatusCode),
}

impl RejectKind {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited | Self::UsageLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Unavailable | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(status) => status,
        }
    }
}

/// A stable error code: 1 to 80 bytes of `[A-Za-z0-9_.-]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code of our own.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// A code that came from the upstream, if it is safe to pass on (docs/decisions.md, E7).
    #[must_use]
    pub fn from_upstream(code: &str) -> Option<Self> {
        let code = code.trim();
        let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        ((1..=80).contains(&code.len()) && code.bytes().all(safe)).then(|| Self(Cow::Owned(code.into())))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Members that an error may have beyond the four of the envelope: a closed list (docs/errors.md, Extra members).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extra {
    /// When the quota is there again: `resets_at`, `resets_in_seconds`.
    QuotaReset {
        /// The moment of the reset.
        at: Timestamp,
        /// Whole seconds until then, at least 0.
        in_seconds: u64,
    },
    /// The upstream's own status: `upstream_status`.
    UpstreamStatus(u16),
    /// A continuation lost its account: how the client starts anew (docs/errors.md, Lost continuations).
    Recovery,
}

/// A refused request: every error that a client sees is one of these.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reject {
    /// Decides status and `type`.
    pub kind: RejectKind,
    /// Stable code for machines, or null.
    pub code: Option<Code>,
    /// One sentence for people; safe to send.
    pub message: Cow<'static, str>,
    /// The request member at fault.
    pub param: Option<Cow<'static, str>>,
    /// Members beyond the envelope.
    pub extra: Option<Extra>,
    /// Headers beyond those that follow from kind and code.
    pub headers: HeaderMap,
    /// How long until a new try makes sense, when known.
    pub retry_after: Option<Duration>,
    /// The cause, for the log only.
    pub source: Option<Source>,
}

impl Reject {
    /// A refusal of this kind, with a code of ours and its sentence.
    #[must_use]
    pub fn new(kind: RejectKind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_code(kind, Code::new(code), message)
    }

    /// The same with a code that may have come from the upstream.
    #[must_use]
    pub fn with_code(kind: RejectKind, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            code: Some(code),
            message: message.into(),
            param: None,
            extra: None,
            headers: HeaderMap::new(),
            retry_after: None,
            source: None,
        }
    }

    /// 400 `invalid_request`.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectKind::Invalid, "invalid_request", message)
    }

    /// 400 `unsupported_parameter` for the parameter of that name.
    #[must_use]
    pub fn unsupported_parameter(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self::new(RejectKind::Invalid, "unsupported_parameter", format!("Unsupported parameter: {name}")).at(name)
    }

    /// 500: a fault of ours; the source tells the log what it is.
    #[must_use]
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(RejectKind::Internal, "internal_error", "The gateway failed to process this request.").because(source)
    }

    /// 429 `quota_exhausted`: every account of the pool has used up its quota, until then if that is known (docs/decisions.md, E5).
    #[must_use]
    pub fn quota_exhausted(resets_at: Option<Timestamp>, now: Timestamp) -> Self {
        let code = "quota_exhausted";
        let reject =
            Self::new(RejectKind::UsageLimit, code, crate::codex::sentence(code, crate::codex::Facts::default()));
        let Some(at) = resets_at else { return reject };
        let wait = at.since(now);
        let in_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        reject.with_extra(Extra::QuotaReset { at, in_seconds }).retry_after(wait)
    }

    /// 503 with this code, `pinned_continuation_unavailable` or `pinned_continuation_reauth_required`: the one account that could go on is
    /// out of reach, and the client has to begin anew (docs/errors.md, Lost continuations).
    #[must_use]
    pub fn lost_continuation(code: &'static str) -> Self {
        const KIND: HeaderName = HeaderName::from_static("x-codex-recovery-kind");
        let message = "The account that holds this conversation is not available. Start anew with the full context.";
        Self::new(RejectKind::Unavailable, code, message)
            .at("model")
            .with_extra(Extra::Recovery)
            .header(KIND, HeaderValue::from_static("restart_with_full_context"))
    }

    /// 400 `previous_response_not_found`: the response that a turn continues was not given on its socket, or its account is out of reach.
    /// Clients send the whole conversation again (docs/decisions.md, S16).
    #[must_use]
    pub fn previous_response_not_found() -> Self {
        let message = "Previous response was not found. Retrying the full request.";
        Self::new(RejectKind::Invalid, "previous_response_not_found", message).at("previous_response_id")
    }

    /// Names the request member at fault.
    #[must_use]
    pub fn at(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Adds the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds members beyond the envelope.
    #[must_use]
    pub fn with_extra(mut self, extra: Extra) -> Self {
        self.extra = Some(extra);
        self
    }

    /// Says how long until a new try makes sense.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The code as text, empty when there is none.
    #[must_use]
    pub fn code_str(&self) -> &str {
        self.code.as_ref().map_or("", Code::as_str)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status().as_u16(), self.code_str(), self.message)
    }
}

impl std::error::Error for Reject {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests;
