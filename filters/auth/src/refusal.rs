//! Why a credential does not open the gateway, and how that reads (docs/v1.md, Authentication).

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use pooler_filter::{Reject, RejectKind};

/// What is wrong with the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("api key is required")]
    Missing,
    #[error("api key is not valid")]
    Invalid,
    /// `/v1` does not tell why a key is switched off.
    #[error("api key is disabled")]
    Disabled,
    #[error("api key is revoked")]
    Revoked,
    #[error("api key is paused")]
    Paused,
    #[error("api key is expired")]
    Expired,
    #[error("pool is not active")]
    PoolDisabled,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::Missing => "api_key_missing",
            Self::Invalid => "invalid_api_key",
            Self::Disabled => "api_key_disabled",
            Self::Revoked => "api_key_revoked",
            Self::Paused => "api_key_paused",
            Self::Expired => "api_key_expired",
            Self::PoolDisabled => "pool_disabled",
        }
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::PoolDisabled {
            return Self::new(RejectKind::Forbidden, refusal.code(), refusal.to_string());
        }
        Self::new(RejectKind::Unauthorized, refusal.code(), refusal.to_string())
            .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }
}
