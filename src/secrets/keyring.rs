//! Root keys by id. From each, one key for sealing and one pepper are derived; the root key itself is then forgotten.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key_file::{self, KeySource, RootBytes};
use super::{Peppers, Sealer, SecretsError};

/// Id of the key that is made at a first start without a configured one.
const LOCAL: &str = "local";

/// The keys of a store. Cheap to clone; tells nothing when printed.
#[derive(Clone)]
pub struct Keyring(Arc<[DerivedKeys]>);

pub(super) struct DerivedKeys {
    pub(super) id: String,
    pub(super) sealing: Zeroizing<[u8; 32]>,
    pub(super) pepper: Zeroizing<[u8; 32]>,
}

impl Keyring {
    /// Loads these keys; the first one encrypts.
    ///
    /// # Errors
    /// [`SecretsError`] for the first key that cannot be used.
    pub fn load(sources: &[KeySource]) -> Result<Self, SecretsError> {
        let mut keys: Vec<DerivedKeys> = Vec::with_capacity(sources.len());
        for source in sources {
            let id = source.id();
            let fits = (1..=32).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
            if !fits || keys.iter().any(|key| key.id == id) {
                return Err(SecretsError::BadId(id.to_owned()));
            }
            keys.push(derive(id, &source.read()?));
        }
        if keys.is_empty() { Err(SecretsError::NoKey) } else { Ok(Self(keys.into())) }
    }

    /// Loads the one key in this file, under the id `local`. Makes the file if it is not there, but only for a store that was never
    /// used. The answer tells whether it was made.
    ///
    /// # Errors
    /// [`SecretsError::MissingFile`] for a used store without the file; others when the file cannot be used.
    pub fn load_or_create(path: &Path, store_is_empty: bool) -> Result<(Self, bool), SecretsError> {
        let (root, made) = match key_file::read_file(path)? {
            Some(root) => (root, false),
            None if store_is_empty => (key_file::create(path)?, true),
            None => return Err(SecretsError::MissingFile(path.to_owned())),
        };
        Ok((Self([derive(LOCAL, &root)].into()), made))
    }

    /// Seals and opens tokens.
    #[must_use]
    pub fn sealer(&self) -> Sealer {
        Sealer::new(self.clone())
    }

    /// Digests and verifies pool keys.
    #[must_use]
    pub fn peppers(&self) -> Peppers {
        Peppers::new(self.clone())
    }

    /// Ids of the keys; the first one encrypts.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    pub(super) fn newest(&self) -> &DerivedKeys {
        self.0.first().expect("both ways to make a keyring put a key in")
    }

    pub(super) fn get(&self, id: &str) -> Option<&DerivedKeys> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn derive(id: &str, root: &RootBytes) -> DerivedKeys {
    let subkey = |label: &str| Zeroizing::new(hmac_sha256(root, label.as_bytes()));
    DerivedKeys {
        id: id.to_owned(),
        sealing: subkey("codex-pooler 1 sealing"),
        pepper: subkey("codex-pooler 1 pepper"),
    }
}

pub(super) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
