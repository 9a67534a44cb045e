//! What one node of a schema says.

use pooler_filter::json::{Kind, Value};

use super::kinds::Types;
use super::place::{Flaw, Place};

/// Keywords that strict schemas do not have.
const REFUSED: [&str; 9] =
    ["allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"];

/// The keywords of a node that a check reads. Those that neither this list nor the refused ones have go upstream unread.
#[derive(Debug, Default)]
pub(super) struct Keywords<'a> {
    pub(super) reference: Option<Value<'a>>,
    pub(super) kind: Option<Value<'a>>,
    pub(super) properties: Option<Value<'a>>,
    pub(super) required: Option<Value<'a>>,
    pub(super) additional_properties: Option<Value<'a>>,
    pub(super) items: Option<Value<'a>>,
    pub(super) prefix_items: Option<Value<'a>>,
    pub(super) any_of: Option<Value<'a>>,
    pub(super) constant: Option<Value<'a>>,
    pub(super) choices: Option<Value<'a>>,
    /// The type that limits on the value tell, when nothing else does.
    pub(super) limits: Option<Types>,
}

impl<'a> Keywords<'a> {
    /// Reads a node; refuses what is no node, and keywords that strict schemas do not have.
    pub(super) fn of(node: Value<'a>, here: Option<&Place<'_>>) -> Result<Self, Flaw> {
        if node.kind() != Kind::Object {
            return Err(Flaw::at(here, "schema must be an object"));
        }
        let mut keywords = Self::default();
        for (key, value) in node.entries() {
            let name = key.as_str();
            if REFUSED.contains(&name.as_ref()) {
                return Err(Flaw::at(here, format_args!("'{name}' is not permitted")));
            }
            keywords.note(&name, value);
        }
        Ok(keywords)
    }

    /// Reads a node of a schema that is not strict.
    pub(super) fn lenient(node: Value<'a>) -> Self {
        let mut keywords = Self::default();
        for (key, value) in node.entries() {
            keywords.note(&key.as_str(), value);
        }
        keywords
    }

    fn note(&mut self, name: &str, value: Value<'a>) {
        let keyword = match name {
            "$ref" => &mut self.reference,
            "type" => &mut self.kind,
            "properties" => &mut self.properties,
            "required" => &mut self.required,
            "additionalProperties" => &mut self.additional_properties,
            "items" => &mut self.items,
            "prefixItems" => &mut self.prefix_items,
            "anyOf" => &mut self.any_of,
            "const" => &mut self.constant,
            "enum" => &mut self.choices,
            limit => {
                self.limits = self.limits.or_else(|| Types::limited_by(limit));
                return;
            }
        };
        *keyword = Some(value);
    }
}
