//! Settings of uploaded files.

use std::time::Duration;

use super::{MIB, secs};
use crate::config::Origin;

/// `[files]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Largest file, in bytes; not above `limits.max_body`.
    pub max_size: usize,
    /// How long a file is known after its upload.
    pub ttl: Duration,
    /// How long the upstream's storage may take to get the bytes of a file.
    pub upload_timeout: Duration,
    /// How long the upstream may take to finish a file that it has got.
    pub finalize_timeout: Duration,
    /// Where files may be uploaded to beside public addresses over https.
    pub upload_origins: Vec<Origin>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            max_size: 25 * MIB,
            ttl: secs(24 * 60 * 60),
            upload_timeout: secs(5 * 60),
            finalize_timeout: secs(30),
            upload_origins: Vec::new(),
        }
    }
}
