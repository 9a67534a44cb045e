//! `POST /v1/audio/transcriptions`: a recording is sent to be transcribed (docs/v1.md, Transcriptions).

use std::sync::Arc;

use http::{HeaderValue, Method, header};
use pooler_filter::form::{Form as Multipart, Part};
use pooler_filter::{Body, Exchange, Expects, Intent, KeyFacts, Principal, Reject, RejectKind, UpstreamRequest};

use super::{estimate, form, model};
use crate::CodexRewrite;
use crate::echo::{Echo, Form};

/// Where the upstream takes recordings.
pub(super) const PATH: &str = "/backend-api/transcribe";
/// The one model, and the other name that clients have for it.
const MODEL: &str = "gpt-4o-transcribe";
const ALIAS: &str = "gpt-transcribe";
/// The longest recording, in bytes.
const MOST_BYTES: usize = 26_214_400;
/// What the upstream is told of the file.
const FILENAME: &str = "audio.wav";
const CONTENT_TYPE: &str = "audio/wav";
/// Fields that have one value.
const SINGLE: [&str; 9] =
    ["file", "model", "language", "prompt", "response_format", "temperature", "stream", "keywords", "languages"];
/// Lists, with the name that their items have in a form.
const LISTS: [(&str, &str); 2] = [("keywords", "keywords[]"), ("languages", "languages[]")];
/// Bytes of a recording that stand for one token in, and for one token out: ten and four tokens a second at 128 kbit/s.
const BYTES_PER_TOKEN: (u64, u64) = (1600, 4000);

/// Turns the public request into the one that goes upstream.
pub(crate) fn transcribe(
    filter: &CodexRewrite,
    request: &mut UpstreamRequest,
    cx: &mut Exchange,
) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let form = request.body.form().ok_or_else(|| Reject::invalid("request body must be multipart/form-data"))?;
    let asked = Asked::of(form)?;
    check_key(&key, asked.model)?;
    let (intent, echo, form) = (asked.intent(), asked.echo(), asked.form());
    request.method = Method::POST;
    request.path = PATH.into();
    request.body = Body::Multipart(form);
    request.expects = Expects::Json;
    filter.identity.write(&mut request.headers);
    // The form brings its own, with its boundary.
    request.headers.remove(header::CONTENT_TYPE);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    cx.put(intent)?;
    cx.put(echo)
}

/// A request that has passed every check.
struct Asked<'a> {
    /// The name that the client used.
    model: &'static str,
    file: &'a Part,
    prompt: Option<&'a Part>,
    /// The items of the lists.
    items: Vec<&'a Part>,
    plain_text: bool,
}

impl<'a> Asked<'a> {
    /// The checks in their order; the first failure wins.
    fn of(form: &'a Multipart) -> Result<Self, Reject> {
        form::check_fields(form, &SINGLE, &LISTS.map(|(_, item)| item))?;
        let text = |name: &str| form.part(name).map(|part| form::text(part).unwrap_or_default());
        if text("stream").is_some_and(|stream| stream != "false") {
            return Err(Reject::unsupported_parameter("stream"));
        }
        let model = check_model(text("model"))?;
        let plain_text = match text("response_format").as_deref() {
            None | Some("json") => false,
            Some("text") => true,
            Some(_) => return Err(Reject::unsupported_parameter("response_format")),
        };
        for (list, item) in LISTS {
            check_list(form, list, item)?;
        }
        let file = check_file(form.part("file"))?;
        let items = form.parts.iter().filter(|part| LISTS.iter().any(|(_, item)| part.name == *item)).collect();
        Ok(Self { model, file, prompt: form.part("prompt"), items, plain_text })
    }

    fn intent(&self) -> Intent {
        intent(self.file, self.prompt.iter().chain(&self.items).copied())
    }

    fn echo(&self) -> Echo {
        let form = if self.plain_text { Form::PlainText } else { Form::Plain };
        Echo { model: self.model.into(), form, ..Echo::default() }
    }

    /// The form that goes upstream; contents are not copied.
    fn form(&self) -> Multipart {
        let plain = |part: &Part| Part { name: part.name.clone(), data: part.data.clone(), ..Part::default() };
        let kind = self.file.content_type.as_deref().map_or("", str::trim);
        let file = Part {
            filename: Some(FILENAME.into()),
            content_type: Some(if kind.is_empty() { CONTENT_TYPE } else { kind }.into()),
            ..plain(self.file)
        };
        let rest = self.prompt.iter().chain(&self.items).map(|part| plain(part));
        Multipart { parts: std::iter::once(file).chain(rest).collect() }
    }
}

/// What a recording and the words that come with it ask for.
pub(super) fn intent<'a>(file: &Part, words: impl Iterator<Item = &'a Part>) -> Intent {
    let bytes = u64::try_from(file.data.len()).unwrap_or(u64::MAX);
    let words: usize = words.map(|part| part.data.len()).sum();
    Intent {
        model: MODEL.into(),
        estimated_input_tokens: estimate::tokens_of(words).saturating_add(bytes.div_ceil(BYTES_PER_TOKEN.0)),
        estimated_output_tokens: bytes.div_ceil(BYTES_PER_TOKEN.1).max(estimate::LEAST_OUTPUT),
        ..Intent::default()
    }
}

fn check_model(text: Option<String>) -> Result<&'static str, Reject> {
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Reject::invalid("model is required").at("model"))?;
    [MODEL, ALIAS].into_iter().find(|known| *known == text.trim()).ok_or_else(|| {
        let message = "audio transcription model is not supported";
        Reject::new(RejectKind::Invalid, "invalid_model", message).at("model")
    })
}

/// A list comes as parts named `<list>[]`, each with some text; one value under the bare name is no list.
fn check_list(form: &Multipart, list: &'static str, item: &str) -> Result<(), Reject> {
    let mut items = form.parts.iter().filter(|part| part.name == item);
    let filled = items.all(|part| form::text(part).is_some_and(|text| !text.trim().is_empty()));
    if filled && form.part(list).is_none() {
        return Ok(());
    }
    Err(Reject::invalid(format!("{list} must be an array of non-empty strings")).at(list))
}

/// The recording of a form.
pub(super) fn check_file(file: Option<&Part>) -> Result<&Part, Reject> {
    let file = file.ok_or_else(|| Reject::invalid("file is required").at("file"))?;
    if file.data.is_empty() {
        return Err(Reject::invalid("file is empty").at("file"));
    }
    if file.data.len() > MOST_BYTES {
        let message = format!("file is larger than {MOST_BYTES} bytes");
        return Err(Reject::new(RejectKind::TooLarge, "request_too_large", message).at("file"));
    }
    Ok(file)
}

/// A key with a list of models needs the model on it, by either of its names.
fn check_key(key: &KeyFacts, named: &str) -> Result<(), Reject> {
    if model::is_allowed(key, MODEL) || model::is_allowed(key, named) { Ok(()) } else { Err(model::not_allowed()) }
}
