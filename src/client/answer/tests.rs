use proptest::prelude::*;

use super::*;

/// The answer in these bytes, which come at once: status, body, how it ends, whether the connection serves on.
fn read(bytes: &[u8]) -> (u16, Bytes, Result<(), Fault>, bool) {
    let mut answer = Answer::new();
    answer.bytes.extend_from_slice(bytes);
    match answer.head() {
        Ok(Some(head)) => match answer.body() {
            Ok(body) => {
                let lasts = answer.leaves_connection();
                (head.status.as_u16(), body, answer.end(), lasts)
            }
            Err(fault) => (head.status.as_u16(), Bytes::new(), Err(fault), false),
        },
        Ok(None) => (0, Bytes::new(), Err("no head"), false),
        Err(fault) => (0, Bytes::new(), Err(fault), false),
    }
}

fn ok(lines: &str, body: &str) -> (u16, Bytes, Result<(), Fault>, bool) {
    read(format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}").as_bytes())
}

#[test]
fn a_body_ends_where_its_head_says() {
    for (lines, body, wanted, ended, lasts) in [
        ("content-length: 3\r\n", "abc", "abc", true, true),
        ("content-length: 3\r\n", "ab", "ab", false, false),
        ("content-length: 3\r\n", "abcd", "abc", true, false),
        ("content-length: 0\r\n", "", "", true, true),
        ("content-length: 3\r\ncontent-length: 3\r\n", "abc", "abc", true, false),
        ("content-length: 3, 3\r\n", "abc", "abc", true, false),
        ("content-length: 3\r\nconnection: close\r\n", "abc", "abc", true, false),
        ("content-length: 3\r\nconnection: x, Close\r\n", "abc", "abc", true, false),
        ("", "abc", "abc", true, false),
        ("connection: keep-alive\r\n", "abc", "abc", true, false),
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde", true, true),
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\nx: y\r\n\r\n", "abc", true, true),
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\nHTTP", "abc", true, false),
        ("transfer-encoding: chunked\r\n", "3\r\nabc\r\n0\r\n", "abc", false, false),
        ("transfer-encoding: chunked\r\n", "3\r\nab", "ab", false, false),
        ("transfer-encoding: Chunked\r\ncontent-length: 3\r\n", "1\r\na\r\n0\r\n\r\n", "a", true, false),
    ] {
        let (status, read, end, serves) = ok(lines, body);
        assert_eq!((status, &read[..]), (200, wanted.as_bytes()), "{lines:?} {body:?}");
        assert_eq!((end.is_ok(), serves), (ended, lasts), "{lines:?} {body:?}");
    }
}

#[test]
fn statuses_without_a_body_have_none_and_interim_answers_are_passed_over() {
    for status in [204, 304] {
        let read = read(format!("HTTP/1.1 {status} X\r\ncontent-length: 3\r\n\r\n").as_bytes());
        assert_eq!(read, (status, Bytes::new(), Ok(()), true));
    }
    let interim = "HTTP/1.1 103 Early\r\nx: y\r\n\r\n";
    let counts = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(read([interim, interim, counts].concat().as_bytes()).1, "ok");
    assert_eq!(read((interim.repeat(MOST_INTERIM) + counts).as_bytes()).1, "ok");
    assert_eq!(read((interim.repeat(MOST_INTERIM + 1) + counts).as_bytes()).2, Err("too many interim answers"));
    let switched = read(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x00");
    assert_eq!((switched.0, &switched.1[..], switched.3), (101, &b"\x81\x00"[..], false));
}

#[test]
fn an_old_peer_says_so_when_the_connection_stays() {
    for (lines, lasts) in [
        ("content-length: 1\r\n", false),
        ("content-length: 1\r\nconnection: Keep-Alive\r\n", true),
        ("connection: keep-alive\r\ntransfer-encoding: chunked\r\n", false),
    ] {
        let body = if lines.contains("chunked") { "1\r\na\r\n0\r\n\r\n" } else { "a" };
        let (_, read, end, serves) = read(format!("HTTP/1.0 200 OK\r\n{lines}\r\n{body}").as_bytes());
        assert_eq!((&read[..], end, serves), (&b"a"[..], Ok(()), lasts), "{lines:?}");
    }
}

#[test]
fn what_has_no_certain_end_is_refused() {
    for lines in [
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 3, 4\r\n",
        "content-length: -3\r\n",
        "content-length: +3\r\n",
        "content-length: 3 3\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: identity\r\n",
        "x: y\r\n z\r\n",
        "x\r\n",
        "x y: z\r\n",
    ] {
        let (status, body, end, lasts) = ok(lines, "abc");
        assert_eq!((status, body.len(), lasts), (0, 0, false), "{lines:?}");
        assert!(end.is_err());
    }
    for head in ["HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "ICY 200 OK\r\n\r\n"] {
        assert_eq!(read(head.as_bytes()).0, 0, "{head:?}");
    }
    assert_eq!(ok(&format!("x: {}\r\n", "y".repeat(MOST_HEAD)), "").2, Err(TOO_LARGE));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MOST_HEAD));
    assert_eq!(read(endless.as_bytes()).2, Err(TOO_LARGE));
    assert!(ok(&"x: y\r\n".repeat(MOST_LINES + 1), "").2.is_err());
}

#[test]
fn faulty_chunks_are_refused() {
    for body in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        " 1\r\na\r\n",
        "1\na\r\n",
        "1\r\nab",
        "1\r\na\n",
        "1\r\nax\n0\r\n\r\n",
        "1 1\r\n",
        "1\rx",
        "1;a\nb\r\n",
        "0\r\n\n",
        "0\r\nx: y\n",
        "0\r\n\rx",
        "10000000001\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000000\r\n",
    ] {
        let (_, _, end, _) = ok("transfer-encoding: chunked\r\n", body);
        assert_eq!(end, Err("invalid chunks"), "{body:?}");
    }
    for body in [format!("1;{}", "x".repeat(5000)), format!("0\r\nx: {}", "x".repeat(70_000)), "0".repeat(5000)] {
        let (_, _, end, _) = ok("transfer-encoding: chunked\r\n", &body);
        assert_eq!(end, Err("chunks with too much beside them"));
    }
}

#[test]
fn a_small_body_keeps_no_large_buffer_and_a_large_one_is_not_copied() {
    for (len, copied) in [(COPY, true), (COPY + 1, false)] {
        let mut bytes = BytesMut::with_capacity(4 * COPY);
        bytes.extend_from_slice(&vec![7; len]);
        let place = bytes.as_ptr();
        let taken = take(&mut bytes, len);
        assert_eq!((taken.len(), taken.as_ptr() != place), (len, copied));
        assert!(bytes.is_empty());
    }
}

fn in_chunks(parts: &[Vec<u8>], trailer: bool) -> Vec<u8> {
    let mut out = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(if trailer { b"0\r\nx: y\r\n\r\n" } else { b"0\r\n\r\n" });
    out
}

proptest! {
    #[test]
    fn chunks_come_out_as_they_went_in_whatever_the_cuts(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12),
        trailer in any::<bool>(),
        seed in any::<u8>(),
    ) {
        let wire = in_chunks(&parts, trailer);
        prop_assert_eq!(read(&wire), (200, Bytes::from(parts.concat()), Ok(()), true));
        fuzz::answer(&[&[seed], &wire[..]].concat());
    }
}
