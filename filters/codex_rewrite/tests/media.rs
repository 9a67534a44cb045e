//! The way down of images, transcriptions and compaction, from the outside: client bodies in, upstream requests or refusals out.

#[path = "media/compact.rs"]
mod compact;
#[path = "media/harness.rs"]
mod harness;
#[path = "media/images.rs"]
mod images;
#[path = "media/transcribe.rs"]
mod transcribe;
