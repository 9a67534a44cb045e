//! What one node of a schema says.

use pooler_filter::json::{Kind, Value};

use super::place::{Flaw, Place};

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
            let keyword = match name.as_ref() {
                "$ref" => &mut keywords.reference,
                "type" => &mut keywords.kind,
                "properties" => &mut keywords.properties,
                "required" => &mut keywords.required,
                "additionalProperties" => &mut keywords.additional_properties,
                "items" => &mut keywords.items,
                "prefixItems" => &mut keywords.prefix_items,
                "anyOf" => &mut keywords.any_of,
                "const" => &mut keywords.constant,
                "enum" => &mut keywords.choices,
                "allOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentRequired" | "dependentSchemas"
                | "patternProperties" => return Err(Flaw::at(here, format_args!("'{name}' is not permitted"))),
                _ => continue,
            };
            *keyword = Some(value);
        }
        Ok(keywords)
    }
}
