//! How a filter is made: a name, a contract, a typed configuration.

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use crate::{Affinity, Catalog, Clock, Contract, Files, Filter, Keyring, Ledger, Logins, PoolView, Port, Ports};

/// Makes a filter out of its configuration. Built-in filters and those of third parties are registered alike.
pub trait FilterFactory: Send + Sync + 'static {
    /// The name in the configuration, in lower case with underscores.
    const NAME: &'static str;
    /// What the filter needs and gives.
    const CONTRACT: Contract;
    /// Its configuration; derive `Deserialize` with `deny_unknown_fields`.
    type Config: DeserializeOwned;

    /// Makes the filter, once, at load.
    fn build(config: Self::Config, cx: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError>;
}

/// The table of a filter as it stands in the configuration file, with its place, so that a mistake inside it names its line.
#[derive(Debug, Clone)]
pub struct RawConfig<'a>(Spanned<DeTable<'a>>);

impl<'a> RawConfig<'a> {
    /// Takes a table with its place in the file.
    #[must_use]
    pub const fn new(table: Spanned<DeTable<'a>>) -> Self {
        Self(table)
    }

    /// An empty table.
    #[must_use]
    pub fn empty() -> Self {
        Self(Spanned::new(0..0, DeTable::new()))
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, BuildError> {
        T::deserialize(toml::Deserializer::from(self.0.clone())).map_err(|e| BuildError::Config {
            message: e.message().into(),
            span: e.span().unwrap_or_else(|| self.0.span()),
        })
    }
}

/// Why a chain cannot be built. Each names its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A mistake in the table of a filter.
    #[error("{message}")]
    Config {
        /// What is wrong.
        message: String,
        /// Where, in bytes of the configuration file.
        span: Range<usize>,
    },
    /// The filter itself refuses its configuration.
    #[error("{0}")]
    Refused(String),
    /// A port is used that the contract does not name.
    #[error("uses port {0:?}, which its contract does not name")]
    UndeclaredPort(Port),
}

/// What the host lends to a filter at load: the ports that its contract names.
#[derive(Debug)]
pub struct FilterContext<'a> {
    ports: &'a Ports,
    contract: &'a Contract,
}

macro_rules! port {
    ($(#[$doc:meta])* $method:ident, $variant:ident, $trait:ident, $field:ident) => {
        $(#[$doc])*
        pub fn $method(&self) -> Result<Arc<dyn $trait>, BuildError> {
            self.lend(Port::$variant, &self.ports.$field)
        }
    };
}

impl<'a> FilterContext<'a> {
    /// The context for a filter with this contract.
    #[must_use]
    pub const fn new(ports: &'a Ports, contract: &'a Contract) -> Self {
        Self { ports, contract }
    }

    fn lend<T: ?Sized>(&self, port: Port, lent: &Arc<T>) -> Result<Arc<T>, BuildError> {
        if self.contract.ports.contains(&port) { Ok(Arc::clone(lent)) } else { Err(BuildError::UndeclaredPort(port)) }
    }

    port! {
        /// Verifies keys.
        keyring, Keyring, Keyring, keyring
    }
    port! {
        /// Answers the holders of an account's own login.
        logins, Logins, Logins, logins
    }
    port! {
        /// Shows the accounts of a pool.
        pool_view, PoolView, PoolView, pool
    }
    port! {
        /// Knows the models.
        catalog, Catalog, Catalog, catalog
    }
    port! {
        /// Counts.
        ledger, Ledger, Ledger, ledger
    }
    port! {
        /// Remembers who served whom.
        affinity, Affinity, Affinity, affinity
    }
    port! {
        /// Knows the uploaded files.
        files, Files, Files, files
    }
    port! {
        /// Tells the time.
        clock, Clock, Clock, clock
    }
}
