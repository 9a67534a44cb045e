//! Text that must never be printed: it has no `Display`, a `Debug` that tells nothing, and is wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text: a key, a token, a password.
///
/// ```
/// # use pooler_filter::Secret;
/// let token = Secret::new("abc");
/// assert_eq!(token.expose(), "abc");
/// assert_eq!(format!("{token:?}"), "Secret(***)");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Call it where the secret is used, never where it is passed on.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
