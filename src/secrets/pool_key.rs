//! Pool keys: `sk-cxp-<12 hex>-<43 base64url>`. The text is shown once; what is kept is a keyed digest of its secret part.
//!
//! No slow hash: the secret is 256 random bits, there is nothing to guess.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pooler_filter::{KeyId, Secret};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::keyring::hmac_sha256;
use super::{Keyring, SecretsError};
use crate::store::records::KeyDigest;

const SCHEME: &str = "sk-cxp-";
const ID_DIGITS: usize = 12;
const SECRET_CHARS: usize = 43;

/// A pool key that was made just now.
#[derive(Debug)]
pub struct NewPoolKey {
    /// Its public half.
    pub id: KeyId,
    /// The whole key: show it once and forget it.
    pub text: Secret,
    /// What to keep.
    pub digest: KeyDigest,
    /// Which pepper made the digest.
    pub pepper_id: String,
}

/// The public half and the secret part of a text that has exactly the form of a pool key; spaces around it do not count.
#[must_use]
pub fn parse_pool_key(text: &str) -> Option<(KeyId, &str)> {
    let text = text.trim_ascii();
    let (id, secret) = text.strip_prefix(SCHEME)?.split_at_checked(ID_DIGITS)?;
    let secret = secret.strip_prefix('-')?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !id.bytes().all(hex) || secret.len() != SECRET_CHARS {
        return None;
    }
    // Room for what the decoder may ask for before it knows the exact length.
    let mut room = Zeroizing::new([0; 36]);
    URL_SAFE_NO_PAD.decode_slice(secret, room.as_mut_slice()).ok()?;
    Some((KeyId::new(&text[..SCHEME.len() + ID_DIGITS]), secret))
}

/// Digests and verifies the secret parts of pool keys.
#[derive(Clone)]
pub struct Peppers(Keyring);

impl Peppers {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn generate(&self) -> Result<NewPoolKey, SecretsError> {
        let mut id = [0; ID_DIGITS / 2];
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id).map_err(|_| SecretsError::Random)?;
        getrandom::fill(secret.as_mut_slice()).map_err(|_| SecretsError::Random)?;
        let id = format!("{SCHEME}{}", hex::encode(id));
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        let (digest, pepper_id) = self.digest(&secret);
        let text = Secret::new(format!("{id}-{}", secret.as_str()));
        Ok(NewPoolKey { id: KeyId::new(&id), text, digest, pepper_id: pepper_id.to_owned() })
    }

    /// The digest of a secret part under the newest pepper, and that pepper's id.
    #[must_use]
    pub fn digest(&self, secret: &str) -> (KeyDigest, &str) {
        let key = self.0.newest();
        (KeyDigest(hmac_sha256(&key.pepper, secret.as_bytes())), &key.id)
    }

    /// Whether the secret part is the one behind this digest, made by this pepper. Ask it also for an unknown id, with none: every call
    /// does the same work, so that its time does not tell whether a key exists.
    #[must_use]
    pub fn verify(&self, secret: &str, expected: Option<(&KeyDigest, &str)>) -> bool {
        let found = expected.and_then(|(digest, pepper_id)| Some((digest, self.0.get(pepper_id)?)));
        let (digest, key) = found.unwrap_or((&KeyDigest([0; 32]), self.0.newest()));
        let same = hmac_sha256(&key.pepper, secret.as_bytes()).ct_eq(&digest.0);
        bool::from(same) & found.is_some()
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peppers").field(&self.0).finish()
    }
}
