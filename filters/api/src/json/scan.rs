//! Runs of bytes that need no decision: string contents, digits, white space. They are most of a text, so speed is made
//! here.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Words looked at one by one before blocks are worth it: most strings are short.
const SHORT_WORDS: usize = 4;

/// How many bytes pass before a quote, a backslash or a control character; all of them when there is none.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let (at, done) = plain_words(bytes, SHORT_WORDS);
    if done { at } else { at + plain_long(bytes.get(at..).unwrap_or_default()) }
}

/// The long way: 64 bytes at a time, in a form that compilers turn into vector instructions.
fn plain_long(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, tail)) = rest.split_first_chunk::<64>() {
        let special = block.iter().fold(false, |found, &byte| found | is_special(byte));
        if special {
            break;
        }
        rest = tail;
    }
    let at = bytes.len() - rest.len();
    at + plain_words(rest, usize::MAX).0
}

/// Looks at up to `words` words of eight bytes, then at a rest shorter than a word: how far it came, and whether that
/// is the answer, which is a special byte or the end.
fn plain_words(bytes: &[u8], words: usize) -> (usize, bool) {
    let mut rest = bytes;
    for _ in 0..words {
        let Some((word, tail)) = rest.split_first_chunk::<8>() else {
            let at = bytes.len() - rest.len();
            return match rest.iter().position(|&byte| is_special(byte)) {
                Some(more) => (at + more, true),
                None => (bytes.len(), true),
            };
        };
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return (bytes.len() - rest.len() + (special.trailing_zeros() / 8) as usize, true);
        }
        rest = tail;
    }
    (bytes.len() - rest.len(), false)
}

const fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Marks special bytes in their high bits. Borrows make marks above a true one unreliable; the lowest is always true.
const fn special_bytes(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}

/// How many bytes of white space stand first.
pub(super) fn space_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(bytes.len())
}

/// The length of the number that stands first, or how far it was one.
pub(super) fn number_len(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at = match bytes.get(at) {
        Some(b'0') => at + 1,
        _ => digits(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    Ok(at)
}

/// The end of the digits that stand at `from`; at least one has to.
fn digits(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at == from { Err(at) } else { Ok(at) }
}
