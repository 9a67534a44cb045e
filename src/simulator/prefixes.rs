//! The prompt cache: which beginnings of inputs an account has seen under a cache key.

use std::collections::HashSet;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Cached tokens come in whole blocks of this size.
pub(super) const BLOCK: u64 = 16;
const KEPT: usize = 100_000;

/// Hashes of all beginnings seen, over all accounts.
#[derive(Debug, Default)]
pub(super) struct Prefixes(Mutex<HashSet<[u8; 16]>>);

impl Prefixes {
    /// Looks up the longest known beginning of `items` and remembers all of them. `scope` is whatever must be equal:
    /// account, cache key, model, tools. Each item comes with its size in tokens; `before` is the size of the scope's own
    /// text. Answers the cached tokens, a multiple of [`BLOCK`].
    pub(super) fn visit(&self, scope: &[&[u8]], before: u64, items: &[(Vec<u8>, u64)]) -> u64 {
        let mut hash = Sha256::new();
        for part in scope {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        let mut known = self.0.lock();
        if known.len() > KEPT {
            known.clear();
        }
        let (mut tokens, mut cached) = (before, 0);
        for (bytes, size) in items {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
            tokens += size;
            let mut key = [0u8; 16];
            key.copy_from_slice(&hash.clone().finalize()[..16]);
            if !known.insert(key) {
                cached = tokens;
            }
        }
        cached / BLOCK * BLOCK
    }
}
