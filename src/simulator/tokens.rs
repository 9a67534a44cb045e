//! Everything that carries a signature of the simulator: access and refresh tokens, sealed content, turn state.
//!
//! All keys come from the seed, so that a simulator started again on the same seed honours what it gave out before.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::clock;

const REFRESH_PREFIX: &str = "rt_";
const SEAL_PREFIX: &str = "gAAAAAB";
const TURN_PREFIX: &str = "ts_";
const TAG: usize = 16;

/// Who a token speaks for, as its claims say it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) index: usize,
    pub(super) account_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) email: &'a str,
    pub(super) plan: &'a str,
}

/// What a verified access token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) index: usize,
    pub(super) stamp: u64,
    pub(super) expires: u64,
}

/// What a verified refresh token says: one generation of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refresh {
    pub(super) index: usize,
    pub(super) family: u64,
    pub(super) generation: u64,
}

/// What sealed content is part of; one is not accepted as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sealed {
    Reasoning,
    Compaction,
}

impl Sealed {
    fn purpose(self) -> &'static str {
        match self {
            Sealed::Reasoning => "seal",
            Sealed::Compaction => "compaction",
        }
    }
}

/// The signing keys and the counter that makes every token different.
pub(super) struct Mint {
    seed: [u8; 32],
    stamp: AtomicU64,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").finish_non_exhaustive()
    }
}

impl Mint {
    pub(super) fn new(seed: [u8; 32]) -> Mint {
        Mint { seed, stamp: AtomicU64::new(0) }
    }

    /// A number larger than all before it, also than those of an earlier run on this seed: the time in microseconds.
    pub(super) fn stamp(&self) -> u64 {
        let now = clock::micros();
        let before = self.stamp.fetch_max(now, Ordering::SeqCst);
        if before < now { now } else { self.stamp.fetch_add(1, Ordering::SeqCst) + 1 }
    }

    /// HMAC-SHA256 of `parts` under the key called `purpose`; each part is preceded by its length.
    pub(super) fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.seed).expect("HMAC takes keys of any length");
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// A JWT with the claims of a ChatGPT login; `audience` is the only difference between id and access tokens.
    pub(super) fn jwt(&self, who: &Subject<'_>, audience: &str, lifetime: u64) -> String {
        let stamp = self.stamp();
        let now = clock::unix();
        let claims = json!({
            "iss": "https://auth.openai.com",
            "aud": [audience],
            "sub": who.user_id,
            "email": who.email,
            "email_verified": true,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "jti": hex::encode(&self.mac("jti", &[&stamp.to_le_bytes()])[..TAG]),
            "https://api.openai.com/auth": {
                "chatgpt_account_id": who.account_id,
                "chatgpt_account_is_fedramp": false,
                "chatgpt_account_user_id": format!("{}__{}", who.user_id, who.account_id),
                "chatgpt_compute_residency": "no_constraint",
                "chatgpt_plan_type": who.plan,
                "chatgpt_user_id": who.user_id,
                "user_id": who.user_id,
            },
            "https://api.openai.com/profile": {"email": who.email, "email_verified": true},
            "sim": {"account": who.index, "stamp": stamp},
        });
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let tag = self.mac(audience, &[signed.as_bytes()]);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Checks the signature of a JWT made for `audience`; says nothing about expiry or revocation.
    pub(super) fn read_jwt(&self, audience: &str, token: &str) -> Option<Access> {
        let (signed, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        if tag != self.mac(audience, &[signed.as_bytes()]) {
            return None;
        }
        let (_, payload) = signed.split_once('.')?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Access {
            index: usize::try_from(claims.pointer("/sim/account")?.as_u64()?).ok()?,
            stamp: claims.pointer("/sim/stamp")?.as_u64()?,
            expires: claims.get("exp")?.as_u64()?,
        })
    }

    /// The refresh token of one generation of a login.
    pub(super) fn refresh(&self, token: Refresh) -> String {
        let mut bytes = Vec::with_capacity(24 + TAG);
        bytes.extend_from_slice(&u64::try_from(token.index).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(&token.family.to_be_bytes());
        bytes.extend_from_slice(&token.generation.to_be_bytes());
        let tag = self.mac("refresh", &[&bytes]);
        bytes.extend_from_slice(&tag[..TAG]);
        format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Checks the signature of a refresh token.
    pub(super) fn read_refresh(&self, token: &str) -> Option<Refresh> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(REFRESH_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(24)?;
        if tag != &self.mac("refresh", &[body])[..TAG] {
            return None;
        }
        let number = |at: usize| body.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
        Some(Refresh { index: usize::try_from(number(0)?).ok()?, family: number(8)?, generation: number(16)? })
    }

    /// Content that only the account it was sealed for may send back, shaped like the backend's `encrypted_content`.
    pub(super) fn seal(&self, account_id: &str, what: Sealed, content: &[u8]) -> String {
        let tag = self.mac(what.purpose(), &[account_id.as_bytes(), content]);
        format!("{SEAL_PREFIX}{}", URL_SAFE.encode([&tag[..], content].concat()))
    }

    /// The content, if it is unaltered and was sealed for this account as `what`.
    pub(super) fn open(&self, account_id: &str, what: Sealed, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE.decode(sealed.strip_prefix(SEAL_PREFIX)?).ok()?;
        let (tag, content) = bytes.split_at_checked(32)?;
        let good = !content.is_empty() && tag == self.mac(what.purpose(), &[account_id.as_bytes(), content]);
        good.then(|| content.to_vec())
    }

    /// A fresh turn-state value of this account.
    pub(super) fn turn_state(&self, account_id: &str) -> String {
        let stamp = self.stamp().to_le_bytes();
        let tag = self.mac("turn", &[account_id.as_bytes(), &stamp]);
        format!("{TURN_PREFIX}{}", URL_SAFE_NO_PAD.encode([&stamp[..], &tag[..TAG]].concat()))
    }

    /// Whether `state` is a turn-state value that this account was given.
    pub(super) fn owns_turn(&self, account_id: &str, state: &str) -> bool {
        let Some(bytes) = state.strip_prefix(TURN_PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()) else {
            return false;
        };
        bytes
            .split_at_checked(8)
            .is_some_and(|(stamp, tag)| tag == &self.mac("turn", &[account_id.as_bytes(), stamp])[..TAG])
    }
}
