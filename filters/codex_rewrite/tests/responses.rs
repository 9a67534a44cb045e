//! The way down of `POST /v1/responses`, from the outside: client bodies in, upstream requests or refusals out.

#[path = "responses/checklist.rs"]
mod checklist;
#[path = "responses/fixtures.rs"]
mod fixtures;
#[path = "responses/harness.rs"]
mod harness;
#[path = "responses/input.rs"]
mod input;
#[path = "responses/policy.rs"]
mod policy;
#[path = "responses/refusals.rs"]
mod refusals;
#[path = "responses/schemas.rs"]
mod schemas;
#[path = "responses/untouched.rs"]
mod untouched;
