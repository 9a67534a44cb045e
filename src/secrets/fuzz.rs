//! Keys that somebody made up: read when they have exactly the form of one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{key_file, parse_pool_key};

/// The text of a pool key, or of a root key in a variable.
///
/// # Panics
/// When a property does not hold.
pub fn key(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parsed = parse_pool_key(&text);
    assert_eq!(parsed.is_some(), is_key(text.trim_ascii()), "{text:?}");
    if let Some((id, secret)) = parsed {
        assert_eq!(format!("{}-{secret}", id.as_str()), text.trim_ascii());
        assert_eq!(parse_pool_key(text.trim_ascii()), Some((id, secret)));
    }
    let root = key_file::from_variable("KEY", Some(text.clone().into_owned()));
    if let Ok(root) = root {
        let again = key_file::from_variable("KEY", Some(URL_SAFE_NO_PAD.encode(root.as_slice())));
        assert_eq!(again.ok(), Some(root));
    }
}

/// `sk-cxp-`, 12 digits, a hyphen and 256 bits, byte by byte.
fn is_key(text: &str) -> bool {
    let hex = b"0123456789abcdef";
    let last: Vec<u8> = (0..64).step_by(4).map(|low: u8| alphabet(low)).collect();
    text.len() == 63
        && text.bytes().enumerate().all(|(at, byte)| match at {
            0..7 => byte == b"sk-cxp-"[at],
            7..19 => hex.contains(&byte),
            19 => byte == b'-',
            // The last character has four bits of the secret.
            62 => last.contains(&byte),
            _ => (0..64).any(|value| alphabet(value) == byte),
        })
}

fn alphabet(value: u8) -> u8 {
    match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => b'-',
        _ => b'_',
    }
}
