//! Pictures of the simulated image model: real files of a few bytes, coloured by a hash of the request.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use serde_json::{Value, json};

use super::dice::Dice;
use super::size;

/// Width and height of a picture, whatever size was asked for.
const EDGE: u8 = 8;

/// A WebP of one pixel.
const WEBP: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";

/// What was asked for, with the defaults of the model in place of `auto`.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) background: String,
    pub(super) format: String,
    pub(super) quality: String,
    pub(super) size: String,
    /// Base64 of the file.
    pub(super) data: String,
    /// Base64 of the files that come before it.
    pub(super) partial: Vec<String>,
    pub(super) revised_prompt: String,
    input_tokens: u64,
    input_images: u64,
}

impl Picture {
    /// A picture for `options`, the object of a tool or of a request. `prompt` and `images` only count.
    pub(super) fn paint(options: &Value, prompt: &str, images: usize, dice: &mut Dice) -> Picture {
        let or = |key: &str, default: &str| match options.get(key).and_then(Value::as_str) {
            None | Some("auto") => default.to_owned(),
            Some(other) => other.to_owned(),
        };
        let format = or("output_format", "png");
        let partial = options.get("partial_images").and_then(Value::as_u64).unwrap_or(0);
        Picture {
            background: or("background", "opaque"),
            quality: or("quality", "medium"),
            size: or("size", "1024x1024"),
            partial: (0..partial).map(|_| file(&format, dice)).collect(),
            data: file(&format, dice),
            revised_prompt: format!("A simulated picture, variation {}", dice.below(1_000)),
            input_tokens: size::text_size(prompt).max(1),
            input_images: 200 * u64::try_from(images).unwrap_or(u64::MAX / 200),
            format,
        }
    }

    /// Token counts of `count` such pictures, as `tool_usage.image_gen` has them.
    pub(super) fn usage(&self, count: u64) -> Value {
        let each = match self.quality.as_str() {
            "low" => 272,
            "high" => 4_160,
            _ => 1_056,
        };
        let (input, output) = (self.input_tokens + self.input_images, each * count);
        json!({
            "input_tokens": input,
            "input_tokens_details": {"image_tokens": self.input_images, "text_tokens": self.input_tokens},
            "output_tokens": output,
            "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
            "total_tokens": input + output,
        })
    }
}

fn file(format: &str, dice: &mut Dice) -> String {
    STANDARD.encode(match format {
        "jpeg" => jpeg(),
        "webp" => WEBP.to_vec(),
        _ => png(dice),
    })
}

/// A PNG of one colour.
fn png(dice: &mut Dice) -> Vec<u8> {
    let edge = u32::from(EDGE).to_be_bytes();
    let colour = dice.bytes(3);
    let mut row = vec![0];
    (0..EDGE).for_each(|_| row.extend_from_slice(&colour));
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    // A vector takes every write.
    (0..EDGE).for_each(|_| drop(zlib.write_all(&row)));
    let pixels = zlib.finish().unwrap_or_default();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, b"IHDR", &[&edge[..], &edge[..], &[8, 2, 0, 0, 0]].concat());
    chunk(&mut out, b"IDAT", &pixels);
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut crc = Crc::new();
    for part in [&name[..], data] {
        crc.update(part);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&crc.sum().to_be_bytes());
}

/// A grey JPEG of 8 by 8: one block whose coefficients are all zero.
fn jpeg() -> Vec<u8> {
    // A table with a single code: for the difference of the block, and for its end.
    let table = |class: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 16]].concat();
    let start = [&[0xff, 0xd8, 0xff, 0xdb, 0, 67, 0][..], &[1; 64]].concat();
    let frame = [0xff, 0xc0, 0, 11, 8, 0, EDGE, 0, EDGE, 1, 1, 0x11, 0];
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9];
    [&start[..], &frame, &table(0x00), &table(0x10), &scan].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_png_has_the_pixels_it_promises() {
        let bytes = png(&mut Dice::of(&[b"x"]));
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        let at = bytes.windows(4).position(|window| window == b"IDAT").unwrap();
        let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
        let mut pixels = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[at + 4..at + 4 + length]).read_to_end(&mut pixels).unwrap();
        assert_eq!(pixels.len(), 8 * (1 + 8 * 3));
        let mut crc = Crc::new();
        crc.update(&bytes[at..at + 4 + length]);
        assert_eq!(bytes[at + 4 + length..at + 8 + length], crc.sum().to_be_bytes());
        assert!(bytes.ends_with(b"IEND\xae\x42\x60\x82"));
    }

    #[test]
    fn other_formats_begin_and_end_as_they_should() {
        assert!(jpeg().starts_with(&[0xff, 0xd8]) && jpeg().ends_with(&[0xff, 0xd9]));
        assert_eq!(u32::from_le_bytes(WEBP[4..8].try_into().unwrap()) as usize, WEBP.len() - 8);
    }
}
