//! What protects secrets at rest: root keys, the sealing of account tokens, the digests of pool keys (docs/decisions.md, R8, R10).
//!
//! Root keys have ids. The first one encrypts and digests, any one decrypts. A store remembers which keys it was used with, so that
//! a missing or a wrong key is found out before anything is served, and is never replaced by a new one.
//!
//! | file | holds |
//! |---|---|
//! | `keyring` | root keys and what is derived from them |
//! | `key_file` | reading a root key, and making the first one |
//! | `sealer` | sealing and opening of tokens |
//! | `pool_key` | pool keys: text, digest, comparison |

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod key_file;
mod keyring;
mod pool_key;
mod sealer;

use std::path::{Path, PathBuf};

pub use key_file::KeySource;
pub use keyring::Keyring;
pub use pool_key::{NewPoolKey, Peppers, parse_pool_key};
pub use sealer::{Place, SealError, Sealer, SecretKind};

use crate::store::{ControlStore, KeyMark, StoreError};

/// Why the secrets of a store cannot be used. No text of it holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The store was used with a key that is not configured.
    #[error(
        "the store was used with the key `{0}`, which is not configured: bring it back, no other key opens this store"
    )]
    MissingKey(String),
    /// The store was used with a generated key, and its file is gone.
    #[error("the key file {} is missing: restore it, a new key cannot open this store", .0.display())]
    MissingFile(PathBuf),
    /// The key has a known id and other content.
    #[error("the key `{0}` does not open this store")]
    WrongKey(String),
    /// The key file can be read by others.
    #[error("the key file {} can be used by others (mode {mode:04o}): make it 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is not 32 bytes, raw or in base64.
    #[error("the key from {0} is not 32 bytes, raw or in base64")]
    Malformed(String),
    /// The environment variable is not set.
    #[error("the environment variable {0} of a key is not set")]
    NoVariable(String),
    /// An id is not 1 to 32 of `a-z 0-9 _ -`, or is there twice.
    #[error("`{0}` cannot be the id of a key: 1 to 32 of a-z, 0-9, _ and -, each id once")]
    BadId(String),
    /// No key is configured where one must be.
    #[error("no key is configured")]
    NoKey,
    /// The file system said no.
    #[error("the key file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    Random,
    /// The store did not answer.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
}

/// The keys of a store, ready for use.
#[derive(Debug)]
pub struct Unlocked {
    /// The keys.
    pub keyring: Keyring,
    /// The file of a key that was made just now. Tell the operator to back it up, apart from the store.
    pub created: Option<PathBuf>,
}

/// Loads the configured keys and proves that they open this store. Without any configured key it uses the file `default_file`, which
/// it makes for a store that was never used; put it beside the store's directory, not inside. Blocks while it reads the files.
///
/// # Errors
/// [`SecretsError`]; the program must not start then.
pub async fn unlock(
    sources: &[KeySource],
    default_file: &Path,
    store: &dyn ControlStore,
) -> Result<Unlocked, SecretsError> {
    let marks = store.key_marks().await?;
    let unlocked = if sources.is_empty() {
        let unused = marks.is_empty() && store.load().await?.rev == 0;
        let (keyring, made) = Keyring::load_or_create(default_file, unused)?;
        Unlocked { keyring, created: made.then(|| default_file.to_owned()) }
    } else {
        Unlocked { keyring: Keyring::load(sources)?, created: None }
    };
    let sealer = unlocked.keyring.sealer();
    for mark in &marks {
        sealer.prove(mark)?;
    }
    for key_id in unlocked.keyring.ids() {
        if !marks.iter().any(|mark| mark.key_id == key_id) {
            let mark = KeyMark { key_id: key_id.to_owned(), check: sealer.check(key_id)? };
            store.add_key_mark(mark).await?;
        }
    }
    Ok(unlocked)
}

#[cfg(test)]
mod tests;
