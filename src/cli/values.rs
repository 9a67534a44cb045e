//! What stands in arguments.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use pooler_filter::Timestamp;

use crate::admin::time;
use crate::config::parse_duration;
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

/// The control endpoint takes orders from everybody who reaches it.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected an address such as 127.0.0.1:4101".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("must be a loopback address".to_owned()) }
}
