//! One suite of tests that every engine passes: what holds for one must hold for all.

mod catalog;
mod control;
mod files;
pub(crate) mod fixtures;
mod ledger;
mod model;
mod tokens;
mod usage;

use super::engine::Engine;
use super::{CatalogStore, ControlStore, FileStore, LedgerStore, MemoryStore, SledOptions, SledStore, TokenStore};

/// An engine under test, which can be stopped and started again.
pub(super) trait Bench: Sized {
    type Store: ControlStore + TokenStore + LedgerStore + FileStore + CatalogStore + Engine;
    fn fresh() -> Self;
    fn store(&self) -> &Self::Store;
    /// The same data in the next boot.
    fn reboot(self) -> Self;
}

pub(super) struct Memory(MemoryStore);

impl Bench for Memory {
    type Store = MemoryStore;

    fn fresh() -> Self {
        Self(MemoryStore::new())
    }

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn reboot(self) -> Self {
        Self(self.0.rebooted())
    }
}

pub(super) struct Sled {
    store: SledStore,
    directory: tempfile::TempDir,
}

impl Bench for Sled {
    type Store = SledStore;

    fn fresh() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { store: SledStore::open(&SledOptions::new(directory.path().join("store"))).unwrap(), directory }
    }

    fn store(&self) -> &SledStore {
        &self.store
    }

    fn reboot(self) -> Self {
        self.store.close();
        let store = SledStore::open(&SledOptions::new(self.directory.path().join("store"))).unwrap();
        Self { store, directory: self.directory }
    }
}

/// Runs each of these tests on each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $test() { super::$test::<crate::store::conformance::Memory>().await; })+
        }
        mod in_sled {
            $(#[tokio::test] async fn $test() { super::$test::<crate::store::conformance::Sled>().await; })+
        }
    };
}
use on_every_engine;
