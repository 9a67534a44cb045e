//! Strings: formats, patterns, lengths, and something sensible otherwise.

use serde_json::Value;

use super::super::dice::Dice;
use super::{SIZE_LIMIT, merge, pattern};

const WORDS: [&str; 16] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "juniper", "lagoon", "maple",
    "north", "orchid", "pebble", "quartz",
];

/// A string for the property called `name`.
pub(super) fn make(schema: &Value, name: &str, dice: &mut Dice) -> String {
    let least = merge::count(schema, "minLength").unwrap_or(0).min(SIZE_LIMIT);
    let most = merge::count(schema, "maxLength").unwrap_or(usize::MAX);
    let fits = |text: &str| (least..=most).contains(&text.chars().count());
    if let Some(expression) = schema.get("pattern").and_then(Value::as_str) {
        let mut sample = pattern::sample(expression, dice);
        // From no stretching to too much of it: the expression may hold fixed parts of any length.
        for quarter in (0..64).map(|attempt| attempt % 5) {
            if fits(&sample) {
                break;
            }
            sample = pattern::sample_longer(expression, least * quarter / 4, dice);
        }
        return sample;
    }
    let known = schema.get("format").and_then(Value::as_str).and_then(|format| formatted(format, dice));
    if let Some(text) = known.filter(|text| fits(text)) {
        return text;
    }
    let mut text = plain(name, dice);
    while text.chars().count() < least {
        text.push(' ');
        text.push_str(dice.pick(&WORDS).copied().unwrap_or("amber"));
    }
    // Cut back to the bound, but never below the least: two bounds can be the same.
    text.chars().take(most.max(least).min(text.len())).take(most).collect()
}

/// A client may run what it is told to: commands are harmless ones.
fn plain(name: &str, dice: &mut Dice) -> String {
    match name {
        "cmd" | "command" => "echo hello".to_owned(),
        _ => {
            let (one, two) = (dice.pick(&WORDS), dice.pick(&WORDS));
            format!("{} {}", one.copied().unwrap_or("amber"), two.copied().unwrap_or("birch"))
        }
    }
}

fn formatted(format: &str, dice: &mut Dice) -> Option<String> {
    let word = dice.pick(&WORDS).copied().unwrap_or("amber");
    let (day, hour) = (1 + dice.below(28), dice.below(24));
    let octet = 1 + dice.below(254);
    match format {
        "date-time" => Some(format!("2026-03-{day:02}T{hour:02}:15:00Z")),
        "date" => Some(format!("2026-03-{day:02}")),
        "time" => Some(format!("{hour:02}:15:00Z")),
        "duration" => Some(format!("PT{hour}M")),
        "email" | "idn-email" => Some(format!("{word}@example.com")),
        "uri" | "url" | "iri" | "uri-reference" => Some(format!("https://example.com/{word}")),
        "hostname" | "idn-hostname" => Some(format!("{word}.example.com")),
        "ipv4" => Some(format!("192.0.2.{octet}")),
        "ipv6" => Some(format!("2001:db8::{octet:x}")),
        "uuid" => {
            let mut bytes = [0u8; 16];
            bytes.copy_from_slice(&dice.bytes(16));
            Some(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
        }
        _ => None,
    }
}
