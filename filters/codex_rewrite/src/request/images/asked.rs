//! What a request for images asks for, checked in a fixed order (docs/v1.md, Images).

use pooler_filter::{Body, Reject, RejectKind};

use super::members::{Given, Members};
use super::picture::Picture;
use crate::request::estimate;

const MODELS: [&str; 4] = ["gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini", "gpt-image-2"];
const SIZES: [&str; 4] = ["auto", "1024x1024", "1024x1536", "1536x1024"];
const QUALITIES: [&str; 4] = ["auto", "low", "medium", "high"];
const BACKGROUNDS: [&str; 3] = ["auto", "transparent", "opaque"];
const FIDELITIES: [&str; 2] = ["low", "high"];
const FORMATS: [&str; 3] = ["png", "jpeg", "webp"];

/// What one image of the input takes, in tokens: as seen at low and at high fidelity.
const INPUT_IMAGE: (u64, u64) = (1024, 6240);
/// The most that one image made takes, in tokens, by quality: low, medium, and high or unknown.
const OUTPUT_IMAGE: (u64, u64, u64) = (408, 1584, 6240);

/// A request that has passed every check.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) model: &'static str,
    pub(super) size: &'static str,
    pub(super) quality: &'static str,
    /// Settings of the tool that are sent only when they were given, by name.
    pub(super) optional: [(&'static str, Option<&'static str>); 3],
    pub(super) prompt: Given<'a>,
    /// The images to edit, in order; then the mask.
    pub(super) pictures: Vec<Picture<'a>>,
    /// The last picture is a mask.
    pub(super) masked: bool,
}

impl<'a> Asked<'a> {
    /// The checks in their order; the first failure wins. `edit`: images are to be edited.
    pub(super) fn of(body: &'a Body, edit: bool) -> Result<Self, Reject> {
        let members = Members::of(body)?;
        if members.get("stream").is_some_and(|stream| !stream.is_false()) {
            return Err(Reject::unsupported_parameter("stream"));
        }
        if members.get("partial_images").is_some_and(|count| !count.is_zero()) {
            return Err(Reject::unsupported_parameter("partial_images"));
        }
        let model = model(members.get("model"))?;
        let choice = |name, known| choice(members.get(name), name, known);
        let size = choice("size", &SIZES)?.unwrap_or("auto");
        let quality = choice("quality", &QUALITIES)?.unwrap_or("auto");
        let optional = [
            ("background", choice("background", &BACKGROUNDS)?),
            ("input_fidelity", choice("input_fidelity", &FIDELITIES)?),
            ("output_format", choice("output_format", &FORMATS)?),
        ];
        if members.get("n").is_some_and(|n| !n.is_one()) {
            return Err(Reject::invalid("n must be 1").at("n"));
        }
        let prompt = members.get("prompt").filter(|prompt| prompt.text().is_some_and(|text| !text.is_empty()));
        let prompt = prompt.ok_or_else(|| Reject::invalid("prompt is required").at("prompt"))?;
        let mask = members.get("mask");
        let pictures = if edit { pictures(&members.images, mask)? } else { none(&members.images, mask)? };
        Ok(Self { model, size, quality, optional, prompt, pictures, masked: mask.is_some() })
    }

    /// Input tokens, as an estimate.
    pub(super) fn input_tokens(&self) -> u64 {
        let prompt = self.prompt.text().map_or(0, |text| text.len());
        let close = self.optional.contains(&("input_fidelity", Some("high")));
        let each = if close { INPUT_IMAGE.1 } else { INPUT_IMAGE.0 };
        estimate::tokens_of(prompt).saturating_add(each.saturating_mul(self.pictures.len() as u64))
    }

    /// Output tokens, as an upper estimate.
    pub(super) fn output_tokens(&self) -> u64 {
        match self.quality {
            "low" => OUTPUT_IMAGE.0,
            "medium" => OUTPUT_IMAGE.1,
            _ => OUTPUT_IMAGE.2,
        }
    }
}

fn model(given: Option<Given<'_>>) -> Result<&'static str, Reject> {
    let text = given.and_then(Given::text).filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| Reject::invalid("model is required").at("model"))?;
    let known = MODELS.into_iter().find(|known| *known == text);
    known.ok_or_else(|| Reject::new(RejectKind::Invalid, "invalid_model", "image model is not supported").at("model"))
}

/// A setting out of a closed list.
fn choice(
    given: Option<Given<'_>>,
    name: &'static str,
    known: &[&'static str],
) -> Result<Option<&'static str>, Reject> {
    let Some(given) = given else { return Ok(None) };
    let text = given.text();
    let found = text.and_then(|text| known.iter().find(|known| **known == text));
    found.map(|known| Some(*known)).ok_or_else(|| Reject::invalid(format!("{name} is not supported")).at(name))
}

/// The images of an edit, the mask last.
fn pictures<'a>(images: &[Given<'a>], mask: Option<Given<'a>>) -> Result<Vec<Picture<'a>>, Reject> {
    if images.is_empty() {
        return Err(Reject::invalid("image is required").at("image"));
    }
    let images = images.iter().map(|image| Picture::of(*image, "image"));
    images.chain(mask.map(|mask| Picture::of(mask, "mask"))).collect()
}

/// Images are made of words alone.
fn none<'a>(images: &[Given<'a>], mask: Option<Given<'a>>) -> Result<Vec<Picture<'a>>, Reject> {
    match (images, mask) {
        ([], None) => Ok(Vec::new()),
        ([], Some(_)) => Err(Reject::invalid("mask is only supported for image edits").at("mask")),
        _ => Err(Reject::invalid("image is only supported for image edits").at("image")),
    }
}
