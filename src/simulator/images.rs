//! `POST /backend-api/codex/images/generations` and `/edits`: pictures as one JSON document.

use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::check::{missing, picture_options, unknown, wrong_type};
use super::clock;
use super::dice::Dice;
use super::faults::Route;
use super::front;
use super::picture::Picture;
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::Call;

/// Most pictures at once.
const MOST: u64 = 10;

/// Answers one request for pictures; one that edits brings some along.
pub(super) async fn serve(call: &Call<'_>, incoming: Incoming, edits: bool) -> Result<Reply, Refusal> {
    let (account, object) = front::object(call, incoming).await?;
    let has_file = |id: &str| call.state.files.usable(account.index(), id);
    let prompt = check(&object, edits, has_file)?;
    let faults = call.faults(Some(account), Route::Other);
    front::answer(call.state, account, &faults, None, || {
        let options = Value::Object(object.clone());
        let mut dice = Dice::of(&[options.to_string().as_bytes()]);
        let images = object.get("images").and_then(Value::as_array).map_or(0, Vec::len);
        let count = object.get("n").and_then(Value::as_u64).unwrap_or(1);
        let pictures: Vec<_> = (0..count).map(|_| Picture::paint(&options, &prompt, images, &mut dice)).collect();
        let Some(first) = pictures.first() else { return Err(missing("n")) };
        let data: Vec<Value> = pictures.iter().map(|picture| json!({"b64_json": picture.data})).collect();
        let usage = first.usage(count);
        let mut reply = Reply::json(
            200,
            &json!({
                "created": clock::unix(), "data": data, "background": first.background, "quality": first.quality,
                "size": first.size, "output_format": first.format, "usage": usage,
            }),
        );
        let tokens = usage["total_tokens"].as_u64().unwrap_or(0);
        front::stamp(call.state, account, &call.state.unique(), tokens, &mut reply);
        Ok(reply)
    })
    .await
}

/// Checks a request; gives its prompt.
fn check(object: &Map<String, Value>, edits: bool, has_file: impl Fn(&str) -> bool) -> Result<String, Refusal> {
    let known = |name: &str| name == "prompt" || name == "n" || (edits && name == "images");
    if let Some(name) = picture_options(object)?.into_iter().find(|name| !known(name)) {
        return Err(unknown(name));
    }
    let prompt = object.get("prompt").ok_or_else(|| missing("prompt"))?;
    let prompt = prompt.as_str().filter(|text| !text.is_empty()).ok_or_else(|| wrong_type("prompt", "a text"))?;
    if !object.contains_key("model") {
        return Err(missing("model"));
    }
    if object.get("n").is_some_and(|n| !n.as_u64().is_some_and(|n| (1..=MOST).contains(&n))) {
        return Err(wrong_type("n", "an integer from 1 to 10"));
    }
    if edits {
        let images = object.get("images").ok_or_else(|| missing("images"))?;
        let images = images.as_array().filter(|list| !list.is_empty());
        for (index, image) in images.ok_or_else(|| wrong_type("images", "a list of pictures"))?.iter().enumerate() {
            one(image, &format!("images[{index}]"), &has_file)?;
        }
    }
    Ok(prompt.to_owned())
}

/// A picture of a request: a data URL or a file of the account.
fn one(image: &Value, param: &str, has_file: &impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let url = image["image_url"].as_str().ok_or_else(|| missing(&format!("{param}.image_url")))?;
    match url.strip_prefix("sediment://") {
        Some(id) if has_file(id) => Ok(()),
        Some(id) => Err(super::check::file_not_found(id)),
        None if url.starts_with("data:image/") || url.starts_with("https://") => Ok(()),
        None => Err(wrong_type(&format!("{param}.image_url"), "the address of a picture")),
    }
}
