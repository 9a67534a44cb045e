//! The way down of `POST /v1/responses`, from the outside: client bodies in, upstream requests or refusals out.

#[path = "responses/checklist.rs"]
mod checklist;
#[path = "responses/compaction.rs"]
mod compaction;
#[path = "responses/fixtures.rs"]
mod fixtures;
#[path = "responses/harness.rs"]
mod harness;
#[path = "responses/input.rs"]
mod input;
#[path = "responses/items.rs"]
mod items;
#[path = "responses/lite.rs"]
mod lite;
#[path = "responses/policy.rs"]
mod policy;
#[path = "responses/refusals.rs"]
mod refusals;
#[path = "responses/replays.rs"]
mod replays;
#[path = "responses/schemas.rs"]
mod schemas;
#[path = "responses/turns.rs"]
mod turns;
#[path = "responses/untouched.rs"]
mod untouched;
