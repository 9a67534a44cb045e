//! A frozen request and an account become a call: the only place where credentials join (docs/v1.md, Upstream headers).

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pooler_filter::form::Chunks;
use pooler_filter::{Expects, UpstreamRequest};

use crate::accounts::Credential;
use crate::client::Call;
use crate::pool::Account;

const ACCOUNT_ID: HeaderName = HeaderName::from_static("chatgpt-account-id");
const RESIDENCY: HeaderName = HeaderName::from_static("x-openai-internal-codex-residency");

/// The request as every attempt sends it, once the chain is through.
pub(crate) struct Frozen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Chunks,
    expects: Expects,
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&HeaderName> = self.headers.keys().collect();
        f.debug_struct("Frozen")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body", &self.body.len())
            .finish()
    }
}

impl From<UpstreamRequest> for Frozen {
    fn from(request: UpstreamRequest) -> Self {
        let UpstreamRequest { method, path, mut headers, body, expects } = request;
        let mut boundary = String::new();
        if body.form().is_some() {
            // Random, so that it occurs in no part.
            boundary = uuid::Uuid::new_v4().simple().to_string();
            insert(&mut headers, http::header::CONTENT_TYPE, &format!("multipart/form-data; boundary={boundary}"));
        }
        Self { method, path, headers, body: body.to_chunks(&boundary), expects }
    }
}

impl Frozen {
    /// The call for one account. Whatever the chain wrote, identity headers are the account's own.
    pub(crate) fn call(&self, account: &Account, credential: &Credential) -> Call {
        let mut headers = self.headers.clone();
        headers.insert(http::header::AUTHORIZATION, credential.authorization.clone());
        headers.remove(ACCOUNT_ID);
        headers.remove(RESIDENCY);
        let id = account.chatgpt_account_id.as_str();
        // Ids of our own making mean nothing to the upstream.
        if !id.starts_with("email_") && !id.starts_with("local_") {
            insert(&mut headers, ACCOUNT_ID, id);
        }
        if let Some(residency) = &account.residency {
            insert(&mut headers, RESIDENCY, residency);
        }
        Call { method: self.method.clone(), path: self.path.clone(), headers, body: self.body.clone() }
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        Err(_) => tracing::warn!(header = %name, "a value of the account is not a valid header and is not sent"),
    }
}
