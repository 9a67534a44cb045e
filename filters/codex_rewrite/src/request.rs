//! The way down: one request for `POST /v1/responses`, checked in a fixed order, then rewritten (docs/v1.md, Validation order).
//!
//! [`Checked::of`] only reads, so a refused request is left as it was; [`Edits::apply`] writes and cannot fail.

mod chat;
mod compact;
mod edits;
mod estimate;
mod fields;
mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod identity;
mod images;
mod input;
mod lite;
mod model;
mod native;
mod options;
mod patch;
mod projection;
mod reasoning;
mod repeat;
mod schema;
mod source;
mod splice;
mod tier;
mod tool_choice;
mod tools;
mod transcribe;
mod trigger;
mod upload;
mod upstream;

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use pooler_filter::json::{JsonObject, Kind, Value};
use pooler_filter::{Exchange, Intent, KeyFacts, ModelFacts, Principal, Reject, UpstreamRequest};

pub(crate) use self::chat::chat;
pub(crate) use self::compact::compact;
pub(crate) use self::identity::Identity;
pub(crate) use self::images::images;
pub(crate) use self::native::rewrite as native;
pub(crate) use self::transcribe::transcribe;
pub(crate) use self::upload::upload;

use self::edits::Edits;
use self::fields::{Field, Members};
use self::input::Input;
use self::patch::filled;
use self::reasoning::Reasoning;
use self::source::{Refused, Source};
use self::splice::Splice;
use self::tools::Tools;
use crate::CodexRewrite;
use crate::echo::{Echo, Form};

/// Where the upstream takes responses.
const PATH: &str = "/backend-api/codex/responses";

/// Turns the public request into the one that goes upstream, and writes what later filters and the way up must know.
pub(crate) fn responses(filter: &CodexRewrite, request: &mut UpstreamRequest, cx: &mut Exchange) -> Result<(), Reject> {
    let key = Arc::clone(&cx.require::<Principal>()?.0);
    let body = request.body.json_mut().ok_or_else(|| Reject::invalid("request body must be an object"))?;
    let mut upstream =
        Checked::of(filter, &key, Source::responses(body, cx.get()))?.upstream(filter.forward_metadata, body);
    mem::take(&mut upstream.edits).apply(body);
    upstream.write(PATH, filter, request, cx)
}

/// A request that has passed every check, with what its members become.
struct Checked<'a> {
    members: Members<'a>,
    /// The model as the client named it.
    model_name: Cow<'a, str>,
    model: Arc<ModelFacts>,
    /// It continues an earlier response, which the upstream is told.
    continued: bool,
    /// It is a turn on a websocket.
    socket: bool,
    input: Input<'a>,
    instructions: Option<Bytes>,
    tools: Tools,
    tool_choice: Option<Bytes>,
    max_output_tokens: Option<u64>,
    reasoning: Reasoning,
    tier: Option<&'static str>,
    truncation: Option<&'static str>,
    include: Option<Bytes>,
    text: Option<Bytes>,
}

impl<'a> Checked<'a> {
    /// The checks in their order; the first failure wins.
    fn of(filter: &CodexRewrite, key: &KeyFacts, source: Source<'a>) -> Result<Self, Reject> {
        let Source { members, conversation, mut refused, continuation, compacts } = source;
        let get = |field| members.get(field);
        options::check_logprobs(get(Field::Logprobs))?;
        if let Some(name) = members.unknown() {
            return Err(Reject::unsupported_parameter(name.to_owned()));
        }
        let model_name = model::name(get(Field::Model))?;
        // Raised only after the checks of the body: what is wrong with a request does not depend on who sends it.
        let model = model::find(filter.catalog.as_ref(), key, &model_name);
        options::check_unsupported(&members)?;
        options::check_prompt_cache_options(get(Field::PromptCacheOptions))?;
        let names_response = filled(get(Field::PreviousResponseId)).is_some();
        let continued = names_response && !compacts;
        let mut input = conversation.read(continued)?;
        let instructions = instructions(get(Field::Instructions), &input.lifted)?;
        check_previous(get(Field::PreviousResponseId))?;
        if names_response {
            continuation.check(input.found.tool_output)?;
        }
        let lite = model.as_ref().is_ok_and(|model| model.lite);
        let (tools, tool_choice) = check_tools(&members, &mut refused, &mut input, lite)?;
        refused.raise(Field::MaxOutputTokens)?;
        let max_output_tokens = options::max_output_tokens(get(Field::MaxOutputTokens))?;
        let takes_summary = model.as_ref().is_ok_and(|model| model.supports_reasoning_summary);
        refused.raise(Field::Reasoning)?;
        let reasoning = Reasoning::of(get(Field::Reasoning), takes_summary)?;
        options::check_moderation(get(Field::Moderation))?;
        refused.raise(Field::ServiceTier)?;
        let tier = tier::of(get(Field::ServiceTier))?;
        let truncation = options::truncation(get(Field::Truncation))?;
        options::check_stream_options(get(Field::StreamOptions))?;
        refused.raise(Field::Text)?;
        options::check_types(&members)?;
        let include = options::include(get(Field::Include))?;
        let text = options::text(get(Field::Text));
        schema::check_text_format(get(Field::Text))?;
        input.media.take().or_else(|| input.audio.take()).map_or(Ok(()), Err)?;
        let model = model?;
        model::check_capabilities(&model, input.found.image, tier)?;
        Ok(Self {
            members,
            model_name,
            model,
            continued,
            socket: continuation.is_socket(),
            input,
            instructions,
            tools,
            tool_choice,
            max_output_tokens,
            reasoning,
            tier,
            truncation,
            include,
            text,
        })
    }

