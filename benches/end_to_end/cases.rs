//! What is measured: in each case a few subjects, and the one of them that the others are compared with.

use bytes::Bytes;

use super::servers::{BACKEND, BARE, DIRECT, GATEWAY, NGINX, QUIET, RESPONSES};
use super::wire;

/// Subjects that do the same work. Their rounds take turns.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Name of the subject that all ratios are to.
    pub(super) baseline: &'static str,
    /// Name of a subject, and the most that its CPU time may be of the baseline's.
    pub(super) target: (&'static str, f64),
    /// Connections that are always busy.
    pub(super) connections: u32,
    /// Whether answers take their time: then connections begin one after the other, and rounds are three times as long.
    pub(super) slow: bool,
    pub(super) subjects: Vec<Subject>,
}

/// Who is asked, and for what.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Name of the server.
    pub(super) server: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Bytes,
}

const CONNECTIONS: u32 = 64;
const ANSWER: &str = "responses";
const CHAT: &str = "chat";
const CHAT_PATH: &str = "/v1/chat/completions";

// What the upstream answers with stands in their text.
const COLLECT: &str = r#"{"model":"gpt-5.5","input":"Count to fifty","stream":false}"#;
const STREAM: &str = r#"{"model":"gpt-5.5","input":"Count to fifty","stream":true}"#;
const PACED: &str = r#"{"model":"gpt-5.5","input":"Count one by one","stream":true}"#;
const NATIVE: &str = r#"{"model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Count to fifty"}]}],"tools":[],"tool_choice":"auto","parallel_tool_calls":false,"store":false,"stream":true,"include":[],"prompt_cache_key":"bench"}"#;
const CHAT_COLLECT: &str =
    r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"Count to fifty"}],"stream":false}"#;
const CHAT_STREAM: &str = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"Count to fifty"}],"stream":true,"stream_options":{"include_usage":true}}"#;

/// All cases.
pub(super) fn cases() -> [Case; 9] {
    [
        servers("stream, 50 events", RESPONSES, STREAM, 0.75),
        Case { slow: true, ..servers("stream, one per 10 ms", RESPONSES, PACED, 1.3) },
        servers("collect, 50 events", RESPONSES, COLLECT, 1.0),
        servers("native stream, 50 events", BACKEND, NATIVE, 0.7),
        chat("chat collect, 50 events", COLLECT, CHAT_COLLECT),
        chat("chat stream, 50 events", STREAM, CHAT_STREAM),
        body("body of 256 KB", 256 << 10, 32),
        body("body of 1 MB", 1 << 20, 16),
        body("body of 8 MB", 8 << 20, 8),
    ]
}

/// The same request to every server; `path`: where gateways take it.
fn servers(name: &'static str, path: &'static str, body: &'static str, target: f64) -> Case {
    let subject = |(server, path)| Subject { name: server, server, path, body: Bytes::from_static(body.as_bytes()) };
    let all = [(DIRECT, BACKEND), (NGINX, BACKEND), (BARE, BACKEND), (GATEWAY, path), (QUIET, path)];
    let subjects = all.map(subject).into();
    Case { name, baseline: BARE, target: (GATEWAY, target), connections: CONNECTIONS, slow: false, subjects }
}

/// The same question to one gateway, as a chat and as a request for a response.
fn chat(name: &'static str, response: &'static str, chat: &'static str) -> Case {
    let subject = |(name, path, body): (_, _, &'static str)| Subject {
        name,
        server: GATEWAY,
        path,
        body: Bytes::from_static(body.as_bytes()),
    };
    let subjects = [(ANSWER, RESPONSES, response), (CHAT, CHAT_PATH, chat)].map(subject).into();
    Case { name, baseline: ANSWER, target: (CHAT, 1.3), connections: CONNECTIONS, slow: false, subjects }
}

/// A large request, about this large in bytes, and a short answer.
fn body(name: &'static str, size: usize, connections: u32) -> Case {
    let body = wire::request(size);
    let all = [(DIRECT, BACKEND), (NGINX, BACKEND), (BARE, BACKEND), (GATEWAY, RESPONSES)];
    let subjects = all.map(|(server, path)| Subject { name: server, server, path, body: body.clone() }).into();
    Case { name, baseline: BARE, target: (GATEWAY, 1.5), connections, slow: false, subjects }
}
