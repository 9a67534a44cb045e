//! Recorded streams of the backend, and a host that sends them through the stage.

#![allow(clippy::unwrap_used, reason = "what is here runs in tests and fuzz targets only")]
#![cfg_attr(not(test), allow(dead_code, reason = "fuzz targets use a part of it"))]

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pooler_filter::sse::{Framer, Limits};
use pooler_filter::testing::{ExchangeBuilder, FakeClock, START, write};
use pooler_filter::{Carrier, Clock, Cut, Delivery, End, Exchange, Frame, Intent, Out, Reject, ResponseHead, Stage};
use serde_json::{Value, json};

use crate::echo::{Echo, Form};
use crate::response::{chat, responses};

/// The time that the tests take place at.
pub(crate) const NOW: u64 = START.as_secs();

/// The id that a response gets when the backend names none.
pub(crate) const MADE_ID: &str = "resp_09090909090909090909090909090909";

/// One request and its answer.
pub(crate) struct Host {
    pub(crate) intent: Intent,
    pub(crate) echo: Echo,
    upstream: Carrier,
    stage: MakeStage,
}

/// What makes the stage of an operation.
pub(crate) type MakeStage = fn(Arc<dyn Clock>, &mut ResponseHead, &mut Exchange) -> Result<Box<dyn Stage>, Reject>;

impl Host {
    /// The client wants a stream.
    pub(crate) fn streaming() -> Self {
        let intent =
            Intent { model: "gpt-5.5".into(), stream: true, context_window: Some(272_000), ..Intent::default() };
        let echo = Echo { model: "gpt-5.5".into(), members: Vec::new(), namespaces: HashMap::new(), form: Form::Plain };
        Self { intent, echo, upstream: Carrier::Sse, stage: responses }
    }

    /// The client wants one JSON answer.
    pub(crate) fn collecting() -> Self {
        let mut host = Self::streaming();
        host.intent.stream = false;
        host
    }

    /// The client asked for a chat.
    pub(crate) fn chat(mut self) -> Self {
        self.stage = chat;
        self
    }

    /// The stage of another operation; the client wants one answer.
    pub(crate) fn of(stage: MakeStage) -> Self {
        Self { stage, ..Self::collecting() }
    }

    /// The answer has another form.
    pub(crate) fn form(mut self, form: Form) -> Self {
        self.echo.form = form;
        self
    }

    /// The backend answers with plain JSON.
    pub(crate) fn plain_json(mut self) -> Self {
        self.upstream = Carrier::Json;
        self
    }

    /// The request had this member.
    pub(crate) fn asked(mut self, name: &'static str, value: &Value) -> Self {
        self.echo.members.push((name, value.to_string().into()));
        self
    }

    /// The stage of an answer, with its head.
    pub(crate) fn start(&self) -> (Box<dyn Stage>, ResponseHead, Exchange) {
        let mut cx = ExchangeBuilder::responses().build();
        write(&mut cx, self.intent.clone());
        write(&mut cx, self.echo.clone());
        let mut head = ResponseHead::new(http::StatusCode::OK, self.upstream, Delivery::Stream);
        head.headers.insert("x-codex-primary-used-percent", http::HeaderValue::from_static("12"));
        let stage = (self.stage)(FakeClock::at(START), &mut head, &mut cx).unwrap();
        (stage, head, cx)
    }

    /// The head that the client gets.
    pub(crate) fn head(&self) -> ResponseHead {
        self.start().1
    }

    /// Sends a body of the backend in chunks of these sizes, repeated, through the stage.
    pub(crate) fn run_split(&self, body: &[u8], sizes: &[usize], end: End) -> Answer {
        let mut framer = Framer::new(Limits::default());
        let mut frames = Vec::new();
        let mut rest = Bytes::copy_from_slice(body);
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            framer.push(rest.split_to(size));
            while let Some(block) = framer.next_block().unwrap() {
                frames.push(Frame::from_block(block));
            }
        }
        self.run_frames(frames, end)
    }

    /// Sends frames through the stage.
    pub(crate) fn run_frames(&self, frames: Vec<Frame>, mut end: End) -> Answer {
        let (mut stage, head, mut cx) = self.start();
        let mut out = Out::new();
        for frame in frames {
            if let Err(reject) = stage.frame(frame, &mut out, &mut cx) {
                if head.delivery == Delivery::Whole {
                    return Answer { frames: out.drain().collect(), refused: Some(reject) };
                }
                end = End::Failed(reject);
                break;
            }
        }
        let refused = stage.end(&end, &mut out, &mut cx).err();
        Answer { frames: out.drain().collect(), refused }
    }

    /// Sends a whole stream.
    pub(crate) fn run(&self, body: &str) -> Answer {
        self.run_split(body.as_bytes(), &[], End::Complete)
    }

    /// Sends a plain JSON answer.
    pub(crate) fn run_json(&self, body: &Value) -> Answer {
        self.run_frames(vec![Frame::json(body.to_string())], End::Complete)
    }

    /// Sends a stream that breaks off.
    pub(crate) fn run_cut(&self, body: &str) -> Answer {
        self.run_split(body.as_bytes(), &[], End::Cut(Cut::Closed))
    }
}

/// What the client got.
pub(crate) struct Answer {
    pub(crate) frames: Vec<Frame>,
    pub(crate) refused: Option<Reject>,
}

impl Answer {
    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> String {
        let mut wire = BytesMut::new();
        self.frames.iter().for_each(|frame| frame.write_to(&mut wire));
        String::from_utf8(wire.to_vec()).expect("the answer is UTF-8")
    }

