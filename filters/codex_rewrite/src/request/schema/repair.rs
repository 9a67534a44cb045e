//! Types put into the nodes that left them out; every other byte of the schema stays as it is.

use pooler_filter::json::Value;

use super::super::splice::Splice;
use super::kinds::Types;

/// The schema with these types in these nodes of it, none when there is nothing to put in. Each node is named once.
pub(super) fn with_types(schema: Value<'_>, missing: Vec<(Value<'_>, Types)>) -> Option<Splice> {
    if missing.is_empty() {
        return None;
    }
    let text = schema.raw();
    let start = address(schema);
    let mut missing: Vec<(usize, Types)> =
        missing.into_iter().map(|(node, types)| (address(node).saturating_sub(start), types)).collect();
    missing.sort_unstable_by_key(|(at, _)| *at);
    let mut out = Splice::default();
    let mut done = 0;
    for (at, types) in missing {
        // A type is inferred from another member, which the comma parts from it.
        let inside = at + 1;
        out.lit(text.get(done..inside).unwrap_or_default()).lit("\"type\":").lit(&types.to_json()).lit(",");
        done = inside;
    }
    out.lit(text.get(done..).unwrap_or_default());
    Some(out)
}

/// Where the value's text stands in memory, which all values of a request share.
fn address(value: Value<'_>) -> usize {
    value.raw_bytes().as_ptr().addr()
}
