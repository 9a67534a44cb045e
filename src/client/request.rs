//! The head of a request on the wire (RFC 9112, 3).

use http::{HeaderName, Method, header};

use super::Call;

/// Writes the head. The length of the body is told whenever the method may have one.
///
/// # Errors
/// A path that is none.
pub(super) fn head(call: &Call, authority: &str) -> Result<Vec<u8>, String> {
    let path = call.path.as_bytes();
    if path.first() != Some(&b'/') || !path.iter().all(|byte| (b'!'..=b'~').contains(byte) && *byte != b'#') {
        return Err("an invalid path".to_owned());
    }
    let length: usize = call.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut head = Vec::with_capacity(length + path.len() + authority.len() + 96);
    for part in [call.method.as_str().as_bytes(), b" ", path, b" HTTP/1.1\r\n"] {
        head.extend_from_slice(part);
    }
    let mut line = |name: &HeaderName, value: &[u8]| {
        for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    };
    line(&header::HOST, authority.as_bytes());
    let ours = |name: &HeaderName| matches!(*name, header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING);
    call.headers.iter().filter(|(name, _)| !ours(name)).for_each(|(name, value)| line(name, value.as_bytes()));
    if !call.body.is_empty() || matches!(call.method, Method::POST | Method::PUT) {
        line(&header::CONTENT_LENGTH, itoa::Buffer::new().format(call.body.len()).as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn call(method: Method, path: &str, body: &'static str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("a b"));
        headers.insert(header::HOST, HeaderValue::from_static("elsewhere"));
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
        Call { method, path: path.to_owned(), headers, body: Bytes::from_static(body.as_bytes()).into() }
    }

    #[test]
    fn a_head_has_one_host_and_one_length() {
        let written = |call: Call| String::from_utf8(head(&call, "up.test:8").unwrap()).unwrap();
        let post = written(call(Method::POST, "/a?b=c", "four"));
        assert_eq!(post, "POST /a?b=c HTTP/1.1\r\nhost: up.test:8\r\nx-one: a b\r\ncontent-length: 4\r\n\r\n");
        let empty = written(call(Method::PUT, "/", ""));
        assert_eq!(empty, "PUT / HTTP/1.1\r\nhost: up.test:8\r\nx-one: a b\r\ncontent-length: 0\r\n\r\n");
        let get = written(call(Method::GET, "/", ""));
        assert_eq!(get, "GET / HTTP/1.1\r\nhost: up.test:8\r\nx-one: a b\r\n\r\n");
    }

    #[test]
    fn what_would_end_the_line_is_no_path() {
        for path in ["", "a", "/a b", "/a\r\nx: y", "/\u{7f}", "/ä", "/a#b"] {
            assert!(head(&call(Method::GET, path, ""), "up.test").is_err(), "{path:?}");
        }
    }
}
