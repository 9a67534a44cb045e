//! The way down of `POST /v1/chat/completions`, from the outside: client bodies in, upstream requests or refusals out.

#[path = "chat/accepted.rs"]
mod accepted;
#[path = "chat/fixtures.rs"]
mod fixtures;
#[path = "chat/harness.rs"]
mod harness;
#[path = "chat/refusals.rs"]
mod refusals;
#[allow(dead_code, reason = "each surface uses its own part")]
#[path = "responses/harness.rs"]
mod responses;
#[path = "chat/untouched.rs"]
mod untouched;
