//! The types that a node of a schema may have: read from `type`, or inferred from what else it says.

use pooler_filter::json::{Kind, Value};

use super::keywords::Keywords;

/// The names of the types, each at the place of its bit.
const NAMES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];

/// A set of types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const STRING: Self = Self(1);
    const NUMBER: Self = Self(1 << 1);
    const INTEGER: Self = Self(1 << 2);
    const BOOLEAN: Self = Self(1 << 3);
    pub(super) const OBJECT: Self = Self(1 << 4);
    pub(super) const ARRAY: Self = Self(1 << 5);
    const NULL: Self = Self(1 << 6);

    /// What `type` says: one name, or a list of names. None for everything else.
    pub(super) fn read(kind: Value<'_>) -> Option<Self> {
        match kind.kind() {
            Kind::String => Self::named(kind),
            Kind::Array if !kind.is_empty() => {
                kind.items().try_fold(Self::default(), |types, name| Some(types.or(Self::named(name)?)))
            }
            Kind::Array | Kind::Null | Kind::Bool | Kind::Number | Kind::Object => None,
        }
    }

    /// The types of a node without `type`: those of its values, else that of what it says about its inside or limits. None when it says nothing.
    pub(super) fn inferred(keywords: &Keywords<'_>) -> Option<Self> {
        if let Some(value) = keywords.constant {
            return Some(Self::of(value));
        }
        if let Some(choices) = keywords.choices.filter(|choices| choices.kind() == Kind::Array && !choices.is_empty()) {
            let types = choices.items().fold(Self::default(), |types, value| types.or(Self::of(value)));
            // Every integer is a number.
            return Some(if types.has(Self::NUMBER) { Self(types.0 & !Self::INTEGER.0) } else { types });
        }
        if keywords.properties.is_some() {
            return Some(Self::OBJECT);
        }
        if keywords.items.or(keywords.prefix_items).is_some() {
            return Some(Self::ARRAY);
        }
        keywords.required.or(keywords.additional_properties).map(|_| Self::OBJECT).or(keywords.limits)
    }

    /// The type whose values a keyword limits, if it limits those of one.
    pub(super) fn limited_by(keyword: &str) -> Option<Self> {
        match keyword {
            "pattern" | "format" | "minLength" | "maxLength" | "contentEncoding" | "contentMediaType" => {
                Some(Self::STRING)
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => Some(Self::NUMBER),
            "minItems" | "maxItems" | "uniqueItems" | "contains" => Some(Self::ARRAY),
            "minProperties" | "maxProperties" | "propertyNames" => Some(Self::OBJECT),
            _ => None,
        }
    }

    pub(super) const fn has(self, types: Self) -> bool {
        self.0 & types.0 != 0
    }

    /// As the value of `type`.
    pub(super) fn to_json(self) -> String {
        let quote = |(bit, name): (usize, &&str)| (self.0 & (1 << bit) != 0).then(|| format!("\"{name}\""));
        let names: Vec<String> = NAMES.iter().enumerate().filter_map(quote).collect();
        if names.len() == 1 { names.concat() } else { format!("[{}]", names.join(",")) }
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn named(name: Value<'_>) -> Option<Self> {
        NAMES.iter().position(|known| name.is_str(known)).map(|bit| Self(1 << bit))
    }

    fn of(value: Value<'_>) -> Self {
        match value.kind() {
            Kind::Null => Self::NULL,
            Kind::Bool => Self::BOOLEAN,
            Kind::Number if value.raw().contains(['.', 'e', 'E']) => Self::NUMBER,
            Kind::Number => Self::INTEGER,
            Kind::String => Self::STRING,
            Kind::Array => Self::ARRAY,
            Kind::Object => Self::OBJECT,
        }
    }
}
