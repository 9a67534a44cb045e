use http::HeaderValue;
use proptest::prelude::*;

use super::parser::{HEAD_LINES, MOST_PARTS};
use super::*;

const CAPS: FormCaps = FormCaps { total: 4 * MIB, file: 2 * MIB, told: Told::FileSize };

fn parse(boundary: &str, pieces: &[&[u8]]) -> Result<Form, Reject> {
    let mut parser = FormParser::new(boundary, CAPS);
    pieces.iter().try_for_each(|piece| parser.push(piece))?;
    parser.finish()
}

/// What a form holds, so that it can be compared.
type Seen = Vec<(String, Option<String>, Option<String>, Vec<u8>)>;

fn seen(form: Form) -> Seen {
    let part = |part: Part| (part.name, part.filename, part.content_type, part.data.to_bytes().to_vec());
    form.parts.into_iter().map(part).collect()
}

fn refusal(body: impl AsRef<[u8]>) -> (u16, String, Option<String>) {
    let reject = parse("b", &[body.as_ref()]).unwrap_err();
    (reject.status().as_u16(), reject.message.into_owned(), reject.param.map(Into::into))
}

/// A preamble, a file with half a boundary in it, an empty field, a field of nothing but line ends, an epilogue.
const BODY: &[u8] = b"preamble --b\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xc3\xa4.bin\"\r\n\
    Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--\r\n--a\r\n\r\n--b \t\r\ncontent-disposition: form-data; name=purpose\r\n\r\n\
    \r\n--b\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n\r\n\r--b\r\n\r\n--b--epilogue\r\n--b\r\nx";

fn body_seen() -> Seen {
    let kind = Some("application/octet-stream".to_owned());
    let field = |name: &str, data: &[u8]| (name.to_owned(), None, None, data.to_vec());
    vec![
        ("file".to_owned(), Some("\u{e4}.bin".to_owned()), kind, b"\x00\xff\r\n--\r\n--a\r\n".to_vec()),
        field("purpose", b""),
        field("x", b"\r\n\r--b\r\n"),
    ]
}

#[test]
fn a_form_is_read_part_by_part() {
    assert_eq!(seen(parse("b", &[BODY]).unwrap()), body_seen());
    let no_preamble = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--b--";
    assert_eq!(seen(parse("b", &[no_preamble]).unwrap()), [("a".to_owned(), None, None, b"1".to_vec())]);
    assert!(parse("b", &[b"--b--"]).unwrap().parts.is_empty());
}

