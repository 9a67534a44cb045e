//! Values of headers with parameters: `form-data; name="file"; filename="a.txt"` (RFC 2045, 5.1, as browsers write it).

/// The value before the first semicolon, in lower case, and its parameters, names in lower case. None when it is malformed.
pub(super) fn parse(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some((value.trim().to_ascii_lowercase(), parameters));
        }
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start_matches([' ', '\t']);
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, left) = after.split_at(after.find(';').unwrap_or(after.len()));
                (value.trim().to_owned(), left)
            }
        };
        let left = left.trim_start_matches([' ', '\t']);
        if !left.is_empty() && !left.starts_with(';') {
            return None;
        }
        parameters.push((name.trim().to_ascii_lowercase(), value));
        rest = left;
    }
}

/// The parameter of that name.
pub(super) fn get<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// The text up to the closing quote, and what follows. A backslash escapes a quote and itself only: some clients send whole Windows paths.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match chars.peek() {
                Some((_, escaped @ ('"' | '\\'))) => {
                    out.push(*escaped);
                    chars.next();
                }
                Some(_) | None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Vec<(String, String)>)> {
        parse(text)
    }

    #[test]
    fn parameters_are_read_as_clients_write_them() {
        let of = |text: &str, name: &str| read(text).and_then(|(_, p)| get(&p, name).map(ToOwned::to_owned));
        assert_eq!(read("Form-Data").unwrap(), ("form-data".to_owned(), Vec::new()));
        assert_eq!(of("form-data; name=\"file\"; filename=\"a b.txt\"", "filename").unwrap(), "a b.txt");
        assert_eq!(of("form-data;NAME=file ;filename=x", "name").unwrap(), "file");
        assert_eq!(of(r#"form-data; name="a\"b\\c""#, "name").unwrap(), r#"a"b\c"#);
        assert_eq!(of(r#"form-data; name="file"; filename="C:\dir\x.txt""#, "filename").unwrap(), r"C:\dir\x.txt");
        assert_eq!(of("multipart/form-data; charset=utf-8; boundary=\"a;b\"", "boundary").unwrap(), "a;b");
        assert_eq!(of("form-data; name=\"a\";", "name").unwrap(), "a");
        assert_eq!(of("form-data; name=\"\u{e4}\"", "name").unwrap(), "\u{e4}");
    }

    #[test]
    fn malformed_parameters_are_no_parameters() {
        for text in ["form-data; name", "form-data; name=\"a", "form-data; name=\"a\"b", "form-data; name=\"a\\"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
