//! The check of heads, however their bytes come. The corpus of whole requests is in `tests/it/smuggling`.

use proptest::prelude::*;

use super::*;

const MOST: Most = Most { bytes: 512, fields: 8 };
const GOOD: &str = "POST /v1/responses HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\n";

/// Feeds so many bytes at a time, and gives what was found and how many bytes it took.
fn fed(text: &[u8], step: usize) -> (Result<Option<Marks>, Fault>, usize) {
    let mut scan = Scan::new(MOST);
    let mut head = BytesMut::new();
    let mut taken = 0;
    for piece in text.chunks(step) {
        head.extend_from_slice(piece);
        taken += piece.len();
        match scan.feed(&mut head) {
            Ok(None) => {}
            done => return (done, taken),
        }
    }
    (Ok(None), taken)
}

fn whole(text: &str) -> Result<Option<Marks>, Fault> {
    fed(text.as_bytes(), usize::MAX).0
}

#[test]
fn a_good_head_is_found_byte_by_byte_and_at_once() {
    let expected = Marks { host: true, length: true, ..Marks::default() };
    for step in [1, 2, 3, 7, 1000] {
        assert_eq!(fed(GOOD.as_bytes(), step).0, Ok(Some(expected)), "{step}");
    }
    assert_eq!(fed(GOOD.as_bytes(), 1).1, GOOD.len());
    assert_eq!(whole(&format!("\r\n\r\n{GOOD}body")), Ok(Some(expected)));
    assert_eq!(whole("GET / HTTP/1.0\r\n\r\n").unwrap().map(Marks::is_last), Some(false));
}

#[test]
fn chunks_and_websockets_make_a_request_the_last_one() {
    for line in ["Transfer-Encoding: Chunked", "upgrade: h2c, WebSocket", "Upgrade:\twebsocket "] {
        let marks = whole(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")).unwrap().unwrap();
        assert!(marks.is_last(), "{line}");
    }
    assert!(!whole("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n").unwrap().unwrap().is_last());
}

#[test]
fn another_protocol_is_refused_before_it_has_said_a_line() {
    for text in [&b"\x16\x03\x01\x02"[..], b"\x00", b" GET", b"\rGET", b"{\"a\"", b"ABCDEFGHIJKLMNOPQRS", b"G\xc3\xa9"]
    {
        assert_eq!(fed(text, 1).0, Err(Fault::Malformed), "{text:?}");
    }
    for text in [&b"G"[..], b"\r", b"\r\n", b"\r\n\r", b"GET /\x01"] {
        assert_eq!(fed(text, 1).0, Ok(None), "{text:?}");
    }
}

#[test]
fn a_head_has_as_many_bytes_and_lines_as_it_may_and_no_more() {
    let long = |size: usize| {
        let start = "GET / HTTP/1.1\r\nHost: a\r\nx: ";
        format!("{start}{}\r\n\r\n", "y".repeat(size - start.len() - 4))
    };
    assert!(whole(&long(MOST.bytes)).unwrap().is_some());
    for step in [1, 1000] {
        assert_eq!(fed(long(MOST.bytes + 1).as_bytes(), step).0, Err(Fault::TooLarge), "{step}");
    }
    assert_eq!(fed(&[b'y'; 600].map(|_| b'y')[..METHOD], 1).0, Ok(None));
    let unfinished = format!("GET /{}", "y".repeat(600));
    assert_eq!(whole(&unfinished), Err(Fault::TooLarge));
    let lines = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(n - 1));
    assert!(whole(&lines(MOST.fields)).unwrap().is_some());
    assert_eq!(whole(&lines(MOST.fields + 1)), Err(Fault::TooLarge));
}

proptest! {
    #[test]
    fn however_the_bytes_come_the_verdict_is_the_same(
        text in "(GET|POST|G T) (/|/a%20b|\\*|http://a/) HTTP/1\\.[012](\r\n|\n)((Host|Host |host): a(\r\n|\n|\r)){0,2}((Content-Length|Transfer-Encoding|X-[a-z]): ?(3|chunked|\u{b}3|4, 4)(\r\n|\n)){0,3}(\r\n|\n|\r\n\r\n)",
        step in 1_usize..40,
    ) {
        let at_once = fed(text.as_bytes(), usize::MAX).0;
        prop_assert_eq!(fed(text.as_bytes(), step).0, at_once);
    }

    #[test]
    fn what_is_let_through_is_one_head_to_a_strict_parser(bytes in proptest::collection::vec(prop_oneof![
        Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(b'/'), any::<u8>()
    ], 0..60)) {
        let mut text = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
        text.extend_from_slice(&bytes);
        text.extend_from_slice(b"\r\n\r\n");
        if let Ok(Some(_)) = fed(&text, usize::MAX).0 {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut headers);
            let parsed = request.parse(&text);
            prop_assert!(matches!(parsed, Ok(httparse::Status::Complete(_))), "{:?}", parsed);
        }
    }
}
