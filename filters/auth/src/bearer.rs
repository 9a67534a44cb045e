//! Reads `authorization: Bearer <token>` (RFC 9110 11.1: the scheme has no case).

use pooler_filter::Secret;

/// The token of a bearer credential; none for another scheme and for a scheme without a token. What the token is made of is not looked at.
pub(crate) fn token(credential: &Secret) -> Option<Secret> {
    let (scheme, token) = credential.expose().trim().split_once(|c: char| c.is_ascii_whitespace())?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(credential: &str) -> Option<String> {
        token(&Secret::new(credential)).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_has_no_case_and_blanks_do_not_count() {
        for credential in ["Bearer k", "bearer k", "BEARER k", " bEaReR \t k  "] {
            assert_eq!(read(credential).as_deref(), Some("k"), "{credential:?}");
        }
    }

    #[test]
    fn another_scheme_and_a_bare_word_are_no_bearer_token() {
        for credential in ["", " ", "Bearer", "Bearer ", "Basic azo=", "k", "Bearerk", "Bearer:k", "xBearer k"] {
            assert_eq!(read(credential), None, "{credential:?}");
        }
    }

    #[test]
    fn a_token_with_a_blank_inside_is_handed_on_as_it_is() {
        assert_eq!(read("Bearer a b").as_deref(), Some("a b"));
    }
}
