//! Configuration: the file as written is read, checked and resolved into [`Settings`]. A mistake names its file, line and key.
//!
//! | file | holds |
//! |---|---|
//! | `raw` | the file as written |
//! | `resolve` | what is written, over the defaults, checked |
//! | `settings` | the result, with the defaults |
//! | `file` | the file on the disk, or none |
//! | `chain` | the filters and their tables, which the filters read themselves |
//! | `units` | durations and sizes as text |
//! | `place` | where in the file something stands |
//! | `origin`, `catalog` | addresses for tokens; the models when none are configured |

mod catalog;
mod chain;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod origin;
mod place;
mod raw;
mod resolve;
mod settings;
mod units;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use pooler_filter::{ChainEntry, ChainError};
use serde::Deserialize;
use toml::de::DeTable;

pub use file::{ConfigFile, ReadError};
pub use origin::{Origin, OriginError};
pub use settings::{
    Accounts, Admission, AdmissionLimits, Backup, Catalog, Commit, Data, Files, Gateway, Ledger, Limits, Log,
    LogFormat, Model, Operations, Quota, Routing, Secrets, Settings, Sse, Tls, Upstream, Websocket,
};
pub use units::parse_duration;

use crate::tls::{Part, TlsError};

/// A configuration that was read: the settings, and the chain for [`pooler_filter::Registry::build_chain`].
#[derive(Debug, Clone)]
pub struct Config<'t> {
    /// What the program runs with.
    pub settings: Settings,
    /// The filters in order, with their tables.
    pub chain: Vec<ChainEntry<'t>>,
    file: String,
    text: &'t str,
    tls: Vec<TlsPlaces>,
}

/// Where the names of the files of one of `[[gateway.tls]]` stand.
#[derive(Debug, Clone)]
struct TlsPlaces {
    certificate: Range<usize>,
    key: Range<usize>,
}

impl Config<'_> {
    /// A certificate that cannot be used, at its place in the file.
    #[must_use]
    pub fn refuse_certificate(&self, error: &TlsError) -> ConfigError {
        let span = self.tls.get(error.listener).map_or(0..0, |places| match error.part {
            Part::Certificate => places.certificate.clone(),
            Part::Key => places.key.clone(),
        });
        ConfigError::at(self.text, &self.file, &Mistake::new(span, error.to_string()))
    }

    /// A mistake that building the chain found, at its place in the file.
    #[must_use]
    pub fn refuse(&self, error: &ChainError) -> ConfigError {
        ConfigError::at(self.text, &self.file, &Mistake::new(error.span.clone(), error.to_string()))
    }
}

/// Reads a configuration. `file` is the name for messages; relative paths in it are relative to `base`.
///
/// # Errors
/// The first mistake.
pub fn load<'t>(text: &'t str, file: &str, base: &Path) -> Result<Config<'t>, ConfigError> {
    let read = || -> Result<(Settings, Vec<ChainEntry<'t>>, Vec<TlsPlaces>), Mistake> {
        let mut root = DeTable::parse(text)?;
        let written = chain::take(&mut root)?;
        let raw = raw::File::deserialize(toml::Deserializer::from(root))?;
        let identity = raw.upstream.identity();
        let tls = raw.gateway.tls.iter().map(raw::Tls::places).collect();
        let settings = resolve::settings(raw, base)?;
        Ok((settings, chain::entries(written, identity)?, tls))
    };
    match read() {
        Ok((settings, chain, tls)) => Ok(Config { settings, chain, file: file.to_owned(), text, tls }),
        Err(mistake) => Err(ConfigError::at(text, file, &mistake)),
    }
}

/// A mistake in a configuration file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, with the tables it is in, such as `limits.max_body` or `chain[2].config.depth`.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl ConfigError {
    fn at(text: &str, file: &str, mistake: &Mistake) -> Self {
        let place = place::Place::of(text, &mistake.span);
        let message = printable(&mistake.message.trim().replace('\n', "; "));
        let key = printable(&place.key);
        Self { file: file.to_owned(), line: place.line, column: place.column, key, message }
    }
}

/// On one line and without orders to a terminal: keys of the file stand in it, which may be any text.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.key, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Something wrong, and the bytes of the file where it stands.
#[derive(Debug)]
struct Mistake {
    span: Range<usize>,
    message: String,
}

impl Mistake {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

impl From<toml::de::Error> for Mistake {
    fn from(error: toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or(0..0), error.message())
    }
}
