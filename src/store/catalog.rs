//! The trait for the catalog: what accounts told of their models, so that a restart with an unreachable upstream still knows.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use super::records::{CatalogSeen, CatalogSource};

/// Everything that is stored of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogRows {
    /// What accounts told, by account.
    pub sources: Vec<CatalogSource>,
    /// Since when pools know models, by pool and model.
    pub seen: Vec<CatalogSeen>,
}

/// Stores the catalog. What an account told goes when the account is deleted, and what a pool saw when the pool is.
#[async_trait]
pub trait CatalogStore: fmt::Debug + Send + Sync {
    /// Everything, as it stands on disk now.
    async fn load_catalog(&self) -> Result<CatalogRows, StoreError>;

    /// Stores what an account told, in the place of what it told before. [`StoreError::NotFound`] when the account was deleted.
    async fn put_source(&self, source: CatalogSource) -> Result<(), StoreError>;

    /// Stores since when pools know models. What is stored already, and what is about a pool that is not there, stays as it is.
    async fn see(&self, seen: Vec<CatalogSeen>) -> Result<(), StoreError>;
}
