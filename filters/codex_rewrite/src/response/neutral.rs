//! The keys that OpenAI's schema requires, and what stands for them where the backend left them out (docs/v1.md, Neutral values).

use bytes::Bytes;
use pooler_filter::json::{Json, Value};

use super::edits::{Edits, Members};
use crate::echo::Echo;

/// What stands for a missing key of a response object.
#[derive(Clone, Copy)]
enum Neutral {
    /// What the request said, else this text.
    Asked(&'static str),
    /// This text, whatever the request said.
    Always(&'static str),
    /// The tools of the request, filled; else none.
    Tools,
    /// What [`Facts`] or the request tell of the key.
    Id,
    Status,
    Model,
    CreatedAt,
    CompletedAt,
    Error,
    IncompleteDetails,
    Usage,
}

use Neutral::{Always, Asked, CompletedAt, CreatedAt, Error, Id, IncompleteDetails, Model, Status, Tools, Usage};

const RESPONSE: [(&str, Neutral); 32] = [
    ("id", Id),
    ("object", Always("\"response\"")),
    ("created_at", CreatedAt),
    ("status", Status),
    ("completed_at", CompletedAt),
    ("error", Error),
    ("incomplete_details", IncompleteDetails),
    ("instructions", Asked("null")),
    ("max_output_tokens", Asked("null")),
    ("max_tool_calls", Asked("null")),
    ("model", Model),
    ("output", Always("[]")),
    ("parallel_tool_calls", Asked("true")),
    ("previous_response_id", Asked("null")),
    ("prompt_cache_key", Asked("null")),
    ("reasoning", Asked("null")),
    ("safety_identifier", Asked("null")),
    ("service_tier", Asked("\"default\"")),
    ("store", Always("false")),
    ("background", Always("false")),
    ("temperature", Asked("1.0")),
    ("top_p", Asked("1.0")),
    ("presence_penalty", Asked("0.0")),
    ("frequency_penalty", Asked("0.0")),
    ("top_logprobs", Asked("0")),
    ("text", Asked("{\"format\":{\"type\":\"text\"}}")),
    ("tool_choice", Asked("\"auto\"")),
    ("tools", Tools),
    ("truncation", Asked("\"disabled\"")),
    ("usage", Usage),
    ("user", Asked("null")),
    ("metadata", Asked("{}")),
];

/// What is known of a response, for the keys that it leaves out.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) id: &'a str,
    pub(super) status: &'static str,
    /// Unix seconds.
    pub(super) created_at: u64,
    /// Unix seconds; none for a response that is not completed.
    pub(super) completed_at: Option<u64>,
    /// The error object of a failed response.
    pub(super) error: Option<&'a [u8]>,
    /// `incomplete_details`, as JSON.
    pub(super) incomplete_details: &'static str,
    /// The usage object, where it is known.
    pub(super) usage: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// A response about which nothing more is known.
    pub(super) const fn new(id: &'a str, status: &'static str, created_at: u64) -> Self {
        Self { id, status, created_at, completed_at: None, error: None, incomplete_details: "null", usage: None }
    }
}

/// Which keys a response object has.
#[derive(Default, Clone, Copy)]
pub(super) struct Present(u32);

impl Present {
    /// Notes a key.
    pub(super) fn note(&mut self, key: &[u8]) {
        if let Some(row) = RESPONSE.iter().position(|(name, _)| name.as_bytes() == key) {
            self.0 |= 1 << row;
        }
    }

