//! JSON string literals: reading their escapes and writing them.

use std::borrow::Cow;

use super::scan;

/// What stands for an escaped surrogate that has no partner.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The most bytes of a literal that stand for one byte of its text: `\u0061`.
const LONGEST_ESCAPE: usize = 6;

/// Appends a text as a JSON string literal, quotes included. Escapes what has to be and nothing else.
///
/// ```
/// # use pooler_filter::json::write_str;
/// let mut out = Vec::new();
/// write_str(&mut out, "a \"b\"\n");
/// assert_eq!(out, br#""a \"b\"\n""#);
/// ```
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, tail) = rest.split_at(scan::plain_len(rest));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else { break };
        write_escape(out, byte);
        rest = tail;
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// A piece of a text that was checked as a whole.
///
/// Checked again because `unsafe` is forbidden here; pieces begin and end at ASCII characters, so it cannot fail.
pub(super) fn checked(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}

/// What stands between the quotes of a string literal.
#[inline]
pub(super) fn inner(literal: &[u8]) -> &[u8] {
    literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default()
}

/// The text of a string literal.
pub(super) fn decode(literal: &[u8], escaped: bool) -> Cow<'_, str> {
    let text = checked(inner(literal));
    if escaped { Cow::Owned(unescape(text)) } else { Cow::Borrowed(text) }
}

/// Whether a string literal says `expected`, which is often known when this is compiled.
#[inline]
pub(super) fn says(literal: &[u8], escaped: bool, expected: &str) -> bool {
    if escaped { says_escaped(literal, expected) } else { inner(literal) == expected.as_bytes() }
}

#[cold]
fn says_escaped(literal: &[u8], expected: &str) -> bool {
    // A text that is too long for it need not be read: it may be a whole prompt.
    inner(literal).len() <= LONGEST_ESCAPE * expected.len() && decode(literal, true) == expected
}

/// Reads escapes that the indexer has found to be well formed.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let (character, tail) = unicode_escape(chars.as_str());
                out.push(character);
                rest = tail;
                continue;
            }
            Some(itself) => out.push(itself),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character that four hex digits name, with the low surrogate's escape that may follow a high one, and what comes
/// after.
fn unicode_escape(text: &str) -> (char, &str) {
    let Some((unit, tail)) = code_unit(text) else { return (REPLACEMENT, "") };
    if !(0xd800..0xdc00).contains(&unit) {
        return (char::from_u32(unit).unwrap_or(REPLACEMENT), tail);
    }
    match tail.strip_prefix("\\u").and_then(code_unit) {
        Some((low, after)) if (0xdc00..0xe000).contains(&low) => {
            let character = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(character).unwrap_or(REPLACEMENT), after)
        }
        _ => (REPLACEMENT, tail),
    }
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, tail) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, tail))
}
