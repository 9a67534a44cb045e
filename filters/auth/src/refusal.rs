//! Why a credential does not open the gateway, and how that reads (docs/v1.md, Authentication).

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use pooler_filter::{NoUsage, Reject, RejectKind};

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
    /// The login of an account in place of a key.
    #[error(transparent)]
    Login(#[from] NoUsage),
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
            Self::Login(NoUsage::UnknownLogin) => "invalid_authorization",
            Self::Login(NoUsage::OtherAccount) => "invalid_chatgpt_account",
            Self::Login(NoUsage::NothingKnown) => "no_upstream_usage",
        }
    }

    const fn kind(self) -> RejectKind {
        match self {
            Self::PoolDisabled => RejectKind::Forbidden,
            Self::Login(NoUsage::OtherAccount | NoUsage::NothingKnown) => RejectKind::NotFound,
            Self::Missing
            | Self::Invalid
            | Self::Disabled
            | Self::Revoked
            | Self::Paused
            | Self::Expired
            | Self::Login(NoUsage::UnknownLogin) => RejectKind::Unauthorized,
        }
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        let reject = Self::new(refusal.kind(), refusal.code(), refusal.to_string());
        if refusal.kind() != RejectKind::Unauthorized {
            return reject;
        }
        reject.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }
}
