//! What stands in arguments.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use pooler_filter::Timestamp;

use crate::admin::time;
use crate::config::{Origin, OriginError, parse_duration};
use crate::store::records::PoolStatus;

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    After(Duration),
    At(Timestamp),
}

impl Expiry {
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(span) => now.plus(span),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(moment) = time::parse(text) {
            return Ok(Self::At(moment));
        }
        parse_duration(text)
            .map(Self::After)
            .map_err(|_| "expected 30d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z".to_owned())
    }
}

pub(super) fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

pub(super) fn pool_status(text: &str) -> Result<PoolStatus, String> {
    PoolStatus::parse(text).ok_or_else(|| "expected active, disabled or archived".to_owned())
}

/// An upstream by its origin, or by the base URL that a client of the Codex backend would be given.
pub(super) fn upstream(text: &str) -> Result<Origin, OriginError> {
    let base = text.trim_end_matches('/');
    base.strip_suffix("/backend-api/codex").unwrap_or(base).parse()
}

/// The control endpoint takes orders from everybody who reaches it.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected an address such as 127.0.0.1:4101".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("must be a loopback address".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_origin_or_the_base_url_of_a_codex_backend() {
        for text in [
            "http://127.0.0.1:9",
            "http://127.0.0.1:9/",
            "http://127.0.0.1:9/backend-api/codex",
            "http://127.0.0.1:9/backend-api/codex/",
        ] {
            assert_eq!(upstream(text).unwrap().as_str(), "http://127.0.0.1:9", "{text}");
        }
        for text in ["http://127.0.0.1:9/other", "http://example.com", "127.0.0.1:9"] {
            assert!(upstream(text).is_err(), "{text}");
        }
    }
}
