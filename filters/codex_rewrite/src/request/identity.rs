//! How translated requests name themselves upstream: as this program or as configured, never as the client (docs/decisions.md, T12).

use http::{HeaderMap, HeaderName, HeaderValue, header};

const ORIGINATOR: HeaderName = HeaderName::from_static("originator");
const VERSION: HeaderName = HeaderName::from_static("version");
const DEFAULT_ORIGINATOR: &str = "codex-pooler";
const DEFAULT_USER_AGENT: &str = concat!("codex-pooler/", env!("CARGO_PKG_VERSION"));

/// The headers that name the sender.
#[derive(Debug)]
pub(crate) struct Identity {
    originator: HeaderValue,
    user_agent: HeaderValue,
    version: Option<HeaderValue>,
}

impl Identity {
    /// Takes what is configured; without it, this program's own name and version, and no `version` header.
    ///
    /// # Errors
    /// The name of the member that is blank or no header value.
    pub(crate) fn new(
        originator: Option<String>,
        user_agent: Option<String>,
        version: Option<String>,
    ) -> Result<Self, &'static str> {
        Ok(Self {
            originator: checked(originator, "originator")?.unwrap_or(HeaderValue::from_static(DEFAULT_ORIGINATOR)),
            user_agent: checked(user_agent, "user_agent")?.unwrap_or(HeaderValue::from_static(DEFAULT_USER_AGENT)),
            version: checked(version, "version")?,
        })
    }

    /// Writes the headers of a translated request (docs/v1.md, Upstream request headers).
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(ORIGINATOR, self.originator.clone());
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        if let Some(version) = &self.version {
            headers.insert(VERSION, version.clone());
        }
    }
}

fn checked(configured: Option<String>, name: &'static str) -> Result<Option<HeaderValue>, &'static str> {
    let Some(text) = configured else { return Ok(None) };
    if text.trim().is_empty() {
        return Err(name);
    }
    HeaderValue::try_from(text).map(Some).map_err(|_| name)
}
