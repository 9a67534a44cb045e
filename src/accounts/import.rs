//! Reads a login from an `auth.json` of the Codex CLI. No message repeats anything that stands in the file.
//!
//! The signatures of the tokens are not checked: their claims say whose login it is, and the backend itself judges the tokens.

mod claims;

use pooler_filter::{Secret, Timestamp};
use serde::Deserialize;

use self::claims::Claims;
use crate::config::Origin;

/// Larger files are refused, in bytes.
pub const MAX_AUTH_JSON: usize = 64 * 1024;

/// OAuth client of the Codex CLI: whose tokens they are unless the file says otherwise.
const CODEX_CLIENT: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// Longest id of an account or a user, in bytes; they are sent in headers.
const MAX_ID: usize = 256;

/// A login as it was read.
#[derive(Debug)]
pub struct Login {
    /// The access token.
    pub access: Secret,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// The refresh token: it can be used once.
    pub refresh: Secret,
    /// The provider's account id; fit for a header.
    pub chatgpt_account_id: String,
    /// The provider's user id, where it is told.
    pub chatgpt_user_id: Option<String>,
    /// Address of the login, where it is told.
    pub email: Option<String>,
    /// Plan, as the provider names it, where it is told.
    pub plan: Option<String>,
    /// Data residency that the account asks for, where it is told; fit for a header.
    pub residency: Option<String>,
    /// Who issued it, where the file says so.
    pub issuer: Option<Origin>,
    /// The OAuth client that it belongs to.
    pub client_id: String,
}

/// Why a file was not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The access token has ended.
    #[error("the access token has ended; log in again with `codex login` and import the new file")]
    ExpiredToken,
    /// It is no `auth.json`.
    #[error("{0}")]
    InvalidAuthJson(String),
    /// A token is there but is no token.
    #[error("{0} is not a valid token")]
    InvalidToken(&'static str),
    /// Nobody knows whose login it is.
    #[error("neither the file nor its tokens name a ChatGPT account")]
    MissingAccountIdentifier,
    /// There is no refresh token.
    #[error("the file has no refresh_token")]
    MissingRefreshToken,
    /// There is no access token or no id token.
    #[error("the file has no {0}")]
    MissingToken(&'static str),
    /// There are no tokens at all.
    #[error("the file has no tokens")]
    MissingTokens,
    /// It is another kind of login.
    #[error("{0}; only ChatGPT logins can be imported")]
    UnsupportedAuthJson(&'static str),
}

impl ImportError {
    /// The short code of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ExpiredToken => "expired_token",
            Self::InvalidAuthJson(_) => "invalid_auth_json",
            Self::InvalidToken(_) => "invalid_token",
            Self::MissingAccountIdentifier => "missing_account_identifier",
            Self::MissingRefreshToken => "missing_refresh_token",
            Self::MissingToken(_) => "missing_token",
            Self::MissingTokens => "missing_tokens",
            Self::UnsupportedAuthJson(_) => "unsupported_auth_json",
        }
    }
}

#[derive(Deserialize)]
struct AuthJson {
    auth_mode: Option<String>,
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<String>,
    tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    account_id: Option<String>,
    oauth_provenance: Option<Provenance>,
}

#[derive(Deserialize)]
struct Provenance {
    issuer: Option<String>,
    client_id: Option<String>,
}

