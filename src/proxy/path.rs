//! Paths: decoded once, segment by segment, and refused when a segment could be taken for something else.

use std::borrow::Cow;

use pooler_filter::Reject;

/// The percent-decoded segments of a path, without the empty one before the first slash.
#[derive(Debug)]
pub(crate) struct Segments<'a>(Vec<Cow<'a, str>>);

impl<'a> Segments<'a> {
    /// Decodes a path. A segment that decodes to something with `/`, `\` or a control character in it, or not to UTF-8, is unsafe
    /// (docs/v1.md, Order of checks).
    pub(crate) fn decode(path: &'a str) -> Result<Self, Reject> {
        let path = path.strip_prefix('/').unwrap_or(path);
        path.split('/').map(decode).collect::<Option<Vec<_>>>().map(Self).ok_or_else(unsafe_path)
    }

    pub(crate) fn as_slice(&self) -> &[Cow<'a, str>] {
        &self.0
    }
}

fn unsafe_path() -> Reject {
    Reject::invalid("request path is invalid")
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    let decoded = if segment.contains('%') { Cow::Owned(percent_decode(segment)?) } else { Cow::Borrowed(segment) };
    let safe =
        !decoded.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) && decoded != "." && decoded != "..";
    safe.then_some(decoded)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once() {
        let segments = Segments::decode("/v1/%72esponses/a%2562").unwrap();
        assert_eq!(segments.as_slice(), ["v1", "responses", "a%62"]);
    }

    #[test]
    fn a_segment_that_hides_a_separator_is_refused() {
        for path in [
            "/v1/a%2Fb",
            "/v1/a%5cb",
            "/v1/a\\b",
            "/v1/%00",
            "/v1/%0d%0a",
            "/v1/%7f",
            "/v1/%ff",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%2e%2e/x",
            "/v1/..",
        ] {
            let reject = Segments::decode(path).expect_err(path);
            assert_eq!((reject.status().as_u16(), reject.code_str()), (400, "invalid_request"), "{path}");
            assert_eq!(reject.message, "request path is invalid");
        }
    }
}