    /// The events of a public stream, each checked to be in the one form that it may have.
    pub(crate) fn events(&self) -> Vec<Value> {
        let wire = self.bytes();
        let mut events = Vec::new();
        let mut last = None;
        for block in wire.split_inclusive("\n\n") {
            let block = block.strip_suffix("\n\n").expect("a block ends with a blank line");
            let (label, data) = block.split_once('\n').expect("two lines");
            let event: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(label, format!("event: {}", event["type"].as_str().unwrap()));
            let number = event["sequence_number"].as_u64().expect("a number");
            assert!(last.is_none_or(|last| number > last), "{last:?} then {number}");
            last = Some(number);
            events.push(event);
        }
        events
    }

    /// The types of the events.
    pub(crate) fn types(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The first event of a type.
    pub(crate) fn event(&self, kind: &str) -> Value {
        let events = self.events();
        events
            .into_iter()
            .find(|event| event["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind}: {:?}", self.types()))
    }

    /// The one JSON answer.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.frames.len(), 1, "{:?}", self.refused);
        serde_json::from_str(&self.bytes()).unwrap()
    }

    /// The refusal that becomes the HTTP answer.
    pub(crate) fn reject(&self) -> &Reject {
        assert!(self.frames.is_empty());
        self.refused.as_ref().expect("a refusal")
    }
}

/// Writes a stream of the backend, with numbers.
#[derive(Default)]
pub(crate) struct Backend {
    wire: String,
    number: u64,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An event with the next number.
    pub(crate) fn event(mut self, kind: &str, mut members: Value) -> Self {
        let mut event = json!({"type": kind, "sequence_number": self.number});
        self.number += 1;
        event.as_object_mut().unwrap().append(members.as_object_mut().unwrap());
        self.wire += &format!("event: {kind}\ndata: {event}\n\n");
        self
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, wire: &str) -> Self {
        self.wire += wire;
        self
    }

    /// `response.created` and `response.in_progress`.
    pub(crate) fn begun(self) -> Self {
        let response = json!({"response": response("in_progress")});
        self.event("response.created", response.clone()).event("response.in_progress", response)
    }

    /// A message whose text comes in these pieces.
    pub(crate) fn message(self, index: u64, pieces: &[&str]) -> Self {
        let (id, text) = (format!("msg_{index}"), pieces.concat());
        let place = json!({"item_id": id, "output_index": index, "content_index": 0});
        let with = |more: Value| {
            let mut members = place.clone();
            members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            members
        };
        let begun = json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []});
        let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        let mut backend = self
            .event("response.output_item.added", json!({"output_index": index, "item": begun}))
            .event("response.content_part.added", with(json!({ "part": part })));
        for piece in pieces {
            backend = backend.event("response.output_text.delta", with(json!({"delta": piece, "logprobs": []})));
        }
        let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        backend
            .event("response.output_text.done", with(json!({"text": text, "logprobs": []})))
            .event("response.content_part.done", with(json!({ "part": part })))
            .event("response.output_item.done", json!({"output_index": index, "item": message(index, &text)}))
    }

    /// A reasoning item with a summary.
    pub(crate) fn reasoning(self, index: u64) -> Self {
        let item =
            json!({"id": format!("rs_{index}"), "type": "reasoning", "summary": [], "encrypted_content": "gAAA"});
        let place =
            json!({"item_id": format!("rs_{index}"), "output_index": index, "summary_index": 0, "delta": "**Plan"});
        self.event("response.output_item.added", json!({"output_index": index, "item": item}))
            .event("response.reasoning_summary_text.delta", place)
            .event("response.output_item.done", json!({"output_index": index, "item": item}))
    }

    /// A function call, with the keys that the backend sends.
    pub(crate) fn function_call(self, index: u64) -> Self {
        let call = |status: &str, arguments: &str| {
            json!({"output_index": index, "item": {"id": format!("fc_{index}"), "type": "function_call", "status": status,
                "name": "look", "call_id": "call_1", "arguments": arguments}})
        };
        let place = |key: &str| json!({"item_id": format!("fc_{index}"), "output_index": index, key: "{\"a\":1}"});
        self.event("response.output_item.added", call("in_progress", ""))
            .event("response.function_call_arguments.delta", place("delta"))
            .event("response.function_call_arguments.done", place("arguments"))
            .event("response.output_item.done", call("completed", "{\"a\":1}"))
    }

    /// The terminal, with this output.
    pub(crate) fn completed(self, output: Value) -> Self {
        let mut response = response("completed");
        response["output"] = output;
        response["usage"] = usage();
        self.event("response.completed", json!({ "response": response }))
    }

    /// The stream on the wire.
    pub(crate) fn wire(&self) -> &str {
        &self.wire
    }
}

/// A finished message.
pub(crate) fn message(index: u64, text: &str) -> Value {
    json!({"id": format!("msg_{index}"), "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

/// Usage as the backend reports it.
pub(crate) fn usage() -> Value {
    json!({"input_tokens": 12, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 17})
}

/// A response object with every key of the schema.
pub(crate) fn response(status: &str) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1_794_000_000, "status": status, "completed_at": null,
        "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null, "max_tool_calls": null,
        "model": "gpt-5.5", "output": [], "parallel_tool_calls": true, "previous_response_id": null,
        "prompt_cache_key": null, "reasoning": {"effort": "medium", "summary": null}, "safety_identifier": null,
        "service_tier": "default", "store": false, "background": false, "temperature": 1.0, "top_p": 1.0,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "top_logprobs": 0,
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "tool_choice": "auto", "tools": [],
        "truncation": "disabled", "usage": null, "user": null, "metadata": {}})
}
