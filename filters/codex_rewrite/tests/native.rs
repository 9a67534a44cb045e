//! The native surface from the outside: what Codex CLI sends and what goes upstream, what the backend answers and what the client gets.

#[path = "native/answers.rs"]
mod answers;
#[path = "native/compact.rs"]
mod compact;
#[path = "native/harness.rs"]
mod harness;
#[path = "native/headers.rs"]
mod headers;
#[path = "native/requests.rs"]
mod requests;
#[path = "native/turns.rs"]
mod turns;