proptest! {
    #[test]
    fn any_split_of_a_body_gives_the_same_form(cuts in prop::collection::vec(0..BODY.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.extend([0, BODY.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &BODY[cut[0]..cut[1]]).collect();
        prop_assert_eq!(seen(parse("b", &pieces).unwrap()), body_seen());
    }

    #[test]
    fn whatever_the_bytes_are_what_was_written_is_read(
        fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..5),
        size in 1..200_usize,
    ) {
        let boundary = "-----------------------------0123456789";
        let part = |(n, (data, file)): (usize, (Vec<u8>, bool))| Part {
            name: format!("f{n}"),
            filename: file.then(|| "a b".to_owned()),
            content_type: file.then(|| "text/plain".to_owned()),
            data: bytes::Bytes::from(data).into(),
        };
        let form = Form { parts: fields.into_iter().enumerate().map(part).collect() };
        let wire = form.encode(boundary).to_bytes();
        let pieces: Vec<&[u8]> = wire.chunks(size).collect();
        prop_assert_eq!(seen(parse(boundary, &pieces).unwrap()), seen(form));
    }

    #[test]
    fn nothing_makes_the_parser_panic(bytes in prop::collection::vec(prop::sample::select(b"-b\r\n: ;=\"xc".to_vec()), 0..200)) {
        let mut body = b"--b\r\ncontent-disposition: form-data".to_vec();
        body.extend(bytes);
        drop(parse("b", &[&body]));
    }
}

#[test]
fn every_cut_of_a_body_is_told() {
    let end = BODY.windows(5).position(|w| w == b"--b--").unwrap() + 5;
    for cut in 0..end {
        assert_eq!(refusal(&BODY[..cut]).0, 400, "cut at {cut}");
    }
    assert!(refusal(&BODY[..end - 1]).1.ends_with("it is cut off"));
    assert!(refusal(b"").1.ends_with("its boundary does not occur in it"));
}

#[test]
fn what_is_wrong_with_a_part_is_told() {
    let head = |lines: &str| format!("--b\r\n{lines}\r\n\r\n1\r\n--b--");
    for (lines, why) in [
        ("", "a part has no name"),
        ("content-type: text/plain", "a part has no name"),
        ("content-disposition: form-data", "a part has no name"),
        ("content-disposition: form-data; name=\"\"", "a part has no name"),
        ("content-disposition: attachment; name=\"a\"", "a part has no name"),
        ("content-disposition: form-data; name=\"a", "a part has no readable name"),
        ("no colon", "the head of a part is malformed"),
        (&"x: y\r\n".repeat(HEAD_LINES + 1), "the head of a part is malformed"),
        (
            "content-disposition: form-data; name=a\r\ncontent-transfer-encoding: base64",
            "a part has a transfer encoding",
        ),
        (&format!("content-disposition: form-data; name={}", "a".repeat(9000)), "the head of a part is too large"),
    ] {
        let told = refusal(head(lines));
        assert_eq!((told.0, told.2), (400, None), "{lines}");
        assert!(told.1.ends_with(why), "{lines}: {}", told.1);
    }
    assert!(
        refusal(b"--b\r\ncontent-disposition: form-data; name=\xff\r\n\r\n")
            .1
            .ends_with("the head of a part is no UTF-8")
    );
    assert!(refusal(b"--bc\r\n").1.ends_with("a boundary is malformed"));
    let padded = format!("--b{}\r\n", " ".repeat(100));
    assert!(refusal(padded).1.ends_with("a boundary is malformed"));
    // A head that never ends is not waited for.
    let endless = [&b"--b\r\n"[..], &b"a".repeat(9000)].concat();
    assert!(refusal(endless).1.ends_with("the head of a part is too large"));
}

#[test]
fn a_form_has_at_most_so_many_parts() {
    let part = "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n";
    let most = part.repeat(MOST_PARTS) + "--b--";
    assert_eq!(parse("b", &[most.as_bytes()]).unwrap().parts.len(), MOST_PARTS);
    assert!(refusal(part.repeat(MOST_PARTS + 1) + "--b--").1.ends_with("it has more than 64 parts"));
}

#[test]
fn a_part_over_its_cap_is_refused_by_what_it_is() {
    let part = |disposition: &str, size: usize| {
        let mut body = format!("--b\r\ncontent-disposition: form-data; {disposition}\r\n\r\n").into_bytes();
        body.resize(body.len() + size, b'x');
        body.extend_from_slice(b"\r\n--b--");
        body
    };
    assert!(parse("b", &[&part("name=file", CAPS.file)]).is_ok());
    assert!(parse("b", &[&part("name=purpose", FIELD)]).is_ok());
    let limit = (400, "file_size exceeds the supported limit".to_owned(), Some("file_size".to_owned()));
    assert_eq!(refusal(part("name=file", CAPS.file + 1)), limit);
    assert_eq!(refusal(part("name=other; filename=x", CAPS.file + 1)), limit);
    let field = (413, "request body is too large".to_owned(), Some("purpose".to_owned()));
    assert_eq!(refusal(part("name=purpose", FIELD + 1)), field);
}

#[test]
fn a_media_type_says_where_the_parts_end() {
    let of = |kind: Option<&str>, coding: Option<&str>| {
        let mut headers = HeaderMap::new();
        kind.map(|kind| headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap()));
        coding.map(|coding| headers.insert(header::CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap()));
        boundary(&headers).map_err(|reject| (reject.status().as_u16(), reject.code_str().to_owned()))
    };
    assert_eq!(of(Some("multipart/form-data; boundary=abc"), None), Ok("abc".to_owned()));
    assert_eq!(of(Some("Multipart/Form-Data; Boundary=\"a b\""), Some("identity")), Ok("a b".to_owned()));
    let invalid = Err((400, "invalid_request".to_owned()));
    for kind in ["", "; boundary=", "; boundary=\"a \"", "; charset=utf-8", "; boundary=\"a\tb\""] {
        assert_eq!(of(Some(&format!("multipart/form-data{kind}")), None), invalid, "{kind}");
    }
    assert_eq!(of(Some(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None), invalid);
    let media = Err((415, "unsupported_media_type".to_owned()));
    for kind in
        [None, Some("application/json"), Some("multipart/mixed; boundary=a"), Some("multipart/form-data; boundary=\"a")]
    {
        assert_eq!(of(kind, None), media, "{kind:?}");
    }
    assert_eq!(of(Some("multipart/form-data; boundary=a"), Some("gzip")), media);
    assert_eq!(of(Some("multipart/form-data; boundary=a"), Some("br")).unwrap_err().1, "unsupported_content_encoding");
}