    fn intent(&self, body: &JsonObject) -> Intent {
        let previous = self.members.get(Field::PreviousResponseId);
        Intent {
            model: self.model.id.clone(),
            stream: self.members.get(Field::Stream).and_then(|stream| stream.as_bool()).unwrap_or(false),
            prompt_cache_key: filled(self.members.get(Field::PromptCacheKey)).map(Cow::into_owned),
            effort: self.reasoning.effort.clone(),
            service_tier: self.tier.map(Into::into),
            estimated_input_tokens: estimate::input_tokens(body),
            estimated_output_tokens: estimate::output_tokens(self.max_output_tokens, &self.input.found, self.continued),
            input_file: self.input.found.file,
            context_window: self.model.context_window,
            one_account: false,
            sources: self.model.sources.clone(),
            files: each_once(&self.input.found.files),
            previous_response_id: filled(previous).filter(|_| self.continued).map(Cow::into_owned),
            replayed: self.input.replayed.clone(),
            turn_state: None,
        }
    }

    fn echo(&self) -> Echo {
        let rewritten = [
            (Field::Reasoning, self.reasoning.echo.clone()),
            (Field::Truncation, self.truncation.map(|truncation| Bytes::from(format!("\"{truncation}\"")))),
            (Field::Text, self.text.clone()),
        ];
        Echo {
            model: self.model_name.as_ref().into(),
            members: repeat::members(&self.members, rewritten),
            namespaces: self.tools.namespaces.clone(),
            form: Form::Plain,
        }
    }

    fn edits(&self, forward_metadata: bool) -> Edits {
        let mut edits = Edits(self.members.unwanted().map(|name| (name, None)).collect());
        edits.set_str(Field::Model, &self.model.upstream_id);
        edits.set(Field::Instructions, self.instructions.clone());
        edits.set(Field::Input, self.input.edited.clone());
        edits.set(Field::Tools, self.tools.edited.clone());
        edits.set(Field::ToolChoice, self.tool_choice.clone());
        edits.set(Field::Reasoning, self.reasoning.edited.clone());
        edits.set(Field::Text, self.text.clone());
        edits.set(Field::Include, self.include.clone());
        edits.set(Field::ClientMetadata, lite::without_marker(self.members.get(Field::ClientMetadata)));
        edits.set(Field::Store, Some(Bytes::from_static(b"false")));
        edits.set(Field::Stream, Some(Bytes::from_static(b"true")));
        match self.tier {
            Some(tier) => edits.set_str(Field::ServiceTier, tier),
            None => edits.remove(Field::ServiceTier),
        }
        if !forward_metadata {
            edits.remove(Field::Metadata);
        }
        if !self.continued {
            edits.remove(Field::PreviousResponseId);
        }
        edits
    }
}

/// The tools, those that the input declares among them, and which of them is to be called.
fn check_tools(
    members: &Members<'_>,
    refused: &mut Refused,
    input: &mut Input<'_>,
    lite: bool,
) -> Result<(Tools, Option<Bytes>), Reject> {
    refused.raise(Field::Tools)?;
    let tools = Tools::of(members.get(Field::Tools), mem::take(&mut input.declared))?;
    refused.raise(Field::ToolChoice)?;
    let choice = members.get(Field::ToolChoice);
    if lite {
        lite::check_tool_choice(choice)?;
    }
    let choice = tool_choice::of(choice, &tools)?;
    Ok((tools, choice))
}

/// `previous_response_id`, by its type.
fn check_previous(id: Option<Value<'_>>) -> Result<(), Reject> {
    if id.is_some_and(|id| id.kind() != Kind::String) {
        return Err(Reject::invalid("previous_response_id must be a string").at(Field::PreviousResponseId.name()));
    }
    Ok(())
}

/// `instructions`, which the upstream always gets: the client's own, then what was lifted out of the input, line by line. None when the
/// client's go as they are.
fn instructions(own: Option<Value<'_>>, lifted: &[Value<'_>]) -> Result<Option<Bytes>, Reject> {
    if own.is_some_and(|own| own.kind() != Kind::String) {
        return Err(Reject::invalid("instructions must be a string").at(Field::Instructions.name()));
    }
    if lifted.is_empty() && own.is_some() {
        return Ok(None);
    }
    let mut out = Splice::default();
    out.lit("\"");
    let texts = own.iter().chain(lifted).filter(|text| !text.is_str(""));
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.lit("\\n");
        }
        out.inner(*text);
    }
    out.lit("\"");
    Ok(Some(out.join()))
}

/// Each name once, in the order of the first time.
fn each_once(names: &[String]) -> Vec<String> {
    let mut seen = HashSet::with_capacity(names.len());
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests;
