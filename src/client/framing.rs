//! Whether the head of an answer tells its end in one way only. The parser forgives what another one would read differently, or not at all.

use memchr::memchr;

/// What the head of an answer says of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// One thing: lines end with CRLF, and there is at most one length or one transfer coding, `chunked`.
    Clear,
    /// It was understood, but another reader may see the end elsewhere.
    Doubtful,
    /// A value goes on in the next line. The parser leaves the line end in it, and so would whoever passes it on.
    Folded,
}

/// Judges a head that was parsed.
pub(super) fn judge(head: &[u8]) -> End {
    let (mut length, mut chunked, mut clear) = (false, false, true);
    let mut rest = head;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return End::Folded;
        }
        clear &= line.ends_with(b"\r");
        let Some(colon) = memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Some drop a blank before a colon, others the line.
        clear &= !matches!(name.last(), Some(b' ' | b'\t'));
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                clear &= !std::mem::replace(&mut length, true) && value.iter().all(u8::is_ascii_digit);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                clear &= !std::mem::replace(&mut chunked, true) && value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }
    if clear && !(length && chunked) { End::Clear } else { End::Doubtful }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_can_be_read_in_two_ways_is_found() {
        let head = |lines: &str| judge(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes());
        for lines in ["", "Content-Length: 3\r\n", "transfer-encoding: Chunked\r\nx: y\r\n", "x: a: b\r\n"] {
            assert_eq!(head(lines), End::Clear, "{lines:?}");
        }
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 3\r\ncontent-length: 3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length : 3\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "x: y\n",
        ] {
            assert_eq!(head(lines), End::Doubtful, "{lines:?}");
        }
        for lines in ["x: y\r\n z\r\n", "x: y\r\n\tz\r\nContent-Length: 3\r\n", "x: y\n z: a\r\n"] {
            assert_eq!(head(lines), End::Folded, "{lines:?}");
        }
    }
}
