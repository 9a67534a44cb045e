//! A chat client: reads chunks as the SDKs do, and puts them together.

#![allow(clippy::unwrap_used, reason = "what is here runs in tests and fuzz targets only")]
#![cfg_attr(not(test), allow(dead_code, unused_imports, reason = "fuzz targets use a part of it"))]

use pooler_filter::{End, Frame, Out, Reject};
use serde_json::{Value, json};

use crate::echo::Form;
pub(super) use crate::response::testing::{Answer, Backend, Host, NOW, message, response, usage};

/// The id of a completion when the backend names none.
pub(super) const MADE_ID: &str = "chatcmpl-09090909090909090909090909090909";

/// A client that wants a chat stream.
pub(super) fn streaming() -> Host {
    Host::streaming().chat()
}

/// The same, with the usage at its end.
pub(super) fn with_usage() -> Host {
    let mut host = streaming();
    host.echo.form = Form::ChatUsage;
    host
}

/// A client that wants one completion.
pub(super) fn collecting() -> Host {
    Host::collecting().chat()
}

/// A chat stream, checked to be in the one form that it may have.
pub(super) struct Chat {
    pub(super) chunks: Vec<Value>,
    pub(super) error: Option<Value>,
    pub(super) done: bool,
}

impl Chat {
    pub(super) fn of(answer: &Answer) -> Self {
        Self::read(&answer.bytes())
    }

    /// Reads the bytes on the wire: data without labels, one id, time and model, the role first, nothing after the end.
    pub(super) fn read(wire: &str) -> Self {
        let mut chat = Self { chunks: Vec::new(), error: None, done: false };
        for block in wire.split_inclusive("\n\n") {
            assert!(chat.error.is_none() && !chat.done, "nothing follows the end: {block}");
            let data =
                block.strip_suffix("\n\n").and_then(|block| block.strip_prefix("data: ")).expect("one data line");
            assert!(!data.contains('\n'));
            if data == "[DONE]" {
                chat.done = true;
                continue;
            }
            let mut data: Value = serde_json::from_str(data).expect("JSON");
            match data.get_mut("error") {
                Some(error) => chat.error = Some(error.take()),
                None => chat.chunks.push(data),
            }
        }
        chat.check();
        chat
    }

    fn check(&self) {
        let Some(first) = self.chunks.first() else { return };
        assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        for chunk in &self.chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk");
            assert!(chunk["id"].as_str().unwrap().starts_with("chatcmpl-"));
            for key in ["id", "created", "model"] {
                assert_eq!(chunk[key], first[key], "{key}");
            }
        }
        let ends: Vec<usize> = (0..self.chunks.len()).filter(|at| self.reason(*at).is_some()).collect();
        assert_eq!(ends.len(), usize::from(self.done), "one reason, and only in an answer that came to its end");
        assert!(self.chunks.iter().skip(1).all(|chunk| chunk["choices"][0]["delta"].get("role").is_none()));
    }

    fn reason(&self, at: usize) -> Option<&str> {
        self.chunks[at]["choices"][0]["finish_reason"].as_str()
    }

    /// The deltas between the role and the end.
    pub(super) fn deltas(&self) -> Vec<Value> {
        let choices = self.chunks.iter().skip(1).filter_map(|chunk| chunk["choices"].get(0));
        choices.filter(|choice| choice["finish_reason"].is_null()).map(|choice| choice["delta"].clone()).collect()
    }

    pub(super) fn finish_reason(&self) -> &str {
        (0..self.chunks.len()).find_map(|at| self.reason(at)).expect("a reason")
    }

    /// What the deltas say together, as the SDKs add them up.
    pub(super) fn message(&self) -> Value {
        let (mut content, mut refusal, mut calls) = (String::new(), String::new(), Vec::<Value>::new());
        for delta in self.deltas() {
            content += delta["content"].as_str().unwrap_or_default();
            refusal += delta["refusal"].as_str().unwrap_or_default();
            for call in delta["tool_calls"].as_array().unwrap_or(&Vec::new()) {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                if index == calls.len() {
                    calls.push(call.clone());
                    continue;
                }
                assert!(call.get("id").is_none() && call.get("type").is_none(), "{call}");
                for (member, given) in [("function", "arguments"), ("custom", "input")] {
                    if let Some(more) = call[member][given].as_str() {
                        let text = format!("{}{more}", calls[index][member][given].as_str().unwrap());
                        calls[index][member][given] = text.into();
                    }
                }
            }
        }
        json!({"content": content, "refusal": refusal, "tool_calls": calls})
    }
}

/// Runs a whole stream.
pub(super) fn chat(stream: &Backend) -> Chat {
    Chat::of(&streaming().run(stream.wire()))
}

/// A completion of one stream.
pub(super) fn completion(stream: &Backend) -> Value {
    collecting().run(stream.wire()).json()
}

/// Sends frames until the stage refuses; what it had pushed by then, and the refusal.
pub(super) fn until_refused(host: &Host, frames: Vec<Frame>) -> (usize, Option<Reject>) {
    let (mut stage, _, mut cx) = host.start();
    let mut out = Out::new();
    let refused = frames.into_iter().find_map(|frame| stage.frame(frame, &mut out, &mut cx).err());
    (out.drain().count(), refused)
}

/// The one error chunk of a stream whose status was sent before it failed.
pub(super) fn failed(host: &Host, frames: Vec<Frame>, end: End) -> Value {
    let chat = Chat::of(&host.run_frames(frames, end));
    assert!(chat.chunks.is_empty() && !chat.done);
    chat.error.expect("an error")
}

/// An item with a call of a function.
pub(super) fn function(index: u64, status: &str, arguments: &str) -> Value {
    json!({"id": format!("fc_{index}"), "type": "function_call", "status": status, "call_id": format!("call_{index}x"),
        "name": format!("tool_{index}"), "arguments": arguments})
}

/// An item with a call of a custom tool.
pub(super) fn custom(index: u64, input: &str) -> Value {
    json!({"id": format!("ctc_{index}"), "type": "custom_tool_call", "call_id": format!("call_{index}x"),
        "name": format!("tool_{index}"), "input": input})
}