impl Login {
    /// Reads the content of an `auth.json`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn from_auth_json(text: &[u8], now: Timestamp) -> Result<Self, ImportError> {
        if text.len() > MAX_AUTH_JSON {
            return Err(ImportError::InvalidAuthJson(format!("the file is larger than {MAX_AUTH_JSON} bytes")));
        }
        // The parser's own message would quote the file.
        let file: AuthJson = serde_json::from_slice(text).map_err(|e| {
            let (line, column) = (e.line(), e.column());
            ImportError::InvalidAuthJson(format!("line {line}, column {column}: this is not an auth.json"))
        })?;
        let tokens = file.tokens()?;
        let filled = |text: Option<String>| text.filter(|t| !t.trim().is_empty()).map(|t| Secret::new(t.trim()));
        let id = filled(tokens.id_token).ok_or(ImportError::MissingToken("id_token"))?;
        let access = filled(tokens.access_token).ok_or(ImportError::MissingToken("access_token"))?;
        let refresh = filled(tokens.refresh_token).ok_or(ImportError::MissingRefreshToken)?;
        if access.expose().starts_with("at-") {
            return Err(ImportError::UnsupportedAuthJson("the access token is a personal access token"));
        }
        if !refresh.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ImportError::InvalidToken("refresh_token"));
        }
        let id = Claims::of(&id).ok_or(ImportError::InvalidToken("id_token"))?;
        let claims = Claims::of(&access).ok_or(ImportError::InvalidToken("access_token"))?;
        let access_expires_at = claims.expires_at().ok_or(ImportError::InvalidToken("access_token"))?;
        if access_expires_at <= now {
            return Err(ImportError::ExpiredToken);
        }
        let (issuer, client_id) = provenance(tokens.oauth_provenance)?;
        let account = tokens.account_id.filter(|id| !id.trim().is_empty());
        let account = account.or_else(|| claims.account_id()).or_else(|| id.account_id());
        Ok(Self {
            access,
            access_expires_at,
            refresh,
            chatgpt_account_id: header_text(account.ok_or(ImportError::MissingAccountIdentifier)?, "account_id")?,
            chatgpt_user_id: claims.user_id().or_else(|| id.user_id()).filter(|id| id.len() <= MAX_ID),
            email: id.email().or_else(|| claims.email()).filter(|email| email.len() <= MAX_ID),
            plan: claims.plan().or_else(|| id.plan()).filter(|plan| plan.len() <= MAX_ID),
            residency: claims
                .residency()
                .or_else(|| id.residency())
                .map(|r| header_text(r, "residency"))
                .transpose()?,
            issuer,
            client_id,
        })
    }
}

/// When an access token ends, if it says so.
#[must_use]
pub fn access_token_expiry(access: &Secret) -> Option<Timestamp> {
    Claims::of(access)?.expires_at()
}

impl AuthJson {
    /// The tokens, when this is the kind of login that has them.
    fn tokens(self) -> Result<Tokens, ImportError> {
        let api_key = self.api_key.is_some_and(|key| !key.is_empty());
        match self.auth_mode.as_deref() {
            Some("chatgpt") => {}
            // Files of older versions do not say what they are.
            None if !api_key => {}
            None | Some("apikey") => return Err(ImportError::UnsupportedAuthJson("this is the login of an API key")),
            Some(_) => return Err(ImportError::UnsupportedAuthJson("the auth_mode of the file is not chatgpt")),
        }
        self.tokens.ok_or(ImportError::MissingTokens)
    }
}

fn provenance(written: Option<Provenance>) -> Result<(Option<Origin>, String), ImportError> {
    let (issuer, client_id) = written.map_or((None, None), |p| (p.issuer, p.client_id));
    let invalid = |key: &str| ImportError::InvalidAuthJson(format!("oauth_provenance.{key} cannot be used"));
    let issuer = issuer.map(|text| text.parse().map_err(|_| invalid("issuer"))).transpose()?;
    let client_id = client_id.unwrap_or_else(|| CODEX_CLIENT.to_owned());
    if client_id.is_empty() || client_id.len() > MAX_ID {
        return Err(invalid("client_id"));
    }
    Ok((issuer, client_id))
}

/// What goes into a header must fit into one.
fn header_text(text: String, key: &str) -> Result<String, ImportError> {
    if text.len() <= MAX_ID && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(ImportError::InvalidAuthJson(format!("{key} cannot be used")))
}

#[cfg(test)]
mod tests;
