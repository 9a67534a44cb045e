//! `POST /backend-api/codex/responses/compact`: sent with the members that compaction takes, and nothing that the client did not write
//! (docs/native.md, Compaction).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use pooler_filter::json::{JsonObject, Kind, Value};
use pooler_filter::{Exchange, Expects, Intent, Principal, Reject, UpstreamRequest};

use super::super::compact::PATH;
use super::super::edits::Edits;
use super::super::model;
use super::super::patch::{ListPatch, filled};
use super::super::projection::COMPACT_KEYS;
use super::super::splice::Splice;
use super::input::{self, Input};
use super::reasoning::Reasoning;
use super::{TRIGGER, array, headers};
use crate::CodexRewrite;
use crate::echo::Echo;

/// Another spelling of `prompt_cache_key`.
const CACHE_KEY: &str = "promptCacheKey";

pub(super) fn compact(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json_mut().ok_or_else(|| Reject::invalid("request body must be a JSON object"))?;
    let name = super::model_name(body)?;
    check(body)?;
    let list = body.get("input").filter(|list| list.kind() == Kind::Array);
    let triggerless = list.map(without_triggers).transpose()?.ok_or_else(empty)?;
    let facts = model::find(filter.catalog.as_ref(), &key, &name)?;
    let json = pooler_filter::json::Json::parse(triggerless.clone()).map_err(Reject::internal)?;
    let input = Input::of(json.root(), false);
    let reasoning = Reasoning::renamed(body.get("reasoning"));
    let mut edits = Edits::default();
    edits.put_str("model", &facts.upstream_id);
    edits.put("input", Some(input.edited.clone().unwrap_or(triggerless)));
    edits.put("reasoning", reasoning.edited);
    let cache_key = body.get("prompt_cache_key").filter(|value| !value.is_null()).or_else(|| body.get(CACHE_KEY));
    edits.put("prompt_cache_key", cache_key.map(Into::into));
    let intent = Intent {
        one_account: true,
        effort: reasoning.effort,
        prompt_cache_key: filled(cache_key).map(Cow::into_owned),
        ..super::intent(&facts, body, &input)
    };
    edits.apply(body);
    project(body, &[]);
    request.method = Method::POST;
    request.path = PATH.into();
    request.expects = Expects::Json;
    request.headers = headers::of(cx.head(), &filter.identity);
    headers::json_body(&mut request.headers, &intent, &facts.upstream_id);
    headers::json_answer(&mut request.headers);
    cx.put(intent)?;
    cx.put(Echo { model: name.into_owned(), ..Echo::default() })
}

fn check(body: &JsonObject) -> Result<(), Reject> {
    array(body, "tools")?;
    for (name, kind, what) in [("parallel_tool_calls", Kind::Bool, "a boolean"), ("text", Kind::Object, "an object")] {
        if body.get(name).is_some_and(|value| !value.is_null() && value.kind() != kind) {
            return Err(Reject::invalid(format!("{name} must be {what}")).at(name));
        }
    }
    Ok(())
}

/// The list without what asks for a compaction: the path says that already.
fn without_triggers(list: Value<'_>) -> Result<Bytes, Reject> {
    let mut patch = ListPatch::new(list);
    for item in list.items() {
        if input::is(&item, TRIGGER) { patch.leave_out() } else { patch.keep(item) }
    }
    if patch.len() == 0 {
        return Err(empty());
    }
    Ok(patch.finish().map_or_else(|| list.raw_bytes(), Splice::join))
}

fn empty() -> Reject {
    Reject::invalid("input must be a non-empty array").at("input")
}

/// Leaves nothing but what compaction takes, and these.
pub(super) fn project(body: &mut JsonObject, also: &[&str]) {
    let sent = |name: &str| COMPACT_KEYS.iter().any(|key| key.name() == name) || also.contains(&name);
    let gone: Vec<String> = body.keys().map(|key| key.as_str().into_owned()).filter(|name| !sent(name)).collect();
    for name in gone {
        body.remove(&name);
    }
}
