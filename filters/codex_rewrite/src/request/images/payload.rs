//! The body that goes upstream: one message with the prompt and the images, and the image tool, which has to be used.

use std::io;

use pooler_filter::json::write_str;

use super::asked::Asked;
use super::members::Given;

/// What the prompt is told of a mask, as the inside of a JSON string.
const MASK: &str = "\\n\\nThe last image is a mask: change only what is fully transparent in it.";
/// More than the text around prompt and images takes, in bytes.
const FRAME: usize = 1024;
/// The same around one image.
const IMAGE_FRAME: usize = 64;

/// The text of the body; `host` is the upstream's name of the model that uses the tool.
pub(super) fn of(asked: &Asked<'_>, host: &str) -> io::Result<Vec<u8>> {
    let mut prompt = Vec::new();
    write_prompt(&mut prompt, asked);
    let pictures: usize = asked.pictures.iter().map(|picture| picture.len() + IMAGE_FRAME).sum();
    let mut out = Vec::with_capacity(FRAME + host.len() + prompt.len() + pictures);
    out.extend_from_slice(b"{\"model\":");
    write_str(&mut out, host);
    out.extend_from_slice(b",\"instructions\":\"\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[");
    out.extend_from_slice(b"{\"type\":\"input_text\",\"text\":");
    out.extend_from_slice(&prompt);
    out.push(b'}');
    for picture in &asked.pictures {
        out.extend_from_slice(b",{\"type\":\"input_image\",\"image_url\":");
        picture.write(&mut out)?;
        out.push(b'}');
    }
    out.extend_from_slice(b"]}],\"tools\":[");
    write_tool(&mut out, asked);
    out.extend_from_slice(b"],\"tool_choice\":{\"type\":\"image_generation\"},\"store\":false,\"stream\":true}");
    Ok(out)
}

/// The prompt as a JSON string, with a word about the mask if there is one.
fn write_prompt(out: &mut Vec<u8>, asked: &Asked<'_>) {
    match asked.prompt {
        Given::Json(value) => out.extend_from_slice(&value.raw_bytes()),
        Given::Part(_) => write_str(out, &asked.prompt.text().unwrap_or_default()),
    }
    if asked.masked {
        out.pop();
        out.extend_from_slice(MASK.as_bytes());
        out.push(b'"');
    }
}

fn write_tool(out: &mut Vec<u8>, asked: &Asked<'_>) {
    let always = [("model", Some(asked.model)), ("size", Some(asked.size)), ("quality", Some(asked.quality))];
    out.extend_from_slice(b"{\"type\":\"image_generation\"");
    for (name, value) in always.into_iter().chain(asked.optional) {
        if let Some(value) = value {
            out.push(b',');
            write_str(out, name);
            out.push(b':');
            write_str(out, value);
        }
    }
    out.push(b'}');
}
