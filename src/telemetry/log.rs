//! The log: one subscriber for our own events. The records of the libraries beneath us stay out of it: at their finest level they hold
//! whole heads, with the tokens in them, and paths with what was asked.

use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::config::{Log, LogFormat};

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be started: {0}")]
pub struct LogError(String);

/// Whether an event may stand in the log at all. Most libraries write to another kind of log, which nobody reads; the one of HTTP/2 does not.
#[must_use]
pub fn may_be_logged(event: &Metadata<'_>) -> bool {
    event.target().split("::").next() != Some("h2")
}

/// Starts the log of this process, on standard error. To be called once.
///
/// # Errors
/// The filter is not valid, or a log is there already.
pub fn start_log(log: &Log) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|e| LogError(e.to_string()))?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let kept = registry().with(filter).with(filter_fn(may_be_logged));
    let started = match log.format {
        LogFormat::Text => kept.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => kept.with(lines.json()).try_init(),
    };
    started.map_err(|e| LogError(e.to_string()))
}
