//! Durations (`250ms`, `10s`, `5m`, `24h`, `90d`) and sizes (`512B`, `8KiB`, `64MiB`, `1GiB`) as people write them.

use std::time::Duration;

const DURATION: &str = "a duration such as \"250ms\", \"10s\", \"5m\", \"24h\" or \"90d\"";
const SIZE: &str = "a size such as \"512B\", \"8KiB\", \"64MiB\" or \"1GiB\"";

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`. A bare `0` needs no unit.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let (number, unit) = split(text).ok_or_else(|| format!("expected {DURATION}, found \"{text}\""))?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("expected {DURATION}, found \"{text}\"")),
    };
    let total = number.checked_mul(millis).ok_or_else(|| format!("\"{text}\" is too long"))?;
    Ok(Duration::from_millis(total))
}

/// Reads a size in bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text).ok_or_else(|| format!("expected {SIZE}, found \"{text}\""))?;
    let bytes: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("expected {SIZE}, found \"{text}\"")),
    };
    let total = number.checked_mul(bytes).and_then(|n| usize::try_from(n).ok());
    total.ok_or_else(|| format!("\"{text}\" is too large"))
}

/// A duration as [`parse_duration`] reads it, in its largest whole unit.
pub(super) fn show_duration(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A size as [`parse_size`] reads it, in its largest whole unit.
pub(super) fn show_size(bytes: usize) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        let size = 1_usize << shift;
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_in_every_unit() {
        for (text, millis) in
            [("0", 0), ("0s", 0), ("250ms", 250), ("10s", 10_000), ("5m", 300_000), (" 24 h ", 86_400_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "99999999999999999d", "1m30s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_sizes_in_every_unit() {
        for (text, bytes) in [("0B", 0), ("512B", 512), ("8KiB", 8192), ("64MiB", 64 << 20), ("1 GiB", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "64", "64MB", "-1B", "1.5MiB", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["250ms", "10s", "5m", "24h", "90d"] {
            let span = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&show_duration(span)), Ok(span));
        }
        assert_eq!(show_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(show_size(64 << 20), "64MiB");
        assert_eq!(show_size(1000), "1000B");
    }
}
