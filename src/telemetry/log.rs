//! The log: one subscriber for our own events. The `log` records of the libraries beneath us stay out of it: at their finest level they hold
//! whole heads, with the tokens in them.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be started: {0}")]
pub struct LogError(String);

/// Starts the log of this process, on standard error. To be called once.
///
/// # Errors
/// The filter is not valid, or a log is there already.
pub fn start_log(log: &Log) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|e| LogError(e.to_string()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|e| LogError(e.to_string()))
}
