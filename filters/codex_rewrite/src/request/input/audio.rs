//! Sound inside messages: the data and its format become the data URL that the upstream takes.

use pooler_filter::Reject;
use pooler_filter::json::Value;

use super::super::splice::Splice;
use super::bad;

/// How much sound one part may hold, in bytes after decoding.
const MOST: usize = 50 << 20;

/// The formats and their media subtypes.
const SUBTYPES: [(&str, &str); 5] = [("wav", "wav"), ("mp3", "mpeg"), ("m4a", "mp4"), ("webm", "webm"), ("ogg", "ogg")];

/// How many characters are looked at together: in a form that compilers turn into vector instructions.
const BLOCK: usize = 64;

/// The part that goes upstream for sound in base64 (not a data URL) and its format.
///
/// # Errors
/// A format that the upstream does not take, data that is not base64, and more than 50 MiB of it.
pub(in super::super) fn audio_part(data: Option<Value<'_>>, format: Option<Value<'_>>) -> Result<Splice, Reject> {
    let subtype = format.and_then(|format| format.as_str()).and_then(|format| subtype(&format));
    let subtype = subtype.ok_or_else(|| bad("input_audio format must be wav, mp3, m4a, webm or ogg"))?;
    let data = data.ok_or_else(not_base64)?;
    check(&data.as_str().ok_or_else(not_base64)?, MOST)?;
    let mut part = Splice::default();
    part.lit(r#"{"type":"input_audio","audio_url":"data:audio/"#).lit(subtype).lit(";base64,").inner(data).lit("\"}");
    Ok(part)
}

/// Checks a data URL as [`audio_part`] makes them.
///
/// # Errors
/// Another URL, and those of [`audio_part`].
pub(super) fn check_url(url: Value<'_>) -> Result<(), Reject> {
    let url = url.as_str().unwrap_or_default();
    let data = url.strip_prefix("data:audio/").and_then(|rest| rest.split_once(";base64,"));
    let known = |name: &str| SUBTYPES.iter().any(|(_, subtype)| *subtype == name);
    match data {
        Some((subtype, data)) if known(subtype) => check(data, MOST),
        _ => Err(bad("input_audio audio_url must be a base64 data URL of a known audio format")),
    }
}

/// Refuses what is not base64, or more than `most` bytes of it. The length is looked at first: it costs nothing.
fn check(text: &str, most: usize) -> Result<(), Reject> {
    if decoded_len(text) > most {
        return Err(bad("input_audio data must be 50 MiB or smaller"));
    }
    if is_base64(text) { Ok(()) } else { Err(not_base64()) }
}

fn not_base64() -> Reject {
    bad("input_audio data must be base64")
}

/// The media subtype of a format.
fn subtype(format: &str) -> Option<&'static str> {
    SUBTYPES.into_iter().find_map(|(name, subtype)| (name == format).then_some(subtype))
}

/// How many bytes a text of base64 stands for.
fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Whether this is some base64 with its padding (RFC 4648, section 4).
fn is_base64(text: &str) -> bool {
    let data = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let known = |byte: &u8| byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/');
    let whole = |block: &[u8]| block.iter().fold(true, |good, byte| good & known(byte));
    !data.is_empty() && text.len().is_multiple_of(4) && data.as_bytes().chunks(BLOCK).all(whole)
}

#[cfg(test)]
mod tests {
    use pooler_filter::json::Json;

    use super::*;

    fn part(data: &str, format: &str) -> Result<String, String> {
        let json = Json::parse(format!(r#"{{"data":{data},"format":{format}}}"#).into()).expect("the part is JSON");
        let part = audio_part(json.root().get("data"), json.root().get("format"));
        part.map(|part| String::from_utf8_lossy(&part.join()).into_owned()).map_err(|reject| reject.message.into())
    }

    #[test]
    fn every_format_becomes_its_media_type() {
        for (format, subtype) in [("wav", "wav"), ("mp3", "mpeg"), ("m4a", "mp4"), ("webm", "webm"), ("ogg", "ogg")] {
            let expected = format!(r#"{{"type":"input_audio","audio_url":"data:audio/{subtype};base64,AAA="}}"#);
            assert_eq!(part("\"AAA=\"", &format!("\"{format}\"")), Ok(expected));
        }
        let refused = Err("input_audio format must be wav, mp3, m4a, webm or ogg".to_owned());
        for format in ["\"flac\"", "\"\"", "5", "null"] {
            assert_eq!(part("\"AAA=\"", format), refused, "{format}");
        }
    }

    #[test]
    fn data_is_base64_with_its_padding() {
        let long = "A".repeat(4 * BLOCK);
        for data in ["AA==", "AAA=", "AA\\/+", "AAAABBBB", long.as_str()] {
            assert!(part(&format!("\"{data}\""), "\"wav\"").is_ok(), "{data}");
        }
        let spoiled = format!("{long}AA-A");
        for data in
            ["", "A", "AAA", "AAAAA", "====", "=", "AA=A", "A===", "AA A", "AAA\\n", "data:audio/wav;base64,AAAA"]
        {
            assert_eq!(
                part(&format!("\"{data}\""), "\"wav\""),
                Err("input_audio data must be base64".into()),
                "{data}"
            );
        }
        assert!(part(&format!("\"{spoiled}\""), "\"wav\"").is_err());
        for data in ["5", "null", "[]"] {
            assert_eq!(part(data, "\"wav\""), Err("input_audio data must be base64".into()), "{data}");
        }
    }

    #[test]
    fn data_has_at_most_so_many_bytes_when_it_is_decoded() {
        for (text, bytes) in [("AA==", 1), ("AAA=", 2), ("AAAA", 3), ("AAAAAA==", 4), ("AAAAAAA=", 5)] {
            assert!(check(text, bytes).is_ok(), "{text}");
            let reject = check(text, bytes - 1).expect_err("it is one byte too long");
            assert_eq!(reject.message, "input_audio data must be 50 MiB or smaller", "{text}");
        }
        assert_eq!(MOST, 52_428_800);
    }
}
