//! Telling a terminal event from its beginning: terminals repeat the whole answer and may be larger than other blocks.

/// How much of the data is looked at for the `type`, in bytes.
const LOOKED_AT: usize = 1024;

/// Whether an event of this name ends a response.
pub(super) fn is_terminal(name: &[u8]) -> bool {
    matches!(name, b"response.completed" | b"response.done" | b"response.failed" | b"response.incomplete")
}

/// Whether the beginning of a JSON object says so: a member `type` with a terminal's name before any nested value.
pub(super) fn begins_terminal(data: &[u8]) -> bool {
    let beginning = data.get(..LOOKED_AT).unwrap_or(data);
    begins_with_type(beginning).is_some_and(is_terminal)
}

/// The `type` at the beginning of an object, as written; escapes are not read.
fn begins_with_type(data: &[u8]) -> Option<&[u8]> {
    let mut rest = data.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        let (key, tail) = string(rest)?;
        rest = tail.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        if rest.first() == Some(&b'"') {
            let (value, tail) = string(rest)?;
            if key == b"type" {
                return Some(value);
            }
            rest = tail;
        }
        // What is left of the value is a number, a literal or nothing: it has no comma in it. A nested value has a
        // bracket, and whatever came after it would not be the beginning any more.
        let comma = rest.iter().position(|byte| matches!(byte, b',' | b'{' | b'[' | b'}'))?;
        if rest.get(comma) != Some(&b',') {
            return None;
        }
        rest = rest.get(comma + 1..)?;
    }
}

/// The string literal that stands first: what is between its quotes, and what comes after it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.trim_ascii_start().strip_prefix(b"\"")?;
    let mut end = 0;
    loop {
        end += memchr::memchr2(b'"', b'\\', inner.get(end..)?)?;
        if inner.get(end) == Some(&b'"') {
            return Some((inner.get(..end)?, inner.get(end + 1..)?));
        }
        end += 2;
    }
}
