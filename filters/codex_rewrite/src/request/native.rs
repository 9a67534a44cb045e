//! The native surface: what Codex CLI sends goes upstream byte for byte, but for what a rule names (docs/native.md, Requests).
//!
//! As with the other routes everything is checked first and written afterwards, so a refused request is left as it was.

mod compact;
mod files;
mod forward;
mod headers;
mod input;
mod reasoning;
mod socket;

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use pooler_filter::json::{JsonObject, Kind, Value};
use pooler_filter::{Exchange, Expects, Intent, ModelFacts, Operation, Principal, Reject, Turn, UpstreamRequest};

use self::input::Input;
use self::reasoning::Reasoning;
use super::edits::Edits;
use super::patch::filled;
use super::{PATH, estimate, lite, model, options, trigger};
use crate::CodexRewrite;
use crate::echo::{Echo, Form};

/// The type of the item that asks for a compaction.
const TRIGGER: &str = "compaction_trigger";
/// Members that the upstream refuses and clients send (docs/native.md, Requests).
const STRIPPED: [&str; 6] = [
    "max_output_tokens",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "temperature",
    "top_p",
];
/// Members of a message, which mean nothing in a request.
const OF_MESSAGES: [&str; 2] = ["type", "generate"];

/// Turns the native request into the one that goes upstream.
pub(crate) fn rewrite(
    filter: &CodexRewrite,
    operation: Operation,
    request: &mut UpstreamRequest,
    cx: &mut Exchange,
) -> Result<(), Reject> {
    match operation {
        Operation::Responses => responses(filter, request, cx),
        Operation::Compact => compact::compact(filter, request, cx),
        Operation::GenerateImage | Operation::EditImage => forward::images(filter, operation, request, cx),
        Operation::Transcribe => forward::transcription(filter, request, cx),
        Operation::CreateFile => files::create(filter, request, cx),
        Operation::FinishFile => files::finish(filter, request, cx),
        Operation::Unsupported | _ => Ok(()),
    }
}

/// `POST /backend-api/codex/responses`, or a turn on a websocket.
fn responses(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json_mut().ok_or_else(|| Reject::invalid("request body must be a JSON object"))?;
    let name = model_name(body)?;
    let list = array(body, "input")?.ok_or_else(|| Reject::invalid("input must be an array").at("input"))?;
    let has_tools = array(body, "tools")?.is_some();
    let turn = cx.get::<Turn>().copied();
    let stream = turn.is_some() || body.get("stream").and_then(|stream| stream.as_bool()).unwrap_or(false);
    let compacts = stream && list.items().last().is_some_and(|item| input::is(&item, TRIGGER));
    let id = previous(body, turn, !compacts && input::has_tool_output(list))?;
    let input = Input::of(list, id.is_some());
    let asks_aliases = reasoning::aliases(body)?;
    let facts = model::find(filter.catalog.as_ref(), &key, &name)?;
    let reasoning = Reasoning::of(body.get("reasoning"), &asks_aliases, facts.supports_reasoning_summary);
    let mut intent = Intent {
        stream,
        previous_response_id: id.map(Cow::into_owned),
        effort: reasoning.effort.clone(),
        turn_state: turn.and_then(|_| socket::turn_state(body.get("client_metadata")?)),
        ..intent(&facts, body, &input)
    };
    let mut echo = Echo { model: name.into_owned(), ..Echo::default() };
    let mut edits = edits(body, turn.is_some());
    edits.put_str("model", &facts.upstream_id);
    edits.put("input", input.edited.clone());
    edits.put("reasoning", reasoning.edited);
    if intent.previous_response_id.is_none() {
        edits.0.push(("previous_response_id", None));
    }
    request.expects = Expects::Response;
    if compacts {
        let streamed = turn.is_some() || trigger::streams(body.get("client_metadata"));
        edits = trigger::bridge(edits, streamed);
        if turn.is_some() {
            socket::keep(&mut edits, body, intent.previous_response_id.is_some());
            intent.turn_state = None;
        }
        intent.one_account = true;
        echo.form = Form::NativeTrigger { streamed };
        request.expects = if streamed { Expects::Response } else { Expects::Json };
    }
    edits.apply(body);
    if compacts {
        let of_turn = turn.map_or(&[][..], |_| &socket::SENT);
        compact::project(body, &[&["store", "stream"], of_turn].concat());
    }
    request.method = Method::POST;
    request.path = PATH.into();
    request.headers = headers::of(cx.head(), &filter.identity);
    match turn {
        Some(_) => socket::head(&mut request.headers, intent.turn_state.is_some()),
        None if facts.lite && !has_tools => lite::say(&mut request.headers),
        None => {}
    }
    headers::json_body(&mut request.headers, &intent, &facts.upstream_id);
    if request.expects == Expects::Json {
        headers::json_answer(&mut request.headers);
    }
    cx.put(intent)?;
    cx.put(echo)
}

/// The response that the request continues. `may`: one that came over HTTP may do so.
fn previous(body: &JsonObject, turn: Option<Turn>, may: bool) -> Result<Option<Cow<'_, str>>, Reject> {
    let named = filled(body.get("previous_response_id"));
    match turn {
        Some(turn) => socket::continued(named, turn),
        None => Ok(named.filter(|_| may)),
    }
}

/// What of every request is written anew, and what is left out. `message`: it came over a websocket.
fn edits(body: &JsonObject, message: bool) -> Edits {
    let mut edits = Edits::default();
    edits.put("include", options::include(body.get("include").filter(|value| !value.is_null())).unwrap_or(None));
    let of_messages = OF_MESSAGES.into_iter().filter(|_| !message);
    let gone = STRIPPED.into_iter().chain(reasoning::ALIASES).chain(of_messages);
    gone.for_each(|name| edits.0.push((name, None)));
    edits
}

/// The model that the client names.
fn model_name(body: &JsonObject) -> Result<Cow<'static, str>, Reject> {
    let name = filled(body.get("model")).map(|name| Cow::Owned(name.into_owned()));
    name.ok_or_else(|| Reject::invalid("model is required").at("model"))
}

/// A member that has to be an array if it is there; null counts as absent.
fn array<'a>(body: &'a JsonObject, name: &'static str) -> Result<Option<Value<'a>>, Reject> {
    match body.get(name).filter(|value| !value.is_null()) {
        Some(value) if value.kind() != Kind::Array => Err(Reject::invalid(format!("{name} must be an array")).at(name)),
        value => Ok(value),
    }
}

/// What a request for an answer of the model says in any form.
fn intent(facts: &ModelFacts, body: &JsonObject, input: &Input) -> Intent {
    let text = |name: &str| filled(body.get(name)).map(Cow::into_owned);
    let allowed = body.get("max_output_tokens").and_then(|tokens| tokens.as_u64());
    Intent {
        model: facts.id.clone(),
        prompt_cache_key: text("prompt_cache_key"),
        service_tier: text("service_tier"),
        estimated_input_tokens: estimate::input_tokens(body),
        estimated_output_tokens: estimate::output_at_least(allowed, input.opaque),
        input_file: input.file,
        context_window: facts.context_window,
        sources: facts.native_sources.clone().or_else(|| facts.sources.clone()),
        files: input.files.clone(),
        replayed: input.replayed.clone(),
        ..Intent::default()
    }
}
