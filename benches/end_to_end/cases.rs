//! What is measured: in each case a few subjects, and the one of them that the others are compared with.

use super::servers::{BARE, DIRECT, GATEWAY, NGINX, QUIET};

/// Subjects that do the same work. Their rounds take turns.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Name of the subject that all ratios are to.
    pub(super) baseline: &'static str,
    pub(super) subjects: Vec<Subject>,
}

/// Who is asked, and for what.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Name of the server.
    pub(super) server: &'static str,
    pub(super) path: &'static str,
    pub(super) body: &'static str,
}

/// Where the backend takes responses.
const BACKEND: &str = "/backend-api/codex/responses";
const RESPONSES: &str = "/v1/responses";
const CHAT: &str = "/v1/chat/completions";

// The upstream answers with 50 events where it reads `fifty`, else with 9.
const RESPONSE_NINE: &str = r#"{"model":"gpt-5.5","input":"Say hello","stream":false}"#;
const RESPONSE_FIFTY: &str = r#"{"model":"gpt-5.5","input":"Count to fifty","stream":true}"#;
const NATIVE_FIFTY: &str = r#"{"model":"gpt-5.5","instructions":"","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Count to fifty"}]}],"tools":[],"tool_choice":"auto","parallel_tool_calls":false,"store":false,"stream":true,"include":[],"prompt_cache_key":"bench"}"#;
const CHAT_NINE: &str = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"Say hello"}],"stream":false}"#;
const CHAT_FIFTY: &str = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"Count to fifty"}],"stream":true,"stream_options":{"include_usage":true}}"#;

/// All cases.
pub(super) fn cases() -> [Case; 5] {
    [
        servers("collect, 9 events", RESPONSES, RESPONSE_NINE),
        servers("stream, 50 events", RESPONSES, RESPONSE_FIFTY),
        servers("native stream, 50 events", BACKEND, NATIVE_FIFTY),
        chat("chat collect, 9 events", RESPONSE_NINE, CHAT_NINE),
        chat("chat stream, 50 events", RESPONSE_FIFTY, CHAT_FIFTY),
    ]
}

/// The same request to every server; `path`: where gateways take it.
fn servers(name: &'static str, path: &'static str, body: &'static str) -> Case {
    let subject = |(server, path)| Subject { name: server, server, path, body };
    let all = [(DIRECT, BACKEND), (NGINX, BACKEND), (BARE, BACKEND), (GATEWAY, path), (QUIET, path)];
    Case { name, baseline: BARE, subjects: all.map(subject).into() }
}

/// The same question to one gateway, as a chat and as a request for a response.
fn chat(name: &'static str, response: &'static str, chat: &'static str) -> Case {
    let subject = |(name, path, body)| Subject { name, server: GATEWAY, path, body };
    let both = [("responses", RESPONSES, response), ("chat", CHAT, chat)];
    Case { name, baseline: "responses", subjects: both.map(subject).into() }
}
