//! The fixed trees, and the one way to change them: one transaction over all trees that a group touches.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::Mutex;
use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use super::still::Taking;
use crate::store::StoreError;
use crate::store::codec::Table;
use crate::store::draft::{Order, Rows, Visit, Writes};

pub(super) struct Trees {
    db: sled::Db,
    /// By [`Table::index`].
    trees: Vec<sled::Tree>,
    /// A picture that is being taken (`still`). Held while a group is written, so that none begins in the middle of one.
    pub(super) taking: Mutex<Option<Taking>>,
}

impl Trees {
    pub(super) fn new(db: sled::Db) -> Result<Self, sled::Error> {
        let trees = Table::ALL.iter().map(|table| db.open_tree(table.name())).collect::<Result<_, _>>()?;
        Ok(Self { db, trees, taking: Mutex::new(None) })
    }

    pub(super) fn tree(&self, table: Table) -> &sled::Tree {
        &self.trees[table.index()]
    }

    /// Writes all rows or none. Not durable before [`Self::flush`] and a sync of the file.
    pub(super) fn write(&self, writes: Writes) -> Result<(), sled::Error> {
        let mut taking = self.taking.lock();
        if let Some(taking) = taking.as_mut() {
            taking.keep(&writes, |table, key| self.get(table, key));
        }
        let mut tables: Vec<Table> = writes.keys().map(|(table, _)| *table).collect();
        tables.dedup();
        let mut batches = vec![sled::Batch::default(); tables.len()];
        for ((table, key), change) in writes {
            let batch = &mut batches[tables.partition_point(|other| *other < table)];
            match change {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let trees: Vec<sled::Tree> = tables.iter().map(|table| self.tree(*table).clone()).collect();
        let written = trees[..].transaction(|views| {
            for (view, batch) in views.iter().zip(&batches) {
                view.apply_batch(batch)?;
            }
            Ok::<(), ConflictableTransactionError<()>>(())
        });
        match written {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(error),
            Err(TransactionError::Abort(())) => Err(sled::Error::Unsupported("a write aborted itself".to_owned())),
        }
    }

    /// Hands everything to the operating system.
    pub(super) fn flush(&self) -> Result<(), sled::Error> {
        self.db.flush().map(drop)
    }

    /// Puts bytes under a key as they are, past all checks.
    #[cfg(test)]
    pub(super) fn raw(&self, table: Table) -> &sled::Tree {
        self.tree(table)
    }
}

impl Rows for Trees {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = barrier(|| self.tree(table).get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, keys: Range<Vec<u8>>, order: Order, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut rows = self.tree(table).range(keys);
        let mut next = || barrier(|| if order == Order::Rising { rows.next() } else { rows.next_back() }.transpose());
        while let Some((key, value)) = next()? {
            if visit(&key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Reads, where some damage makes the engine panic: that is damage too, and no end of the program.
fn barrier<T>(read: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| read_error(&error)),
        Err(_) => Err(StoreError::Corrupt("the engine panicked while it read".to_owned())),
    }
}

pub(super) fn read_error(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => StoreError::Corrupt(error.to_string()),
        sled::Error::Io(_)
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => StoreError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_damage() {
        assert_eq!(barrier(|| Ok(7)), Ok(7));
        let read = barrier::<()>(|| panic!("tried to read an uninitialised page"));
        assert!(matches!(read, Err(StoreError::Corrupt(_))));
        let refused = barrier::<()>(|| Err(sled::Error::Unsupported("x".to_owned())));
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    }
}
