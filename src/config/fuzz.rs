//! Files that may say anything: settings inside their bounds, or a mistake at a place in the file.

use std::path::Path;

use super::units::{parse_size, show_duration, show_size};
use super::{load, parse_duration};

/// The text of a configuration file.
///
/// # Panics
/// When a property does not hold.
pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match load(&text, "fuzz.toml", Path::new("/etc")) {
        Ok(config) => {
            let limits = &config.settings.limits;
            assert!(limits.max_compressed <= limits.max_body && limits.max_body <= limits.body_memory);
            let again = load(&text, "fuzz.toml", Path::new("/etc")).expect("it was read before");
            assert_eq!(again.settings, config.settings);
        }
        Err(mistake) => {
            assert!((1..=text.split('\n').count()).contains(&mistake.line), "{mistake}");
            let line = text.split('\n').nth(mistake.line - 1).unwrap_or_default();
            assert!((1..=line.chars().count() + 1).contains(&mistake.column), "{mistake}");
            assert!(!mistake.message.is_empty() && !mistake.to_string().contains(char::is_control), "{mistake:?}");
        }
    }
    units(text.trim());
}

/// What people write and what we write for them.
fn units(text: &str) {
    if let Ok(span) = parse_duration(text) {
        assert_eq!(parse_duration(&show_duration(span)), Ok(span));
    }
    if let Ok(size) = parse_size(text) {
        assert_eq!(parse_size(&show_size(size)), Ok(size));
    }
}
