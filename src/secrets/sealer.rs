//! Sealing: XChaCha20-Poly1305 in the envelope `magic | algorithm | key id | nonce | ciphertext`.
//!
//! The place of a secret is part of what is authenticated: an envelope that was copied to another account, kind or version, or
//! whose head was changed, does not open.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use pooler_filter::{AccountId, Secret, Timestamp};
use zeroize::Zeroizing;

use super::keyring::DerivedKeys;
use super::{Keyring, SecretsError};
use crate::store::KeyMark;
use crate::store::records::{SealedTokens, Version};

const MAGIC: &[u8; 4] = b"CXS1";
const XCHACHA20_POLY1305: u8 = 1;
const NONCE: usize = 24;
const CHECK_TEXT: &[u8] = b"codex-pooler";

/// What kind of secret an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// An account's access token.
    AccessToken,
    /// An account's refresh token.
    RefreshToken,
}

impl SecretKind {
    const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// Where a secret belongs; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub account: AccountId,
    /// What it is.
    pub kind: SecretKind,
    /// Which in the lineage of the account's tokens.
    pub version: Version,
}

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key that sealed it is not configured.
    #[error("it was sealed with the key `{0}`, which is not configured")]
    MissingKey(String),
    /// It was changed, or belongs to another place, or was sealed with another key of this id.
    #[error("it does not open here")]
    Refused,
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    Random,
}

/// Seals with the newest key and opens with any.
#[derive(Clone)]
pub struct Sealer(Keyring);

impl Sealer {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// Seals the text for this place.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn seal(&self, place: &Place, text: &Secret) -> Result<Vec<u8>, SealError> {
        let key = self.0.newest();
        seal_with(key, &bound(&key.id, place), text.expose().as_bytes())
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`SealError::MissingKey`], or [`SealError::Refused`] for everything that was not sealed exactly so.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Secret, SealError> {
        let envelope = Envelope::parse(sealed).ok_or(SealError::Refused)?;
        let key = self.0.get(envelope.key_id).ok_or_else(|| SealError::MissingKey(envelope.key_id.to_owned()))?;
        let opened = open_with(key, &bound(&key.id, place), &envelope)?;
        std::str::from_utf8(&opened).map(Secret::new).map_err(|_| SealError::Refused)
    }

    /// Seals a pair of tokens for this account and version.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn seal_tokens(
        &self,
        account: AccountId,
        version: Version,
        refresh: &Secret,
        access: &Secret,
        access_expires_at: Option<Timestamp>,
    ) -> Result<SealedTokens, SealError> {
        let place = |kind| Place { account, kind, version };
        Ok(SealedTokens {
            refresh: self.seal(&place(SecretKind::RefreshToken), refresh)?,
            access: self.seal(&place(SecretKind::AccessToken), access)?,
            access_expires_at,
        })
    }

    /// Whether the newest key sealed it; if not, it should be sealed anew.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        Envelope::parse(sealed).is_some_and(|envelope| envelope.key_id == self.0.newest().id)
    }

    /// A known text under this key, for a store to remember.
    pub(super) fn check(&self, key_id: &str) -> Result<Vec<u8>, SecretsError> {
        let key = self.0.get(key_id).ok_or_else(|| SecretsError::MissingKey(key_id.to_owned()))?;
        seal_with(key, &check_bound(key_id), CHECK_TEXT).map_err(|_| SecretsError::Random)
    }

    /// Whether the key that a store remembers is here and is the same.
    pub(super) fn prove(&self, mark: &KeyMark) -> Result<(), SecretsError> {
        let key = self.0.get(&mark.key_id).ok_or_else(|| SecretsError::MissingKey(mark.key_id.clone()))?;
        let opened = Envelope::parse(&mark.check)
            .ok_or(SealError::Refused)
            .and_then(|envelope| open_with(key, &check_bound(&mark.key_id), &envelope));
        match opened {
            Ok(text) if text.as_slice() == CHECK_TEXT => Ok(()),
            Ok(_) | Err(_) => Err(SecretsError::WrongKey(mark.key_id.clone())),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealer").field(&self.0).finish()
    }
}

struct Envelope<'a> {
    key_id: &'a str,
    nonce: [u8; NONCE],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.strip_prefix(MAGIC)?.strip_prefix(&[XCHACHA20_POLY1305])?.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some(Self { key_id: std::str::from_utf8(key_id).ok()?, nonce: *nonce, ciphertext })
    }
}

fn seal_with(key: &DerivedKeys, bound: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
    let ciphertext = cipher(key)
        .encrypt(&XNonce::from(nonce), Payload { msg: text, aad: bound })
        .expect("only texts of over 256 GiB cannot be encrypted");
    let id_length = u8::try_from(key.id.len()).expect("ids of keys have at most 32 bytes");
    let mut envelope = Vec::with_capacity(MAGIC.len() + 2 + key.id.len() + NONCE + ciphertext.len());
    envelope.extend_from_slice(MAGIC);
    envelope.extend_from_slice(&[XCHACHA20_POLY1305, id_length]);
    envelope.extend_from_slice(key.id.as_bytes());
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&ciphertext);
    Ok(envelope)
}

fn open_with(key: &DerivedKeys, bound: &[u8], envelope: &Envelope<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let payload = Payload { msg: envelope.ciphertext, aad: bound };
    cipher(key).decrypt(&XNonce::from(envelope.nonce), payload).map(Zeroizing::new).map_err(|_| SealError::Refused)
}

fn cipher(key: &DerivedKeys) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key.sealing))
}

/// Everything an envelope is bound to, each part with its length in front so that no two places give the same bytes.
fn bound(key_id: &str, place: &Place) -> Vec<u8> {
    let version = place.version.0.to_be_bytes();
    join(&[b"account", key_id.as_bytes(), place.account.as_bytes(), place.kind.name().as_bytes(), &version])
}

fn check_bound(key_id: &str) -> Vec<u8> {
    join(&[b"check", key_id.as_bytes()])
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![XCHACHA20_POLY1305];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}
