//! Events, refusals and the page of the usage endpoint, read without trust (docs/upstream.md, Rate limits).

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pooler_filter::Timestamp;
use pooler_filter::json::{Json, Kind, Value};

use super::book::{Credits, Told, ToldLimit, short, window};
use super::{ACCOUNT_LIMIT, MOST_LIMITS, MOST_TEXT, SLOTS, Source, headers};

/// Most headers in an event that are looked at.
const MOST_HEADERS: usize = 64;

/// What an event tells: `codex.rate_limits`, the headers that an event repeats, a refusal in a stream.
pub(super) fn event(root: Value<'_>, now: Timestamp) -> Vec<(Source, Told)> {
    let mut told = Vec::new();
    match root.get("type").and_then(|kind| kind.as_str()).as_deref() {
        Some("codex.rate_limits") => told.extend(rate_limits(root, now).map(|told| (Source::Event, told))),
        Some("response.failed" | "error") => {
            let error = root.get("response").and_then(|response| response.get("error")).or_else(|| root.get("error"));
            told.extend(error.and_then(|error| refused(error, now)).map(|told| (Source::Refusal, told)));
        }
        Some(_) | None => {}
    }
    let repeated = root.get("headers").filter(|headers| headers.kind() == Kind::Object).map(header_map);
    told.extend(repeated.and_then(|map| headers::read(&map, now)).map(|told| (Source::Headers, told)));
    told
}

/// What the body of a refusal tells: that a window is used up, if it says which one and until when.
pub(super) fn refusal(body: &[u8], now: Timestamp) -> Option<Told> {
    let json = parse(body)?;
    let error = json.root().get("error")?;
    refused(error, now)
}

/// What the page of the usage endpoint tells.
pub(super) fn usage(body: &[u8], now: Timestamp) -> Option<Told> {
    let json = parse(body)?;
    let root = json.root();
    let mut told = Told { plan: text(root, "plan_type"), credits: credits(root), ..Told::default() };
    let own = root.get("rate_limit").map(|limit| (ACCOUNT_LIMIT.to_owned(), None, limit));
    let more = root.get("additional_rate_limits").filter(|more| more.kind() == Kind::Array);
    let others = more.into_iter().flat_map(|more| more.items()).filter_map(|limit| {
        let name = text(limit, "limit_name");
        let id = text(limit, "metered_feature").or_else(|| name.clone())?;
        Some((id_of(&id), name, limit.get("rate_limit")?))
    });
    for (id, name, limit) in own.into_iter().chain(others).take(MOST_LIMITS) {
        let mut of_page = ToldLimit { id, name, allowed: boolean(limit, "allowed"), ..ToldLimit::default() };
        for (slot, usual) in SLOTS {
            let told = limit.get(&format!("{slot}_window"));
            let seconds = told.and_then(|told| told.get("limit_window_seconds")?.as_u64());
            place(&mut of_page, told, seconds.map(|seconds| seconds.div_ceil(60)), usual, now);
        }
        told.limits.extend(Some(of_page).filter(ToldLimit::says_something));
    }
    (!told.limits.is_empty() || told.credits.is_some()).then_some(told)
}

/// `metered_limit_name` or `limit_name` says which limit it is; none: that of the account.
fn rate_limits(root: Value<'_>, now: Timestamp) -> Option<Told> {
    let limits = root.get("rate_limits").filter(|limits| limits.kind() == Kind::Object);
    let name = text(root, "limit_name");
    let named = text(root, "metered_limit_name").or_else(|| text(root, "limit_id")).or_else(|| name.clone());
    let id = named.map_or_else(|| ACCOUNT_LIMIT.to_owned(), |named| id_of(&named));
    let allowed = limits.and_then(|limits| boolean(limits, "allowed"));
    let mut limit = ToldLimit { id, name, allowed, ..ToldLimit::default() };
    for (slot, usual) in SLOTS {
        let told = limits.and_then(|limits| limits.get(slot));
        let minutes = told.and_then(|told| told.get("window_minutes")?.as_u64());
        place(&mut limit, told, minutes, usual, now);
    }
    let limits: Vec<ToldLimit> = Some(limit).into_iter().filter(ToldLimit::says_something).collect();
    let told = Told { plan: text(root, "plan_type"), limits, credits: credits(root) };
    (!told.limits.is_empty() || told.credits.is_some()).then_some(told)
}

/// A window that is used up.
fn refused(error: Value<'_>, now: Timestamp) -> Option<Told> {
    let minutes = error.get("window_minutes")?.as_u64().filter(|minutes| *minutes > 0)?;
    let reset_at = error.get("resets_at").and_then(|at| at.as_u64()).map(Timestamp::from_secs);
    let after = error.get("resets_in_seconds").and_then(|after| after.as_u64());
    let full = window(100.0, Some(minutes), minutes, reset_at, after, now).filter(|full| full.reset_at.is_some())?;
    let named = text(error, "metered_limit_name").or_else(|| text(error, "limit_id"));
    let id = named.map_or_else(|| ACCOUNT_LIMIT.to_owned(), |named| id_of(&named));
    let limit = ToldLimit { id, windows: vec![full], ..ToldLimit::default() };
    Some(Told { plan: text(error, "plan_type"), limits: vec![limit], credits: None })
}

fn place(limit: &mut ToldLimit, told: Option<Value<'_>>, minutes: Option<u64>, usual: u64, now: Timestamp) {
    let Some(told) = told else { return };
    let Some(used) = told.get("used_percent").and_then(|used| used.as_f64()) else { return };
    let number = |name: &str| told.get(name).and_then(|number| number.as_u64());
    let reset_at = number("reset_at").map(Timestamp::from_secs);
    window(used, minutes, usual, reset_at, number("reset_after_seconds"), now)
        .into_iter()
        .for_each(|window| limit.place(window));
}

fn credits(root: Value<'_>) -> Option<Credits> {
    let credits = root.get("credits").filter(|credits| credits.kind() == Kind::Object)?;
    let has_credits = boolean(credits, "has_credits")?;
    let unlimited = boolean(credits, "unlimited").unwrap_or_default();
    let balance = credits.get("balance").and_then(|balance| short(&text_of(balance)?));
    Some(Credits { has_credits, unlimited, balance })
}

/// The headers that an event repeats, those that may tell of quota.
fn header_map(headers: Value<'_>) -> HeaderMap {
    let pairs = headers.entries().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let value = HeaderValue::from_str(&text_of(value)?).ok()?;
        name.as_str().starts_with("x-").then_some((name, value))
    });
    pairs.take(MOST_HEADERS).collect()
}

impl ToldLimit {
    fn says_something(&self) -> bool {
        !self.windows.is_empty() || self.allowed.is_some()
    }
}

/// A string, or a number as it is written.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    if value.kind() == Kind::Number { Some(value.raw().into()) } else { value.as_str() }
}

/// A limit's name as headers and events have it in common.
fn id_of(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn text(object: Value<'_>, name: &str) -> Option<String> {
    short(&object.get(name)?.as_str()?)
}

fn boolean(object: Value<'_>, name: &str) -> Option<bool> {
    object.get(name)?.as_bool()
}

fn parse(text: &[u8]) -> Option<Json> {
    Json::parse(Some(text).filter(|text| text.len() <= MOST_TEXT).map(Bytes::copy_from_slice)?).ok()
}
