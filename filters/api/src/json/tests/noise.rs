//! Generated JSON texts: any value, printed with white space and escapes that nobody would choose.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// Any JSON value of a few levels.
pub(in crate::json) fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec((text(), inner), 0..8).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Texts of all lengths that matter to the scanner, with what has to be escaped.
pub(in crate::json) fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "[ -~]{0,80}", "\\PC{0,40}", "[\"\\\\/\u{0}-\u{1f}a-zé😀]{0,24}", any::<String>()]
}

/// White space, of the four kinds that JSON knows.
pub(in crate::json) fn space() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \t\r\n]{1,3}", 1 => Just(" ".repeat(40))]
}

/// A value printed in a way that `dice` decides, one byte for every choice.
pub(in crate::json) fn print(value: &Value, dice: &[u8]) -> String {
    let mut printer = Printer { out: String::new(), dice, choices: 0 };
    printer.value(value);
    printer.out
}

struct Printer<'a> {
    out: String,
    dice: &'a [u8],
    choices: usize,
}

impl Printer<'_> {
    fn choose(&mut self) -> u8 {
        self.choices += 1;
        self.dice.get(self.choices % self.dice.len().max(1)).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        let space = match self.choose() {
            0..160 => "",
            160..200 => " ",
            200..220 => "\n\t",
            220..240 => "\r\n        ",
            240..=255 => "  ",
        };
        self.out.push_str(space);
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => self.out.push_str(&value.to_string()),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.out.push_str(if at == 0 { "" } else { "," });
                    self.value(item);
                }
                self.space();
                self.out.push(']');
            }
            Value::Object(entries) => {
                self.out.push('{');
                for (at, (key, item)) in entries.iter().enumerate() {
                    self.out.push_str(if at == 0 { "" } else { "," });
                    self.space();
                    self.string(key);
                    self.space();
                    self.out.push(':');
                    self.value(item);
                }
                self.space();
                self.out.push('}');
            }
        }
        self.space();
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
            match character {
                '\n' if self.choose() < 128 => self.out.push_str("\\n"),
                '"' | '\\' | '/' if self.choose() < 128 => self.out.extend(['\\', character]),
                _ if must || self.choose() > 245 => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }
}

/// One wrong turn in a text: where, what kind, and a byte for it.
pub(in crate::json) type Mutation = (prop::sample::Index, u8, u8);

/// A few wrong turns.
pub(in crate::json) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]:,"\0123456789eE+-. nulltrfasxu"#.to_vec())];
    vec((any::<prop::sample::Index>(), 0..5_u8, byte), 0..4)
}

/// The text with its wrong turns taken.
pub(in crate::json) fn mutate(text: &str, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte) in mutations {
        let at = place.index(bytes.len() + 1);
        match kind {
            0 => bytes.insert(at, *byte),
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(at..),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = *byte,
            _ => {}
        }
    }
    bytes
}