    /// The keys that are missing, with their values.
    pub(super) fn missing(self, facts: &Facts<'_>, echo: &Echo) -> Members {
        let mut members = Members::default();
        for (row, (key, neutral)) in RESPONSE.iter().enumerate() {
            if self.0 & (1 << row) == 0 {
                add(&mut members, key, *neutral, facts, echo);
            }
        }
        members
    }
}

/// A response object made of nothing but what is known.
pub(super) fn response(facts: &Facts<'_>, echo: &Echo) -> Vec<u8> {
    Present::default().missing(facts, echo).into_object()
}

fn add(members: &mut Members, key: &str, neutral: Neutral, facts: &Facts<'_>, echo: &Echo) {
    match neutral {
        Asked(text) => members.add(key, asked(echo, key).map_or(text.as_bytes(), Bytes::as_ref)),
        Always(text) => members.add(key, text.as_bytes()),
        Id => members.add_str(key, facts.id),
        Status => members.add_str(key, facts.status),
        Model => members.add_str(key, &echo.model),
        CreatedAt => members.add_u64(key, facts.created_at),
        CompletedAt => match facts.completed_at {
            Some(at) => members.add_u64(key, at),
            None => members.add(key, b"null"),
        },
        Error => members.add(key, facts.error.unwrap_or(b"null")),
        IncompleteDetails => members.add(key, facts.incomplete_details.as_bytes()),
        Usage => members.add(key, facts.usage.unwrap_or(b"null")),
        Tools => match asked(echo, key).and_then(|tools| Json::parse(tools.clone()).ok()) {
            Some(asked) => {
                let mut edits = Edits::of(&asked);
                tools(&mut edits, asked.root());
                members.add(key, &edits.apply());
            }
            None => members.add(key, b"[]"),
        },
    }
}

/// What the request said of this key, as JSON.
pub(super) fn asked<'a>(echo: &'a Echo, key: &str) -> Option<&'a Bytes> {
    echo.members.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Fills every function among the tools.
pub(super) fn tools(edits: &mut Edits<'_>, tools: Value<'_>) {
    let functions = tools.items().filter(|tool| tool.get("type").is_some_and(|kind| kind.is_str("function")));
    for function in functions {
        let nulls = [("description", "null"), ("parameters", "null"), ("strict", "null")];
        fill(edits, function, &nulls);
    }
}

/// Fills the details of a usage object; its counts are never guessed.
pub(super) fn usage(edits: &mut Edits<'_>, usage: Value<'_>) {
    const INPUT: [(&str, &str); 2] = [("cached_tokens", "0"), ("cache_write_tokens", "0")];
    const OUTPUT: [(&str, &str); 1] = [("reasoning_tokens", "0")];
    if let Some(details) = usage.get("input_tokens_details") {
        fill(edits, details, &INPUT);
    }
    if let Some(details) = usage.get("output_tokens_details") {
        fill(edits, details, &OUTPUT);
    }
    let details = [
        ("input_tokens_details", "{\"cached_tokens\":0,\"cache_write_tokens\":0}"),
        ("output_tokens_details", "{\"reasoning_tokens\":0}"),
    ];
    fill(edits, usage, &details);
    let count = |key: &str| usage.get(key).and_then(|v| v.as_u64());
    if let (Some(input), Some(output)) = (count("input_tokens"), count("output_tokens")) {
        // Required by the schema, and it cannot be anything else. The ledger still calls such a usage unknown.
        let total = input.saturating_add(output).to_string();
        fill(edits, usage, &[("total_tokens", total.as_str())]);
    }
}

/// Fills a content part.
pub(super) fn part(edits: &mut Edits<'_>, part: Value<'_>) {
    if part.get("type").is_some_and(|kind| kind.is_str("output_text")) {
        fill(edits, part, &[("annotations", "[]"), ("logprobs", "[]")]);
    }
}

/// Adds the members of the list that an object lacks. What is not an object stays as it is.
fn fill(edits: &mut Edits<'_>, object: Value<'_>, list: &[(&str, &str)]) {
    if object.kind() != pooler_filter::json::Kind::Object {
        return;
    }
    let mut missing = Members::default();
    for (key, value) in list {
        if object.get(key).is_none() {
            missing.add(key, value.as_bytes());
        }
    }
    edits.add(object, missing);
}
