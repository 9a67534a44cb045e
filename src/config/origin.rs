//! Origins: the only places tokens may be sent to (docs/decisions.md, R12).

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// A scheme, a host and a port: `https`, or `http` when the host is this machine itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    loopback: bool,
}

/// The text is no origin that tokens may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no URL.
    #[error("`{0}` is not a URL")]
    NotUrl(String),
    /// It has more than scheme, host and port.
    #[error("`{0}` must be scheme, host and port only, such as https://chatgpt.com")]
    NotOrigin(String),
    /// It is neither https nor loopback.
    #[error("`{0}` must be https (http is for loopback only)")]
    NotHttps(String),
}

impl Origin {
    pub(super) fn chatgpt() -> Self {
        Self { text: "https://chatgpt.com".to_owned(), loopback: false }
    }

    pub(super) fn openai_auth() -> Self {
        Self { text: "https://auth.openai.com".to_owned(), loopback: false }
    }

    /// The origin as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is this machine itself.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text.trim()).map_err(|_| OriginError::NotUrl(text.to_owned()))?;
        let loopback = match url.host() {
            // A name can be made to mean anything; `localhost` is reserved for this machine (RFC 6761).
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => return Err(OriginError::NotOrigin(text.to_owned())),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::NotOrigin(redacted(text, &url)));
        }
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(OriginError::NotHttps(text.to_owned())),
        }
        Ok(Self { text: url.origin().ascii_serialization(), loopback })
    }
}

/// The text without a password that somebody put into it.
fn redacted(text: &str, url: &Url) -> String {
    if url.password().is_some() { format!("{}://...", url.scheme()) } else { text.to_owned() }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_scheme_host_and_port_only() {
        for (text, kept) in [
            ("https://chatgpt.com", "https://chatgpt.com"),
            ("https://ChatGPT.com:443/", "https://chatgpt.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://localhost:1", "http://localhost:1"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), kept);
        }
        assert_eq!("https://chatgpt.com".parse(), Ok(Origin::chatgpt()));
        assert_eq!("https://auth.openai.com".parse(), Ok(Origin::openai_auth()));
    }

    #[test]
    fn refuses_plain_http_to_another_machine() {
        for text in ["http://chatgpt.com", "http://10.0.0.1", "http://localhost.evil.example", "ftp://127.0.0.1"] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::NotHttps(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn refuses_paths_and_logins_and_never_repeats_a_password() {
        for text in
            ["https://a.example/path", "https://a.example/?q=1", "https://user@a.example", "https://a.example#x"]
        {
            assert!(matches!(text.parse::<Origin>(), Err(OriginError::NotOrigin(_))), "{text}");
        }
        let error = "https://user:hunter2@a.example".parse::<Origin>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(matches!("chatgpt.com".parse::<Origin>(), Err(OriginError::NotUrl(_))));
    }
}
