//! The acceptance checklist of the HTTP side of `/v1`: one test for each of its lines, named after it, through the whole gateway. What the
//! upstream saw is read in the record of the simulator.
//!
//! Lines 19, 30, 35, 43 and 44 are about what stands elsewhere: limits of keys, websockets, the native surface.

mod answers;
mod bound;
mod chat;
mod ingress;
mod media;
mod metadata;
mod requests;
mod roundtrip;
mod streams;
mod thoughts;

use codex_pooler::simulator::{Fault, FaultBody, Recorded, ScriptStep, TerminalKind, Who};
use serde_json::{Map, Value, json};

use crate::files::BOUNDARY;
use crate::support::client::{Answer, Client};
use crate::support::{Gateway, codex};

/// Words of the provider, which no client may ever read.
const WORDS: &str = "PROVIDER WORDS";

async fn one() -> Gateway {
    Gateway::builder().accounts(1).start().await
}

/// A plain request with these members besides, or instead.
pub(crate) fn ask(members: Value) -> Value {
    with(json!({"model": "gpt-5.5", "input": "Say hello"}), members)
}

/// The same as a chat.
fn say(members: Value) -> Value {
    with(json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello"}]}), members)
}

fn with(mut body: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members") };
    body.as_object_mut().unwrap().extend(members);
    body
}

async fn chat(client: &Client, body: &Value) -> Answer {
    client.post("/v1/chat/completions", body).await
}

/// What `POST /backend-api/codex/responses` was asked for, in order.
pub(crate) fn turns(gateway: &Gateway) -> Vec<Recorded> {
    let turn = |r: &Recorded| r.method == "POST" && r.path == "/backend-api/codex/responses";
    gateway.codex.requests().into_iter().filter(turn).collect()
}

/// The body of the last of them.
fn last_sent(gateway: &Gateway) -> Value {
    turns(gateway).pop().and_then(|turn| turn.body).expect("the upstream was asked, and bodies are kept")
}

/// What the upstream saw of a request for a response that was served.
async fn sent(gateway: &Gateway, body: Value) -> Value {
    let answer = gateway.client.create(body.clone()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    last_sent(gateway)
}

/// Status, code and param of a refusal, with its type looked at by the status.
fn told(answer: &Answer) -> (u16, String, Value) {
    let (status, code) = answer.refusal();
    let error = answer.error();
    let kind = match (status, code.as_str()) {
        (429, "quota_exhausted" | "usage_limit_reached" | "insufficient_quota") => "usage_limit_reached",
        (429, _) => "rate_limit_error",
        (500.., _) => "server_error",
        _ => "invalid_request_error",
    };
    assert_eq!(error["type"], kind, "{error}");
    assert!(!answer.text().contains(WORDS), "{error}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{error}");
    (status, code, error["param"].clone())
}

fn refused(status: u16, code: &str, param: &str) -> (u16, String, Value) {
    (status, code.into(), if param.is_empty() { Value::Null } else { json!(param) })
}

async fn create_is_refused(gateway: &Gateway, members: Value, code: &str, param: &str) {
    let answer = gateway.client.create(ask(members.clone())).await;
    assert_eq!(told(&answer), refused(400, code, param), "{members}: {}", answer.text());
}

async fn chat_is_refused(gateway: &Gateway, members: Value, code: &str, param: &str) {
    let answer = chat(&gateway.client, &say(members.clone())).await;
    assert_eq!(told(&answer), refused(400, code, param), "{members}: {}", answer.text());
}

fn failed(code: &str, after_events: usize) -> Fault {
    Fault::TerminalInStream { kind: TerminalKind::Failed, code: code.into(), message: WORDS.into(), after_events }
}

fn status(status: u16, code: &str) -> Fault {
    let error = json!({"error": {"code": code, "message": WORDS, "type": "x", "param": "y"}});
    Fault::Status { status, body: FaultBody::Json(error), headers: [].into() }
}

/// An answer in these bytes, with this media type.
fn bytes(kind: &str, text: impl Into<String>) -> Fault {
    let head = ScriptStep::Header("content-type".into(), kind.into());
    Fault::Script(vec![head, ScriptStep::Send(text.into().into())])
}

/// The upstream answers from now on with these events.
fn scripted(gateway: &Gateway, events: &[Value]) {
    gateway.codex.clear_faults();
    codex::sse(Who::All, &gateway.codex, wire(events));
}

fn wire(events: &[Value]) -> String {
    events.iter().map(codex::event).collect()
}

/// `response.created`, `response.completed` and what is between them, of a response with this output.
pub(crate) fn told_by(output: &Value, between: &[Value]) -> Vec<Value> {
    let response = |status: &str, output: &Value| {
        json!({"id": "resp_up", "object": "response", "created_at": 1_795_000_000, "status": status, "model": "gpt-5.5-up",
            "output": output, "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}})
    };
    let mut events = vec![json!({"type": "response.created", "response": response("in_progress", &json!([]))})];
    events.extend_from_slice(between);
    events.push(json!({"type": "response.completed", "response": response("completed", output)}));
    events
}

fn message(text: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text})
}

/// A function that the simulator calls when it may.
fn function(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]});
    json!({"type": "function", "name": name, "parameters": parameters})
}

/// The same in the form of a chat.
fn chat_function(name: &str) -> Value {
    let Value::Object(mut flat) = function(name) else { unreachable!() };
    flat.remove("type");
    json!({"type": "function", "function": flat})
}

/// Names of the events of a stream.
fn names(answer: &Answer) -> Vec<String> {
    answer.events().into_iter().map(|event| event.name).collect()
}

/// The chunks of a chat stream, and whether it ended with `[DONE]`.
fn chunks(answer: &Answer) -> (Vec<Value>, bool) {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{}", answer.text());
    let text = answer.text();
    let mut data: Vec<&str> = text.split_terminator("\n\n").filter(|block| !block.starts_with(':')).collect();
    assert!(data.iter().all(|block| block.starts_with("data: ") && !block.contains('\n')), "{text}");
    let done = data.last() == Some(&"data: [DONE]");
    data.truncate(data.len() - usize::from(done));
    (data.iter().map(|block| serde_json::from_str(&block[6..]).expect("JSON")).collect(), done)
}

/// The message that a client puts together out of a chat stream.
fn assembled(chunks: &[Value]) -> Value {
    let mut message = Map::new();
    let mut calls: Vec<Value> = Vec::new();
    let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].as_object());
    for (name, value) in deltas.flatten() {
        match (name.as_str(), value) {
            ("tool_calls", Value::Array(pieces)) => pieces.iter().for_each(|piece| {
                let index = usize::try_from(piece["index"].as_u64().expect("an index")).unwrap();
                calls.resize(calls.len().max(index + 1), json!({}));
                merge(&mut calls[index], piece);
            }),
            _ => merge(message.entry(name.as_str()).or_insert(Value::Null), value),
        }
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    Value::Object(message)
}

/// Texts grow, but for those that name something; objects are merged; anything else is replaced.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                match members.get_mut(name) {
                    Some(_) if matches!(name.as_str(), "id" | "type" | "index") => {}
                    Some(old) => merge(old, value),
                    None => drop(members.insert(name.clone(), value.clone())),
                }
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// Sends a form.
async fn post_form(client: &Client, path: &str, body: &[u8]) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    client.send(client.request("POST", path, &[("content-type", &kind)], body)).await
}

/// The members of an object, by name.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
