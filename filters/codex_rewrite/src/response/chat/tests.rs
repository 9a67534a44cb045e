//! Chat answers, driven as the host drives them: bytes of the backend in, bytes for the client out.

mod answer;
mod failures;
mod golden;
mod properties;
mod stream;

use super::testing as support;
