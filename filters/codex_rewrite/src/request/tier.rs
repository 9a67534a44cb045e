//! `service_tier` (docs/v1.md, Service tier).

use std::borrow::Cow;

use pooler_filter::Reject;
use pooler_filter::json::Value;

const FIELD: &str = "service_tier";
const KNOWN: [&str; 7] = ["auto", "default", "flex", "priority", "fast", "scale", "ultrafast"];

/// The tier to send upstream; none when the request leaves it to the upstream.
pub(super) fn of(value: Option<Value<'_>>) -> Result<Option<&'static str>, Reject> {
    let Some(value) = value else { return Ok(None) };
    let asked = value.as_str().map(|text| text.trim().to_lowercase()).map_or(Cow::Borrowed(""), Cow::Owned);
    let known = KNOWN.into_iter().find(|known| *known == asked);
    match known {
        Some("auto" | "default") => Ok(None),
        Some("fast") => Ok(Some("priority")),
        Some(tier) => Ok(Some(tier)),
        None => Err(Reject::invalid("service_tier is not supported").at(FIELD)),
    }
}
