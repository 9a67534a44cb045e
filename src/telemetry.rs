//! What operators see: metrics and the log. No label and no line carries a prompt, an answer, a key or a token.

mod log;
mod metrics;

pub use log::{LogError, may_be_logged, start_log};
pub(crate) use metrics::Load;
pub use metrics::Metrics;
