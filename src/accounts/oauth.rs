//! One call to the token endpoint: no redirects, no retries (docs/upstream.md, Refresh).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pooler_filter::Secret;
use serde::{Deserialize, Serialize};

use crate::client::{Call, Client, Connection, NetError};
use crate::pool::Account;

/// Largest answer of a token endpoint.
const MOST: usize = 256 * 1024;

/// Codes after which only a new login helps.
const FINAL: [&str; 8] = [
    "invalid_grant",
    "invalid_refresh_token",
    "refresh_token_expired",
    "refresh_token_reused",
    "refresh_token_invalidated",
    "revoked",
    "token_expired",
    "app_session_terminated",
];

/// Why the token endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshReason {
    /// The access token nears its end.
    ProactiveExpiry,
    /// The upstream refused it.
    UnauthorizedRecovery,
}

impl RefreshReason {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ProactiveExpiry => "proactive_expiry",
            Self::UnauthorizedRecovery => "unauthorized_recovery",
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    client_id: &'a str,
    grant_type: &'static str,
    refresh_reason: &'static str,
    refresh_token: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    refresh_token: Option<String>,
}

/// New tokens.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) access: Secret,
    /// None: the old one stays valid.
    pub(super) refresh: Option<Secret>,
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Asked {
    /// New tokens.
    Fresh(Fresh),
    /// Refused for good: a new login is needed. The code is for the log.
    Refused(String),
    /// Nobody knows whether the refresh token was used up.
    Unclear(String),
}

/// A new connection to the account's issuer; nothing is sent yet. One of the pool may be stale, and what was sent on it in doubt.
pub(super) async fn connect(client: &Arc<Client>, account: &Account, limit: Duration) -> Result<Connection, NetError> {
    tokio::time::timeout(limit, client.connect_apart(&account.issuer)).await.map_err(|_| NetError::TimedOut(limit))?
}

/// Sends the refresh token, once.
pub(super) async fn ask(
    connection: Connection,
    account: &Account,
    refresh: &Secret,
    reason: RefreshReason,
    user_agent: &HeaderValue,
    limit: Duration,
) -> Asked {
    let body = Request {
        client_id: &account.client_id,
        grant_type: "refresh_token",
        refresh_reason: reason.as_str(),
        refresh_token: refresh.expose(),
    };
    let Ok(body) = serde_json::to_vec(&body) else { return Asked::Unclear("unwritable".to_owned()) };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, user_agent.clone());
    let call = Call { method: Method::POST, path: "/oauth/token".to_owned(), headers, body: Bytes::from(body).into() };
    match tokio::time::timeout(limit, exchange(connection, &call)).await {
        Ok(Ok((status, body))) => judge(status, &body),
        Ok(Err(error)) => Asked::Unclear(error.to_string()),
        Err(_) => Asked::Unclear("no answer in time".to_owned()),
    }
}

/// The connection is closed afterwards: the next refresh must not meet a stale one.
async fn exchange(mut connection: Connection, call: &Call) -> Result<(StatusCode, Bytes), NetError> {
    let status = connection.call(call).await?;
    let body = connection.read_all(MOST).await?;
    connection.close().await;
    Ok((status, body))
}

fn judge(status: StatusCode, body: &[u8]) -> Asked {
    if status == StatusCode::OK {
        return match serde_json::from_slice::<Answer>(body) {
            Ok(answer) if !answer.access_token.is_empty() => Asked::Fresh(Fresh {
                access: Secret::new(answer.access_token),
                refresh: answer.refresh_token.filter(|t| !t.is_empty()).map(Secret::new),
            }),
            Ok(_) | Err(_) => Asked::Unclear("an answer without tokens".to_owned()),
        };
    }
    let code = error_code(body);
    if matches!(status.as_u16(), 400 | 401 | 403) && code.as_deref().is_some_and(|c| FINAL.contains(&c)) {
        return Asked::Refused(code.unwrap_or_default());
    }
    Asked::Unclear(format!("status {}", status.as_u16()))
}

/// `{"error":{"code":..}}` or `{"error":".."}`.
fn error_code(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = value.get("error")?;
    error.as_str().or_else(|| error.get("code")?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_refusal_is_final() {
        let judged = |status: u16, body: &str| judge(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        for body in [r#"{"error":"invalid_grant"}"#, r#"{"error":{"code":"refresh_token_reused"}}"#] {
            for status in [400, 401, 403] {
                assert!(matches!(judged(status, body), Asked::Refused(_)), "{status} {body}");
            }
        }
        for (status, body) in [
            (500, r#"{"error":"invalid_grant"}"#),
            (429, "{}"),
            (400, r#"{"error":"something"}"#),
            (403, "<html>"),
            (302, ""),
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
        ] {
            assert!(matches!(judged(status, body), Asked::Unclear(_)), "{status} {body}");
        }
        assert!(
            matches!(judged(200, r#"{"access_token":"a","refresh_token":"b"}"#), Asked::Fresh(f) if f.refresh.is_some())
        );
        assert!(matches!(judged(200, r#"{"access_token":"a"}"#), Asked::Fresh(f) if f.refresh.is_none()));
    }
}
