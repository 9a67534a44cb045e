//! The members of a request for images, whether they came as JSON or as a form.

use std::borrow::Cow;

use pooler_filter::form::{Form, Part};
use pooler_filter::json::{JsonObject, Kind, Value};
use pooler_filter::{Body, Reject};

use crate::request::form;
use crate::request::options::check_logprobs;
use crate::request::patch::shown;

/// Members that have one value.
const SINGLE: [&str; 16] = [
    "model",
    "prompt",
    "size",
    "quality",
    "background",
    "input_fidelity",
    "output_format",
    "output_compression",
    "moderation",
    "partial_images",
    "n",
    "user",
    "response_format",
    "stream",
    "mask",
    LOGPROBS,
];
/// The names that the list of images goes by.
const IMAGES: [&str; 4] = ["image", "image[]", "images", "images[]"];
const LOGPROBS: &str = "logprobs";

/// One value of a member.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// A JSON value other than null.
    Json(Value<'a>),
    /// A part of a form.
    Part(&'a Part),
}

impl<'a> Given<'a> {
    /// Its text: a JSON string, or a part in UTF-8.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Part(part) => form::text(part).map(Cow::Owned),
        }
    }

    /// Whether it is one of these texts. A form has nothing but texts, so `"false"` in it is what `false` is in JSON.
    fn is(self, json: &[&str], text: &str) -> bool {
        match self {
            Self::Json(value) => json.contains(&value.raw()),
            Self::Part(part) => part.data.len() == text.len() && part.data.to_bytes() == text,
        }
    }

    /// Whether it is `false`.
    pub(super) fn is_false(self) -> bool {
        self.is(&["false"], "false")
    }

    /// Whether it is the number 0.
    pub(super) fn is_zero(self) -> bool {
        self.is(&["0"], "0")
    }

    /// Whether it is the number 1, or its text.
    pub(super) fn is_one(self) -> bool {
        self.is(&["1", "\"1\""], "1")
    }
}

/// The members that were given, by the name under which the rules know them.
#[derive(Debug)]
pub(super) struct Members<'a> {
    single: Vec<(&'static str, Given<'a>)>,
    /// The images to edit, in order.
    pub(super) images: Vec<Given<'a>>,
}

impl<'a> Members<'a> {
    /// Sorts the members of a body; refuses what no rule knows.
    pub(super) fn of(body: &'a Body) -> Result<Self, Reject> {
        match (body.json(), body.form()) {
            (Some(object), _) => Self::of_json(object),
            (None, Some(form)) => Self::of_form(form),
            (None, None) => Err(Reject::invalid("request body must be an object")),
        }
    }

    fn of_json(object: &'a JsonObject) -> Result<Self, Reject> {
        check_logprobs(object.get(LOGPROBS).filter(|value| !value.is_null()))?;
        let mut members = Self { single: Vec::new(), images: Vec::new() };
        for (key, value) in object.entries() {
            let single = SINGLE.into_iter().find(|name| key.is(name));
            if single.is_none() && !IMAGES.iter().any(|name| key.is(name)) {
                return Err(Reject::unsupported_parameter(shown(key)));
            }
            match single {
                _ if value.is_null() => {}
                Some(name) => members.single.push((name, Given::Json(value))),
                None if value.kind() == Kind::Array => members.images.extend(value.items().map(Given::Json)),
                None => members.images.push(Given::Json(value)),
            }
        }
        Ok(members)
    }

    fn of_form(form: &'a Form) -> Result<Self, Reject> {
        if form.part(LOGPROBS).is_some_and(|part| !Given::Part(part).is_false()) {
            return Err(Reject::unsupported_parameter(LOGPROBS));
        }
        form::check_fields(form, &SINGLE, &IMAGES)?;
        let mut members = Self { single: Vec::new(), images: Vec::new() };
        for part in &form.parts {
            match SINGLE.into_iter().find(|name| part.name == *name) {
                Some(name) => members.single.push((name, Given::Part(part))),
                None => members.images.push(Given::Part(part)),
            }
        }
        Ok(members)
    }

    /// The value of a member that has one; none when it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<Given<'a>> {
        self.single.iter().find(|(known, _)| *known == name).map(|(_, given)| *given)
    }
}
