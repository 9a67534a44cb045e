//! The store of tests: the same steps and the same bytes, in a map that is gone with the process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::StoreError;
use super::codec::Table;
use super::draft::{Draft, Order, Rows, Visit};
use super::engine::{Engine, View, Work};
use super::ledger::CommitStats;
use super::open::Open;

#[derive(Debug, Default)]
struct Tables(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

/// A store in memory. Every step is done when the call returns.
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    open: Mutex<Open>,
    stats: Mutex<CommitStats>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { tables: Arc::default(), open: Mutex::default(), stats: Mutex::default() }
    }

    /// The same rows as the next boot of the process finds them.
    #[must_use]
    pub fn rebooted(&self) -> Self {
        let open = Open::load(&*self.tables.lock()).expect("a map can always be read");
        Self { tables: self.tables.clone(), open: Mutex::new(open), stats: Mutex::default() }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Rows for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, keys: Range<Vec<u8>>, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        if keys.start > keys.end {
            return Ok(());
        }
        let mut rows = self.0.range((table, keys.start)..(table, keys.end));
        let mut next = || if order == Order::Rising { rows.next() } else { rows.next_back() };
        while let Some(((_, key), bytes)) = next() {
            if visit(key, bytes)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Engine for MemoryStore {
    fn enqueue(&self, work: Work) -> Result<(), (Work, StoreError)> {
        let mut tables = self.tables.lock();
        let mut open = self.open.lock();
        let mut draft = Draft::new(&*tables, &mut open);
        let finish = work.run(&mut draft);
        let written = draft.into_writes().map(|writes| {
            for (place, change) in writes {
                match change {
                    Some(bytes) => drop(tables.0.insert(place, bytes)),
                    None => drop(tables.0.remove(&place)),
                }
            }
        });
        drop((tables, open));
        {
            let mut stats = self.stats.lock();
            stats.commits += 1;
            stats.operations += 1;
        }
        finish(written);
        Ok(())
    }

    async fn view<T: Send + 'static>(&self, view: View<T>) -> Result<T, StoreError> {
        view(&*self.tables.lock())
    }

    fn stats(&self) -> CommitStats {
        *self.stats.lock()
    }
}
