//! The way up, driven as the host drives it: bytes of the backend in, bytes for the client out.

mod collect;
mod compact;
mod compaction;
mod failures;
mod framing;
mod images;
mod neutral;
mod normalisation;
mod properties;
mod transcribe;

use super::testing as support;
