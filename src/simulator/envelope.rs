//! The response object that travels in lifecycle and terminal events.

use serde_json::{Value, json};

use super::check::Turn;
use super::clock;

/// A response object, rendered up to the parts that change in the course of a stream.
#[derive(Debug)]
pub(super) struct Envelope {
    head: String,
    middle: String,
    tail: String,
    /// `tool_usage` of the finished response.
    tool_usage: Option<String>,
}

/// Token counts of one response.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
    /// Rendered as null instead.
    absent: bool,
    without_total: bool,
}

impl Usage {
    /// No usage.
    pub(super) const NULL: Usage =
        Usage { input: 0, cached: 0, output: 0, reasoning: 0, absent: true, without_total: false };

    pub(super) fn new(input: u64, cached: u64, output: u64, reasoning: u64) -> Usage {
        Usage { input, cached, output, reasoning, absent: false, without_total: false }
    }

    /// The same without `total_tokens`.
    pub(super) fn without_total(self) -> Usage {
        Usage { without_total: true, ..self }
    }

    /// Tokens that the quota pays for.
    pub(super) fn fresh(&self) -> u64 {
        self.input - self.cached + self.output
    }

    /// The same for a turn that goes on from a conversation of `tokens`, which are cached in blocks of 16.
    pub(super) fn after(self, tokens: u64) -> Usage {
        Usage { input: self.input + tokens, cached: self.cached + tokens / 16 * 16, ..self }
    }

    /// As JSON.
    pub(super) fn render(&self) -> Value {
        if self.absent {
            return Value::Null;
        }
        let mut usage = json!({
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cached},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
        });
        if !self.without_total {
            usage["total_tokens"] = json!(self.input + self.output);
        }
        usage
    }
}

impl Envelope {
    /// The object of a turn; `id` is the response id, `image_gen` what its pictures have used.
    pub(super) fn new(turn: &Turn, id: &str, image_gen: Option<Value>) -> Envelope {
        let or = |key: &str, default: Value| turn.get(key).cloned().unwrap_or(default);
        let mut text = or("text", json!({}));
        if text["format"].is_null() {
            text["format"] = json!({"type": "text"});
        }
        let tier =
            if turn.get("service_tier").and_then(Value::as_str) == Some("priority") { "priority" } else { "default" };
        let head = json!({"id": id, "object": "response", "created_at": clock::unix()});
        let middle = json!({
            "instructions": or("instructions", Value::Null),
            "model": turn.model(),
            "parallel_tool_calls": or("parallel_tool_calls", Value::Bool(true)),
            "previous_response_id": or("previous_response_id", Value::Null),
            "prompt_cache_key": or("prompt_cache_key", Value::Null),
            "reasoning": {
                "effort": turn.reasoning("effort").unwrap_or(&Value::Null),
                "summary": turn.reasoning("summary").unwrap_or(&Value::Null),
            },
            "service_tier": tier,
            "store": false,
            "temperature": 1.0,
            "text": text,
            "tool_choice": or("tool_choice", json!("auto")),
            "tools": or("tools", json!([])),
            "top_p": 1.0,
            "truncation": "disabled",
        });
        let tool_usage = image_gen.map(|usage| inside(&json!({"tool_usage": {"image_gen": usage}})));
        let tail = json!({"user": null, "metadata": {}});
        Envelope { head: inside(&head), middle: inside(&middle), tail: inside(&tail), tool_usage }
    }

    /// The object as JSON text. `output` is a JSON array; `trouble` replaces the null of `error` or
    /// `incomplete_details`, whichever the status is about.
    pub(super) fn render(&self, status: &str, output: &str, trouble: Option<&Value>, usage: &Usage) -> String {
        let null = Value::Null;
        let trouble = trouble.unwrap_or(&null);
        let (error, details) = if status == "incomplete" { (&null, trouble) } else { (trouble, &null) };
        let Envelope { head, middle, tail, tool_usage } = self;
        let finished = tool_usage.as_ref().filter(|_| status != "in_progress");
        let more = finished.map(|usage| format!(",{usage}")).unwrap_or_default();
        format!(
            "{{{head},\"status\":\"{status}\",\"output\":{output},\"error\":{error},\"incomplete_details\":{details},\
             {middle},\"usage\":{}{more},{tail}}}",
            usage.render()
        )
    }
}

fn inside(object: &Value) -> String {
    let text = object.to_string();
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().to_owned()
}
