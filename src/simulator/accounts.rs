//! The simulated ChatGPT accounts: identity, plan and the tokens of a login, all derived from the seed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::clock;
use super::tokens::{Mint, Refresh, Subject};

/// Audience of access tokens.
pub(super) const API_AUDIENCE: &str = "https://api.openai.com/v1";
/// Client id of Codex, audience of id tokens.
pub(super) const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
const ID_TOKEN_LIFETIME: u64 = 3_600;

/// One simulated account; cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    index: usize,
    label: Arc<str>,
    id: Arc<str>,
    user_id: Arc<str>,
    email: Arc<str>,
    plan: Arc<str>,
    mint: Arc<Mint>,
    lifetime: Duration,
}

/// The three tokens of one login or refresh.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// JWT about the person, lives an hour.
    pub id_token: String,
    /// JWT that the backend takes as bearer.
    pub access_token: String,
    /// Single-use token for the next refresh.
    pub refresh_token: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Account {
    pub(super) fn derive(index: usize, plan: &str, lifetime: Duration, mint: &Arc<Mint>) -> Account {
        let bytes = |purpose: &str| {
            let mut out = [0u8; 16];
            out.copy_from_slice(&mint.mac(purpose, &[&index.to_le_bytes()])[..16]);
            out
        };
        let label = format!("sim-{index}");
        Account {
            index,
            id: uuid::Builder::from_random_bytes(bytes("account")).into_uuid().to_string().into(),
            user_id: format!("user-{}", hex::encode(bytes("user"))).into(),
            email: format!("{label}@example.invalid").into(),
            label: label.into(),
            plan: plan.into(),
            mint: Arc::clone(mint),
            lifetime,
        }
    }

    /// Position in [`Simulator::accounts`](super::Simulator::accounts), from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// `sim-<index>`: the name in records and at the control endpoint.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The ChatGPT account id: claim of the tokens and value of the header `chatgpt-account-id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Address in the claims, in the reserved domain `example.invalid`.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Plan id, such as `pro`.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    pub(super) fn user_id(&self) -> &str {
        &self.user_id
    }

    /// A new login: an access token of the configured lifetime and the first refresh token of its own lineage.
    pub fn login(&self) -> Tokens {
        self.tokens(self.mint.stamp(), 0)
    }

    /// An access token that is valid for `lifetime`, counted in whole seconds.
    pub fn access_token(&self, lifetime: Duration) -> String {
        self.mint.jwt(&self.subject(), API_AUDIENCE, lifetime.as_secs())
    }

    /// Codex's `auth.json` for a new login.
    pub fn auth_json(&self) -> Value {
        self.auth_json_with(&self.login())
    }

    /// Codex's `auth.json` around the given tokens.
    pub fn auth_json_with(&self, tokens: &Tokens) -> Value {
        json!({
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": null,
            "tokens": {
                "id_token": tokens.id_token,
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "account_id": self.id(),
            },
            "last_refresh": clock::rfc3339(clock::micros()),
        })
    }

    pub(super) fn tokens(&self, family: u64, generation: u64) -> Tokens {
        Tokens {
            id_token: self.mint.jwt(&self.subject(), CLIENT_ID, ID_TOKEN_LIFETIME),
            access_token: self.access_token(self.lifetime),
            refresh_token: self.mint.refresh(Refresh { index: self.index, family, generation }),
        }
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            index: self.index,
            account_id: &self.id,
            user_id: &self.user_id,
            email: &self.email,
            plan: &self.plan,
        }
    }
}
