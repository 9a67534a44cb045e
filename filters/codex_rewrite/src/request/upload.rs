//! `POST /v1/files`: the form is checked and becomes the call that makes the file upstream (docs/v1.md, Files). The bytes do not go with it:
//! the host takes them to where the upstream wants them.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pooler_filter::form::{Form, Part};
use pooler_filter::json::{JsonObject, write_str};
use pooler_filter::{Body, Exchange, Expects, Intent, Reject, Upload, UpstreamRequest};

use crate::CodexRewrite;

/// Where the upstream makes files.
const PATH: &str = "/backend-api/files";
const PURPOSES: [&str; 5] = ["user_data", "assistants", "vision", "batch", "fine-tune"];
/// Longest name of a file, in characters.
const NAME: usize = 255;
/// Longest media type, in bytes.
const MEDIA_TYPE: usize = 255;

/// Turns the form into the call that makes the file, and puts the file aside.
pub(crate) fn upload(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let form = request.body.form().ok_or_else(|| Reject::invalid("request body must be multipart/form-data"))?;
    let upload = checked(form)?;
    let body = JsonObject::parse(create_call(&upload)).map_err(Reject::internal)?;
    request.method = Method::POST;
    request.path = PATH.into();
    filter.identity.write(&mut request.headers);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request.body = Body::Json(body);
    request.expects = Expects::Json;
    cx.put(Intent::default())?;
    cx.put(upload)
}

/// The checks in their order; the first failure wins.
fn checked(form: &Form) -> Result<Upload, Reject> {
    if let Some(unknown) = form.parts.iter().find(|part| !matches!(part.name.as_str(), "file" | "purpose")) {
        return Err(Reject::unsupported_parameter(unknown.name.clone()));
    }
    let purpose = purpose(form)?;
    let file = form.part("file").ok_or_else(|| Reject::invalid("file is required").at("file"))?;
    if is_repeated(form, "file") {
        return Err(Reject::invalid("file upload is not readable").at("file"));
    }
    let metadata = || Reject::invalid("file metadata is invalid").at("file");
    let filename = filename(file.filename.as_deref().unwrap_or_default()).ok_or_else(metadata)?;
    let content_type = media_type(file).ok_or_else(metadata)?;
    Ok(Upload { filename, content_type, purpose, data: file.data.clone() })
}

fn purpose(form: &Form) -> Result<&'static str, Reject> {
    const PARAM: &str = "purpose";
    let given = form.part(PARAM).map(|part| part.data.to_bytes()).unwrap_or_default();
    if given.trim_ascii().is_empty() {
        return Err(Reject::invalid("purpose is required").at(PARAM));
    }
    let known = PURPOSES.into_iter().find(|known| known.as_bytes() == given.as_ref());
    let known = known.filter(|_| !is_repeated(form, PARAM));
    known.ok_or_else(|| Reject::invalid("file purpose is not supported").at(PARAM))
}

fn is_repeated(form: &Form, name: &str) -> bool {
    form.parts.iter().filter(|part| part.name == name).count() > 1
}

/// The last segment of the name, whatever system it is from; none when it has control characters.
fn filename(given: &str) -> Option<String> {
    if given.chars().any(char::is_control) {
        return None;
    }
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let name: String = last.chars().take(NAME).collect();
    Some(if matches!(name.as_str(), "" | "." | "..") { "upload".into() } else { name })
}

/// The media type as the client gave it; none when it is not one.
fn media_type(file: &Part) -> Option<String> {
    let Some(given) = file.content_type.as_deref().map(str::trim).filter(|given| !given.is_empty()) else {
        return Some("application/octet-stream".into());
    };
    let shaped = given.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    let visible = given.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (shaped && visible && given.len() <= MEDIA_TYPE).then(|| given.to_owned())
}

