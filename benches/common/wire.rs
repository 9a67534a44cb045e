//! Bodies and streams as clients and the Codex backend write them.

#![allow(dead_code, reason = "each bench uses its own part")]

use bytes::Bytes;
use serde_json::{Value, json};

/// Words with what has to be escaped now and then.
const PROSE: &str =
    "The gateway answered \"yes\" after 12 ms,\nand the second account — the one in Zürich — took over. ";

/// What a call of a tool hands over.
const ARGUMENTS: &str = r#"{"path":"src/main.rs"}"#;

/// A request for a response, about this large in bytes.
pub(crate) fn request(size: usize) -> Bytes {
    let message = |n: usize| {
        let (role, kind) = if n.is_multiple_of(2) { ("user", "input_text") } else { ("assistant", "output_text") };
        json!({"type": "message", "role": role, "content": [{"type": kind, "text": PROSE.repeat(5)}]})
    };
    let one = message(0).to_string().len() + 1;
    let messages: Vec<Value> = (0..(size / one).max(1)).map(message).collect();
    let body = json!({
        "model": "gpt-5.5", "instructions": "You are helpful.", "input": messages, "stream": true, "store": true,
        "metadata": {"purpose": "bench"}, "temperature": 0.5, "reasoning": {"effort": "medium", "summary": "auto"}
    });
    Bytes::from(body.to_string())
}

/// The history of a chat with tools, about this large in bytes.
pub(crate) fn chat(size: usize) -> Bytes {
    let round = |n: usize| {
        let id = format!("call_{n}");
        [
            json!({"role": "user", "content": PROSE.repeat(5)}),
            json!({"role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": [
                {"id": id, "type": "function", "function": {"name": "read_file", "arguments": ARGUMENTS}}]}),
            json!({"role": "tool", "tool_call_id": id, "content": PROSE.repeat(10)}),
            json!({"role": "assistant", "content": PROSE.repeat(5), "refusal": null, "annotations": []}),
        ]
    };
    let mut messages = vec![json!({"role": "system", "content": "You are helpful."})];
    messages.extend(rounds(size, round));
    let parameters = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let function = json!({"name": "read_file", "description": "Reads.", "parameters": parameters});
    let tool = json!({"type": "function", "function": function});
    let body = json!({
        "model": "gpt-5.5", "messages": messages, "stream": true, "stream_options": {"include_usage": true},
        "temperature": 0.5, "reasoning_effort": "medium", "tools": [tool], "tool_choice": "auto"
    });
    Bytes::from(body.to_string())
}

/// The same conversation as a request for a response.
pub(crate) fn chat_as_response(size: usize) -> Bytes {
    let message = |role: &str, kind: &str, times: usize| {
        let part = json!({"type": kind, "text": PROSE.repeat(times)});
        json!({"type": "message", "role": role, "content": [part]})
    };
    let round = |n: usize| {
        let id = format!("call_{n}");
        [
            message("user", "input_text", 5),
            json!({"type": "function_call", "call_id": id, "name": "read_file", "arguments": ARGUMENTS}),
            json!({"type": "function_call_output", "call_id": id, "output": PROSE.repeat(10)}),
            message("assistant", "output_text", 5),
        ]
    };
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let tool = json!({"type": "function", "name": "read_file", "description": "Reads.", "parameters": schema});
    let body = json!({
        "model": "gpt-5.5", "instructions": "You are helpful.", "input": rounds(size, round), "stream": true,
        "temperature": 0.5, "reasoning": {"effort": "medium"}, "tools": [tool], "tool_choice": "auto"
    });
    Bytes::from(body.to_string())
}

/// As many rounds of four as fill this many bytes, at least one.
fn rounds(size: usize, round: impl Fn(usize) -> [Value; 4]) -> Vec<Value> {
    let one: usize = round(0).iter().map(|item| item.to_string().len() + 1).sum();
    (0..(size / one).max(1)).flat_map(round).collect()
}

/// The blocks of a stream of the backend: at least nine events, all others deltas of the text.
pub(crate) fn blocks(events: usize) -> Vec<String> {
    let deltas = events.saturating_sub(8).max(1);
    let word = |n: usize| PROSE.split(' ').nth(n % 16).unwrap_or("and").to_owned() + " ";
    let text: String = (0..deltas).map(word).collect();
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let item = |status: &str, content: Vec<Value>| json!({"id": "msg_68f0", "type": "message", "status": status, "role": "assistant", "content": content});
    let at = |kind: &str| json!({"type": kind, "item_id": "msg_68f0", "output_index": 0, "content_index": 0});
    let with = |mut event: Value, name: &str, value: Value| {
        event[name] = value;
        event
    };
    let mut all = vec![
        json!({"type": "response.created", "response": response("in_progress", &[])}),
        json!({"type": "response.in_progress", "response": response("in_progress", &[])}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", vec![])}),
        with(at("response.content_part.added"), "part", part("")),
    ];
    all.extend((0..deltas).map(|n| with(at("response.output_text.delta"), "delta", json!(word(n)))));
    let done = item("completed", vec![part(&text)]);
    all.extend([
        with(at("response.output_text.done"), "text", json!(text)),
        with(at("response.content_part.done"), "part", part(&text)),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": response("completed", &[done])}),
    ]);
    all.into_iter().enumerate().map(|(n, event)| block(&with(event, "sequence_number", json!(n)))).collect()
}

/// The same events as messages on a websocket, where the backend writes their type first.
pub(crate) fn messages(events: usize) -> Vec<String> {
    let message = |block: String| {
        let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
        let mut event: serde_json::Map<String, Value> = serde_json::from_str(data).ok()?;
        let kind = event.remove("type")?;
        let rest = Value::Object(event).to_string();
        Some(format!("{{\"type\":{kind},{}", rest.trim_start_matches('{')))
    };
    blocks(events).into_iter().filter_map(message).collect()
}

fn block(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}

fn response(status: &str, output: &[Value]) -> Value {
    let usage = json!({
        "input_tokens": 19, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 102,
        "output_tokens_details": {"reasoning_tokens": 60}, "total_tokens": 121
    });
    json!({
        "id": "resp_68f0", "object": "response", "created_at": 1_790_000_000, "status": status, "background": false,
        "error": null, "incomplete_details": null, "instructions": "", "max_output_tokens": null, "model": "gpt-5.5",
        "output": output, "parallel_tool_calls": true, "previous_response_id": null, "prompt_cache_key": "bench",
        "reasoning": {"effort": "medium", "summary": null}, "service_tier": "default", "store": false,
        "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto",
        "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
        "usage": if status == "completed" { usage } else { Value::Null }, "user": null, "metadata": {}
    })
}