fn create_call(upload: &Upload) -> Bytes {
    let mut body = b"{\"file_name\":".to_vec();
    write_str(&mut body, &upload.filename);
    body.extend_from_slice(format!(",\"file_size\":{},\"use_case\":\"codex\"}}", upload.data.len()).as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, filename: Option<&str>, content_type: Option<&str>, data: &'static [u8]) -> Part {
        Part {
            name: name.into(),
            filename: filename.map(Into::into),
            content_type: content_type.map(Into::into),
            data: Bytes::from_static(data).into(),
        }
    }

    fn file() -> Part {
        part("file", Some("notes.txt"), Some("text/plain"), b"hello")
    }

    fn purpose_of(text: &'static [u8]) -> Part {
        part("purpose", None, None, text)
    }

    fn refusal(parts: Vec<Part>) -> (u16, String, String, String) {
        let reject = checked(&Form { parts }).unwrap_err();
        let (code, param) = (reject.code_str().to_owned(), reject.param.clone().unwrap_or_default().into_owned());
        (reject.status().as_u16(), code, param, reject.message.into_owned())
    }

    #[test]
    fn a_form_becomes_the_call_that_makes_the_file() {
        for purpose in PURPOSES {
            let parts = vec![part("purpose", None, None, purpose.as_bytes()), file()];
            let upload = checked(&Form { parts }).unwrap();
            assert_eq!((upload.purpose, upload.content_type.as_str()), (purpose, "text/plain"));
            assert_eq!(create_call(&upload), r#"{"file_name":"notes.txt","file_size":5,"use_case":"codex"}"#);
            assert_eq!(upload.data.to_bytes(), "hello");
        }
    }

    #[test]
    fn the_first_failure_in_the_order_of_the_checks_wins() {
        let invalid = |param: &str, message: &str| (400, "invalid_request".into(), param.into(), message.into());
        let unknown = (400, "unsupported_parameter".into(), "user".into(), "Unsupported parameter: user".into());
        assert_eq!(refusal(vec![part("user", None, None, b"x")]), unknown);
        assert_eq!(refusal(vec![]), invalid("purpose", "purpose is required"));
        assert_eq!(refusal(vec![purpose_of(b" ")]), invalid("purpose", "purpose is required"));
        for wrong in [&b"evals"[..], b"user_data ", b"\xff"] {
            assert_eq!(refusal(vec![purpose_of(wrong)]), invalid("purpose", "file purpose is not supported"));
        }
        let twice = vec![purpose_of(b"batch"), purpose_of(b"batch"), file()];
        assert_eq!(refusal(twice), invalid("purpose", "file purpose is not supported"));
        assert_eq!(refusal(vec![purpose_of(b"batch")]), invalid("file", "file is required"));
        let twice = vec![purpose_of(b"batch"), file(), file()];
        assert_eq!(refusal(twice), invalid("file", "file upload is not readable"));
        for bad in [
            part("file", Some("a\u{7}b"), None, b""),
            part("file", None, Some("text"), b""),
            part("file", None, Some("text/plain\u{e4}"), b""),
        ] {
            assert_eq!(refusal(vec![purpose_of(b"batch"), bad]), invalid("file", "file metadata is invalid"));
        }
    }

    #[test]
    fn a_name_is_the_last_segment_of_what_the_client_calls_it() {
        for (given, name) in [
            ("", "upload"),
            ("..", "upload"),
            ("a/", "upload"),
            ("../../etc/passwd", "passwd"),
            (r"C:\dir\x.txt", "x.txt"),
            ("\u{e4} b.pdf", "\u{e4} b.pdf"),
        ] {
            assert_eq!(filename(given).as_deref(), Some(name), "{given}");
        }
        assert_eq!(filename(&"\u{e4}".repeat(300)).unwrap().chars().count(), NAME);
    }

    #[test]
    fn a_file_without_a_media_type_is_just_bytes() {
        assert_eq!(media_type(&part("file", None, None, b"")).unwrap(), "application/octet-stream");
        assert_eq!(media_type(&part("file", None, Some(" "), b"")).unwrap(), "application/octet-stream");
    }
}
